"""One problem, one method, weights that keep every constraint; or a sentence why there are none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from services.portfolio_builder.constraints import Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.check import check
from services.portfolio_builder.optimizers.cutting import Found, cash_is_free, stretched
from services.portfolio_builder.optimizers.equal import equal_weight
from services.portfolio_builder.optimizers.goals import Goal, goal_of
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
from services.portfolio_builder.optimizers.region import Region, no_cuts, region_of
from services.portfolio_builder.optimizers.second import MOST_STRATEGIES, slsqp
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
#: The second solver is believed where it misses constraints by no more and is better by more.
_CLEARLY = 1e-8
#: What an interior-point solver leaves of a weight of 0.
_NOTHING = 1e-10


def solve(
    problem: Problem, method: Method, *, alpha_ratio: float = 0.5, second_opinion: bool = True
) -> Solution:
    """The weights that a method asks for.

    Args:
        problem: what is known and what is to be kept.
        method: what the weights are to be best at.
        alpha_ratio: of the hybrid: 1 = only Sharpe ratio, 0 = only growth.
        second_opinion: whether another kind of solver is asked too, where it can answer in time;
            a walk-forward of many windows may do without.

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
        found = _first(region, method, second_opinion=second_opinion)
    goal = goal_of(problem, method, frontier, alpha_ratio)
    weights, certificate = _certified(region, found, goal, second_opinion=second_opinion)
    return Solution(
        weights=weights,
        objective=goal.value(weights),
        binding=region.binding(weights),
        certificate=certificate,
        frontier=_with(problem, frontier, weights),
        notes=found.notes,
    )


def _with(
    problem: Problem, frontier: tuple[FrontierPoint, ...], weights: Vector
) -> tuple[FrontierPoint, ...]:
    """The frontier with the point that was chosen, which mostly lies between two of it."""
    same = any(np.abs(weights - each.weights).max() <= TOLERANCE for each in frontier)
    if same or not frontier:
        return frontier
    chosen = FrontierPoint(
        weights, measure.sharpe(problem, weights), measure.growth(problem, weights)
    )
    return tuple(sorted((*frontier, chosen), key=lambda each: each.sharpe))


def _first(region: Region, method: Method, *, second_opinion: bool) -> Found:
    """What the method finds, or where it gives up, what the second solver does."""
    try:
        return _METHODS[method](region)
    except NotSolved as error:
        goal = goal_of(region.problem, method, (), 0.0)
        # The other methods add rows to the region that are not known where they gave up.
        least = region.problem.constraints.min_total_ratio
        whole = method is Method.MAX_GROWTH or (method is Method.MIN_VARIANCE and least > 0)
        possible = whole and second_opinion and len(region.lower) <= MOST_STRATEGIES
        theirs = slsqp(region, goal.score) if possible and goal.score is not None else None
        if theirs is None:
            raise
        note = f"only SLSQP found weights: {error}"
        none = no_cuts(len(region.lower))
        return Found(_rounded(region, theirs), 0, none, (note,), solver="SLSQP")


def _certified(
    region: Region, found: Found, goal: Goal, *, second_opinion: bool
) -> tuple[Vector, Certificate]:
    """The better of two solvers' weights, and why they can be believed.

    Raises:
        NotSolved: neither keeps the constraints.
    """
    weights = _rounded(region, found.weights)
    value, excess = goal.value(weights), region.excess(weights)
    solver, second, gap = found.solver, "", None
    theirs = None
    few = len(weights) <= MOST_STRATEGIES
    if second_opinion and few and found.rivaled and solver != "SLSQP":
        theirs = _asked(region, found, goal)
    if theirs is not None:
        second, gap = "SLSQP", value - goal.value(theirs)
        better = gap < -_CLEARLY * max(1.0, abs(value)) or excess > TOLERANCE
        # What is limited by a share of a small total is missed by little, but by much of the share.
        size = min(1.0, float(theirs.sum())) if goal.sizeless else 1.0
        if better and (found.within or region).excess(theirs) <= _CLEARLY * size:
            solver, second, gap = second, solver, -gap
            weights, value, excess = theirs, goal.value(theirs), region.excess(theirs)
    if not math.isfinite(excess) or excess > TOLERANCE:
        raise NotSolved(f"the weights that were found miss a constraint by {excess:.2g}")
    left = None if found.bound is None else max(found.bound - value, 0.0)
    return weights, Certificate(solver, second, gap, left, max(excess, 0.0), found.iterations)


def _asked(region: Region, found: Found, goal: Goal) -> Vector | None:
    within = found.within or region
    weights = slsqp(within, goal.score) if goal.score is not None else None
    if weights is None:
        return None
    if goal.sizeless and cash_is_free(region) and weights.sum() > 0:
        weights = stretched(within, weights / weights.sum())
    return _rounded(region, weights)


def _rounded(region: Region, weights: Vector) -> Vector:
    """The weights without what a solver leaves of rounding."""
    whole = np.where(np.abs(weights) < _NOTHING, 0.0, weights)
    inside: Vector = np.clip(whole, region.lower, region.upper)
    return inside
