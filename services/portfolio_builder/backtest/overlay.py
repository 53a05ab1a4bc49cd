"""Scales of exposure that follow volatility and drawdown; they only ever make smaller. Pure.

An in-sample cap of the drawdown is no risk control: what holds out of sample is exposure that
follows volatility, and is cut in drawdowns by a governor that leaves something to recover with
(docs/decisions/0017-backtests.md). A scale of at most 1 breaks no constraint of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.portfolio_builder.optimizers.problem import Vector

#: Weight of yesterday in the variance (RiskMetrics, 1996).
DECAY = 0.94
#: A scale is left where it is until it would change by more than this part of itself.
BUFFER_RATIO = 0.10
#: The least that a governor leaves: with nothing there is no way back.
LEAST = 0.1


@dataclass(frozen=True)
class Governor:
    """Cuts exposure from a drawdown of `start` on, to the least one at `stop`; ratios of equity."""

    start: float
    stop: float

    def scale(self, drawdown: float) -> float:
        """What is left of exposure after such a loss from the peak, yesterday's."""
        left = (self.stop - drawdown) / (self.stop - self.start)
        return min(max(left, LEAST), 1.0)


def forecast_volatility(returns: Vector, periods: float) -> Vector:
    """Annual volatility for each day as it is known the day before; 0 for the first."""
    squares = returns**2
    forecast = np.zeros(len(returns))
    variance = float(squares[0])
    for day in range(1, len(returns)):
        forecast[day] = variance
        variance = DECAY * variance + (1.0 - DECAY) * float(squares[day])
    return np.sqrt(forecast * periods)


def volatility_scales(forecast: Vector, target: float, start: float | None = None) -> Vector:
    """Part of the weights to hold on each day, so that volatility stays at the target.

    Args:
        forecast: annual volatility at full weights, known the day before.
        target: annual.
        start: scale of the day before, which is kept while it is close enough; None = none.
    """
    wanted = np.minimum(target / np.maximum(forecast, 1e-12), 1.0)
    found = np.empty(len(forecast))
    scale = start
    for day, each in enumerate(wanted):
        if scale is None or abs(each - scale) > BUFFER_RATIO * scale:
            scale = float(each)
        found[day] = scale
    return found
