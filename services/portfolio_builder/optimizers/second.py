"""A second opinion of another kind of solver: SLSQP, with analytic gradients. Pure.

It follows the constraints themselves (the worst drawdown as it is, not cuts of it), from another
start, and shares with the first solver only the formulas. Whoever of both is better and keeps the
constraints is taken; the difference is in the certificate.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.goals import Score
from services.portfolio_builder.optimizers.problem import Matrix, Vector
from services.portfolio_builder.optimizers.region import Region

#: Its time grows with the cube of the strategies; with more it is not asked.
MOST_STRATEGIES = 60
_MOST_STEPS = 60
#: What is left of a day at least, for a logarithm of it.
_LEFT = 1e-6


def slsqp(region: Region, score: Score) -> Vector | None:
    """Weights of SLSQP, which may miss constraints; None where it ends without numbers."""
    count = len(region.lower)
    start = np.clip(np.full(count, 1 / count), region.lower, region.upper)

    def loss(weights: Vector) -> tuple[float, Vector]:
        value, slope = score(weights)
        return -value, -slope

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # says where it clips a step to the bounds
        found = minimize(
            loss,
            start,
            jac=True,
            method="SLSQP",
            bounds=list(zip(region.lower, region.upper, strict=True)),
            constraints=_constraints(region),
            options={"maxiter": _MOST_STEPS, "ftol": 1e-12},
        )
    weights: Vector = np.clip(found.x, region.lower, region.upper)
    return weights if np.isfinite(weights).all() else None


def _constraints(region: Region) -> list[dict[str, Any]]:
    limits, problem = region.problem.constraints, region.problem
    rows = region.rows
    found = [_at_least_0(lambda w: rows.limits - rows.matrix @ w, lambda w: -rows.matrix)]
    if limits.max_volatility_ratio is not None:
        most, covariance = limits.max_volatility_ratio, problem.covariance
        found.append(
            _at_least_0(
                lambda w: np.array([most**2 - w @ covariance @ w]), lambda w: -2 * covariance @ w
            )
        )
    if limits.max_drawdown_ratio is not None:
        found.append(_drawdown(problem.returns, limits.max_drawdown_ratio))
    if limits.max_cvar_ratio is not None:
        found.append(_tail(problem.returns, limits.max_cvar_ratio, limits.cvar_confidence_ratio))
    if limits.max_margin_ratio is not None and problem.margins is not None:
        margins, margin = problem.margins, limits.max_margin_ratio
        found.append(
            _at_least_0(
                lambda w: np.array([margin - (margins @ w).max()]),
                lambda w: -margins[int((margins @ w).argmax())],
            )
        )
    if limits.max_turnover_ratio is not None:
        turnover, now = limits.max_turnover_ratio, region.current()
        found.append(
            _at_least_0(
                lambda w: np.array([turnover - np.abs(w - now).sum()]), lambda w: -np.sign(w - now)
            )
        )
    return found


def _at_least_0(
    value: Callable[[Vector], Vector], slope: Callable[[Vector], Matrix | Vector]
) -> dict[str, Any]:
    return {"type": "ineq", "fun": value, "jac": slope}


def _drawdown(returns: Matrix, limit: float) -> dict[str, Any]:
    room = -np.log1p(-limit)

    def value(weights: Vector) -> Vector:
        equity = _equity(returns, weights)
        return np.array([room + float((equity - np.maximum.accumulate(equity)).min())])

    def slope(weights: Vector) -> Vector:
        equity = _equity(returns, weights)
        end = int((equity - np.maximum.accumulate(equity)).argmin())
        start = int(equity[: end + 1].argmax())
        left = np.maximum(1 + returns[start:end] @ weights, _LEFT)
        gradient: Vector = (returns[start:end] / left[:, None]).sum(axis=0)
        return gradient

    return _at_least_0(value, slope)


def _equity(returns: Matrix, weights: Vector) -> Vector:
    logs = np.log(np.maximum(1 + returns @ weights, _LEFT))
    return np.concatenate(([0.0], np.cumsum(logs)))


def _tail(returns: Matrix, limit: float, confidence: float) -> dict[str, Any]:
    def shares(weights: Vector) -> Vector:
        return measure.tail_shares(returns @ weights, confidence)

    return _at_least_0(
        lambda w: np.array([limit + float((returns @ w) @ shares(w))]),
        lambda w: shares(w) @ returns,
    )
