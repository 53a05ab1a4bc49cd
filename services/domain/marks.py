"""What equity has been, kept with each look at it: losses, drawdown and volatility. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from math import sqrt
from typing import Final

from services.domain.risk import EquityMarks
from services.domain.values import ZERO

#: Fewer daily returns tell nothing of a volatility.
MINIMUM_DAYS: Final = 20
#: J. P. Morgan, RiskMetrics Technical Document, 4th edition, 1996: decay of daily variances.
_DECAY: Final = Decimal("0.94")
#: A new estimate counts when it differs by more than this part of the one in use, so that sizes do
#: not follow every tremor (Carver, Systematic Trading, 2015, "position inertia").
_BUFFER: Final = Decimal("0.1")
_DAYS_A_YEAR: Final = 252
_ONE: Final = Decimal(1)


def marked(marks: EquityMarks | None, equity: Decimal, now: datetime) -> EquityMarks:
    """The marks after equity was seen at `now`; days are of UTC.

    A new day begins with the last equity of the day before, so that a gap overnight counts as a
    loss of the new day; its return is the step between the last looks of two days, however many
    days lie between them.

    Args:
        marks: as they were; None before the first look.
        equity: account or fund currency.
        now: of the look.
    """
    day = now.astimezone(UTC).date().isoformat()
    if marks is None:
        return EquityMarks(day=day, day_start=equity, day_low=equity, last=equity, peak=equity)
    if day > marks.day:
        marks = _new_day(marks, day)
    peak = max(marks.peak, equity)
    drawdown = _ONE - equity / peak if peak > 0 else ZERO
    return marks.model_copy(
        update={
            "day_low": min(marks.day_low, equity),
            "last": equity,
            "peak": peak,
            "max_drawdown_ratio": max(marks.max_drawdown_ratio, drawdown, ZERO),
        }
    )


def _new_day(marks: EquityMarks, day: str) -> EquityMarks:
    """The day before ends with its last equity: its return joins the estimate."""
    start = {"day": day, "day_start": marks.last, "day_low": marks.last}
    if marks.day_start <= 0:
        return marks.model_copy(update=start)
    change = marks.last / marks.day_start - _ONE
    square = change * change
    variance = _DECAY * marks.variance + (_ONE - _DECAY) * square if marks.days else square
    days = marks.days + 1
    return marks.model_copy(
        update={
            **start,
            "days": days,
            "variance": round(variance, 18),
            "volatility_ratio": _volatility(marks, variance, days),
        }
    )


def _volatility(marks: EquityMarks, variance: Decimal, days: int) -> Decimal | None:
    """Annual, and the one in use as long as the new one is near it."""
    if days < MINIMUM_DAYS:
        return None
    estimate, used = _annual(variance), marks.volatility_ratio
    if used is not None and abs(estimate - used) <= _BUFFER * used:
        return used
    return estimate


def _annual(variance: Decimal) -> Decimal:
    """Square root of a daily variance × 252; an estimate, so floats do."""
    return Decimal(f"{sqrt(float(variance) * _DAYS_A_YEAR):.8f}")


def reset(marks: EquityMarks, equity: Decimal, now: datetime) -> EquityMarks:
    """A person accepts what was lost: losses are counted from here; the volatility stays."""
    return marks.model_copy(
        update={
            "day": now.astimezone(UTC).date().isoformat(),
            "day_start": equity,
            "day_low": equity,
            "last": equity,
            "peak": equity,
            "max_drawdown_ratio": ZERO,
        }
    )
