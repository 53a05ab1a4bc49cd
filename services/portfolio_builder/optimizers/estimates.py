"""What the records of strategies say before a day: the problem of an optimizer. Pure.

Nothing of the day itself or after it is looked at. Each strategy speaks for itself: mean and
volatility are of its own days, annualized by its own rows a year, so that one that trades at
weekends stands beside one that does not. Correlations are of the days on which all have a row. Only
the path, for drawdown, CVaR and growth, is on the union of all days, with 0 where a strategy had
not begun or its market was closed; margin stays what it was while a market is closed.

Means are shrunk half of the way to the same Sharpe ratio for all (a record of a few years says
little of a mean: Merton 1980), correlations as far as Ledoit and Wolf (2004) say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
from sklearn.covariance import ledoit_wolf

from services.portfolio_builder.constraints import Constraints
from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.problem import (
    Infeasible,
    InvalidProblem,
    Matrix,
    Problem,
    Vector,
)
from services.portfolio_builder.study import Record

BACKTEST: Final = "backtest"
#: Rows a year of a weekday market and of one that never closes.
CALENDARS: Final = (252.0, 365.0)
#: Days on which all have a row, at least, for correlations.
_COMMON: Final = 60


@dataclass(frozen=True)
class HistoryRules:
    """How much history a strategy needs.

    Attributes:
        least_days: rows, to take part at all.
        full_days: rows, for the whole cap; below it in proportion.
        silent_days: calendar days without a row after which it takes part no longer.
        backtest_part: of the cap of what was never traded.
        shrinkage: of Sharpe ratios to their mean: 0 = none, 1 = all the same.
        calendar_part: by which rows a year may be off those of a calendar; a short piece of a
            record, which begins on a Monday and ends on a Friday, is off by itself.
    """

    least_days: int = 252
    full_days: int = 756
    silent_days: int = 21
    backtest_part: float = 0.5
    shrinkage: float = 0.5
    calendar_part: float = 0.05


@dataclass(frozen=True)
class Circumstances:
    """What is known besides records.

    Attributes:
        constraints: of strategies that may be left out too; what is theirs is taken out.
        current: weights as they are now, by strategy.
        costs: annual fees and trading costs of each strategy, a ratio of what is allocated.
        risk_free_ratio: annual, what cash earns; 0 for records of what is traded on margin.
    """

    constraints: Constraints = field(default_factory=Constraints)
    current: Mapping[str, float] | None = None
    costs: Mapping[str, float] | None = None
    risk_free_ratio: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """A problem, and who is not in it.

    Attributes:
        problem: of those that take part.
        days: of the rows of `problem.returns`.
        left_out: why, in a sentence, by strategy.
        capped: why, in a sentence, by strategy.
    """

    problem: Problem
    days: tuple[date, ...]
    left_out: dict[str, str]
    capped: dict[str, str]


@dataclass(frozen=True)
class _Past:
    """The rows of a record before the day."""

    record: Record
    days: Vector
    returns: Vector
    margins: Vector | None

    @property
    def yearly(self) -> float:
        """Rows a year, as measured."""
        calendar_days = float(self.days[-1] - self.days[0]) + 1
        return len(self.days) / (calendar_days / 365.25)


def estimate(
    records: Sequence[Record],
    on: date,
    circumstances: Circumstances | None = None,
    *,
    rules: HistoryRules | None = None,
) -> Estimate:
    """The problem as it could be known on a morning.

    Args:
        records: one of each strategy.
        on: only rows before it count.
        circumstances: what else is known.
        rules: how much history is needed.

    Raises:
        InvalidProblem: no strategy can take part, or records do not fit together.
        Infeasible: a strategy that cannot take part must be given something.
    """
    circumstances, rules = circumstances or Circumstances(), rules or HistoryRules()
    pasts = [_before(record, on) for record in records]
    left_out = {
        past.record.strategy_id: why
        for past in pasts
        if (why := next(_faults(past, on, rules), ""))
    }
    chosen = [past for past in pasts if past.record.strategy_id not in left_out]
    if not chosen:
        raise InvalidProblem(
            "no strategy can take part: "
            + "; ".join(f"{name} {why}" for name, why in left_out.items())
        )
    ids = tuple(past.record.strategy_id for past in chosen)
    constraints = _without(circumstances, left_out)
    caps, capped = _caps(chosen, constraints, rules)
    days, returns, margins = _path(chosen)
    mean, covariance = _moments(chosen, circumstances, rules)
    current = circumstances.current or {}
    problem = Problem(
        strategy_ids=ids,
        returns=returns,
        mean=mean,
        covariance=covariance,
        periods_per_year=len(days) / ((float(days[-1] - days[0]) + 1) / 365.25),
        margins=margins,
        caps=caps,
        current=np.array([float(current.get(name, 0.0)) for name in ids]),
        constraints=constraints,
    )
    dates = tuple(date.fromordinal(int(day)) for day in days)
    return Estimate(problem, dates, left_out, capped)


def _before(record: Record, on: date) -> _Past:
    end = bisect_left(record.dates, on)
    days = np.array([day.toordinal() for day in record.dates[:end]], dtype=np.float64)
    margins = None if record.margins is None else record.margins[:end]
    return _Past(record, days, record.returns[:end], margins)


def _faults(past: _Past, on: date, rules: HistoryRules) -> Iterator[str]:
    """Why a strategy cannot take part, the first reason first; nothing where it can."""
    count, least = len(past.days), max(rules.least_days, 2)
    if count < least:
        yield f"has {count} days before {on}, {least} are needed"
        return
    if (np.diff(past.days) <= 0).any():
        yield "has days twice or out of order"
    silent = on.toordinal() - int(past.days[-1])
    if silent > rules.silent_days:
        last = date.fromordinal(int(past.days[-1]))
        yield f"reported last on {last}, more than {rules.silent_days} days before {on}"
    if not np.isfinite(past.returns).all():
        yield "has returns that are not numbers"
    if past.returns.min() <= -1:
        yield f"has a return of {past.returns.min():.0%}, above −100 % is expected"
    if not any(abs(past.yearly / calendar - 1) <= rules.calendar_part for calendar in CALENDARS):
        yield f"has {past.yearly:.0f} rows a year, about 252 or 365 are expected"
    if float(past.returns.var()) * past.yearly < STILL:
        yield "has the same return on every day"


def _without(circumstances: Circumstances, left_out: Mapping[str, str]) -> Constraints:
    """The constraints without those who are left out; what they hold now must be sold first."""
    constraints = circumstances.constraints
    for name, why in left_out.items():
        least = constraints.bounds[name].min_ratio if name in constraints.bounds else 0.0
        if least > 0:
            raise Infeasible(f"{name} must be given at least {least:g}, but it {why}")
    bounds = {name: each for name, each in constraints.bounds.items() if name not in left_out}
    groups = tuple(
        group.model_copy(update={"strategy_ids": members})
        for group in constraints.groups
        if (members := tuple(name for name in group.strategy_ids if name not in left_out))
    )
    turnover = constraints.max_turnover_ratio
    sold = sum((circumstances.current or {}).get(name, 0.0) for name in left_out)
    if turnover is not None and sold > 0:
        if sold > turnover:
            raise Infeasible(
                f"max_turnover_ratio {turnover:g} is less than the {sold:g} that must be taken "
                f"from {', '.join(sorted(left_out))}, which cannot take part"
            )
        turnover -= sold
    changes = {"bounds": bounds, "groups": groups, "max_turnover_ratio": turnover}
    return constraints.model_copy(update=changes)


def _caps(
    chosen: Sequence[_Past], constraints: Constraints, rules: HistoryRules
) -> tuple[Vector, dict[str, str]]:
    caps, capped = [], {}
    for past in chosen:
        name, count = past.record.strategy_id, len(past.days)
        bounds = constraints.bounds.get(name)
        whole = bounds.max_ratio if bounds else constraints.max_weight_ratio
        part = min(1.0, count / rules.full_days)
        why = [f"{count} days of {rules.full_days}"] if part < 1 else []
        if past.record.source == BACKTEST:
            part *= rules.backtest_part
            why.append("only a backtest")
        caps.append(whole * part)
        if part < 1:
            capped[name] = f"may be given at most {whole * part:.4g}: {', '.join(why)}"
    return np.array(caps), capped


def _path(chosen: Sequence[_Past]) -> tuple[Vector, Matrix, Matrix | None]:
    days = np.unique(np.concatenate([past.days for past in chosen]))
    returns = np.zeros((len(days), len(chosen)))
    margins = np.zeros_like(returns)
    known = True
    for at, past in enumerate(chosen):
        places = np.searchsorted(days, past.days)
        returns[places, at] = past.returns
        if past.margins is None:
            known = False
            continue
        latest = np.searchsorted(past.days, days, side="right") - 1
        begun = latest >= 0
        margins[begun, at] = past.margins[latest[begun]]
    return days, returns, margins if known else None


def _moments(
    chosen: Sequence[_Past], circumstances: Circumstances, rules: HistoryRules
) -> tuple[Vector, Matrix]:
    """Annual expected returns in excess of cash, and covariance."""
    costs = circumstances.costs or {}
    spread = np.array([past.returns.std(ddof=1) * np.sqrt(past.yearly) for past in chosen])
    own = np.array(
        [
            past.returns.mean() * past.yearly - costs.get(past.record.strategy_id, 0.0)
            for past in chosen
        ]
    )
    ratios = (own - circumstances.risk_free_ratio) / spread
    shrunk = (1 - rules.shrinkage) * ratios + rules.shrinkage * ratios.mean()
    covariance = np.outer(spread, spread) * _correlation(chosen)
    return shrunk * spread, (covariance + covariance.T) / 2


def _correlation(chosen: Sequence[_Past]) -> Matrix:
    if len(chosen) == 1:
        return np.ones((1, 1))
    common = chosen[0].days
    for past in chosen[1:]:
        common = np.intersect1d(common, past.days, assume_unique=True)
    if len(common) < _COMMON:
        raise InvalidProblem(
            f"{len(common)} days are common to all {len(chosen)} strategies, {_COMMON} are needed "
            "to see how they move together"
        )
    rows = np.column_stack([past.returns[np.searchsorted(past.days, common)] for past in chosen])
    spread = rows.std(axis=0)
    spread[spread == 0] = 1.0  # did not move on the common days: no correlation
    shrunk, _ = ledoit_wolf((rows - rows.mean(axis=0)) / spread)
    own = np.sqrt(np.maximum(np.diag(shrunk), STILL))
    correlation: Matrix = np.clip(shrunk / np.outer(own, own), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
