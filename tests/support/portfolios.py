"""Strategies that never were, and the problems made of them."""

from __future__ import annotations

import numpy as np

from services.portfolio_builder.constraints import Constraints
from services.portfolio_builder.optimizers.problem import Problem


def market(count: int, days: int = 600, seed: int = 0, sharpe: float = 0.6):
    """Daily returns of strategies with fat tails, common factors and bad months."""
    rng = np.random.default_rng(seed)
    loads = rng.normal(0, 0.5, (count, 3))
    calm = np.exp(np.convolve(rng.normal(0, 0.4, days + 20), np.ones(21) / 4.6, "valid"))
    shocks = rng.standard_t(5, (days, 3)) @ loads.T + rng.standard_t(5, (days, count))
    shocks *= calm[:, None] / (shocks * calm[:, None]).std(axis=0)
    spread = rng.uniform(0.08, 0.3, count) / np.sqrt(252)
    mean = rng.normal(sharpe, 0.5, count) * spread / np.sqrt(252)
    return np.clip(mean + shocks * spread, -0.6, 0.6)


def problem_of(returns, *, current=None, margins=None, caps=None, mean=None, **limits) -> Problem:
    """Sample mean and covariance of these returns, as they are."""
    returns = np.asarray(returns, dtype=np.float64)
    count = returns.shape[1]
    return Problem(
        strategy_ids=tuple(f"S{number}" for number in range(count)),
        returns=returns,
        mean=returns.mean(axis=0) * 252 if mean is None else np.asarray(mean, dtype=np.float64),
        covariance=np.cov(returns.T).reshape(count, count) * 252,
        periods_per_year=252.0,
        margins=margins,
        caps=caps,
        current=current,
        constraints=Constraints(**limits),
    )
