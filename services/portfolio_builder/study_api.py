"""HTTP of studies: run, look, cancel, take the tear-sheet, propose, run again."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.domain.signals import plain
from services.domain.users import Permission
from services.domain.values import Frozen, Instant
from services.portfolio_builder.allocations import Proposal, StrategyId
from services.portfolio_builder.jobs.documents import (
    FileName,
    JobOrigin,
    JobStatus,
    Performance,
    StudyJob,
)
from services.portfolio_builder.jobs.seed_words import Constructor, request_of
from services.portfolio_builder.jobs.service import Search, StudyJobs
from services.portfolio_builder.study import StudyRequest
from services.portfolio_builder.study_result import StudyResult

_READ = problem_responses(401, 403, 404, 422, 500, 503)
_WRITE = problem_responses(401, 403, 404, 409, 413, 422, 429, 500, 503)
_TAGS: Final[list[str | Enum]] = ["studies"]
_BASE: Final = "/api/v1/portfolio-tests"
#: The page brings all it needs; nothing in it may run or call home.
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]


class SeedRun(BaseModel):
    """A study as the seed's clients ask for it.

    Attributes:
        strategies: whose records take part; empty = every active one that has a record.
        constructor: one of the seed's optimizers; docs/allocations.md says what each became.
    """

    model_config = ConfigDict(extra="forbid")

    strategies: Annotated[tuple[StrategyId, ...], Field(max_length=1000)] = ()
    constructor: Constructor = Constructor.MAX_HYBRID


class ProposeBody(BaseModel):
    """Why the weights of a study are proposed."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class StudyView(Frozen):
    """A study: what was asked, how far it is, what it found.

    Attributes:
        progress: 0 to 1.
        allocations: what it proposes, in percent of equity; empty until it is DONE.
        performance: of it, out of sample where it was tried on such days.
        files: what it has left to take.
        inputs_sha256: of the records and the allocation as used; empty until they are taken.
        identical: of a rerun: whether it found the same, bit for bit; None = no rerun, or not yet.
    """

    test_id: str
    status: JobStatus
    origin: JobOrigin
    request: StudyRequest
    requested_by: str
    requested_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    progress: float
    doing: str
    cancel_requested_at: Instant | None
    canceled_by: str
    error_code: str
    error: str
    allocations: dict[str, Decimal]
    performance: Performance | None
    warnings: tuple[str, ...]
    files: tuple[FileName, ...]
    compared_with_version: int
    code_version: str
    inputs_sha256: str
    rerun_of: str | None
    identical: bool | None
    proposal_id: str | None
    archived_at: Instant | None


def _kind_of(body: Any) -> str:  # noqa: ANN401 - whatever was sent
    if isinstance(body, dict):
        return "seed" if {"strategies", "constructor"} & body.keys() else "study"
    return "seed" if isinstance(body, SeedRun) else "study"


RunBody = Annotated[
    Annotated[SeedRun, Tag("seed")] | Annotated[StudyRequest, Tag("study")],
    Discriminator(_kind_of),
]


def add_study_routes(app: FastAPI, studies: StudyJobs, *, max_total_ratio: Decimal) -> None:
    """Serve who may; `max_total_ratio` is the most that may be approved."""
    _add_jobs(app, studies, float(max_total_ratio))
    _add_results(app, studies)


def _add_jobs(app: FastAPI, studies: StudyJobs, max_total_ratio: float) -> None:
    @app.post(f"{_BASE}/run", status_code=202, responses=_WRITE, tags=_TAGS)
    def run_portfolio_test(body: RunBody, by: Admin) -> StudyView:
        """Queue a study, as the seed's body or as a study of ours; look at `progress` for its end.

        Studies run one after the other, in a process of their own.
        """
        if isinstance(body, SeedRun):
            names = body.strategies or studies.included()
            body = request_of(body.constructor, names, max_total_ratio=max_total_ratio)
        return view_of(studies.start(body, by=by.name))

    @app.get(_BASE, responses=_READ, tags=_TAGS)
    def list_portfolio_tests(_by: Reader, search: Annotated[Search, Query()]) -> list[StudyView]:
        """Studies, the newest first; `before` the `requested_at` of the last one is the next page.

        Archived ones are left out unless `archived` says otherwise.
        """
        return [view_of(each) for each in studies.search(search)]

    @app.get(f"{_BASE}/{{test_id}}", responses=_READ, tags=_TAGS)
    def get_portfolio_test(test_id: str, _by: Reader) -> StudyView:
        """One study."""
        return view_of(studies.one(test_id))

    @app.post(f"{_BASE}/{{test_id}}/cancel", status_code=202, responses=_WRITE, tags=_TAGS)
    def cancel_portfolio_test(test_id: str, by: Admin) -> StudyView:
        """End a study that waits or runs; a running one ends within seconds."""
        return view_of(studies.cancel(test_id, by=by.name))

    @app.delete(f"{_BASE}/{{test_id}}", responses=_WRITE, tags=_TAGS)
    def archive_portfolio_test(test_id: str, by: Admin) -> StudyView:
        """Archive a study that is at its end; what it used and found stays."""
        return view_of(studies.archive(test_id, by=by.name))

    @app.post(f"{_BASE}/{{test_id}}/rerun", status_code=202, responses=_WRITE, tags=_TAGS)
    def rerun_portfolio_test(test_id: str, by: Admin) -> StudyView:
        """Run it again from its stored inputs; `identical` says whether it found the same."""
        return view_of(studies.rerun(test_id, by=by.name))

    @app.post(f"{_BASE}/{{test_id}}/propose", status_code=201, responses=_WRITE, tags=_TAGS)
    def propose_portfolio_test(test_id: str, body: ProposeBody, by: Admin) -> Proposal:
        """Make its weights a proposal; it trades nothing until a person approves it."""
        return studies.propose(test_id, by=by.name, reason=body.reason)


def _add_results(app: FastAPI, studies: StudyJobs) -> None:
    @app.get(f"{_BASE}/{{test_id}}/result", response_model=StudyResult, responses=_READ, tags=_TAGS)
    def get_portfolio_test_result(test_id: str, _by: Reader) -> Response:
        """Everything that it found: weights, windows, curves, figures, certificate."""
        text = studies.file(test_id, FileName.RESULT)
        return Response(text, media_type="application/json")

    @app.get(
        f"{_BASE}/{{test_id}}/tearsheet",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **_READ},
        tags=_TAGS,
    )
    def get_portfolio_test_tearsheet(test_id: str, _by: Reader) -> Response:
        """The tear-sheet: one page that needs nothing else."""
        page = studies.file(test_id, FileName.TEARSHEET)
        return Response(page, media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)

    @app.get(
        f"{_BASE}/{{test_id}}/{{table}}.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **_READ},
        tags=_TAGS,
    )
    def get_portfolio_test_csv(
        test_id: str, table: Literal["equity", "weights", "correlation", "windows"], _by: Reader
    ) -> Response:
        """One table: the equity curves, weights by window, correlations, or windows."""
        text = studies.file(test_id, FileName(table))
        name = f"{test_id}_{table}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def view_of(job: StudyJob) -> StudyView:
    """A study as it is shown."""
    summary = job.summary
    kept = job.model_dump(include=StudyView.model_fields.keys() - {"files"})
    return StudyView(
        **kept,
        request=job.request,
        allocations={row.strategy_id: Decimal(plain(row.ratio * 100)) for row in summary.weights}
        if summary
        else {},
        performance=summary.performance if summary else None,
        warnings=summary.warnings if summary else (),
        files=tuple(job.files),
        compared_with_version=job.current_version,
        inputs_sha256=job.inputs.sha256 if job.inputs else "",
    )
