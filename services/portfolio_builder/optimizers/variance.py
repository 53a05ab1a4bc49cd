"""Minimum variance. Pure.

The least variance of all is that of cash. So it is asked of a total: `min_total_ratio` where it is
above 0, else 1, or the most that can be allocated where the constraints do not let that be.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.portfolio_builder.optimizers.conflict import feasible
from services.portfolio_builder.optimizers.cutting import Found, largest_total, optimum
from services.portfolio_builder.optimizers.program import Aim
from services.portfolio_builder.optimizers.region import Region, Rows


def min_variance(region: Region) -> Found:
    """Weights of the least variance.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    aim = Aim(np.zeros(len(region.lower)), region.problem.covariance)
    if region.problem.constraints.min_total_ratio > 0:
        return feasible(optimum(region, aim), region)
    found = optimum(_at_least(region, 1.0), aim)
    if found is not None:
        return found
    most = feasible(largest_total(region), region)
    total = max(float(most.weights.sum()), 0.0)
    found = optimum(_at_least(region, total - 1e-7), aim, most.cuts)
    note = f"the constraints let no more than {total:.4f} of equity be allocated"
    return replace(found or most, notes=(note,))


def _at_least(region: Region, total: float) -> Region:
    row = Rows(-np.ones((1, len(region.lower))), np.array([-total]), ("total",))
    return replace(region, rows=region.rows.plus(row))
