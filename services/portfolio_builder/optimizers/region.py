"""The weights that keep every constraint: a convex set, some of it known only by its cuts. Pure.

Bounds, sums and groups are rows. Drawdown, CVaR and margin would be thousands of rows, of which a
few matter; so `cuts` says which linear rows a candidate breaks, and whoever optimizes adds them and
asks again. Every cut holds for all weights of the region (each constraint is convex), so that none
is ever taken back:

- margin of a day: the row of the day;
- CVaR: the days that are the tail at the candidate; to count only some of the days can but make
  the tail look better (the program of Rockafellar and Uryasev 2002, of those days);
- drawdown: −Σ log(1 + r'w) over the days from a peak is convex in w, so its tangent is below it,
  and the compounded drawdown is at most D where it is at most −log(1 − D) for all windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.problem import Matrix, Problem, Vector

#: How much a candidate may break a constraint before it is cut off.
CUT = 1e-9
#: A day that loses more is cut by itself: its logarithm is too steep for a tangent.
STEEP = 0.5
#: Windows of drawdown that are cut at once.
WINDOWS = 12
#: A least weight below is none.
_NEGLIGIBLE = 1e-12
#: A constraint is said to bind where it has less than this part of its limit left.
BINDS = 1e-5


@dataclass(frozen=True)
class Rows:
    """`matrix @ weights <= limits`, each with the name of the constraint that it is of."""

    matrix: Matrix
    limits: Vector
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def plus(self, other: Rows) -> Rows:
        """Both."""
        return Rows(
            np.vstack((self.matrix, other.matrix)),
            np.concatenate((self.limits, other.limits)),
            self.names + other.names,
        )

    def only(self, chosen: NDArray[np.bool_]) -> Rows:
        """Those that are chosen."""
        names = tuple(name for name, kept in zip(self.names, chosen, strict=True) if kept)
        return Rows(self.matrix[chosen], self.limits[chosen], names)


def no_rows(count: int) -> Rows:
    """None, for `count` weights."""
    return Rows(np.zeros((0, count)), np.zeros(0), ())


@dataclass(frozen=True)
class Cuts:
    """What is known of the part of a region that is not rows.

    Attributes:
        rows: of drawdown and margin.
        tail: days that are of the worst of some weights; CVaR counts them and no others.
    """

    rows: Rows
    tail: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.rows) + len(self.tail)

    def plus(self, other: Cuts) -> Cuts:
        """Both."""
        return Cuts(self.rows.plus(other.rows), self.tail | other.tail)

    def broken_by(self, weights: Vector, tolerance: float = CUT) -> Cuts:
        """Those rows that these weights break, without the tail."""
        broken = self.rows.matrix @ weights > self.rows.limits + tolerance
        return Cuts(self.rows.only(broken))


def no_cuts(count: int) -> Cuts:
    """None, for `count` weights."""
    return Cuts(no_rows(count))


@dataclass(frozen=True)
class Region:
    """All weights w that a problem allows.

    Attributes:
        lower: N.
        upper: N.
        rows: totals and groups.
        factor: N × N, `covariance = factor @ factor.T`.
    """

    problem: Problem
    lower: Vector
    upper: Vector
    rows: Rows
    factor: Matrix

    def risk_names(self) -> dict[str, str]:
        """Limits that are not rows, by the field of `Constraints`, as a person calls them."""
        limits = self.problem.constraints
        names = {
            field: f"{field} {limit:g}"
            for field, limit in (
                ("max_volatility_ratio", limits.max_volatility_ratio),
                ("max_drawdown_ratio", limits.max_drawdown_ratio),
                ("max_cvar_ratio", limits.max_cvar_ratio),
                ("max_margin_ratio", limits.max_margin_ratio),
                ("max_turnover_ratio", limits.max_turnover_ratio),
            )
            if limit is not None
        }
        return names

    def current(self) -> Vector:
        """Weights as they are now."""
        now = self.problem.current
        return np.zeros(len(self.lower)) if now is None else now

    def measured(self, weights: Vector) -> dict[str, tuple[float, float]]:
        """What is used of each limit that is not a row, and the limit."""
        problem, limits = self.problem, self.problem.constraints
        used: dict[str, tuple[float, float]] = {}
        if limits.max_volatility_ratio is not None:
            risk = measure.volatility(problem.covariance, weights)
            used["max_volatility_ratio"] = (risk, limits.max_volatility_ratio)
        if limits.max_drawdown_ratio is not None or limits.max_cvar_ratio is not None:
            daily = problem.returns @ weights
            if limits.max_drawdown_ratio is not None:
                used["max_drawdown_ratio"] = (measure.drawdown(daily), limits.max_drawdown_ratio)
            if limits.max_cvar_ratio is not None:
                tail = measure.tail_mean(daily, limits.cvar_confidence_ratio)
                used["max_cvar_ratio"] = (tail, limits.max_cvar_ratio)
        if limits.max_margin_ratio is not None and problem.margins is not None:
            margin = float((problem.margins @ weights).max())
            used["max_margin_ratio"] = (margin, limits.max_margin_ratio)
        if limits.max_turnover_ratio is not None:
            turnover = float(np.abs(weights - self.current()).sum())
            used["max_turnover_ratio"] = (turnover, limits.max_turnover_ratio)
        return used

    def excess(self, weights: Vector) -> float:
        """The most that any constraint is missed by; below 0 where none is."""
        worst = max(float((weights - self.upper).max()), float((self.lower - weights).max()))
        if len(self.rows):
            worst = max(worst, float((self.rows.matrix @ weights - self.rows.limits).max()))
        return max([worst, *(used - limit for used, limit in self.measured(weights).values())])

    def keeps_rows(self, weights: Vector, tolerance: float = 1e-9) -> bool:
        """Whether bounds, totals and groups are kept."""
        return bool(
            (weights <= self.upper + tolerance).all()
            and (weights >= self.lower - tolerance).all()
            and (self.rows.matrix @ weights <= self.rows.limits + tolerance).all()
        )

    def binding(self, weights: Vector) -> tuple[str, ...]:
        """What holds the weights back, in words."""

        def close(used: float, limit: float) -> bool:
            return used >= limit - BINDS * max(abs(limit), 1e-3)

        found = [
            name
            for name, used, limit in zip(
                self.rows.names, self.rows.matrix @ weights, self.rows.limits, strict=True
            )
            if close(float(used), float(limit))
        ]
        names = self.risk_names()
        found += [names[field] for field, pair in self.measured(weights).items() if close(*pair)]
        for at, strategy_id in enumerate(self.problem.strategy_ids):
            if close(float(weights[at]), float(self.upper[at])):
                found.append(f"at most {self.upper[at]:g} of {strategy_id}")
            elif self.lower[at] > 0 and close(-float(weights[at]), -float(self.lower[at])):
                found.append(f"at least {self.lower[at]:g} of {strategy_id}")
        return tuple(found)

    def cuts(self, weights: Vector) -> Cuts:
        """What these weights break of drawdown, CVaR and margin."""
        problem, limits = self.problem, self.problem.constraints
        rows, tail = no_rows(len(weights)), frozenset[int]()
        if limits.max_margin_ratio is not None and problem.margins is not None:
            rows = rows.plus(self._margin_cuts(problem.margins, limits.max_margin_ratio, weights))
        if limits.max_cvar_ratio is None and limits.max_drawdown_ratio is None:
            return Cuts(rows)
        daily = problem.returns @ weights
        if limits.max_cvar_ratio is not None:
            tail = self._tail(daily, limits.max_cvar_ratio)
        if limits.max_drawdown_ratio is not None:
            rows = rows.plus(self._drawdown_cuts(daily, limits.max_drawdown_ratio, weights))
        return Cuts(rows, tail)

    def _tail(self, daily: Vector, limit: float) -> frozenset[int]:
        confidence = self.problem.constraints.cvar_confidence_ratio
        if measure.tail_mean(daily, confidence) <= limit + CUT:
            return frozenset()
        # Half as many more: the next candidate has other worst days.
        count = min(math.ceil(1.5 * (1 - confidence) * len(daily)), len(daily))
        return frozenset(int(day) for day in np.argsort(daily)[:count])

    def _margin_cuts(self, margins: Matrix, limit: float, weights: Vector) -> Rows:
        used = margins @ weights
        days = np.argsort(used)[-5:]
        days = days[used[days] > limit + CUT]
        return Rows(margins[days], np.full(len(days), limit), ("max_margin_ratio",) * len(days))

    def _drawdown_cuts(self, daily: Vector, limit: float, weights: Vector) -> Rows:
        returns = self.problem.returns
        # Of one day: −r'w ≤ D is the same constraint without a logarithm.
        steep = np.flatnonzero(daily < -max(STEEP, limit + CUT))
        if len(steep):
            steep = steep[np.argsort(daily[steep])[:20]]
            names = ("max_drawdown_ratio",) * len(steep)
            return Rows(-returns[steep], np.full(len(steep), limit), names)
        losses = measure.losses_beyond(daily, limit + CUT * (1 - limit), most=WINDOWS)
        room = -math.log1p(-limit)
        matrix, limits = [], []
        for start, end in zip(losses.starts, losses.ends, strict=True):
            past = 1 + daily[start:end]
            slope = -(returns[start:end] / past[:, None]).sum(axis=0)
            matrix.append(slope)
            limits.append(room + float(np.log(past).sum()) + float(slope @ weights))
        if not matrix:
            return no_rows(len(weights))
        names = ("max_drawdown_ratio",) * len(matrix)
        return Rows(np.array(matrix), np.array(limits), names)


def region_of(problem: Problem) -> Region:
    """The region of a problem that has been checked."""
    limits, ids = problem.constraints, problem.strategy_ids
    count = len(ids)
    bounds = [limits.bounds.get(each) for each in ids]
    lower = np.array([each.min_ratio if each else 0.0 for each in bounds])
    lower[lower < _NEGLIGIBLE] = 0.0
    upper = np.array([each.max_ratio if each else limits.max_weight_ratio for each in bounds])
    if problem.caps is not None:
        upper = np.minimum(upper, problem.caps)
    upper = np.where(_shut(problem) & (lower == 0), 0.0, upper)
    rows = Rows(
        np.ones((1, count)),
        np.array([limits.max_total_ratio]),
        (f"max_total_ratio {limits.max_total_ratio:g}",),
    )
    if limits.min_total_ratio > 0:
        name = f"min_total_ratio {limits.min_total_ratio:g}"
        rows = rows.plus(Rows(-rows.matrix, np.array([-limits.min_total_ratio]), (name,)))
    for group in limits.groups:
        members = np.array([[1.0 if each in group.strategy_ids else 0.0 for each in ids]])
        name = f"group {group.name} {group.max_ratio:g}"
        rows = rows.plus(Rows(members, np.array([group.max_ratio]), (name,)))
    return Region(problem, lower, upper, rows, factor_of(problem.covariance))


def _shut(problem: Problem) -> NDArray[np.bool_]:
    """Strategies that a group or margin of 0 leaves nothing: no size of theirs is small enough."""
    limits = problem.constraints
    shut = {each for group in limits.groups if group.max_ratio == 0 for each in group.strategy_ids}
    found = np.array([each in shut for each in problem.strategy_ids])
    if limits.max_margin_ratio == 0 and problem.margins is not None:
        found |= problem.margins.max(axis=0) > 0
    return found


def factor_of(covariance: Matrix) -> Matrix:
    """F with `F @ F.T = covariance`, of a matrix that may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    factor: Matrix = vectors * np.sqrt(np.maximum(values, 0.0))
    return factor
