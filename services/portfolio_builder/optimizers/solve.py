"""One problem, one method, weights that keep every constraint; or a sentence why there are none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from services.portfolio_builder.constraints import Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.check import check
from services.portfolio_builder.optimizers.cutting import Found
from services.portfolio_builder.optimizers.equal import equal_weight
from services.portfolio_builder.optimizers.growth import max_growth
from services.portfolio_builder.optimizers.hrp import hrp
from services.portfolio_builder.optimizers.hybrid import hybrid
from services.portfolio_builder.optimizers.parity import risk_parity
from services.portfolio_builder.optimizers.problem import (
    TOLERANCE,
    Certificate,
    FrontierPoint,
    NotSolved,
    Problem,
    Solution,
    Vector,
)
from services.portfolio_builder.optimizers.region import Region, region_of
from services.portfolio_builder.optimizers.sharpe import max_sharpe
from services.portfolio_builder.optimizers.variance import min_variance

_METHODS: dict[Method, Callable[[Region], Found]] = {
    Method.MAX_SHARPE: max_sharpe,
    Method.MAX_GROWTH: max_growth,
    Method.MIN_VARIANCE: min_variance,
    Method.RISK_PARITY: risk_parity,
    Method.HRP: hrp,
    Method.EQUAL_WEIGHT: equal_weight,
}


def solve(problem: Problem, method: Method, *, alpha_ratio: float = 0.5) -> Solution:
    """The weights that a method asks for.

    Args:
        problem: what is known and what is to be kept.
        method: what the weights are to be best at.
        alpha_ratio: of the hybrid: 1 = only Sharpe ratio, 0 = only growth.

    Raises:
        InvalidProblem: the problem is not one.
        Infeasible: no weights keep the constraints.
        NotSolved: no solver found weights that keep them.
    """
    check(problem)
    region = region_of(problem)
    frontier: tuple[FrontierPoint, ...] = ()
    if method is Method.HYBRID:
        found, frontier = hybrid(region, alpha_ratio)
    else:
        found = _METHODS[method](region)
    weights = _kept(region, found.weights)
    return Solution(
        weights=weights,
        objective=_objective(problem, method, weights),
        binding=region.binding(weights),
        certificate=Certificate(
            solver="CLARABEL",
            max_violation=max(region.excess(weights), 0.0),
            iterations=found.iterations,
        ),
        frontier=frontier,
        notes=found.notes,
    )


def _objective(problem: Problem, method: Method, weights: Vector) -> float:
    if method is Method.MAX_SHARPE:
        return measure.sharpe(problem, weights)
    if method is Method.MIN_VARIANCE:
        return -measure.volatility(problem.covariance, weights)
    if method is Method.MAX_GROWTH:
        return measure.growth(problem, weights)
    return 0.0


def _kept(region: Region, weights: Vector) -> Vector:
    """The weights without what a solver leaves of rounding."""
    inside: Vector = np.clip(
        np.where(np.abs(weights) < 1e-12, 0, weights), region.lower, region.upper
    )
    excess = region.excess(inside)
    if not math.isfinite(excess) or excess > TOLERANCE:
        raise NotSolved(f"the weights that were found miss a constraint by {excess:.2g}")
    return inside
