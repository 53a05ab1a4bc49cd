"""A study job as it is stored, and what may become of it. Pure.

QUEUED → RUNNING → DONE | FAILED | CANCELED; a RUNNING one whose worker died is run again from the
parts that it had finished.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from services.domain.values import Frozen, Instant
from services.portfolio_builder.allocations import AllocationRow, Evidence
from services.portfolio_builder.constraints import Method
from services.portfolio_builder.study import StudyRequest

#: Deaths of a worker without a part finished in between, after which the study is given up.
MOST_DEATHS: Final = 3

Number = Annotated[float, Field(allow_inf_nan=False)]


class JobStatus(StrEnum):
    """How far a study has come."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


#: What still wants a worker.
OPEN: Final = (JobStatus.QUEUED, JobStatus.RUNNING)


class JobOrigin(StrEnum):
    """Who wanted a study."""

    PERSON = "PERSON"
    SCHEDULE = "SCHEDULE"


class FileName(StrEnum):
    """What a study leaves."""

    RESULT = "result"
    TEARSHEET = "tearsheet"
    EQUITY = "equity"
    WEIGHTS = "weights"
    CORRELATION = "correlation"
    WINDOWS = "windows"


class StoredFile(Frozen):
    """A compressed text in pieces, because a document has 16 MB at most.

    Attributes:
        key: of its pieces.
        pieces: how many.
        size_bytes: before compression.
        sha256: of the text; it is compared with each reading.
    """

    key: str
    pieces: int
    size_bytes: int
    sha256: str


class Performance(Frozen):
    """Four figures of a study for a list; ratios, out of sample where it was tried on such days.

    Attributes:
        out_of_sample: False = fitted to the very days that they are of.
    """

    out_of_sample: bool = False
    cagr: Number | None = None
    sharpe: Number | None = None
    max_drawdown: Number | None = None
    volatility: Number | None = None


class Summary(Frozen):
    """What a list shows of a result, and what a proposal takes from it.

    Attributes:
        weights: ratios of equity that it proposes.
        warnings: what a person must know first.
        data_hash: of the records as used.
    """

    weights: tuple[AllocationRow, ...]
    performance: Performance
    evidence: Evidence
    warnings: tuple[str, ...] = ()
    data_hash: str = ""


class StudyJob(Frozen):
    """A study: what was asked, how far it is, what it left.

    Attributes:
        request_json: the `StudyRequest`, as text, because ids may be keys that the store refuses.
        current: what was allocated when it was asked for; it is compared with it.
        current_version: of that allocation.
        progress: 0 to 1.
        doing: what is done now, or was last.
        epoch: grows with each worker; one that is not the newest may write nothing.
        deaths: workers that began and did not end in order since the last finished part.
        inputs: the records as used; None = not taken yet.
        rerun_of: the study whose stored inputs it uses again.
        identical: of a rerun: whether the result is the same, bit for bit.
        propose: whether its result becomes a proposal by itself; `proposed` once that is done.
        error: why it failed, in a sentence.
    """

    test_id: str
    status: JobStatus = JobStatus.QUEUED
    origin: JobOrigin = JobOrigin.PERSON
    method: Method
    strategy_ids: tuple[str, ...]
    request_json: str
    current: tuple[AllocationRow, ...] = ()
    current_version: int = 0
    requested_by: str
    requested_at: Instant
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    doing: str = ""
    epoch: int = 0
    deaths: int = 0
    started_at: Instant | None = None
    finished_at: Instant | None = None
    cancel_requested_at: Instant | None = None
    canceled_by: str = ""
    error_code: str = ""
    error: str = ""
    archived_at: Instant | None = None
    code_version: str = ""
    inputs: StoredFile | None = None
    files: dict[FileName, StoredFile] = Field(default_factory=dict)
    summary: Summary | None = None
    rerun_of: str | None = None
    identical: bool | None = None
    propose: bool = False
    proposed: bool | None = None
    proposal_id: str | None = None

    @property
    def request(self) -> StudyRequest:
        """What was asked."""
        return StudyRequest.model_validate_json(self.request_json)

    @property
    def current_ratios(self) -> dict[str, Decimal]:
        """What was allocated, by strategy."""
        return {row.strategy_id: row.ratio for row in self.current}


def queued(  # noqa: PLR0913 - everything that is known of a study when it is asked for
    test_id: str,
    request: StudyRequest,
    *,
    by: str,
    at: datetime,
    current: tuple[AllocationRow, ...],
    current_version: int,
    origin: JobOrigin = JobOrigin.PERSON,
    propose: bool = False,
) -> StudyJob:
    """A study that waits for a worker."""
    return StudyJob(
        test_id=test_id,
        origin=origin,
        method=request.method,
        strategy_ids=request.strategy_ids,
        request_json=request.model_dump_json(),
        current=current,
        current_version=current_version,
        requested_by=by,
        requested_at=at,
        propose=propose,
    )


def rerun(job: StudyJob, test_id: str, *, by: str, at: datetime) -> StudyJob:
    """The same study once more, on the inputs that were stored with it."""
    return queued(
        test_id,
        job.request,
        by=by,
        at=at,
        current=job.current,
        current_version=job.current_version,
    ).model_copy(update={"inputs": job.inputs, "rerun_of": job.test_id})
