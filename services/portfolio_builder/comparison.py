"""What a change of allocation would mean, measured on the strategies' own records. Pure.

In plain Python, because the process that serves it carries no numpy: a comparison is N × T
multiplications. All figures are of the past; none of them is a promise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from services.domain.values import ZERO, Exact, Frozen

#: Fewer days tell nothing of a year.
FEWEST_DAYS: Final = 20
_YEAR_DAYS: Final = 365.25


class Past(NamedTuple):
    """The daily record of one strategy: `returns` on allocated capital, by day."""

    source: str
    returns: Mapping[date, float]


class Figures(Frozen):
    """What a portfolio has been; None where the days are too few, or it would have been ruined.

    Attributes:
        total_return_ratio: compounded, of all days.
        annual_return_ratio: compounded, by calendar time.
        volatility_ratio: annual, of daily returns (n − 1).
        sharpe: mean / standard deviation of daily returns, annual, without a riskless rate.
        max_drawdown_ratio: largest loss from a peak, compounded, a positive number.
    """

    days: int
    total_return_ratio: float | None = None
    annual_return_ratio: float | None = None
    volatility_ratio: float | None = None
    sharpe: float | None = None
    max_drawdown_ratio: float | None = None


class StrategyChange(Frozen):
    """What a change means of one strategy.

    Attributes:
        own: the strategy by itself, at 100 %.
        return_before_ratio: what it adds to the mean annual return of the portfolio.
        risk_share_before_ratio: its part of the portfolio's variance; all of them are 1.
        source: of the record; "" where there is none.
    """

    strategy_id: str
    before_ratio: Exact
    after_ratio: Exact
    change_ratio: Exact
    source: str = ""
    own: Figures | None = None
    return_before_ratio: float | None = None
    return_after_ratio: float | None = None
    risk_share_before_ratio: float | None = None
    risk_share_after_ratio: float | None = None


class Span(Frozen):
    """Both allocations over the same days."""

    from_on: date
    to_on: date
    before: Figures
    after: Figures


class Day(Frozen):
    """Growth of 1 since the beginning of the last days."""

    on: date
    before: float
    after: float


class Comparison(Frozen):
    """Two allocations side by side.

    Attributes:
        turnover_ratio: sum of |after − before|: what would be traded.
        aligned: over the days that every strategy of either has a record of; None = too few.
        recent: what the last days would have been.
        curve: of these, day by day.
        notes: what the figures leave out, in sentences.
    """

    strategies: tuple[StrategyChange, ...]
    total_before_ratio: Exact
    total_after_ratio: Exact
    turnover_ratio: Exact
    aligned: Span | None = None
    recent: Span | None = None
    curve: tuple[Day, ...] = ()
    notes: tuple[str, ...] = ()


def compare(
    before: Mapping[str, Decimal],
    after: Mapping[str, Decimal],
    records: Mapping[str, Past],
    *,
    last_days: int,
) -> Comparison:
    """Set `after` against `before`, on the records that there are.

    The days are those from the latest first day to the earliest last day of the strategies with a
    ratio in either; on a day in between that a strategy has no row of, its market was closed and
    it made 0. Before its first day it is never taken for 0.
    """
    names = sorted(before.keys() | after.keys())
    used = [name for name in names if records.get(name) and (before.get(name) or after.get(name))]
    days = _common_days([records[name].returns for name in used])
    enough = len(days) >= FEWEST_DAYS
    columns = {name: [records[name].returns.get(day, 0.0) for day in days] for name in used}
    mixes = [_Mix(columns, ratios) for ratios in (before, after)]
    recent = slice(-last_days, None)
    return Comparison(
        strategies=tuple(
            _change(name, (before, after), mixes if enough else [], days, records.get(name))
            for name in names
        ),
        total_before_ratio=sum(before.values(), ZERO),
        total_after_ratio=sum(after.values(), ZERO),
        turnover_ratio=sum(
            (abs(after.get(each, ZERO) - before.get(each, ZERO)) for each in names), ZERO
        ),
        aligned=_span(days, mixes) if enough else None,
        recent=_span(days[recent], mixes) if days else None,
        curve=_curve(days[recent], mixes) if days else (),
        notes=_notes(names, (before, after), records, days),
    )


class _Mix:
    """One allocation over common days: daily returns of the whole and of its parts."""

    def __init__(
        self, columns: Mapping[str, Sequence[float]], ratios: Mapping[str, Decimal]
    ) -> None:
        self.columns = columns
        self.weights = {name: float(ratios.get(name, 0)) for name in columns}
        parts = [
            [weight * each for each in columns[name]]
            for name, weight in self.weights.items()
            if weight
        ]
        length = len(next(iter(columns.values()))) if columns else 0
        self.returns = [math.fsum(row) for row in zip(*parts, strict=True)] or [0.0] * length

    def risk_share(self, name: str) -> float | None:
        """wᵢ cov(rᵢ, r) / var(r)."""
        mean = math.fsum(self.returns) / len(self.returns)
        apart = [each - mean for each in self.returns]
        variance = math.fsum(each * each for each in apart)
        if variance <= 0:
            return None
        pairs = zip(apart, self.columns[name], strict=True)
        return self.weights[name] * math.fsum(one * other for one, other in pairs) / variance


def figures_of(days: Sequence[date], returns: Sequence[float]) -> Figures:
    """Figures of daily returns, the oldest first; a year is 365.25 days of the calendar."""
    count = len(returns)
    growth = peak = 1.0
    drawdown = 0.0
    for each in returns:
        growth *= 1 + each
        if growth <= 0:
            return Figures(days=count, max_drawdown_ratio=1.0)
        if math.isinf(growth):
            return Figures(days=count)
        peak = max(peak, growth)
        drawdown = max(drawdown, 1 - growth / peak)
    if count < FEWEST_DAYS:
        return Figures(days=count, total_return_ratio=growth - 1, max_drawdown_ratio=drawdown)
    years = ((days[-1] - days[0]).days + 1) / _YEAR_DAYS
    a_year = count / years
    mean = math.fsum(returns) / count
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in returns) / (count - 1))
    return Figures(
        days=count,
        total_return_ratio=growth - 1,
        annual_return_ratio=_finite(growth, years),
        volatility_ratio=deviation * math.sqrt(a_year),
        sharpe=mean / deviation * math.sqrt(a_year) if deviation > 1e-12 else None,
        max_drawdown_ratio=drawdown,
    )


def _finite(growth: float, years: float) -> float | None:
    try:
        return math.pow(growth, 1 / years) - 1
    except OverflowError:
        return None


def _common_days(records: Sequence[Mapping[date, float]]) -> list[date]:
    if not records:
        return []
    first = max(min(each) for each in records)
    last = min(max(each) for each in records)
    return sorted({day for each in records for day in each if first <= day <= last})


def _span(days: Sequence[date], mixes: Sequence[_Mix]) -> Span:
    before, after = (figures_of(days, mix.returns[-len(days) :]) for mix in mixes)
    return Span(from_on=days[0], to_on=days[-1], before=before, after=after)


def _curve(days: Sequence[date], mixes: Sequence[_Mix]) -> tuple[Day, ...]:
    levels = [1.0, 1.0]
    found = []
    for place, day in enumerate(days, start=-len(days)):
        levels = [
            level * (1 + mix.returns[place]) for level, mix in zip(levels, mixes, strict=True)
        ]
        if not all(map(math.isfinite, levels)):
            return ()
        found.append(Day(on=day, before=levels[0], after=levels[1]))
    return tuple(found)


def _change(
    name: str,
    ratios: tuple[Mapping[str, Decimal], Mapping[str, Decimal]],
    mixes: Sequence[_Mix],
    days: Sequence[date],
    past: Past | None,
) -> StrategyChange:
    before, after = (each.get(name, ZERO) for each in ratios)
    change = StrategyChange(
        strategy_id=name,
        before_ratio=before,
        after_ratio=after,
        change_ratio=after - before,
        source=past.source if past else "",
    )
    if not mixes or name not in mixes[0].columns:
        return change
    own = mixes[0].columns[name]
    a_year = len(days) / (((days[-1] - days[0]).days + 1) / _YEAR_DAYS)
    mean = math.fsum(own) / len(own) * a_year
    return change.model_copy(
        update={
            "own": figures_of(days, own),
            "return_before_ratio": float(before) * mean,
            "return_after_ratio": float(after) * mean,
            "risk_share_before_ratio": mixes[0].risk_share(name),
            "risk_share_after_ratio": mixes[1].risk_share(name),
        }
    )


def _notes(
    names: Sequence[str],
    ratios: tuple[Mapping[str, Decimal], Mapping[str, Decimal]],
    records: Mapping[str, Past],
    days: Sequence[date],
) -> tuple[str, ...]:
    unknown = [
        name for name in names if not records.get(name) and any(each.get(name) for each in ratios)
    ]
    found = [f"{name} has no record: the figures are of the others" for name in unknown]
    if len(days) < FEWEST_DAYS:
        found.append(
            f"the records have {len(days)} days in common, {FEWEST_DAYS} are needed: "
            "there are no figures of a year"
        )
    return tuple(found)
