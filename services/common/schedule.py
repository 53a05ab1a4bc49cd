"""When things are to be done: jobs of APScheduler, and planned times that are made up for.

A job is short: one that asked a broker would hold one of the scheduler's few threads as long as the
broker hangs, and delay the others (docs/decisions/0018).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from services.domain.errors import ConfigurationError

_log = logging.getLogger(__name__)
#: Just after midnight UTC, when days begin: everything is polled once.
_ROLL_SECOND: Final = 1
#: Of the time between two calls.
_JITTER: Final = 0.1
#: A planned time that is longer ago is not made up for.
_MAKE_UP: Final = timedelta(days=1)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def trigger_of(cron: str, *, setting: str) -> CronTrigger | None:
    """Planned times in UTC; None where there are none: nothing, or `never`.

    Raises: ConfigurationError: it is no cron expression.
    """
    if cron.strip().lower() in {"", "never"}:
        return None
    try:
        *fields, weekdays = cron.split()
        return CronTrigger.from_crontab(" ".join((*fields, _named(weekdays))), timezone=UTC)
    except ValueError as error:
        raise ConfigurationError(
            f"setting {setting} must be minute, hour, day, month and weekday such as "
            f"'0 6 1 * *', was {cron!r}: {error}"
        ) from error


def _named(weekdays: str) -> str:
    """The fifth field with names: to cron 0 and 7 are Sunday, to APScheduler 0 is Monday."""
    return ",".join(_expanded(part) for part in weekdays.split(","))


def _expanded(part: str) -> str:
    days, _, step = part.partition("/")
    first, dash, last = days.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        return part
    numbers = range(int(first), int(last or first) + 1, int(step or 1))
    if not numbers or numbers[-1] > len(_WEEKDAYS):
        raise ValueError(f"weekdays are 0 to 7, was {part}")
    return ",".join(_WEEKDAYS[number % len(_WEEKDAYS)] for number in numbers)


def last_planned(
    trigger: CronTrigger, now: datetime, *, within: timedelta = _MAKE_UP
) -> datetime | None:
    """The latest planned time that is not after `now`; None where there was none for a day."""
    last = None
    planned = trigger.get_next_fire_time(None, now - within)
    while planned is not None and planned <= now:
        last, planned = planned, trigger.get_next_fire_time(planned, planned + timedelta(seconds=1))
    return last


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

    def cron(self, name: str, trigger: CronTrigger, work: Callable[[], None]) -> None:
        """Call `work` at planned times."""
        self._scheduler.add_job(work, trigger, id=name, name=name, replace_existing=True)

    def forget(self, name: str) -> None:
        """Call it no more."""
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def _failed(self, event: JobExecutionEvent) -> None:
        self._on_death(f"{event.job_id} of the schedule failed: {event.exception!r}")
