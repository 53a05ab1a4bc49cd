"""One convex program over a region, solved by CLARABEL. Pure.

Minimizes ½ w'Hw + g'w over the rows of a region, its volatility and turnover, and the cuts that are
known so far. A ratio of two homogeneous functions (the Sharpe ratio) is minimized in y = k·w with a
free k ≥ 0: every row a'w ≤ b becomes a'y ≤ b·k (Charnes and Cooper 1962).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.conic import Builder, linear_gain, placed, solve
from services.portfolio_builder.optimizers.problem import Matrix, Vector
from services.portfolio_builder.optimizers.region import Cuts, Region, Rows


@dataclass(frozen=True)
class Aim:
    """What is minimized: ½ w'Hw + g'w.

    Attributes:
        hessian: N × N, positive semi-definite; None = 0.
        gradient: N.
        sharpe_floor: the least Sharpe ratio, annual; None = none.
    """

    gradient: Vector
    hessian: Matrix | None = None
    sharpe_floor: float | None = None


@dataclass(frozen=True)
class Shares:
    """Caps as a share of what is allocated in all.

    Attributes:
        of_each: N.
        rows: `matrix @ weights <= limits × total`.
    """

    of_each: Vector
    rows: Rows


def minimize(
    region: Region, cuts: Cuts, aim: Aim, columns: NDArray[np.bool_] | None = None
) -> Vector | None:
    """The best weights, or None where there are none.

    Args:
        region: what is allowed, with `cuts`.
        cuts: what is known of the part of it that is not rows.
        aim: what is minimized.
        columns: weights to begin with, where few of many will not be 0; marks those that are taken
            in later. None = all at once.

    Raises:
        NotSolved: CLARABEL gave up.
    """
    builder = Builder(len(region.lower))
    _add_region(builder, region, cuts)
    if aim.sharpe_floor is not None:
        mean = region.problem.mean / aim.sharpe_floor
        builder.cone(np.vstack((mean, region.factor.T)), np.zeros(len(mean) + 1))
    found = solve(builder, aim.gradient, aim.hessian, columns)
    return None if found is None else found[: builder.count]


def most_gain(region: Region, cuts: Cuts, slope: Vector, weights: Vector) -> float | None:
    """The most that any weights of the region are above these, along `slope`; by HiGHS.

    A concave function lies below its tangent, and a convex set within the tangents at one of its
    points: so this linear program bounds what is left to gain of a function with this slope. None
    where HiGHS cannot say.
    """
    builder = Builder(len(region.lower))
    _add_region(builder, region, cuts)
    return linear_gain(builder, slope, weights)


def sharpest(region: Region, cuts: Cuts, shares: Shares | None, *, free: bool) -> Vector | None:
    """Direction of the largest Sharpe ratio, or None where no weights have one above 0.

    Args:
        region: whose rows hold.
        cuts: more of its rows.
        shares: caps relative to the total.
        free: nothing but `shares` holds; the size of the weights is then without meaning.

    Raises:
        NotSolved: CLARABEL gave up.
    """
    builder = _sharpest(region, cuts, shares, free=free)
    found = solve(builder, np.zeros(builder.count), region.problem.covariance)
    if found is None:
        return None
    size = 1.0 if builder.scaled is None else max(float(found[builder.scaled]), 1e-300)
    weights: Vector = found[: builder.count] / size
    return weights


def most_sharpe(
    region: Region, cuts: Cuts, shares: Shares | None, weights: Vector, *, free: bool
) -> float | None:
    """A Sharpe ratio that none of what `sharpest` may choose from is above; by HiGHS.

    y'Σy is convex, so that it is at least its tangent at y, where mean'y is fixed. None where
    HiGHS cannot say.
    """
    problem = region.problem
    size = _best_alone(region)
    unit = weights * size / float(problem.mean @ weights)
    slope = -2 * problem.covariance @ unit
    gain = linear_gain(_sharpest(region, cuts, shares, free=free), slope, unit)
    if gain is None:
        return None
    least = float(unit @ problem.covariance @ unit) - max(gain, 0.0)
    return size / math.sqrt(least) if least > 0 else None


def _sharpest(region: Region, cuts: Cuts, shares: Shares | None, *, free: bool) -> Builder:
    count = len(region.lower)
    builder = Builder(count)
    if free:
        builder.at_most(-np.eye(count), np.zeros(count))
    else:
        _add_region(builder, region, cuts)
        builder.scale_limits()
    if shares is not None:
        _add_shares(builder, shares)
    builder.equal(region.problem.mean[None, :] / _best_alone(region), np.ones(1))
    return builder


def _best_alone(region: Region) -> float:
    """The best Sharpe ratio of one strategy: it makes y'Σy at most about 1."""
    spread = np.sqrt(np.maximum(np.diag(region.problem.covariance), STILL))
    return max(float((region.problem.mean / spread).max()), STILL)


def _add_region(builder: Builder, region: Region, cuts: Cuts) -> None:
    count, limits = builder.count, region.problem.constraints
    one = np.eye(count)
    builder.at_most(one, region.upper)
    builder.at_most(-one, -region.lower)
    builder.at_most(region.rows.matrix, region.rows.limits)
    if len(cuts.rows):
        builder.at_most(cuts.rows.matrix, cuts.rows.limits)
    if cuts.tail:
        _add_tail(builder, region, sorted(cuts.tail))
    if limits.max_turnover_ratio is not None:
        now, away = region.current(), builder.more(count)  # away ≥ |w − now|
        builder.at_most(placed({0: one, away: -one}), now)
        builder.at_most(placed({0: -one, away: -one}), -now)
        sums = placed({away: np.ones((1, count))})
        builder.at_most(sums, np.array([limits.max_turnover_ratio]))
    if limits.max_volatility_ratio is not None:
        offset = np.zeros(count + 1)
        offset[0] = limits.max_volatility_ratio
        builder.cone(np.vstack((np.zeros(count), region.factor.T)), offset)


def _add_tail(builder: Builder, region: Region, days: list[int]) -> None:
    """least + Σ beyond / k ≤ CVaR, beyond ≥ −r'w − least and ≥ 0, with k days in the tail."""
    limits, returns = region.problem.constraints, region.problem.returns
    if limits.max_cvar_ratio is None:
        return
    count, counted = len(days), len(returns) * (1 - limits.cvar_confidence_ratio)
    least, beyond = builder.more(1), builder.more(count)
    one, column = np.eye(count), np.ones((count, 1))
    none = np.zeros(count)
    builder.at_most(placed({0: -returns[days], least: -column, beyond: -one}), none)
    builder.at_most(placed({beyond: -one}), none)
    mean = placed({least: np.ones((1, 1)), beyond: np.full((1, count), 1 / counted)})
    builder.at_most(mean, np.array([limits.max_cvar_ratio]))


def _add_shares(builder: Builder, shares: Shares) -> None:
    count, rows = builder.count, shares.rows
    total = builder.more(1)
    one = np.eye(count)
    builder.at_most(placed({0: one, total: -shares.of_each[:, None]}), np.zeros(count))
    builder.at_most(placed({0: rows.matrix, total: -rows.limits[:, None]}), np.zeros(len(rows)))
    sums = placed({0: np.ones((1, count)), total: -np.ones((1, 1))})
    builder.equal(sums, np.zeros(1))
