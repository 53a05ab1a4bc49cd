"""What an admin does with studies; they run in a process of their own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.values import Frozen, Instant
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocations import Origin, Proposal, Wish
from services.portfolio_builder.constraints import Method
from services.portfolio_builder.jobs.documents import (
    OPEN,
    FileName,
    JobOrigin,
    JobStatus,
    StudyJob,
    queued,
    rerun,
)
from services.portfolio_builder.jobs.store import JobStore
from services.portfolio_builder.record_store import RecordStore
from services.portfolio_builder.study import StudyRequest

#: Studies that may wait: each takes seconds to minutes.
MOST_OPEN: Final = 100
_LISTED: Final = 10
REFUSED_INCIDENT: Final = "REOPTIMIZATION_REFUSED"
#: What it is about: there is one schedule.
SCHEDULE: Final = "schedule"


class Search(Frozen):
    """Which studies are to be listed; None = whichever.

    Attributes:
        archived: None = both those that are archived and those that are not.
        before: only those that were asked for before then.
    """

    status: JobStatus | None = None
    method: Method | None = None
    strategy_id: str | None = None
    requested_by: str | None = None
    archived: bool | None = False
    before: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class StudyJobs:
    """Starts, shows, cancels and proposes studies."""

    def __init__(self, store: Store, allocations: Allocations) -> None:
        self._store = store
        self._allocations = allocations
        self._records = RecordStore(store)
        self.jobs = JobStore(store)

    def start(
        self,
        request: StudyRequest,
        *,
        by: str,
        origin: JobOrigin = JobOrigin.PERSON,
        propose: bool = False,
        test_id: str | None = None,
    ) -> StudyJob:
        """Queue a study.

        Args:
            request: what is wanted.
            by: who wants it.
            origin: a person, or the schedule.
            propose: whether its result becomes a proposal by itself.
            test_id: deterministic where a repeat must not start it twice; None = a new one.

        Raises:
            Refusal: a strategy is unknown or has no record, or too many studies wait.
        """
        self._check_names(request.strategy_ids)
        self._check_room()
        now = utc_now()
        current = self._allocations.current()
        # Of all that were tried the best looks good by luck alone, the more so the more there were.
        said = {"asked_on": now.date(), "trials": max(request.trials, self.jobs.count() + 1)}
        job = queued(
            test_id or f"test_{now:%Y%m%d-%H%M%S}_{uuid.uuid4().hex[:8]}",
            request.model_copy(update=said),
            by=by,
            at=now,
            current=current.allocations,
            current_version=current.version,
            origin=origin,
            propose=propose,
        )
        try:
            self.jobs.add(job, what="STUDY_ASKED")
        except DuplicateKeyError:
            return self.one(job.test_id)
        return job

    def rerun(self, test_id: str, *, by: str) -> StudyJob:
        """Run a study once more on the inputs that were stored with it.

        Raises:
            Refusal: there is none, or it has no stored inputs.
        """
        former = self.one(test_id)
        if former.status in OPEN or former.inputs is None:
            sentence = f"the study {test_id} is {former.status}: only one that has run can be again"
            raise Refusal(409, "STUDY_NOT_RUN", sentence)
        self._check_room()
        now = utc_now()
        again = rerun(former, f"test_{now:%Y%m%d-%H%M%S}_{uuid.uuid4().hex[:8]}", by=by, at=now)
        self.jobs.add(again, what="STUDY_ASKED_AGAIN")
        return again

    def _check_names(self, strategy_ids: Sequence[str]) -> None:
        twice = sorted({each for each in strategy_ids if strategy_ids.count(each) > 1})
        if twice:
            sentence = f"each strategy may be named once, {twice[0]!r} was named more often"
            raise Refusal(422, "STRATEGY_TWICE", sentence, field="strategy_ids")
        query: Document = {"_id": {"$in": list(strategy_ids)}}
        known = {str(row["_id"]) for row in self._store["strategies"].find(query, {"_id": 1})}
        unknown = [each for each in strategy_ids if each not in known]
        if unknown:
            some = ", ".join(map(repr, unknown[:_LISTED]))
            sentence = f"there is no strategy named {some}"
            raise Refusal(422, "UNKNOWN_STRATEGY", sentence, field="strategy_ids")
        recorded = self._records.recorded(strategy_ids)
        empty = [each for each in strategy_ids if each not in recorded]
        if empty:
            some = ", ".join(empty[:_LISTED])
            sentence = f"{some} has no record of daily returns: upload one, or leave it out"
            raise Refusal(422, "RECORD_MISSING", sentence, field="strategy_ids")

    def _check_room(self) -> None:
        waiting = self.jobs.count_open()
        if waiting >= MOST_OPEN:
            sentence = f"{waiting} studies wait already: cancel some, or wait"
            raise Refusal(429, "TOO_MANY_STUDIES", sentence, retry_after=60)

    def included(self) -> tuple[str, ...]:
        """Every strategy in use that has a record and is not kept out of optimization.

        Raises: Refusal: there is none.
        """
        query: Document = {
            "status": "ACTIVE",
            "archived_at": None,
            "include_in_optimization": {"$ne": False},
        }
        found = self._store["strategies"].find(query, {"_id": 1}).sort("_id", 1)
        known = [str(row["_id"]) for row in found]
        recorded = self._records.recorded(known)
        names = tuple(each for each in known if each in recorded)
        if not names:
            sentence = "no active strategy has a record of daily returns: upload one"
            raise Refusal(422, "RECORD_MISSING", sentence, field="strategies")
        return names

    def one(self, test_id: str) -> StudyJob:
        """One study. Raises: Refusal (404)."""
        found = self.jobs.get(test_id)
        if found is None:
            raise Refusal(404, "UNKNOWN_STUDY", f"there is no study {test_id!r}")
        return found

    def search(self, search: Search) -> list[StudyJob]:
        """Studies, the newest first."""
        wanted = search.model_dump(include={"status", "method", "requested_by"})
        query: Document = {name: value for name, value in wanted.items() if value is not None}
        if search.strategy_id is not None:
            query["strategy_ids"] = search.strategy_id
        if search.archived is not None:
            query["archived_at"] = {"$ne": None} if search.archived else None
        if search.before is not None:
            query["requested_at"] = {"$lt": search.before}
        return self.jobs.search(query, limit=search.limit)

    def file(self, test_id: str, name: FileName) -> str:
        """What a study left. Raises: Refusal: there is none of it."""
        job = self.one(test_id)
        file = job.files.get(name)
        if file is None:
            sentence = f"the study {test_id} is {job.status} and has no {name}"
            raise Refusal(404, "NO_SUCH_FILE", sentence)
        return self.jobs.files.load(file)

    def cancel(self, test_id: str, *, by: str) -> StudyJob:
        """End a study that is not at its end. Raises: Refusal."""
        job = self.one(test_id)
        if not self.jobs.request_cancel(test_id, by=by, at=utc_now()):
            raise Refusal(409, "STUDY_ENDED", f"the study {test_id} is {job.status} already")
        return self.one(test_id)

    def archive(self, test_id: str, *, by: str) -> StudyJob:
        """Take a study out of lists; nothing of it is lost. Raises: Refusal."""
        job = self.one(test_id)
        if job.archived_at is None and not self.jobs.archive(test_id, by=by, at=utc_now()):
            sentence = f"the study {test_id} is {job.status}: cancel it first"
            raise Refusal(409, "STUDY_OPEN", sentence)
        return self.one(test_id)

    def propose(self, test_id: str, *, by: str, reason: str) -> Proposal:
        """Make the weights of a study a proposal. Raises: Refusal."""
        job = self.one(test_id)
        return self._allocations.propose(_wish(job, by=by, reason=reason))

    def after(self, job: StudyJob) -> None:
        """Propose the result of a scheduled study, once; a person hears where that cannot be."""
        proposal_id = None
        try:
            proposal_id = self._propose_scheduled(job).proposal_id
        except Refusal as error:
            if job.status is not JobStatus.CANCELED:  # a person who cancels one knows
                self.tell_refused(f"the scheduled study {job.test_id} led to no proposal: {error}")
        else:
            clear_incident(self._store, kind=REFUSED_INCIDENT, key=SCHEDULE)
        self.jobs.note_proposed(job.test_id, proposal_id=proposal_id)

    def _propose_scheduled(self, job: StudyJob) -> Proposal:
        reason = f"scheduled re-optimization {job.test_id}"
        made = {"origin": Origin.SCHEDULE, "proposal_id": f"p_{job.test_id}"}
        wish = _wish(job, by=job.requested_by, reason=reason).model_copy(update=made)
        return self._allocations.propose(wish)

    def tell_refused(self, sentence: str) -> None:
        """Have a person see that a planned study led to nothing; the next proposal clears it."""
        raise_incident(self._store, kind=REFUSED_INCIDENT, key=SCHEDULE, sentence=sentence)


def _wish(job: StudyJob, *, by: str, reason: str) -> Wish:
    if job.status is not JobStatus.DONE or job.summary is None:
        why = f": {job.error}" if job.error else ""
        sentence = f"the study {job.test_id} is {job.status} and has no weights{why}"
        raise Refusal(409, "STUDY_NOT_DONE", sentence)
    return Wish(
        ratios={row.strategy_id: row.ratio for row in job.summary.weights},
        by=by,
        reason=reason,
        origin=Origin.STUDY,
        evidence=job.summary.evidence,
    )
