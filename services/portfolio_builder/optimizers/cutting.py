"""Cutting planes: optimize, cut off what breaks a constraint, again, until nothing does. Pure.

Kelley (1960), The cutting-plane method for solving convex programs. What is found is the optimum of
a larger set and keeps every constraint: so it is the optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.portfolio_builder.optimizers.problem import NotSolved, Vector
from services.portfolio_builder.optimizers.program import Aim, minimize
from services.portfolio_builder.optimizers.region import Cuts, Region, no_cuts

#: More than any problem ever took; whoever needs more does not converge.
MOST_ROUNDS = 300


@dataclass(frozen=True)
class Found:
    """The optimum of one method.

    Attributes:
        weights: N.
        iterations: convex programs that were solved.
        notes: what a person must know of it.
        cuts: rows of the region that are known by now.
        bound: what no weights of the region are above, in units of the method's objective; None
            where that is not known.
        within: the region with the rows that the method has added to it; None = none were.
        solver: whose weights these are.
        rivaled: the weights are to be the best for the goal of the method, so that another solver
            may find better ones.
    """

    weights: Vector
    iterations: int
    cuts: Cuts
    notes: tuple[str, ...] = ()
    bound: float | None = None
    within: Region | None = None
    solver: str = "CLARABEL"
    rivaled: bool = True


def cut_until_kept(
    region: Region, cuts: Cuts, propose: Callable[[Cuts], Vector | None]
) -> Found | None:
    """What `propose` answers, once it breaks no constraint; None where there is nothing.

    Raises:
        NotSolved: it goes on breaking constraints.
    """
    for number in range(1, MOST_ROUNDS + 1):
        weights = propose(cuts)
        if weights is None:
            return None
        broken = region.cuts(weights)
        if len(cuts.plus(broken)) == len(cuts):
            return Found(weights, number, cuts)
        cuts = cuts.plus(broken)
    raise NotSolved(f"no weights keep all constraints after {MOST_ROUNDS} rounds of cuts")


def optimum(region: Region, aim: Aim, cuts: Cuts | None = None) -> Found | None:
    """The minimum of a quadratic function; None where no weights keep the constraints."""
    known = no_cuts(len(region.lower)) if cuts is None else cuts
    return cut_until_kept(region, known, lambda rows: minimize(region, rows, aim))


def nearest(region: Region, target: Vector) -> Found | None:
    """Weights of the region with the least sum of squared distances from `target`."""
    return optimum(region, Aim(-target, np.eye(len(target))))


def stretched(region: Region, weights: Vector, *, least: float = 0.0) -> Vector:
    """The largest multiple of these weights that is in the region.

    Args:
        region: of which multiples from `least` up to the answer are members, as it is convex.
        weights: a direction; not all 0.
        least: a multiple that is known to be a member.
    """
    low, high = least, float(region.rows.limits[0] / weights.sum())
    if region.excess(high * weights) <= 0:
        return high * weights
    for _ in range(60):
        middle = (low + high) / 2
        if region.excess(middle * weights) <= 0:
            low = middle
        else:
            high = middle
    return low * weights


def cash_is_free(region: Region) -> bool:
    """Whether all small enough weights are allowed: size and direction are two questions then."""
    limits = region.problem.constraints
    turnover = limits.max_turnover_ratio
    return (
        not region.lower.any()
        and limits.min_total_ratio == 0
        and (turnover is None or turnover > float(region.current().sum()))
    )


def largest_total(region: Region) -> Found | None:
    """Weights with the largest sum."""
    return optimum(region, Aim(-np.ones(len(region.lower))))
