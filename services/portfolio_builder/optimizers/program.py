"""One convex program over a region, solved by CLARABEL. Pure.

Minimizes ½ w'Hw + g'w over the rows of a region, its volatility and turnover, and the cuts that are
known so far. A ratio of two homogeneous functions (the Sharpe ratio) is minimized in y = k·w with a
free k ≥ 0: every row a'w ≤ b becomes a'y ≤ b·k (Charnes and Cooper 1962).
"""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import numpy as np
from scipy import sparse

from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector
from services.portfolio_builder.optimizers.region import Region, Rows

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


def minimize(region: Region, cuts: Rows, aim: Aim) -> Vector | None:
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


def sharpest(region: Region, cuts: Rows, shares: Shares | None, *, free: bool) -> Vector | None:
    """Direction of the largest Sharpe ratio, or None where no weights have one above 0.

    Args:
        region: whose rows hold.
        cuts: more of its rows.
        shares: caps relative to the total.
        free: nothing but `shares` holds; the size of the weights is then without meaning.

    Raises:
        NotSolved: CLARABEL gave up.
    """
    problem = region.problem
    count = len(region.lower)
    builder = _Builder(count)
    if free:
        builder.at_most(-sparse.identity(count), np.zeros(count))
    else:
        _add_region(builder, region, cuts)
        builder.scale_limits()
    if shares is not None:
        _add_shares(builder, shares)
    builder.equal(problem.mean[None, :], np.ones(1))
    found = _solve(builder, Aim(np.zeros(count), problem.covariance))
    if found is None or builder.scaled is None or builder.last is None:
        return found
    weights: Vector = found / max(float(builder.last[builder.scaled]), 1e-300)
    return weights


class _Builder:
    """Rows of a conic program, whose first variables are the weights."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.columns = count
        self.scaled: int | None = None
        self.last: Vector | None = None
        self.cones: list[tuple[str, sparse.spmatrix, Vector]] = []

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


def _add_region(builder: _Builder, region: Region, cuts: Rows) -> None:
    count, limits = builder.count, region.problem.constraints
    one = sparse.identity(count)
    builder.at_most(one, region.upper)
    builder.at_most(-one, -region.lower)
    builder.at_most(region.rows.matrix, region.rows.limits)
    if len(cuts):
        builder.at_most(cuts.matrix, cuts.limits)
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
    blocks = []
    for _, matrix, _ in builder.cones:
        matrix.resize(matrix.shape[0], wide)
        blocks.append(matrix)
    left = sparse.csc_matrix(sparse.vstack(blocks))
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
