"""The maximum of a smooth concave function over a region, by Newton steps. Pure.

Each step maximizes the quadratic model of the function within the rows that are known, cuts off
what the candidate breaks and models the function again where the candidate is. That is sequential
quadratic programming for the function and outer approximation (Duran and Grossmann 1986) for the
region, in one loop: the rows are never taken back, and the model is exact where it ends.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from services.portfolio_builder.optimizers.cutting import MOST_ROUNDS, Found
from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector
from services.portfolio_builder.optimizers.program import Aim, minimize
from services.portfolio_builder.optimizers.region import Region, Rows, no_rows

#: What another step could gain at the end, in units of the function.
_GAIN = 1e-9
#: How far from the candidate the model may stand at the end, in weights.
_NEAR = 1e-3


class Concave(Protocol):
    """A function that is maximized."""

    def slope(self, weights: Vector) -> Vector:
        """Gradient."""
        ...

    def curve(self, weights: Vector) -> Matrix:
        """Minus the second derivatives: positive semi-definite."""
        ...

    def reach(self, weights: Vector, step: Vector) -> float:
        """The part of a step, up to 1, along which slope and curve still describe the function."""
        ...


def ascend(
    region: Region,
    function: Concave,
    start: Vector,
    *,
    cuts: Rows | None = None,
    sharpe_floor: float | None = None,
) -> Found | None:
    """Weights of the region where the function is largest; None where the region is empty.

    Args:
        region: what is allowed.
        function: what is maximized.
        start: where the function is defined; need not be in the region.
        cuts: rows of the region that are known already.
        sharpe_floor: the least Sharpe ratio; None = none.

    Raises:
        NotSolved: it does not converge.
    """
    known = no_rows(len(start)) if cuts is None else cuts
    weights = start
    for number in range(1, MOST_ROUNDS + 1):
        slope, curve = function.slope(weights), function.curve(weights)
        aim = Aim(-slope - curve @ weights, curve, sharpe_floor)
        candidate = minimize(region, known, aim)
        if candidate is None:
            return None
        broken = region.cuts(candidate)
        known = known.plus(broken)
        step = candidate - weights
        part = function.reach(weights, step)
        gain = abs(float(slope @ step - step @ curve @ step / 2))
        if not len(broken) and gain <= _GAIN and float(np.abs(step).max()) <= _NEAR:
            return Found(candidate, number, known)
        weights = weights + part * step
    raise NotSolved(f"no weights after {MOST_ROUNDS} steps: the last gained {gain:.2g}")
