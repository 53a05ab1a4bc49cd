"""How much of a good result may be luck. Pure.

Bailey and Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40(5);
Politis and Romano (1994), The stationary bootstrap, JASA 89.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from services.portfolio_builder.backtest.metrics import (
    moments,
    probabilistic_sharpe,
    sharpe,
    sharpe_probability,
)
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.study_result import Overfitting, Portfolio

#: Euler's constant.
GAMMA = 0.5772156649015329
#: Of the random numbers, in every study, so that it can be done again.
SEED = 20160104
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
    steps = np.log1p(returns)
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


def overfitting_of(
    portfolio: Portfolio, returns: Vector, periods: float, *, trials: int, seed: int = SEED
) -> Overfitting:
    """How much the returns of the test days may owe to luck.

    The variance among trials is that of the Sharpe ratio of returns that are worth nothing,
    1 ÷ (days − 1): what other studies showed is not known here.
    """
    days = len(returns)
    expected = expected_max_sharpe(1.0 / max(days - 1, 1), trials)
    ratio, shape = sharpe(returns, periods), moments(returns)
    known = ratio is not None and shape is not None
    return Overfitting(
        portfolio=portfolio,
        psr=probabilistic_sharpe(returns, periods),
        trials=trials,
        expected_max_sharpe=expected * math.sqrt(periods),
        dsr=probabilistic_sharpe(returns, periods, expected * math.sqrt(periods))
        if known
        else None,
        bootstrap_seed=seed,
        bootstrap_drawdown_95_ratio=float(
            np.quantile(bootstrap_drawdowns(returns, seed=seed), 0.95)
        ),
    )
