"""IB's own day: when it forgets, and when nobody is surprised that it is away."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
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


def day_began(now: datetime) -> datetime:
    """New York's last midnight: IB tells executions and ended orders since then."""
    there = now.astimezone(_NEW_YORK)
    return there.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def day_of_new_york(now: datetime) -> date:
    """The day that IB's expiries are of."""
    return now.astimezone(_NEW_YORK).date()
