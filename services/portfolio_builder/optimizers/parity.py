"""Risk parity: every strategy adds the same part of the volatility. Pure.

The weights y that minimize ½ y'Σy − Σ b log y have risk shares y∘(Σy) / y'Σy = b (Maillard,
Roncalli and Teiletche 2010; Spinu 2013). Over a region the same function gives the risk budgets
that are nearest in that sense (Richard and Roncalli 2019, Constrained risk budgeting portfolios).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from services.portfolio_builder.optimizers.ascent import ascend
from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.conflict import feasible
from services.portfolio_builder.optimizers.cutting import Found, cash_is_free
from services.portfolio_builder.optimizers.fit import fitted, wanted_total
from services.portfolio_builder.optimizers.problem import Matrix, NotSolved, Vector
from services.portfolio_builder.optimizers.region import Region, no_cuts

#: Weights change by at most this part of themselves in a step of the logarithm.
_TRUSTED = 0.5
#: Of its variance, that a strategy shares with no other at least.
_OWN = 1e-9


@dataclass(frozen=True)
class Budgets:
    """Σ b log w − ½ w'Σw / scale: its maximum has risk shares b.

    Attributes:
        shares: N, 0 = has no budget.
        covariance: N × N.
        scale: variance of the weights that it would find without constraints.
    """

    shares: Vector
    covariance: Matrix
    scale: float

    def slope(self, weights: Vector) -> Vector:
        """Gradient."""
        slope: Vector = self._per(weights) - self.covariance @ weights / self.scale
        return slope

    def curve(self, weights: Vector) -> Matrix:
        """Minus the second derivatives."""
        own = np.divide(self.shares, weights**2, out=np.zeros_like(weights), where=self.shares > 0)
        curve: Matrix = np.diag(own) + self.covariance / self.scale
        return curve

    def reach(self, weights: Vector, step: Vector) -> float:
        """Less than 1 where a weight would change by more than half of itself."""
        has = self.shares > 0
        change = float(np.abs(step[has] / weights[has]).max()) if has.any() else 0.0
        return min(1.0, _TRUSTED / change) if change > 0 else 1.0

    def _per(self, weights: Vector) -> Vector:
        per: Vector = np.divide(
            self.shares, weights, out=np.zeros_like(weights), where=self.shares > 0
        )
        return per


def risk_shares(covariance: Matrix, weights: Vector) -> Vector:
    """The part of the variance that each strategy adds; they sum to 1."""
    variance = float(weights @ covariance @ weights)
    shares: Vector = weights * (covariance @ weights) / max(variance, STILL)
    return shares


def equal_risk(covariance: Matrix) -> Vector:
    """Weights of sum 1 with equal risk shares, of strategies that all move.

    Raises:
        NotSolved: it does not converge.
    """
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    count = len(spread)
    function = Budgets(np.full(count, 1 / count), correlation, 1.0)
    weights: Vector = np.full(count, 1 / math.sqrt(max(float(correlation.sum()), 1e-3)))
    for _ in range(200):
        newton = np.linalg.solve(function.curve(weights), function.slope(weights))
        step = np.asarray(newton, dtype=np.float64)
        weights = weights + function.reach(weights, step) * step
        if float(np.abs(step / weights).max()) < 1e-13:
            break
    scaled: Vector = weights / spread
    off = float(np.abs(risk_shares(covariance, scaled) - 1 / count).max())
    if not off <= 1e-6:
        raise NotSolved(f"equal risk was not found: shares are still {off:.2g} apart")
    whole: Vector = scaled / scaled.sum()
    return whole


def risk_parity(region: Region) -> Found:
    """Equal risk shares of the strategies that may have a weight, as far as constraints allow.

    Where only limits of risk stand against it, all weights are made smaller, which keeps the
    shares equal. Else the shares are those that the constraints let come nearest, and the notes
    say how far apart they are.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    covariance = region.problem.covariance
    # Strategies that cancel out have no risk to share: a trace of their own keeps the sums finite.
    covariance = covariance + np.diag(_OWN * np.diag(covariance))
    open_ = (np.diag(covariance) >= STILL) & (region.upper > 0)
    wanted = np.zeros(len(open_))
    if not open_.any() or wanted_total(region) == 0:
        return fitted(region, wanted, "no strategy moves or may be given anything: weights of 0")
    inner = covariance[np.ix_(open_, open_)]
    wanted[open_] = equal_risk(inner) * wanted_total(region)
    rows_kept = region.keeps_rows(wanted)
    if region.excess(wanted) <= 1e-9 or (rows_kept and cash_is_free(region)):
        return replace(fitted(region, wanted, "equal risk shares:"), solver="Newton")
    budgets = Budgets(open_ / open_.sum(), covariance, float(wanted @ covariance @ wanted))
    start = np.where(open_, np.minimum(wanted, region.upper), 0.0)
    try:
        found = feasible(ascend(region, budgets, start, cuts=no_cuts(len(open_))), region)
    except NotSolved:
        return fitted(region, wanted, "equal risk shares:")
    shares = risk_shares(covariance, found.weights)[open_]
    note = (
        "equal risk shares break constraints: shares are from "
        f"{shares.min():.4f} to {shares.max():.4f} instead of {1 / open_.sum():.4f}"
    )
    return replace(found, notes=(note,))
