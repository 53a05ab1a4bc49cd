"""The maximum of a smooth concave function over a region, by Newton steps. Pure.

Each step maximizes the quadratic model of the function within the rows that are known, cuts off
what the candidate breaks and models the function again where the candidate is. That is sequential
quadratic programming for the function and outer approximation (Duran and Grossmann 1986) for the
region, in one loop: the rows are never taken back, and the model is exact where it ends.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.portfolio_builder.optimizers.cutting import MOST_ROUNDS, Found
from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector
from services.portfolio_builder.optimizers.program import Aim, minimize
from services.portfolio_builder.optimizers.region import Cuts, Region, no_cuts

#: What another step could gain at the end, in units of the function.
_GAIN = 1e-9
#: How far from the candidate the model may stand at the end, in weights.
_NEAR = 1e-3
#: Rows that are known and have less left than this at the start are used from the start.
_CLOSE = 1e-6
#: From so many strategies on it is faster to look at some of them first, and how many they are.
_MANY, _FIRST = 100, 60


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
    cuts: Cuts | None = None,
    sharpe_floor: float | None = None,
    few: bool = False,
) -> Found | None:
    """Weights of the region where the function is largest; None where the region is empty.

    Args:
        region: what is allowed.
        function: what is maximized.
        start: where the function is defined; need not be in the region.
        cuts: rows of the region that are known already.
        sharpe_floor: the least Sharpe ratio; None = none.
        few: most weights will be 0, so that of many strategies some may be looked at first.

    Raises:
        NotSolved: it does not converge.
    """
    known = no_cuts(len(start)) if cuts is None else cuts
    active = Cuts(known.broken_by(start, -_CLOSE).rows, known.tail)
    weights = start
    columns = _likely(region, function, start) if few and len(start) > _MANY else None
    for number in range(1, MOST_ROUNDS + 1):
        slope, curve = function.slope(weights), function.curve(weights)
        aim = Aim(-slope - curve @ weights, curve, sharpe_floor)
        candidate = minimize(region, active, aim, columns)
        if candidate is None:
            return None
        broken = known.broken_by(candidate)
        if not len(broken):
            broken = region.cuts(candidate)
            known = known.plus(broken)
        added = len(active.plus(broken)) - len(active)
        active = active.plus(broken)
        step = candidate - weights
        part = function.reach(weights, step)
        gain = abs(float(slope @ step - step @ curve @ step / 2))
        if not added and gain <= _GAIN and float(np.abs(step).max()) <= _NEAR:
            return Found(candidate, number, known)
        weights = weights + part * step
    raise NotSolved(f"no weights after {MOST_ROUNDS} steps: the last gained {gain:.2g}")


def _likely(region: Region, function: Concave, start: Vector) -> NDArray[np.bool_]:
    """Strategies that must have a weight, have one already, or promise most at the start."""
    columns: NDArray[np.bool_] = (region.lower > 0) | (start > 1e-9)
    columns[np.argsort(-function.slope(start))[:_FIRST]] = True
    return columns
