"""How long a strategy is usually quiet, and whether it is quiet for too long now. Pure.

Time is counted without weekends, unless the strategy has sent on one: an intraday strategy is quiet
every night, and one that trades monthly for weeks. Both show in the gaps between its last signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from services.dashboard_creator.overview_models import Silence

#: Gaps that are looked at, and how many there must be to tell anything.
GAPS: Final = 40
_LEAST_GAPS: Final = 5
#: The longest gap of so many may be an accident: the one before it counts.
_ENOUGH_GAPS: Final = 20
#: Quiet for more than this times the longest usual gap is too long, but never within an hour.
_TIMES: Final = 1.5
_LEAST_SECONDS: Final = 3600.0
_FRIDAY: Final = 5


def silence(times: Sequence[datetime], now: datetime) -> Silence:
    """What the times of the last signals, newest first, say of the quiet since."""
    if not times:
        return Silence(sentence="has never sent a signal")
    every_day = any(each.isoweekday() > _FRIDAY for each in times)
    quiet = _elapsed(times[0], now, every_day=every_day)
    gaps = sorted(_elapsed(before, after, every_day=every_day) for after, before in pairwise(times))
    if len(gaps) < _LEAST_GAPS:
        sentence = f"{len(times)} signals so far: too few to know how often it sends"
        return Silence(quiet_s=quiet, sentence=sentence)
    normal = gaps[-2] if len(gaps) >= _ENOUGH_GAPS else gaps[-1]
    too_long = quiet > max(_TIMES * normal, _LEAST_SECONDS)
    words = "longer than usual" if too_long else "as usual"
    days = "" if every_day else ", weekends not counted"
    sentence = f"quiet for {_words(quiet)}, {words}: up to {_words(normal)} is{days}"
    return Silence(quiet_s=quiet, normal_s=normal, too_long=too_long, sentence=sentence)


def _elapsed(first: datetime, last: datetime, *, every_day: bool) -> float:
    """Seconds between two times, those of Saturdays and Sundays (UTC) left out."""
    seconds = max(0.0, (last - first).total_seconds())
    return seconds if every_day else seconds - _weekend_seconds(first, last)


def _weekend_seconds(first: datetime, last: datetime) -> float:
    midnight = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    saturday = midnight - timedelta(days=(midnight.isoweekday() - 6) % 7)
    found = 0.0
    while saturday < last:
        monday = saturday + timedelta(days=2)
        found += max(0.0, (min(monday, last) - max(saturday, first)).total_seconds())
        saturday += timedelta(days=7)
    return found


def _words(seconds: float) -> str:
    for size, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size:
            count = round(seconds / size, 1 if seconds < 10 * size else None)
            return f"{count:g} {name}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} s"
