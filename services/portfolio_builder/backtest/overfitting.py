"""How much of a good result may be luck. Pure.

Bailey and Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40(5);
Politis and Romano (1994), The stationary bootstrap, JASA 89.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from services.portfolio_builder.backtest.metrics import (
    excess_of,
    probabilistic_sharpe,
    sharpe_probability,
)
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.study_result import Overfitting, Track

#: Euler's constant.
GAMMA = 0.5772156649015329
#: Of the random numbers, in every study, so that it can be done again.
SEED = 20160104
#: A day that lost more left nothing; its logarithm would be of no use.
RUIN = 1.0 - 1e-9
#: Resampled paths, and the mean length of the stretches of days they are made of.
PATHS, STRETCH_DAYS = 1000, 21


def expected_max_sharpe(variance: float, trials: int) -> float:
    """Largest Sharpe ratio to be expected of so many that are worth nothing.

    Args:
        variance: of the Sharpe ratios of the trials; the result is in its root's unit.
        trials: independent ones; one expects 0.
    """
    if trials < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    best = (1.0 - GAMMA) * quantile(1.0 - 1.0 / trials)
    best += GAMMA * quantile(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(
    ratio: float, variance: float, trials: int, days: int, shape: tuple[float, float]
) -> float:
    """Probability that a Sharpe ratio is above what the best of `trials` shows by luck.

    Args:
        ratio: Sharpe ratio of one day.
        variance: of the daily Sharpe ratios of the trials.
        shape: skew and kurtosis.
    """
    return sharpe_probability(ratio, expected_max_sharpe(variance, trials), days, shape)


def bootstrap_drawdowns(returns: Vector, *, seed: int, paths: int = PATHS) -> Vector:
    """Largest drawdown of each of `paths` resampled paths, as long as the given one.

    Stretches of random length keep together what followed each other, so that losses still
    cluster.
    """
    random = np.random.default_rng(seed)
    days = len(returns)
    found = np.empty(paths)
    steps = np.log1p(np.maximum(returns, -RUIN))
    for path in range(paths):
        new = random.random(days) < 1.0 / STRETCH_DAYS
        new[0] = True
        starts = random.integers(0, days, size=int(new.sum()))
        began = np.flatnonzero(new)
        stretch = np.cumsum(new) - 1
        rows = (starts[stretch] + np.arange(days) - began[stretch]) % days
        level = np.cumsum(steps[rows])
        peak = np.maximum(np.maximum.accumulate(level), 0.0)
        found[path] = -np.expm1(np.min(level - peak))
    return found


def overfitting_of(track: Track, *, trials: int, risk_free: float, seed: int = SEED) -> Overfitting:
    """How much the test days of a portfolio may owe to luck.

    The variance among trials is that of the Sharpe ratio of returns that are worth nothing,
    1 ÷ (days − 1): what other studies showed is not known here.
    """
    periods = track.figures.periods_per_year
    returns = np.array(track.returns)
    excess = excess_of(returns, risk_free, periods)
    expected = expected_max_sharpe(1.0 / max(len(returns) - 1, 1), trials) * math.sqrt(periods)
    drawdowns = bootstrap_drawdowns(returns, seed=seed)
    return Overfitting(
        portfolio=track.portfolio,
        psr=probabilistic_sharpe(excess, periods),
        trials=trials,
        expected_max_sharpe=expected,
        dsr=probabilistic_sharpe(excess, periods, expected),
        bootstrap_seed=seed,
        bootstrap_drawdown_95_ratio=float(np.quantile(drawdowns, 0.95)),
    )
