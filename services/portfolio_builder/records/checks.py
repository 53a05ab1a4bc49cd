"""Whether days and figures can be those of a strategy, and what about them is odd."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from services.domain.values import Frozen
from services.portfolio_builder.records.columns import Role
from services.portfolio_builder.records.rows import Day, Read, listed
from services.portfolio_builder.records.tables import BadRecord

#: A day that gains more is no daily return.
_IMPOSSIBLE: Final = Decimal(10)


class Gap(Frozen):
    """Days without a row between two that have one; weekends are none where the record has none."""

    after: date
    before: date
    missing: int


def check_days(read: Read, today: date) -> None:
    """Whether there are days enough, none of them to come. Raises: BadRecord."""
    late = [day for day in read.days if day > today + timedelta(days=1)]
    if late:
        sentence = f"{len(late)} days are in the future: {listed(late)}; today is {today}"
        raise BadRecord("RECORD_FUTURE", sentence, field=Role.DATE)
    if len(read.days) < 2:
        sentence = f"a record needs at least 2 days, found {len(read.days)}"
        raise BadRecord("RECORD_TOO_SHORT", sentence)
    if read.days[0].year < 1900:
        sentence = f"days before 1900 are none of a strategy, found {read.days[0]}"
        raise BadRecord("RECORD_DATE", sentence, field=Role.DATE)


def check_figures(days: Sequence[Day]) -> None:
    """Whether the figures can be those of a strategy. Raises: BadRecord, with all that is wrong."""
    faults = []
    ruined = [day.on for day in days if float(day.ratio) <= -1]
    if ruined:
        faults.append(f"a return must be above −100 %, it is not on {listed(ruined)}")
    absurd = [day for day in days if day.ratio > _IMPOSSIBLE]
    if absurd:
        most = max(day.ratio for day in absurd)
        days_of_them = listed([day.on for day in absurd])
        faults.append(f"no day returns {most:.2%}, at most 1000 % are read: {days_of_them}")
    broke = [day for day in days if day.equity is not None and float(day.equity) <= 0]
    if broke:
        faults.append(f"equity must be above 0, was {broke[0].equity} on {broke[0].on}")
    owed = [day for day in days if day.margin is not None and day.margin < 0]
    if owed:
        faults.append(f"margin must not be below 0, was {owed[0].margin} on {owed[0].on}")
    if faults:
        raise BadRecord("RECORD_IMPOSSIBLE", "; ".join(faults))
    if len(days) < 2:
        raise BadRecord("RECORD_TOO_SHORT", f"a record needs at least 2 returns, found {len(days)}")
    if len({day.ratio for day in days}) == 1:
        sentence = f"every day returns the same, {days[0].ratio:.4%}: that is no record of trading"
        raise BadRecord("RECORD_CONSTANT", sentence, field=Role.RETURN)


def gaps_of(days: Sequence[Day]) -> tuple[list[Gap], int]:
    """Gaps, the longest first, and how many weekend days there are."""
    weekends = sum(day.on.weekday() >= 5 for day in days)
    every_day = weekends > len(days) / 10
    found = []
    for before, after in pairwise(days):
        missing = _missing(before.on, after.on, every_day=every_day)
        if missing:
            found.append(Gap(after=before.on, before=after.on, missing=missing))
    found.sort(key=lambda gap: -gap.missing)
    return found, weekends


def _missing(first: date, last: date, *, every_day: bool) -> int:
    """Days between two, weekends only where they count."""
    between = (last - first).days - 1
    if every_day:
        return between
    weeks, rest = divmod(between, 7)
    return weeks * 5 + sum((first.weekday() + 1 + step) % 7 < 5 for step in range(rest))


def is_derived(days: Sequence[Day]) -> bool:
    """Whether margin ÷ equity is the same multiple of the size of every day's return."""
    multiples = []
    for day in days:
        if day.margin is None or not day.equity:
            return False
        if not float(day.ratio):
            if day.margin:
                return False
            continue
        multiples.append(float(day.margin) / float(day.equity) / abs(float(day.ratio)))
    if len(multiples) < 20 or min(multiples) <= 0:
        return False
    return max(multiples) / min(multiples) < 1.01
