"""What each method is after, as a number and as a function with a gradient. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from services.portfolio_builder.constraints import Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.parity import risk_shares
from services.portfolio_builder.optimizers.problem import FrontierPoint, Problem, Vector

#: Value and gradient of what is maximized.
Score: TypeAlias = Callable[[Vector], tuple[float, Vector]]

#: What is left of a day at least, for a logarithm of it.
_LEFT = 1e-6
#: Volatility at least, for a ratio to it.
_MOVES = 1e-9


@dataclass(frozen=True)
class Goal:
    """What is maximized.

    Attributes:
        value: of weights, annual.
        score: the same with its gradient; None where a method is not the maximum of anything.
        sizeless: a multiple of the weights is as good.
    """

    value: Callable[[Vector], float]
    score: Score | None = None
    sizeless: bool = False


def goal_of(
    problem: Problem, method: Method, frontier: tuple[FrontierPoint, ...], alpha: float
) -> Goal:
    """The goal of a method.

    Sharpe ratio and growth are annual; minimum variance is minus the annual volatility; the hybrid
    is from 0 to 1 between the ends of its frontier; risk parity is minus the distance of the worst
    share from an equal one; HRP and equal weights are after nothing: 0.
    """
    if method is Method.MAX_SHARPE:
        return Goal(lambda w: measure.sharpe(problem, w), _sharpe(problem), sizeless=True)
    if method is Method.MAX_GROWTH:
        return Goal(lambda w: measure.growth(problem, w), _growth(problem))
    if method is Method.MIN_VARIANCE:
        return Goal(lambda w: -measure.volatility(problem.covariance, w), _calm(problem))
    if method is Method.RISK_PARITY:
        return Goal(lambda w: -_unequal(problem, w))
    if method is Method.HYBRID and frontier:
        return _mixed(problem, alpha / frontier[-1].sharpe, (1 - alpha) / frontier[0].growth)
    return Goal(lambda w: 0.0)


def _unequal(problem: Problem, weights: Vector) -> float:
    moving = np.diag(problem.covariance) >= STILL
    if not weights.any() or not moving.any():
        return 0.0
    shares = risk_shares(problem.covariance, weights)[moving]
    return float(np.abs(shares - 1 / len(shares)).max())


def _mixed(problem: Problem, of_sharpe: float, of_growth: float) -> Goal:
    sharpe, growth = _sharpe(problem), _growth(problem)

    def value(weights: Vector) -> float:
        ratio, speed = measure.sharpe(problem, weights), measure.growth(problem, weights)
        return of_sharpe * ratio + of_growth * speed

    def score(weights: Vector) -> tuple[float, Vector]:
        (one, one_slope), (two, two_slope) = sharpe(weights), growth(weights)
        return of_sharpe * one + of_growth * two, of_sharpe * one_slope + of_growth * two_slope

    return Goal(value, score)


def _growth(problem: Problem) -> Score:
    def score(weights: Vector) -> tuple[float, Vector]:
        left = np.maximum(1 + problem.returns @ weights, _LEFT)
        mean = problem.periods_per_year / len(left)
        return mean * float(np.log(left).sum()), mean * (problem.returns.T @ (1 / left))

    return score


def _sharpe(problem: Problem) -> Score:
    def score(weights: Vector) -> tuple[float, Vector]:
        risk = max(measure.volatility(problem.covariance, weights), _MOVES)
        value = float(problem.mean @ weights) / risk
        return value, (problem.mean - value * (problem.covariance @ weights) / risk) / risk

    return score


def _calm(problem: Problem) -> Score:
    def score(weights: Vector) -> tuple[float, Vector]:
        risk = max(measure.volatility(problem.covariance, weights), _MOVES)
        return -risk, -(problem.covariance @ weights) / risk

    return score
