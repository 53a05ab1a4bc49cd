"""What every optimizer is asked and what it answers. Pure; weights are ratios of equity.

A weight is the share of equity that is allocated to a strategy: 0.5 of equity in a strategy that
returned 2 % made 1 %. Weights need not sum to 1: below it cash is left, above it margin is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.domain.errors import TraderError
from services.portfolio_builder.constraints import Constraints

Vector: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float64]

#: By how much a result may miss a constraint, in the unit of the constraint.
TOLERANCE: Final = 1e-6


class InvalidProblem(TraderError):
    """What was given cannot be optimized at all; the sentence says what was expected and found."""


class Infeasible(TraderError):
    """No weights keep all constraints; the sentence says which ones stand against each other."""


class NotSolved(TraderError):
    """There may be weights, but no solver found any that hold; the current allocation stays."""


@dataclass(frozen=True)
class Problem:
    """Everything an optimizer may look at.

    Attributes:
        strategy_ids: in the order of all arrays, N of them.
        returns: T × N daily returns on allocated capital, oldest first, each above −1; days before
            a strategy began are 0: this is the path for drawdown, CVaR and growth only.
        mean: N annual expected returns in excess of cash, shrunk, after fees.
        covariance: N × N annual, shrunk, positive semi-definite.
        periods_per_year: of `returns`.
        margins: T × N margin per unit of weight, a ratio of equity; None = not known.
        caps: N upper bounds that follow from too short a record; None = none.
        current: N weights as they are now; None = nothing is allocated.
        constraints: what the result keeps.
    """

    strategy_ids: tuple[str, ...]
    returns: Matrix
    mean: Vector
    covariance: Matrix
    periods_per_year: float
    margins: Matrix | None = None
    caps: Vector | None = None
    current: Vector | None = None
    constraints: Constraints = field(default_factory=Constraints)


@dataclass(frozen=True)
class Certificate:
    """Why a result can be believed.

    Attributes:
        solver: whose weights these are.
        second_solver: who solved it independently; "" where nobody did.
        gap: by how much the objective of the second is below, in units of the objective; negative
            where it is above but breaks a constraint.
        optimality_gap: the most that any weights within the constraints can be better, by a linear
            program (HiGHS) over tangents at the result; None where the method has no such bound.
        max_violation: the most that any constraint is missed by, in its own unit.
        iterations: how many convex problems were solved.
    """

    solver: str
    second_solver: str = ""
    gap: float | None = None
    optimality_gap: float | None = None
    max_violation: float = 0.0
    iterations: int = 0


@dataclass(frozen=True)
class FrontierPoint:
    """One choice between Sharpe ratio and growth."""

    weights: Vector
    sharpe: float
    growth: float


@dataclass(frozen=True)
class Solution:
    """Weights that keep every constraint to `TOLERANCE`.

    Attributes:
        weights: N ratios of equity.
        objective: what was maximized, in the method's own unit (annual).
        binding: constraints that hold it back, in words.
        certificate: why it can be believed.
        frontier: what there is to choose from, where the method makes one, and what was chosen.
        notes: what a person must know of it, in sentences.
    """

    weights: Vector
    objective: float
    binding: tuple[str, ...]
    certificate: Certificate
    frontier: tuple[FrontierPoint, ...] = ()
    notes: tuple[str, ...] = ()
