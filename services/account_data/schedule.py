"""When accounts are polled: one job of APScheduler each, which rings the account's own thread.

The jobs do nothing else: a job that asked a broker would hold one of the scheduler's few threads as
long as the broker hangs, and delay the other accounts (docs/decisions/0018).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from typing import Final

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

_log = logging.getLogger(__name__)
#: Just after midnight UTC, when days begin: everything is polled once.
_ROLL_SECOND: Final = 1
#: Of the time between two calls.
_JITTER: Final = 0.1


class Schedule:
    """Calls short functions at their times; a missed time is made up for once.

    Args:
        on_death: told when one of them fails with an error nobody expected.
    """

    def __init__(self, *, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR)

    def start(self) -> None:
        """Call from now on."""
        self._scheduler.start()

    def stop(self) -> None:
        """Call nothing any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def running(self) -> bool:
        """Whether times are kept."""
        return bool(self._scheduler.running)

    def every(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        """Call `work` every so many seconds, first after as many; replaces an earlier one.

        Each time a little sooner or later, so that what began together does not stay together.
        """
        self._scheduler.add_job(
            work,
            "interval",
            seconds=seconds,
            jitter=seconds * _JITTER,
            id=name,
            name=name,
            replace_existing=True,
        )

    def at_midnight(self, work: Callable[[], None]) -> None:
        """Call `work` as each day begins."""
        self._scheduler.add_job(
            work, "cron", hour=0, minute=0, second=_ROLL_SECOND, id="midnight", name="midnight"
        )

    def forget(self, name: str) -> None:
        """Call it no more."""
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def _failed(self, event: JobExecutionEvent) -> None:
        self._on_death(f"{event.job_id} of the schedule failed: {event.exception!r}")
