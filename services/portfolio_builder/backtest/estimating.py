"""What the study asks of the estimates and optimizers, in its own words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import ledoit_wolf

from services.portfolio_builder.backtest.choose import Estimates, narrowed
from services.portfolio_builder.backtest.panel import panel_of
from services.portfolio_builder.backtest.walk_forward import Weights
from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.optimizers.problem import Problem, Solution
from services.portfolio_builder.optimizers.solve import solve
from services.portfolio_builder.study import Record


def estimate_at(records: Sequence[Record], constraints: Constraints, held: Weights) -> Estimates:
    """A problem of strategies that are old enough on the last day of the records."""
    last = max(each.dates[-1] for each in records)
    left_out = {
        each.strategy_id: f"{each.strategy_id} has {len(each.dates)} days, 252 are needed."
        for each in records
        if len(each.dates) < 252 or (last - each.dates[-1]).days > 21
    }
    used = [each for each in records if each.strategy_id not in left_out]
    if not used:
        return Estimates(None, left_out)
    panel = panel_of(used)
    common = panel.returns[~np.isnan(panel.returns).any(axis=1)]
    vols = np.array([np.nanstd(each, ddof=1) for each in panel.returns.T])
    scaled = (common - common.mean(0)) / np.maximum(common.std(0), 1e-12)
    cov, _ = ledoit_wolf(scaled)
    d = np.sqrt(np.diag(cov))
    corr = cov / np.outer(d, d)
    a = panel.periods_per_year
    sr = np.nanmean(panel.returns, axis=0) / np.maximum(vols, 1e-12)
    mean = (0.5 * sr + 0.5 * sr.mean()) * vols * a
    margins = None if panel.margins is None else np.nan_to_num(panel.margins)
    return Estimates(
        Problem(
            strategy_ids=panel.strategy_ids,
            returns=panel.path,
            mean=mean,
            covariance=corr * np.outer(vols, vols) * a,
            periods_per_year=a,
            margins=margins,
            current=np.array([held.get(each, 0.0) for each in panel.strategy_ids]),
            constraints=narrowed(constraints, panel.strategy_ids),
        ),
        left_out,
    )


def solve_with(problem: Problem, method: Method, alpha_ratio: float) -> Solution:
    """Weights, by the optimizers."""
    return solve(problem, method, alpha_ratio=alpha_ratio)
