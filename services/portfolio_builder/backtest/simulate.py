"""What weights would have made day by day: drift, rebalancing, costs, financing, margin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.portfolio_builder.backtest.overlay import Governor
from services.portfolio_builder.optimizers.problem import Matrix, Vector


@dataclass(frozen=True)
class Target:
    """Weights from a row on.

    Attributes:
        scales: part of them to hold on each row from there to the next target; None = all.
    """

    row: int
    weights: Vector
    scales: Vector | None = None


@dataclass(frozen=True)
class Terms:
    """What trading costs.

    Attributes:
        rebalance_days: between rebalancings; weights drift meanwhile.
        cost_ratio: of turnover.
        financing_ratio: of what is allocated above equity, for the time to each row from the one
            before it.
    """

    rebalance_days: int = 1
    cost_ratio: float = 0.0
    financing_ratio: Vector | float = 0.0


@dataclass(frozen=True)
class Path:
    """T days of a portfolio.

    Attributes:
        returns: after costs.
        equity: at the end of each day, from 1.
        exposure: sum of weights, of equity, after the day's trading.
        turnover: sum of |change of weight|.
        costs: of equity.
        margin_ratio: of equity; None = not known.
        ruined_at: row on which nothing was left; None = never.
    """

    returns: Vector
    equity: Vector
    exposure: Vector
    turnover: Vector
    costs: Vector
    margin_ratio: Vector | None
    ruined_at: int | None


def simulate(
    returns: Matrix,
    targets: Sequence[Target],
    terms: Terms,
    *,
    margins: Matrix | None = None,
    governor: Governor | None = None,
) -> Path:
    """Hold what the targets say, trading at the open of a row what its return is then made on.

    On days between rebalancings weights drift with what they earned; a change of scale trades all
    of them alike. A day that loses everything ends the path: equity stays 0.

    Args:
        returns: T × N, 0 where a strategy did not exist.
        targets: rising rows; before the first one there is cash.
        terms: what trading costs.
        margins: T × N margin per unit of weight.
        governor: cuts exposure by yesterday's drawdown of this very path.
    """
    days = len(returns)
    made, exposure, turnover, costs = (np.zeros(days) for _ in range(4))
    margin = None if margins is None else np.zeros(days)
    by_row = {each.row: each for each in targets}
    held = np.zeros(returns.shape[1])
    target: Target | None = None
    equity = peak = scale = 1.0
    ruined_at = None
    financing = np.broadcast_to(terms.financing_ratio, days)
    for row in range(days):
        target = by_row.get(row, target)
        if target is None:
            continue
        since = row - target.row
        before, scale = scale, _scale(target, since, governor, 1.0 - equity / peak)
        due = since % terms.rebalance_days == 0
        wanted = scale * target.weights if due else held * (scale / before)
        turnover[row] = np.abs(wanted - held).sum()
        exposure[row] = wanted.sum()
        costs[row] = terms.cost_ratio * turnover[row]
        costs[row] += financing[row] * max(exposure[row] - 1.0, 0.0)
        if margin is not None and margins is not None:
            margin[row] = wanted @ margins[row]
        made[row] = wanted @ returns[row] - costs[row]
        if made[row] <= -1.0:
            made[row], ruined_at = -1.0, row
            break
        equity *= 1.0 + made[row]
        peak = max(peak, equity)
        held = wanted * (1.0 + returns[row]) / (1.0 + made[row])
    with np.errstate(over="ignore"):  # figures refuse what is no number any more
        grown = np.cumprod(1.0 + made, dtype=np.float64)
    return Path(made, grown, exposure, turnover, costs, margin, ruined_at)


def _scale(target: Target, since: int, governor: Governor | None, drawdown: float) -> float:
    scale = 1.0 if target.scales is None else float(target.scales[since])
    return scale if governor is None else scale * governor.scale(drawdown)
