"""A conic program row by row, solved by CLARABEL; its linear shadow, solved by HiGHS. Pure."""

from __future__ import annotations

import clarabel
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector

_SOLVED = ("Solved", "AlmostSolved")
_EMPTY = ("PrimalInfeasible", "AlmostPrimalInfeasible")
#: Of optimality and of rows: what is asked for, what else is, and what is taken where it ends.
_TOLERANCES, _ALMOST = (1e-10, 1e-9), 1e-8
#: By how much a weight that is left out may promise to lower the aim, for each unit of it.
_PROMISE = 1e-9
#: Weights that are taken in at once.
_AT_ONCE = 40


class Builder:
    """Rows of a conic program, whose first variables are the weights."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.columns = count
        self.scaled: int | None = None
        self.cones: list[tuple[str, Matrix, Vector]] = []

    def more(self, count: int) -> int:
        """New variables; answers where they begin."""
        self.columns += count
        return self.columns - count

    def at_most(self, matrix: Matrix, limits: Vector) -> None:
        """matrix @ x ≤ limits."""
        self.cones.append(("at_most", matrix, limits))

    def equal(self, matrix: Matrix, limits: Vector) -> None:
        """matrix @ x = limits."""
        self.cones.append(("equal", matrix, limits))

    def cone(self, matrix: Matrix, offset: Vector) -> None:
        """(matrix @ x + offset) lies in the second-order cone."""
        self.cones.append(("cone", -matrix, offset))

    def wide(self, blocks: list[Matrix]) -> Matrix:
        """Rows of all the variables, one block below the other."""
        rows = np.zeros((sum(len(block) for block in blocks), self.columns))
        start = 0
        for block in blocks:
            rows[start : start + len(block), : block.shape[1]] = block
            start += len(block)
        return rows

    def scale_limits(self) -> None:
        """A variable k: what was limited by b is limited by b·k from here on."""
        self.scaled = self.more(1)
        scaled = []
        for kind, matrix, limits in self.cones:
            wide = placed({0: matrix, self.scaled: -limits[:, None]})
            scaled.append((kind, wide, np.zeros(len(limits))))
        self.cones = scaled
        self.at_most(placed({self.scaled: -np.ones((1, 1))}), np.zeros(1))


def placed(blocks: dict[int, Matrix]) -> Matrix:
    """Blocks beside each other, each from its own first column on; 0 between them."""
    last = max(blocks)
    rows = np.zeros((len(blocks[last]), last + blocks[last].shape[1]))
    for start, block in blocks.items():
        rows[:, start : start + block.shape[1]] = block
    return rows


def solve(
    builder: Builder,
    gradient: Vector,
    hessian: Matrix | None = None,
    columns: NDArray[np.bool_] | None = None,
) -> Vector | None:
    """All variables where ½ w'Hw + g'w is least, or None where no weights keep the rows.

    Args:
        builder: the rows.
        gradient: of the weights.
        hessian: of the weights; None = 0.
        columns: weights to begin with; the others are 0 until their reduced cost says that they
            would help, and are marked here then. None = all at once.

    Raises:
        NotSolved: CLARABEL gave up.
    """
    program = _Program(builder, gradient, hessian)
    if columns is None:
        return program.solve(np.ones(builder.count, dtype=bool))
    while True:
        found = program.solve(columns)
        if columns.all():
            return found
        if found is None:
            columns[:] = True  # what is left out may be what keeps the rows
            continue
        promise = np.where(columns, 0.0, program.reduced_costs())
        helpful = np.argsort(promise)[:_AT_ONCE]
        helpful = helpful[promise[helpful] < -_PROMISE]
        if not len(helpful):
            return found
        columns[helpful] = True


class _Program:
    """The arrays that CLARABEL takes, and its latest answer."""

    def __init__(self, builder: Builder, gradient: Vector, hessian: Matrix | None) -> None:
        self.count, self.wide = builder.count, builder.columns
        self.hessian = hessian
        self.gradient = np.zeros(self.wide)
        self.gradient[: self.count] = gradient
        self.rows = builder.wide([matrix for _, matrix, _ in builder.cones])
        self.limits = np.concatenate([limits for _, _, limits in builder.cones])
        self.kinds = [(kind, len(limits)) for kind, _, limits in builder.cones]
        self.found = np.zeros(self.wide)
        self.duals = np.zeros(len(self.limits))

    def solve(self, columns: NDArray[np.bool_]) -> Vector | None:
        """With the other weights 0."""
        kept = np.concatenate((columns, np.ones(self.wide - self.count, dtype=bool)))
        rows = self.rows if kept.all() else self.rows[:, kept]
        needed, cones = self._cones(rows)
        quadratic = sparse.csc_matrix((int(kept.sum()),) * 2)
        if self.hessian is not None:
            inner = self.hessian[np.ix_(columns, columns)]
            quadratic = sparse.csc_matrix(np.triu(inner))
            quadratic.resize((int(kept.sum()),) * 2)
        left = sparse.csc_matrix(rows[needed])
        status = ""
        for tolerance in _TOLERANCES:
            solver = clarabel.DefaultSolver(
                quadratic,
                self.gradient[kept],
                left,
                self.limits[needed],
                cones,
                _settings(tolerance),
            )
            found = solver.solve()
            status = str(found.status)
            if status in _EMPTY:
                return None
            if status in _SOLVED:
                self.found[:], self.duals[:] = 0.0, 0.0
                self.found[kept], self.duals[needed] = found.x, found.z
                return self.found
        raise NotSolved(f"CLARABEL found no weights: {status}")

    def _cones(self, rows: Matrix) -> tuple[NDArray[np.bool_], list[object]]:
        """Rows that are not empty, or are part of a cone, and their cones."""
        needed = rows.any(axis=1) | (self.limits < 0)
        cones: list[object] = []
        start = 0
        for kind, length in self.kinds:
            place = slice(start, start + length)
            start += length
            if kind == "at_most":
                if needed[place].any():
                    cones.append(clarabel.NonnegativeConeT(int(needed[place].sum())))
                continue
            needed[place] = True
            cone = clarabel.ZeroConeT if kind == "equal" else clarabel.SecondOrderConeT
            cones.append(cone(length))
        return needed, cones

    def reduced_costs(self) -> Vector:
        """By how much one more of each weight would change the aim, all rows being paid for."""
        costs = self.gradient + self.rows.T @ self.duals
        weights = self.found[: self.count]
        reduced: Vector = costs[: self.count]
        if self.hessian is not None:
            used = np.flatnonzero(weights)
            reduced = reduced + self.hessian[:, used] @ weights[used]
        return reduced


def linear_gain(builder: Builder, slope: Vector, weights: Vector) -> float | None:
    """The most that `slope` can gain from these weights within the rows; None = HiGHS cannot say.

    Cones are the half-spaces that touch them at the weights.
    """
    count = builder.count
    limited: list[tuple[Matrix, Vector]] = []
    equal: list[tuple[Matrix, Vector]] = []
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


def _tangent(matrix: Matrix, offset: Vector, weights: Vector) -> tuple[Matrix, Vector]:
    """The row t ≥ û'u that touches t ≥ |u| where these weights are."""
    there = offset - matrix[:, : len(weights)] @ weights
    along = there[1:] / max(float(np.linalg.norm(there[1:])), 1e-300)
    row = np.concatenate(([1.0], -along))[None, :]
    return row @ matrix, row @ offset


def _settings(tolerance: float) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_iter = 100
    settings.max_threads = 1
    settings.tol_feas = tolerance
    settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    settings.reduced_tol_feas = _ALMOST
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = _ALMOST
    return settings
