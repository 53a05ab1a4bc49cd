"""IB's own day: when it forgets, and when nobody is surprised that it is away."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_NEW_YORK: Final = ZoneInfo("America/New_York")
_RESET_BEGINS, _RESET_ENDS = time(23, 45), time(0, 45)


def in_nightly_reset(now: datetime) -> bool:
    """Whether IB restarts its servers about now: links drop, and come back by themselves.

    https://www.interactivebrokers.com/en/software/systemStatus.php
    """
    there = now.astimezone(_NEW_YORK).time()
    return there >= _RESET_BEGINS or there < _RESET_ENDS


def day_began(now: datetime, here: tzinfo | None = None) -> datetime:
    """Since when IB tells executions and ended orders for certain.

    A gateway begins its day at midnight of the zone that it was started in and does not say which:
    New York, as IB; UTC, as in a container; or this machine's. The latest midnight of these is the
    only one that nobody has forgotten since; too late a one costs a person's look at an order,
    too early a one a second order.

    Args:
        now: the time.
        here: the zone of this machine; None = as it is set.
    """
    midnights = [
        now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for zone in (_NEW_YORK, UTC, here)
    ]
    return max(midnights).astimezone(UTC)


def day_of_new_york(now: datetime) -> date:
    """The day that IB's expiries are of."""
    return now.astimezone(_NEW_YORK).date()
