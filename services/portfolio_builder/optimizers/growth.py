"""Maximum growth: the weights whose logarithm of wealth grows fastest on the path. Pure.

Kelly (1956), A new interpretation of information rate. mean(log(1 + r'w)) is concave, so that there
is one best growth under constraints that are convex, and the drawdown from a peak, compounded, is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.ascent import ascend
from services.portfolio_builder.optimizers.conflict import feasible
from services.portfolio_builder.optimizers.cutting import Found
from services.portfolio_builder.optimizers.problem import Matrix, Problem, Vector
from services.portfolio_builder.optimizers.program import most_gain
from services.portfolio_builder.optimizers.region import Cuts, Region

#: log(1 + x) is taken for its quadratic model while x is below this on every day.
_TRUSTED = 0.5


@dataclass(frozen=True)
class Growth:
    """Annual mean of log(1 + return) on the path of a problem, as a function of weights."""

    problem: Problem

    def slope(self, weights: Vector) -> Vector:
        """Gradient."""
        returns = self.problem.returns
        slope: Vector = returns.T @ (self._yearly() / (1 + returns @ weights))
        return slope

    def curve(self, weights: Vector) -> Matrix:
        """Minus the second derivatives."""
        scaled = self.problem.returns / (1 + self.problem.returns @ weights)[:, None]
        curve: Matrix = (scaled.T @ scaled) * self._yearly()
        return curve

    def reach(self, weights: Vector, step: Vector) -> float:
        """Less than 1 where a day would change by more than a half of what is left on it."""
        returns = self.problem.returns
        change = float(np.abs((returns @ step) / (1 + returns @ weights)).max())
        return min(1.0, _TRUSTED / change) if change > 0 else 1.0

    def _yearly(self) -> float:
        return self.problem.periods_per_year / len(self.problem.returns)


def max_growth(region: Region, *, cuts: Cuts | None = None) -> Found:
    """Weights of the largest growth.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    function = Growth(region.problem)
    start = np.zeros(len(region.lower))
    found = feasible(ascend(region, function, start, cuts=cuts, few=True), region)
    gain = most_gain(region, found.cuts, function.slope(found.weights), found.weights)
    if gain is None:
        return found
    return replace(found, bound=measure.growth(region.problem, found.weights) + max(gain, 0.0))
