"""Our own record of a strategy: what each day made, as a return on what it was given. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from services.domain.values import ZERO
from services.portfolio_builder.live_pnl import DayPnl, Unknown

_SHARE: Final = Decimal("0.000000000001")
_CENTS: Final = Decimal("0.00000001")
#: Nothing compounds after a loss of everything.
_WORST: Final = Decimal("-0.999999")
#: An equity that is older says nothing of a day.
_EQUITY_DAYS: Final = 7


class Approved(NamedTuple):
    """A ratio, and from when on it was the approved one."""

    at: datetime
    ratio: Decimal


class AccountEquity(NamedTuple):
    """One base that the allocation is a share of.

    Attributes:
        weight: of it that counts for this strategy.
        opens: by day, at its first look.
        closes: by day, at its last look.
    """

    name: str
    weight: Decimal
    opens: Mapping[date, Decimal]
    closes: Mapping[date, Decimal]


class Funding(NamedTuple):
    """What a strategy was given, over time.

    Attributes:
        approved: every ratio it ever had, oldest first; 0 where it was left out.
        bases: equity of each account it trades in, or of the fund.
        kept: capital of days that were told before, and stay as they were told.
    """

    approved: tuple[Approved, ...]
    bases: tuple[AccountEquity, ...]
    kept: Mapping[date, Decimal]


class LiveDay(NamedTuple):
    """One day of our own record.

    Attributes:
        ratio: return on `capital`.
        pnl: in the record's currency.
        capital: at the start of the day.
        covers: days that it is the result of.
    """

    on: date
    ratio: Decimal
    pnl: Decimal
    capital: Decimal
    covers: int


def live_record(
    days: Sequence[DayPnl], funding: Funding
) -> tuple[list[LiveDay], list[Unknown], list[str]]:
    """Returns on the allocated capital at the start of each day.

    Days without capital, position and trade are none of the record. Where nothing is allocated any
    more and something is still held, the last capital counts on.

    Returns: rows, days whose capital nobody knows, and notes.
    """
    rows: list[LiveDay] = []
    unknown: list[Unknown] = []
    wound_down, wiped_out = 0, 0
    with localcontext(prec=34):
        for day in days:
            ratio, own = _ratio_on(funding.approved, day.on)
            if not own and day.idle and not day.pnl:
                continue
            wound_down += not own
            capital: Decimal | str = funding.kept.get(day.on) or _capital(
                funding.bases, day.on, ratio
            )
            if isinstance(capital, str):
                unknown.append(Unknown(day.on, capital))
                continue
            returned = (day.pnl / capital).quantize(_SHARE)
            wiped_out += returned < _WORST
            pnl = day.pnl.quantize(_CENTS)
            rows.append(LiveDay(day.on, max(returned, _WORST), pnl, capital, day.covers))
    return rows, unknown, _notes(rows, wound_down, wiped_out)


def _ratio_on(approved: Sequence[Approved], day: date) -> tuple[Decimal, bool]:
    """The ratio that counts for a day, and whether it was in force when the day began."""
    start = datetime.combine(day, time(0), UTC)
    place = bisect_right(approved, start, key=lambda each: each.at)
    before = [each.ratio for each in approved[:place]]
    if before and before[-1]:
        return before[-1], True
    last = next((ratio for ratio in reversed(before) if ratio), ZERO)
    if last:
        return last, False
    # Approved and traded on its first day.
    during = (each for each in approved[place:] if each.at < start + timedelta(days=1))
    return next((each.ratio for each in during if each.ratio), ZERO), False


def _capital(bases: Sequence[AccountEquity], day: date, ratio: Decimal) -> Decimal | str:
    if not ratio:
        return "nothing was ever allocated"
    total = ZERO
    for base in bases:
        equity = _equity_on(base, day)
        if equity is None:
            return f"the equity of {base.name} is not known"
        total += equity * base.weight * ratio
    if total <= 0:
        return f"the allocated capital was {total:f}"
    return total.quantize(_CENTS)


def _equity_on(base: AccountEquity, day: date) -> Decimal | None:
    """At the start of a day: its first look, else the last one of the week before."""
    if day in base.opens:
        return base.opens[day]
    before = (day - timedelta(days=back) for back in range(1, _EQUITY_DAYS + 1))
    return next((base.closes[each] for each in before if each in base.closes), None)


def _notes(rows: Sequence[LiveDay], wound_down: int, wiped_out: int) -> list[str]:
    notes = []
    if wound_down:
        notes.append(
            f"on {wound_down} days nothing was allocated when the day began and something was held "
            "or traded: the last capital, or the first, counts"
        )
    longer = [row for row in rows if row.covers > 1]
    if longer:
        notes.append(
            f"{len(longer)} days have the result of days before them, too, the first on "
            f"{longer[0].on}"
        )
    if wiped_out:
        notes.append(f"{wiped_out} days lost more than the capital: their return is −99.9999 %")
    return notes
