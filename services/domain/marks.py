"""What equity has been: the day's start, the peak, the drawdown and the volatility. Pure.

Days are of UTC: they roll at midnight, whatever market an account trades. Money that is paid in or
out is no gain and no loss, once it is named: marks keep their ratios, as the price of a fund's unit
does (time-weighted return: GIPS Standards 2020, 2.A.22), and the day's gain in money leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.domain.risk import EquityMarks
from services.domain.values import ZERO

#: RiskMetrics Technical Document (J.P. Morgan/Reuters, 4th edition, 1996), §5.3.2: decay of daily
#: data.
_DECAY: Final = Decimal("0.94")
#: Daily returns in a year, and how many there must be before a volatility is worth a name.
_DAYS_A_YEAR: Final = 252
_ENOUGH_DAYS: Final = 20
#: Robert Carver, Systematic Trading (2015), ch. 10: what moves by less than a tenth is left alone.
_BUFFER: Final = Decimal("0.1")
_FRIDAY: Final = 5


class Seen(NamedTuple):
    """One look at equity.

    Attributes:
        flow: what was paid in, less what was paid out, since the look before.
        accepted: a person accepted the loss just before it.
        rebased: the fund has other accounts than at the look before.
    """

    at: datetime
    equity: Decimal
    flow: Decimal = ZERO
    accepted: bool = False
    rebased: bool = False


def replayed(marks: EquityMarks, looks: Iterable[Seen]) -> Iterator[EquityMarks]:
    """The marks after each look as they would be, had it been known then what had been paid."""
    for look in looks:
        if look.accepted:
            marks = reset(marks, marks.last, look.at)
        if look.rebased:
            marks = rebased(marks, look.equity)
        marks = marked(marks, look.equity, look.at, flow=look.flow)
        yield marks


def marked(
    marks: EquityMarks | None, equity: Decimal, now: datetime, *, flow: Decimal = ZERO
) -> EquityMarks:
    """The marks once equity has been seen; None = it is seen for the first time.

    The same equity again changes nothing. A `now` before the day of the marks, from a clock that
    was set back, counts to that day: a day never comes twice.

    Args:
        marks: as they were.
        equity: as the broker reports it, of any sign.
        now: when it was that.
        flow: the part of its change that was paid in, or out where it is below 0.
    """
    today = _day(now)
    if marks is None:
        return EquityMarks(day=today, day_start=equity, day_low=equity, last=equity, peak=equity)
    if today > marks.day:
        marks = _rolled(marks, today, marks.last if flow else equity)
    if flow:
        marks = _with_flow(marks, flow)
    peak = max(marks.peak, equity)
    return _changed(
        marks,
        day_low=min(marks.day_low, equity),
        last=equity,
        peak=peak,
        max_drawdown_ratio=max(marks.max_drawdown_ratio, _drawdown(peak, equity) or ZERO),
    )


def reset(marks: EquityMarks, equity: Decimal, now: datetime) -> EquityMarks:
    """The marks once a person has accepted the loss: day and peak start again from here.

    Volatility stays: it is of returns, and a person cannot accept those away.
    """
    marks = marked(marks, equity, now)
    return _changed(
        marks,
        day_start=equity,
        day_low=equity,
        peak=equity,
        day_base=None,
        day_open=day_open(marks),
        max_drawdown_ratio=ZERO,
    )


def rebased(marks: EquityMarks, equity: Decimal) -> EquityMarks:
    """The marks of a fund whose accounts have changed: the same ratios at the new size.

    As a fund's price per unit: an account that joins is no gain, one that leaves is no loss. Where
    either size is not above 0 no ratio can be kept, and all marks start from `equity`.

    Args:
        marks: with the old accounts.
        equity: with the new ones, at the same moment.
    """
    if marks.last <= 0 or equity <= 0:
        begun = {"day_start": equity, "day_low": equity, "last": equity, "peak": equity}
        return _changed(marks, **begun, day_base=None, day_open=None)
    factor = equity / marks.last
    before, base, opened = marks.return_base, marks.day_base, marks.day_open
    return _changed(
        marks,
        day_start=marks.day_start * factor,
        day_low=min(marks.day_low * factor, equity),
        last=equity,
        peak=max(marks.peak * factor, equity),
        day_base=None if base is None else base * factor,
        day_open=None if opened is None else opened * factor,
        return_base=None if before is None else before * factor,
    )


def _with_flow(marks: EquityMarks, flow: Decimal) -> EquityMarks:
    """The marks once money was paid in or out, and equity is otherwise as it was.

    An account that was empty, or is now, begins again: there is nothing that a ratio could be of.
    """
    base = (marks.day_start if marks.day_base is None else marks.day_base) + flow
    equity = marks.last + flow
    moved = rebased(marks, equity)
    if marks.last <= 0 or equity <= 0:
        return _changed(moved, day_base=base, return_base=None)
    return _changed(moved, day_base=base)


def daily_pnl(marks: EquityMarks, now: datetime) -> Decimal | None:
    """Gain since the start of the day, without what was paid in or out; None where equity has not
    been seen today."""
    if marks.day != _day(now):
        return None
    return marks.last - (marks.day_start if marks.day_base is None else marks.day_base)


def day_open(marks: EquityMarks) -> Decimal:
    """What the day's return is measured on, whatever a person has accepted of its loss."""
    return marks.day_start if marks.day_open is None else marks.day_open


def drawdown_ratio(marks: EquityMarks) -> Decimal | None:
    """Loss since the peak, a fraction of it; None where the peak is not above 0."""
    return _drawdown(marks.peak, marks.last)


def _drawdown(peak: Decimal, equity: Decimal) -> Decimal | None:
    return (peak - equity) / peak if peak > 0 else None


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _rolled(marks: EquityMarks, today: str, equity: Decimal) -> EquityMarks:
    """The first marks of a new day: the day before has ended with the last equity."""
    return _changed(
        _with_return(marks),
        day=today,
        day_start=marks.last,
        day_low=equity,
        last=equity,
        day_base=None,
        day_open=None,
    )


def _with_return(marks: EquityMarks) -> EquityMarks:
    """The statistics with the return of the day that has ended.

    A week has five returns, whatever is traded, because a year of 252 has: what a weekend does is
    part of Monday's, as is every day on which nobody looked part of the next return.
    """
    if date.fromisoformat(marks.day).isoweekday() > _FRIDAY:
        return marks
    before = marks.return_base
    if before is None or before <= 0:
        return _changed(marks, return_base=marks.last)
    squared = (marks.last / before - 1) ** 2
    variance = _DECAY * marks.variance + (1 - _DECAY) * squared if marks.days else squared
    days = marks.days + 1
    return _changed(
        marks,
        return_base=marks.last,
        days=days,
        variance=variance,
        volatility_ratio=_kept(marks.volatility_ratio, variance) if days >= _ENOUGH_DAYS else None,
    )


def _kept(former: Decimal | None, variance: Decimal) -> Decimal:
    """The former annual volatility, unless the new estimate is more than a tenth of it away."""
    estimate = (variance * _DAYS_A_YEAR).sqrt()
    if former is not None and abs(estimate - former) <= former * _BUFFER:
        return former
    return estimate


def _changed(marks: EquityMarks, **fields: Any) -> EquityMarks:  # noqa: ANN401 - validated below
    return EquityMarks.model_validate({**marks.model_dump(), **fields})
