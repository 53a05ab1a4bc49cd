"""What a portfolio would have been on the path of the past, and is on its estimates. Pure.

`daily` is the return of the portfolio on each day, oldest first: `returns @ weights`, which says
that the weights are restored every day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.portfolio_builder.optimizers.problem import Matrix, Problem, Vector

#: A portfolio that lost this share of a day's equity is ruined: its logarithm is of no use.
RUIN = 1 - 1e-9


def volatility(covariance: Matrix, weights: Vector) -> float:
    """Annual."""
    return math.sqrt(max(float(weights @ covariance @ weights), 0.0))


def sharpe(problem: Problem, weights: Vector) -> float:
    """Expected excess return by volatility, annual; 0 where nothing moves."""
    risk = volatility(problem.covariance, weights)
    return float(problem.mean @ weights) / risk if risk > 0 else 0.0


def growth(problem: Problem, weights: Vector) -> float:
    """Annual mean of log(1 + return) on the path; −infinity where a day ruins."""
    daily = problem.returns @ weights
    if daily.min() <= -RUIN:
        return -math.inf
    return problem.periods_per_year * float(np.log1p(daily).mean())


def drawdown(daily: Vector) -> float:
    """Largest loss from a peak, compounded; the start is a peak too. 1 where a day ruins."""
    if daily.min() <= -RUIN:
        return 1.0
    equity = np.concatenate(([0.0], np.cumsum(np.log1p(daily))))
    return float(-np.expm1((equity - np.maximum.accumulate(equity)).min()))


def tail_mean(daily: Vector, confidence: float) -> float:
    """Mean loss of the worst `1 − confidence` of days, the last of them in part, above 0 = a loss.

    Rockafellar and Uryasev (2002), Conditional value-at-risk for general loss distributions.
    """
    return -float(daily @ tail_shares(daily, confidence))


def tail_shares(daily: Vector, confidence: float) -> Vector:
    """By how much each day counts in `tail_mean`; sums to 1."""
    days = max(len(daily) * (1 - confidence), 1e-9)
    whole = min(math.floor(days + 1e-12), len(daily))
    order = np.argpartition(daily, min(whole, len(daily) - 1))
    shares = np.zeros(len(daily))
    shares[order[:whole]] = 1 / days
    if whole < len(daily):
        shares[order[whole]] = max(days - whole, 0.0) / days
    return shares


@dataclass(frozen=True)
class Losses:
    """Losses from a peak that are larger than asked: one for each peak.

    Attributes:
        starts: first day of each, as an index of `daily`.
        ends: one after its last day.
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]


def losses_beyond(daily: Vector, limit: float, *, most: int) -> Losses:
    """The largest losses after a peak that are beyond `limit`; no day may ruin."""
    equity = np.concatenate(([0.0], np.cumsum(np.log1p(daily))))
    peaks = np.flatnonzero(equity >= np.maximum.accumulate(equity))
    deepest = np.minimum.reduceat(equity, peaks)
    depths = equity[peaks] - deepest
    chosen = np.argsort(-depths)[:most]
    chosen = chosen[depths[chosen] > -math.log1p(-limit)]
    until = np.append(peaks[1:], len(equity))
    ends = [peaks[at] + int(np.argmin(equity[peaks[at] : until[at]])) for at in chosen]
    return Losses(peaks[chosen], np.array(ends, dtype=np.intp))
