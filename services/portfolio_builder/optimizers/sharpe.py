"""Maximum Sharpe ratio: first the direction, then the size. Pure.

The Sharpe ratio does not know how large a portfolio is, so a cap of 20 % of equity would be kept by
making everything small. Caps of strategies and groups therefore are shares of what is allocated
too: the direction is the best among w/total ≤ cap/reference, where the reference is 1, or the most
that the caps let be allocated where that is less. Then the direction is made as large as bounds,
total and risk limits let it.

Where a least weight, a least total or a turnover ties size to direction, one program finds both:
min y'Σy with mean'y fixed, y = k·w, k ≥ 0, w in the region.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.conflict import feasible, member
from services.portfolio_builder.optimizers.cutting import (
    Found,
    cash_is_free,
    cut_until_kept,
    largest_total,
    optimum,
    stretched,
)
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.optimizers.program import Aim, Shares, most_sharpe, sharpest
from services.portfolio_builder.optimizers.region import Region, Rows, no_cuts

#: Caps that add up to no more than what is shared leave one portfolio, and a solver no room: it is
#: given this part more. The caps of equity are kept as they are.
_ROOM = 1e-6
#: A smaller part of a direction is what an interior-point solver leaves of 0.
_NOISE = 1e-9
NO_SHARES = (
    "caps are kept as ratios of equity only: as shares of what is allocated too they leave no "
    "weights that earn more than cash"
)


def max_sharpe(region: Region, *, relative_caps: bool = True) -> Found:
    """Weights of the largest Sharpe ratio, as large as they may be.

    Args:
        region: what is allowed.
        relative_caps: whether caps are shares of what is allocated too.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    region, notes = without_still(region)
    if region.problem.mean.max() <= 0:
        return _nothing_to_gain(region, notes)
    shares = _shares(region) if relative_caps else None
    found = _direction(region, shares)
    if found is None and shares is not None:
        feasible(member(region), region)
        found = _direction(region, None)
        notes = notes if found is None else (*notes, NO_SHARES)
    if found is None:
        feasible(member(region), region)
        return _nothing_to_gain(region, notes)
    least = 0.0 if cash_is_free(region) else 1.0
    return replace(found, weights=stretched(region, found.weights, least=least), notes=notes)


def without_still(region: Region) -> tuple[Region, tuple[str, ...]]:
    """A region in which strategies that never moved get the least they may, and a word on each.

    It is left as it is where the other constraints cannot be kept without them.
    """
    still = np.diag(region.problem.covariance) < STILL
    if not still.any():
        return region, ()
    names = ", ".join(
        each for each, stands in zip(region.problem.strategy_ids, still, strict=True) if stands
    )
    note = (
        f"{names} never moved: without volatility no ratio to it can be compared, so it is left out"
    )
    without = replace(region, upper=np.where(still, region.lower, region.upper))
    return (region, ()) if member(without) is None else (without, (note,))


def _shares(region: Region) -> Shares | None:
    alone = _caps_only(region)
    total = feasible(largest_total(alone), region)
    most = float(total.weights.sum())
    if most <= 0:
        return None
    reference = 1.0 if most > 1 + _ROOM else most * (1 - _ROOM)
    groups = alone.rows
    rows = Rows(groups.matrix, groups.limits / reference, groups.names)
    return Shares(region.upper / reference, rows)


def _caps_only(region: Region) -> Region:
    """The region as if only bounds and groups limited it."""
    free = {
        "max_volatility_ratio": None,
        "max_drawdown_ratio": None,
        "max_cvar_ratio": None,
        "max_margin_ratio": None,
        "max_turnover_ratio": None,
    }
    constraints = region.problem.constraints.model_copy(update=free)
    caps = np.array([name.startswith("group ") for name in region.rows.names])
    problem = replace(region.problem, constraints=constraints)
    return replace(region, problem=problem, rows=region.rows.only(caps))


def _direction(region: Region, shares: Shares | None) -> Found | None:
    none = no_cuts(len(region.lower))
    free = cash_is_free(region)
    if free:
        closed = region.upper <= 0
        shares = shares or Shares(np.where(closed, 0.0, 1.0), none.rows)
        weights = sharpest(region, none, shares, free=True)
        if weights is None:
            return None
        found = Found(_cleaned(region, weights), 1, none)
    else:
        kept = cut_until_kept(region, none, lambda cuts: sharpest(region, cuts, shares, free=False))
        if kept is None:
            return None
        found = kept
    bound = most_sharpe(region, found.cuts, shares, found.weights, free=free)
    return replace(found, bound=bound, within=_with_shares(region, shares))


def _cleaned(region: Region, weights: Vector) -> Vector:
    """A direction without what the solver leaves of 0: a cap of 0 would let it have no size."""
    inside = np.where(region.upper > 0, np.maximum(weights, 0.0), 0.0)
    inside[inside < _NOISE * inside.sum()] = 0.0
    whole: Vector = inside / inside.sum()
    return whole


def _with_shares(region: Region, shares: Shares | None) -> Region:
    """The region with caps that are shares of the total as rows: w − share · total ≤ 0."""
    if shares is None:
        return region
    count = len(region.lower)
    each = np.eye(count) - shares.of_each[:, None]
    groups = shares.rows.matrix - shares.rows.limits[:, None]
    matrix = np.vstack((each, groups))
    rows = Rows(matrix, np.zeros(len(matrix)), ("share",) * len(matrix))
    return replace(region, rows=region.rows.plus(rows))


def _nothing_to_gain(region: Region, notes: tuple[str, ...]) -> Found:
    count = len(region.lower)
    why = "no strategy is expected to earn more than cash: "
    if cash_is_free(region):
        return Found(np.zeros(count), 0, no_cuts(count), (*notes, why + "nothing is allocated"))
    found = optimum(region, Aim(np.zeros(count), region.problem.covariance))
    note = why + "what must be allocated has the least variance"
    return replace(feasible(found, region), notes=(*notes, note), rivaled=False)
