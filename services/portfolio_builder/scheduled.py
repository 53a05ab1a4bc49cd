"""Scheduled re-optimization: a study at planned times, whose result is proposed, never approved.

Each planned time is one study, whose id is made of that time: replicas, restarts and a database
that was away lead to neither two of them nor none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from apscheduler.schedulers.background import BackgroundScheduler
from pydantic import Field
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.problems import Refusal
from services.common.schedule import last_planned, trigger_of
from services.common.store import Document, Store
from services.domain.errors import TransientError
from services.domain.values import Frozen, Instant
from services.portfolio_builder.allocations import StrategyId
from services.portfolio_builder.jobs.documents import JobOrigin, StudyJob
from services.portfolio_builder.jobs.service import StudyJobs
from services.portfolio_builder.study import StudyRequest

_log = logging.getLogger(__name__)
LEASE: Final = "reoptimization"
#: Who proposes; no key has this name, so that nothing can be approved by it.
BY: Final = "scheduled re-optimization"
_CURRENT: Final = "current"
_LOOK_SECONDS: Final = 20


class Template(StudyRequest):
    """What a scheduled study asks for.

    Attributes:
        strategy_ids: empty = every active strategy that has a record and takes part.
    """

    strategy_ids: Annotated[tuple[StrategyId, ...], Field(max_length=1000)] = ()


class Reoptimization(Frozen):
    """What is to happen at planned times.

    Attributes:
        version: grows by one with each change; 0 = as it is by default.
    """

    enabled: bool = True
    study: Template = Template()
    version: int = 0
    reason: str = ""
    set_by: str = ""
    set_at: Instant | None = None


class Reoptimizer:
    """A part of a process; only the one that holds the lease starts studies."""

    def __init__(
        self,
        store: Store,
        studies: StudyJobs,
        lease: Lease,
        *,
        cron: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._studies = studies
        self._lease = lease
        self._trigger = trigger_of(cron, setting="REOPTIMIZE_CRON")
        self.cron = cron.strip()
        self._clock = clock
        self._seen: datetime | None = None
        self._scheduler = BackgroundScheduler(timezone=UTC)

    def start(self) -> None:
        """Look for planned times in a thread, where there are any."""
        if self._trigger is None:
            return
        self._lease.start()
        # It would write two lines for each look.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler.add_job(
            self._look, "interval", seconds=_LOOK_SECONDS, coalesce=True, max_instances=1
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Start no study any more; those that run go on."""
        if self._trigger is None:
            return
        self._scheduler.shutdown()
        self._lease.stop()

    def _look(self) -> None:
        try:
            self.look()
        except (PyMongoError, TransientError) as error:
            _log.warning("re-optimization waits: %s", type(error).__name__)

    def look(self) -> StudyJob | None:
        """Start the study of the last planned time, where that has not been done.

        Raises: PyMongoError, TransientError: it is tried again at the next look.
        """
        if self._trigger is None or not self._lease.held():
            return None
        planned = last_planned(self._trigger, self._clock())
        if planned is None or planned == self._seen:
            return None
        wanted = self.wanted()
        test_id = f"reopt_{planned:%Y%m%d-%H%M}"
        started = None
        if wanted.enabled and self._studies.jobs.get(test_id) is None:
            try:
                started = self._start(wanted, test_id=test_id, by=BY)
            except Refusal as error:
                when = f"{planned:%Y-%m-%d %H:%M} UTC"
                self._studies.tell_refused(f"the re-optimization planned for {when}: {error}")
        self._seen = planned
        return started

    def run_now(self, *, by: str) -> StudyJob:
        """Start the study of the template at once; its result becomes a proposal.

        Raises: Refusal.
        """
        return self._start(self.wanted(), test_id=None, by=by)

    def _start(self, wanted: Reoptimization, *, test_id: str | None, by: str) -> StudyJob:
        names = wanted.study.strategy_ids or self._studies.included()
        request = StudyRequest(**wanted.study.model_dump() | {"strategy_ids": names})
        return self._studies.start(
            request, by=by, origin=JobOrigin.SCHEDULE, propose=True, test_id=test_id
        )

    def next_planned(self) -> datetime | None:
        """When the next study is planned."""
        return self._trigger.get_next_fire_time(None, self._clock()) if self._trigger else None

    def wanted(self, session: ClientSession | None = None) -> Reoptimization:
        """What is to happen at planned times."""
        found = self._store["reoptimization"].find_one({"_id": _CURRENT}, session=session)
        if found is None:
            return Reoptimization()
        fields = {name: found[name] for name in Reoptimization.model_fields if name in found}
        return Reoptimization(**fields | {"study": Template.model_validate_json(found["study"])})

    def set(
        self, study: Template, *, enabled: bool, version: int, by: str, reason: str
    ) -> Reoptimization:
        """Change what is to happen.

        Raises: Refusal: it is not at `version` any more.
        """
        wanted = Reoptimization(
            enabled=enabled,
            study=study,
            version=version + 1,
            reason=reason,
            set_by=by,
            set_at=utc_now(),
        )

        def work(session: ClientSession) -> None:
            held = self.wanted(session)
            if held.version != version:
                sentence = f"it is at version {held.version}, this was made against {version}"
                raise Refusal(409, "REOPTIMIZATION_MOVED", sentence, field="version")
            # As text: ids of strategies are keys in it, and the store does not take every one.
            row: Document = {**wanted.model_dump(), "study": study.model_dump_json()}
            self._store["reoptimization"].replace_one(
                {"_id": _CURRENT, "version": version} if version else {"_id": _CURRENT},
                row,
                upsert=True,
                session=session,
            )
            facts = {"before": held.model_dump_json(), "after": wanted.model_dump_json()}
            audit(
                self._store,
                "REOPTIMIZATION_SET",
                service="portfolio_builder",
                by=by,
                facts=facts,
                session=session,
            )

        try:
            self._store.transaction(work)
        except DuplicateKeyError as error:
            sentence = "somebody else changed it at the same time: look again"
            raise Refusal(409, "REOPTIMIZATION_MOVED", sentence, field="version") from error
        return wanted
