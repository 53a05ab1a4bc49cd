"""Statistics of a record as it was read; formulas as everywhere in the portfolio builder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from statistics import fmean, stdev

from services.domain.values import Frozen

_DAYS_PER_YEAR = 365.25


class Figures(Frozen):
    """What a record comes to; ratios, so 0.1 is 10 %.

    Attributes:
        days: rows.
        rows_per_year: rows × 365.25 / calendar days.
        total_ratio: compounded.
        cagr_ratio: compounded, per year; None where the record is shorter than a month.
        volatility_ratio: standard deviation (n − 1) × √ rows per year.
        sharpe: mean / standard deviation × √ rows per year; None where nothing varies.
        max_drawdown_ratio: largest loss since a peak, the start counts as one; 0 or above.
    """

    days: int
    first_on: date
    last_on: date
    rows_per_year: float
    total_ratio: float
    cagr_ratio: float | None
    volatility_ratio: float
    sharpe: float | None
    max_drawdown_ratio: float
    best_day_ratio: float
    worst_day_ratio: float


def figures_of(days: Sequence[date], returns: Sequence[float]) -> Figures:
    """Statistics of daily returns, oldest first, two or more, each above −1."""
    span = (days[-1] - days[0]).days + 1
    per_year = len(days) * _DAYS_PER_YEAR / span
    growth = math.fsum(math.log1p(each) for each in returns)
    deviation = stdev(returns)
    return Figures(
        days=len(days),
        first_on=days[0],
        last_on=days[-1],
        rows_per_year=per_year,
        total_ratio=_compounded(growth),
        cagr_ratio=_compounded(growth * _DAYS_PER_YEAR / span) if span >= 30 else None,
        volatility_ratio=deviation * math.sqrt(per_year),
        sharpe=fmean(returns) / deviation * math.sqrt(per_year) if deviation > 0 else None,
        max_drawdown_ratio=max_drawdown(returns),
        best_day_ratio=max(returns),
        worst_day_ratio=min(returns),
    )


def max_drawdown(returns: Sequence[float]) -> float:
    """Largest loss since a peak of compounded returns, the start counting as one; 0 or above."""
    level = peak = worst = 0.0  # logarithms
    for each in returns:
        level += math.log1p(each)
        peak = max(peak, level)
        worst = min(worst, level - peak)
    return -math.expm1(worst)


def _compounded(growth: float) -> float:
    """A growth rate as a ratio; what no float holds is the largest one, never infinity."""
    return math.expm1(min(growth, 700.0))
