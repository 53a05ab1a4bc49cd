"""One convex program over a region, solved by CLARABEL. Pure.

Minimizes ½ w'Hw + g'w over the rows of a region, its volatility and turnover, and the cuts that are
known so far. A ratio of two homogeneous functions (the Sharpe ratio) is minimized in y = k·w with a
free k ≥ 0: every row a'w ≤ b becomes a'y ≤ b·k (Charnes and Cooper 1962).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import clarabel
import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector
from services.portfolio_builder.optimizers.region import Cuts, Region, Rows

_EMPTY = ("PrimalInfeasible", "AlmostPrimalInfeasible")
#: Of optimality and of rows: what is wanted, and what is taken where that cannot be had.
_TOLERANCES = (1e-10, 1e-8)


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


def minimize(region: Region, cuts: Cuts, aim: Aim) -> Vector | None:
    """The best weights, or None where there are none.

    Raises:
        NotSolved: CLARABEL gave up.
    """
    builder = _Builder(len(region.lower))
    _add_region(builder, region, cuts)
    if aim.sharpe_floor is not None:
        mean = region.problem.mean / aim.sharpe_floor
        builder.cone(np.vstack((mean, region.factor.T)), np.zeros(len(mean) + 1))
    return _solve(builder, aim)


def most_gain(region: Region, cuts: Cuts, slope: Vector, weights: Vector) -> float | None:
    """The most that any weights of the region are above these, along `slope`; by HiGHS.

    A concave function lies below its tangent, and a convex set within the tangents at one of its
    points: so this linear program bounds what is left to gain of a function with this slope. None
    where HiGHS cannot say.
    """
    builder = _Builder(len(region.lower))
    _add_region(builder, region, cuts)
    return _linear_gain(builder, slope, weights)


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
    found = _solve(builder, Aim(np.zeros(builder.count), region.problem.covariance))
    if found is None or builder.scaled is None or builder.last is None:
        return found
    weights: Vector = found / max(float(builder.last[builder.scaled]), 1e-300)
    return weights


def most_sharpe(
    region: Region, cuts: Cuts, shares: Shares | None, weights: Vector, *, free: bool
) -> float | None:
    """A Sharpe ratio that none of what `sharpest` may choose from is above; by HiGHS.

    y'Σy is convex, so that it is at least its tangent at y, where mean'y = 1. None where HiGHS
    cannot say.
    """
    problem = region.problem
    unit = weights / float(problem.mean @ weights)
    slope = -2 * problem.covariance @ unit
    gain = _linear_gain(_sharpest(region, cuts, shares, free=free), slope, unit)
    if gain is None:
        return None
    least = float(unit @ problem.covariance @ unit) - max(gain, 0.0)
    return 1 / math.sqrt(least) if least > 0 else None


def _sharpest(region: Region, cuts: Cuts, shares: Shares | None, *, free: bool) -> _Builder:
    count = len(region.lower)
    builder = _Builder(count)
    if free:
        builder.at_most(-sparse.identity(count), np.zeros(count))
    else:
        _add_region(builder, region, cuts)
        builder.scale_limits()
    if shares is not None:
        _add_shares(builder, shares)
    builder.equal(region.problem.mean[None, :], np.ones(1))
    return builder


class _Builder:
    """Rows of a conic program, whose first variables are the weights."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.columns = count
        self.scaled: int | None = None
        self.last: Vector | None = None
        self.cones: list[tuple[str, sparse.csc_matrix, Vector]] = []

    def more(self, count: int) -> int:
        """New variables; answers where they begin."""
        self.columns += count
        return self.columns - count

    def at_most(self, matrix: object, limits: Vector) -> None:
        self.cones.append(("at_most", sparse.csc_matrix(matrix), limits))

    def equal(self, matrix: object, limits: Vector) -> None:
        self.cones.append(("equal", sparse.csc_matrix(matrix), limits))

    def cone(self, matrix: Matrix, offset: Vector) -> None:
        """(matrix @ x + offset) lies in the second-order cone."""
        self.cones.append(("cone", sparse.csc_matrix(-matrix), offset))

    def wide(self, blocks: list[sparse.csc_matrix]) -> sparse.csc_matrix:
        """Rows of all the variables, one block below the other."""
        for block in blocks:
            block.resize(block.shape[0], self.columns)
        return sparse.csc_matrix(sparse.vstack(blocks))

    def scale_limits(self) -> None:
        """A variable k: what was limited by b is limited by b·k from here on."""
        self.scaled = self.more(1)
        scaled = []
        for kind, matrix, limits in self.cones:
            wide = sparse.hstack(
                (
                    matrix,
                    sparse.csc_matrix((matrix.shape[0], self.scaled - matrix.shape[1])),
                    sparse.csc_matrix(-limits[:, None]),
                )
            )
            scaled.append((kind, sparse.csc_matrix(wide), np.zeros(len(limits))))
        self.cones = scaled
        sign = sparse.csc_matrix(([-1.0], ([0], [self.scaled])), shape=(1, self.columns))
        self.at_most(sign, np.zeros(1))


def _add_region(builder: _Builder, region: Region, cuts: Cuts) -> None:
    count, limits = builder.count, region.problem.constraints
    one = sparse.identity(count)
    builder.at_most(one, region.upper)
    builder.at_most(-one, -region.lower)
    builder.at_most(region.rows.matrix, region.rows.limits)
    if len(cuts.rows):
        builder.at_most(cuts.rows.matrix, cuts.rows.limits)
    if cuts.tail:
        _add_tail(builder, region, sorted(cuts.tail))
    if limits.max_turnover_ratio is not None:
        now = region.current()
        builder.more(count)  # z ≥ |w − now|
        builder.at_most(sparse.hstack((one, -one)), now)
        builder.at_most(sparse.hstack((-one, -one)), -now)
        ones = sparse.csc_matrix(np.concatenate((np.zeros(count), np.ones(count)))[None, :])
        builder.at_most(ones, np.array([limits.max_turnover_ratio]))
    if limits.max_volatility_ratio is not None:
        offset = np.zeros(count + 1)
        offset[0] = limits.max_volatility_ratio
        builder.cone(np.vstack((np.zeros(count), region.factor.T)), offset)


def _add_tail(builder: _Builder, region: Region, days: list[int]) -> None:
    """least + Σ beyond / k ≤ CVaR, beyond ≥ −r'w − least and ≥ 0, with k days in the tail."""
    limits, returns = region.problem.constraints, region.problem.returns
    if limits.max_cvar_ratio is None:
        return
    count, counted = len(days), len(returns) * (1 - limits.cvar_confidence_ratio)
    least = builder.more(1 + count)
    gap = sparse.csc_matrix((count, least - builder.count))
    ones = sparse.csc_matrix(np.ones((count, 1)))
    one = sparse.identity(count)
    none = np.zeros(count)
    builder.at_most(sparse.hstack((-returns[days], gap, -ones, -one)), none)
    builder.at_most(sparse.hstack((sparse.csc_matrix((count, least + 1)), -one)), none)
    mean = np.zeros((1, least + 1 + count))
    mean[0, least], mean[0, least + 1 :] = 1.0, 1 / counted
    builder.at_most(mean, np.array([limits.max_cvar_ratio]))


def _add_shares(builder: _Builder, shares: Shares) -> None:
    count = builder.count
    total = builder.more(1)
    gap = sparse.csc_matrix((count, total - count))
    one = sparse.identity(count)
    builder.at_most(
        sparse.hstack((one, gap, sparse.csc_matrix(-shares.of_each[:, None]))), np.zeros(count)
    )
    rows = shares.rows
    gap = sparse.csc_matrix((len(rows), total - count))
    limits = sparse.csc_matrix(-rows.limits[:, None])
    builder.at_most(sparse.hstack((rows.matrix, gap, limits)), np.zeros(len(rows)))
    sums = sparse.csc_matrix(np.ones((1, count)))
    gap = sparse.csc_matrix((1, total - count))
    builder.equal(sparse.hstack((sums, gap, sparse.csc_matrix([[-1.0]]))), np.zeros(1))


def _solve(builder: _Builder, aim: Aim) -> Vector | None:
    wide = builder.columns
    hessian = np.zeros((builder.count, builder.count)) if aim.hessian is None else aim.hessian
    quadratic = sparse.csc_matrix(np.triu(hessian))
    quadratic.resize(wide, wide)
    gradient = np.zeros(wide)
    gradient[: builder.count] = aim.gradient
    cones = {
        "at_most": clarabel.NonnegativeConeT,
        "equal": clarabel.ZeroConeT,
        "cone": clarabel.SecondOrderConeT,
    }
    left = builder.wide([matrix for _, matrix, _ in builder.cones])
    right = np.concatenate([limits for _, _, limits in builder.cones])
    kinds = [cones[kind](matrix.shape[0]) for kind, matrix, _ in builder.cones]
    status = ""
    for tolerance in _TOLERANCES:
        solver = clarabel.DefaultSolver(
            quadratic, gradient, left, right, kinds, _settings(tolerance)
        )
        found = solver.solve()
        status = str(found.status)
        if status in _EMPTY:
            return None
        if status == "Solved" or (status == "AlmostSolved" and tolerance == _TOLERANCES[-1]):
            builder.last = np.array(found.x)
            weights: Vector = builder.last[: builder.count]
            return weights
    raise NotSolved(f"CLARABEL found no weights: {status}")


def _linear_gain(builder: _Builder, slope: Vector, weights: Vector) -> float | None:
    count = builder.count
    limited: list[tuple[sparse.csc_matrix, Vector]] = []
    equal: list[tuple[sparse.csc_matrix, Vector]] = []
    for kind, matrix, limits in builder.cones:
        if kind == "cone":
            limited.append(_tangent(matrix, limits, weights))
        else:
            (limited if kind == "at_most" else equal).append((matrix, limits))
    cost = np.zeros(builder.columns)
    cost[:count] = -slope
    found = linprog(
        cost,
        A_ub=builder.wide([matrix for matrix, _ in limited]),
        b_ub=np.concatenate([limits for _, limits in limited]),
        A_eq=builder.wide([matrix for matrix, _ in equal]) if equal else None,
        b_eq=np.concatenate([limits for _, limits in equal]) if equal else None,
        bounds=(None, None),
        method="highs",
    )
    return -float(found.fun) - float(slope @ weights) if found.status == 0 else None


def _tangent(
    matrix: sparse.csc_matrix, offset: Vector, weights: Vector
) -> tuple[sparse.csc_matrix, Vector]:
    """The row t ≥ û'u that touches t ≥ |u| where these weights are."""
    there = offset - matrix[:, : len(weights)] @ weights
    along = there[1:] / max(float(np.linalg.norm(there[1:])), 1e-300)
    row = np.concatenate(([1.0], -along))[None, :]
    return sparse.csc_matrix(row @ matrix), row @ offset


def _settings(tolerance: float) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_iter = 100
    settings.max_threads = 1
    settings.tol_feas = tolerance
    settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    settings.reduced_tol_feas = 1e-7
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = 1e-7
    return settings
