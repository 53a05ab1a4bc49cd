"""What dashboard_creator makes by the clock: dashboards, and the report of each evening.

What was missed while the process was away is made up for once: dashboards at the start, the report
of the last planned time where that day has none. Only whoever holds the lease makes anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from apscheduler.triggers.cron import CronTrigger
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.schedule import Schedule, last_planned, trigger_of
from services.dashboard_creator.dashboards import MadeDashboards
from services.dashboard_creator.reports import Reports
from services.domain.errors import TransientError

_log = logging.getLogger(__name__)
CLIENT_SECONDS: Final = 300.0
SENDER_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 20.0
#: A report that is later than this is of no use to anybody.
_MAKE_UP: Final = timedelta(days=4)


class ResultJobs:
    """A part of a process.

    Args:
        made: dashboards.
        reports: daily reports.
        cron: when the report is made, UTC; `never` = none.
        held: whether this replica is the one that makes things.
        on_death: told when a job fails with an error nobody expected.
        clock: what time it is.
    """

    def __init__(
        self,
        made: MadeDashboards,
        reports: Reports,
        *,
        cron: str,
        held: Callable[[], bool],
        on_death: Callable[[str], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._made = made
        self._reports = reports
        self._trigger: CronTrigger | None = trigger_of(cron, setting="DAILY_REPORT_CRON")
        self._held = held
        self._clock = clock
        self._begun = False
        self._schedule = Schedule(on_death=on_death)

    def start(self) -> None:
        """Make things by the clock from now on, and at once what was missed."""
        # It would write two lines for each look.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._schedule.every("client dashboard", CLIENT_SECONDS, self.make_client)
        self._schedule.every("signal-sender dashboards", SENDER_SECONDS, self.make_senders)
        self._schedule.every("daily report", _LOOK_SECONDS, self.look)
        self._schedule.start()

    def stop(self) -> None:
        """Make nothing any more; what is being made is finished."""
        self._schedule.stop()

    def make_client(self) -> None:
        """The client's dashboard."""
        self._try("the client dashboard", self._made.make_client)

    def make_senders(self) -> None:
        """The dashboards of all strategies."""
        self._try("the dashboards of signal senders", self._made.make_senders)

    def look(self) -> None:
        """Make the report of the last planned time, where it was not made yet."""
        if not self._begun and self._held():
            self._begun = True
            self.make_client()
            self.make_senders()
        self._try("the daily report", self.make_report)

    def make_report(self) -> bool:
        """Whether a report was due, and was made. Raises: PyMongoError, ValidationError."""
        now = self._clock()
        if self._trigger is None:
            return False
        planned = last_planned(self._trigger, now, within=_MAKE_UP)
        if planned is None or (planned.date() != now.date() and not self._reports.any_made()):
            return False  # nobody has missed a report from before the first one
        return self._reports.make_planned(planned)

    def _try(self, what: str, make: Callable[[], object]) -> None:
        if not self._held():
            return
        try:
            make()
        except (PyMongoError, TransientError) as error:
            _log.warning("%s waits: %s", what, type(error).__name__)
        except ValidationError as error:
            where = error.errors(include_input=False, include_url=False)
            _log.error("%s: a stored document has an unexpected shape: %s", what, where)
