"""All queries of study jobs; what a worker writes carries its epoch, an old one's is refused."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import TraderError
from services.portfolio_builder.jobs.documents import OPEN, JobStatus, StudyJob
from services.portfolio_builder.jobs.files import Files

_log = logging.getLogger(__name__)
_TESTS: Final = "portfolio_tests"


class Superseded(TraderError):
    """Another worker has this study, or it is at its end: leave it alone."""


class CancelAsked(TraderError):
    """A person wants this study to end."""


class JobStore:
    """Study jobs and their files."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.files = Files(store)

    def add(self, job: StudyJob, *, what: str) -> None:
        """Queue a study, with its line in the audit log.

        Raises: DuplicateKeyError: there is one of that id.
        """
        facts = {"test_id": job.test_id, "method": job.method, "strategies": job.strategy_ids}

        def work(session: ClientSession) -> None:
            row = {"_id": job.test_id, **to_document(job), "open": True}
            self._store[_TESTS].insert_one(row, session=session)
            self._audit(what, job.requested_by, facts, session)

        self._store.transaction(work)

    def get(self, test_id: str, session: ClientSession | None = None) -> StudyJob | None:
        """One study; None = there is none of that id."""
        found = self._store[_TESTS].find_one({"_id": test_id}, session=session)
        return from_document(StudyJob, found) if found else None

    def search(self, query: Document, *, limit: int) -> list[StudyJob]:
        """Studies, the newest first."""
        found = self._store[_TESTS].find(query).sort("requested_at", DESCENDING).limit(limit)
        return [from_document(StudyJob, row) for row in found]

    def count(self) -> int:
        """How many studies were ever asked for."""
        return self._store[_TESTS].count_documents({})

    def count_open(self) -> int:
        """How many want a worker, or have one."""
        return self._store[_TESTS].count_documents({"open": True})

    def next(self) -> StudyJob | None:
        """The oldest study that wants a worker; one that cannot be read fails: others shall run."""
        found = self._store[_TESTS].find_one({"open": True}, sort=[("requested_at", ASCENDING)])
        try:
            return from_document(StudyJob, found) if found else None
        except ValidationError:
            _log.exception("the study %s cannot be read", found and found["_id"])
            ended = {"status": JobStatus.FAILED, "finished_at": utc_now()}
            self._store[_TESTS].update_one(
                {"_id": found and found["_id"]}, {"$set": ended, "$unset": {"open": ""}}
            )
            return None

    def begin(self, job: StudyJob) -> int | None:
        """Give a study to a new worker; its epoch, or None where somebody else took it."""
        changed = self._store[_TESTS].update_one(
            {"_id": job.test_id, "epoch": job.epoch, "open": True},
            {
                "$set": {"status": JobStatus.RUNNING, "started_at": job.started_at or utc_now()},
                "$inc": {"epoch": 1, "deaths": 1},
            },
        )
        return job.epoch + 1 if changed.modified_count else None

    def excuse(self, test_id: str, epoch: int) -> None:
        """Do not count the end of this worker as a death: it was not the study's fault."""
        self._store[_TESTS].update_one(
            {"_id": test_id, "epoch": epoch, "deaths": {"$gt": 0}}, {"$inc": {"deaths": -1}}
        )

    def tell(self, test_id: str, epoch: int, progress: float, doing: str) -> None:
        """Record how far a study is. Raises: Superseded, CancelAsked."""
        changes = {"progress": progress, "doing": doing}
        self._as_worker(test_id, epoch, changes)

    def note_inputs(self, test_id: str, epoch: int, changes: Document) -> None:
        """Record what a study works on. Raises: Superseded, CancelAsked."""
        self._as_worker(test_id, epoch, changes)

    def keep(self, test_id: str, epoch: int, name: str, text: str) -> None:
        """Keep a finished part: from here on earlier deaths do not count.

        Raises: Superseded, CancelAsked.
        """
        self._as_worker(test_id, epoch, {"deaths": 1})
        self.files.save_part(test_id, name, text)

    def _as_worker(self, test_id: str, epoch: int, changes: Document) -> None:
        changed = self._store[_TESTS].update_one(
            {"_id": test_id, "epoch": epoch, "open": True, "cancel_requested_at": None},
            {"$set": changes},
        )
        if changed.matched_count:
            return
        job = self.get(test_id)
        if job is not None and job.epoch == epoch and job.status in OPEN:
            raise CancelAsked(f"somebody wants {test_id} to end")
        raise Superseded(f"{test_id} is no more of this worker")

    def end(self, test_id: str, status: JobStatus, *, epoch: int, changes: Document) -> bool:
        """Bring a study to its end; False where it is at its end, or of another epoch."""
        ended = {"status": status, "finished_at": utc_now(), **changes}
        changed = self._store[_TESTS].update_one(
            {"_id": test_id, "epoch": epoch, "open": True}, {"$set": ended, "$unset": {"open": ""}}
        )
        if changed.modified_count:
            self.files.forget_parts(test_id)
        return bool(changed.modified_count)

    def request_cancel(self, test_id: str, *, by: str, at: datetime) -> bool:
        """Ask for the end of a study; one without a worker ends at once.

        Returns: whether it was open.
        """

        def work(session: ClientSession) -> bool:
            asked = {"cancel_requested_at": at, "canceled_by": by}
            query: Document = {"_id": test_id, "open": True}
            tests = self._store[_TESTS]
            if not tests.update_one(query, {"$set": asked}, session=session).matched_count:
                return False
            ended = {"status": JobStatus.CANCELED, "finished_at": at}
            tests.update_one(
                {**query, "status": JobStatus.QUEUED},
                {"$set": ended, "$unset": {"open": ""}},
                session=session,
            )
            self._audit("STUDY_CANCELED", by, {"test_id": test_id}, session)
            return True

        return self._store.transaction(work)

    def archive(self, test_id: str, *, by: str, at: datetime) -> bool:
        """Take a study that is at its end out of lists; it stays, with its inputs."""

        def work(session: ClientSession) -> bool:
            changed = self._store[_TESTS].update_one(
                {"_id": test_id, "open": {"$exists": False}, "archived_at": None},
                {"$set": {"archived_at": at}},
                session=session,
            )
            if changed.modified_count:
                self._audit("STUDY_ARCHIVED", by, {"test_id": test_id}, session)
            return bool(changed.modified_count)

        return self._store.transaction(work)

    def unproposed(self) -> list[StudyJob]:
        """Studies at their end whose result has yet to become a proposal."""
        query = {"propose": True, "proposed": None, "open": {"$exists": False}}
        found = []
        for row in self._store[_TESTS].find(query):
            try:
                found.append(from_document(StudyJob, row))
            except ValidationError:
                _log.exception("the study %s cannot be read, and proposes nothing", row["_id"])
                self.note_proposed(row["_id"], proposal_id=None)
        return found

    def note_proposed(self, test_id: str, *, proposal_id: str | None) -> None:
        """Remember that this was looked after."""
        self._store[_TESTS].update_one(
            {"_id": test_id}, {"$set": {"proposed": True, "proposal_id": proposal_id}}
        )

    def _audit(self, what: str, by: str, facts: dict[str, Any], session: ClientSession) -> None:
        audit(self._store, what, service="portfolio_builder", by=by, facts=facts, session=session)
