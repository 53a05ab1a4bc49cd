"""Minimum variance. Pure.

The least variance of all is that of cash. So it is asked of a total: `min_total_ratio` where it is
above 0, else 1, or the most that can be allocated where the constraints do not let that be.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.conflict import feasible
from services.portfolio_builder.optimizers.cutting import Found, largest_total, optimum
from services.portfolio_builder.optimizers.program import Aim, most_gain
from services.portfolio_builder.optimizers.region import Region, Rows


def min_variance(region: Region) -> Found:
    """Weights of the least variance.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    covariance = region.problem.covariance
    typical = max(float(np.diag(covariance).mean()), STILL)
    aim = Aim(np.zeros(len(region.lower)), covariance / typical)
    if region.problem.constraints.min_total_ratio > 0:
        return _bounded(feasible(optimum(region, aim), region), region)
    whole = _at_least(region, 1.0)
    found = optimum(whole, aim)
    if found is not None:
        return _bounded(found, whole)
    most = feasible(largest_total(region), region)
    total = max(float(most.weights.sum()), 0.0)
    part = _at_least(region, total - 1e-7)
    found = optimum(part, aim, most.cuts)
    note = f"the constraints let no more than {total:.4f} of equity be allocated"
    return replace(_bounded(found, part) if found else most, notes=(note,))


def _bounded(found: Found, region: Region) -> Found:
    covariance = region.problem.covariance
    risk = measure.volatility(covariance, found.weights)
    found = replace(found, within=region)
    if risk <= 0:
        return found
    gain = most_gain(region, found.cuts, -2 * (covariance @ found.weights), found.weights)
    if gain is None:
        return found
    return replace(found, bound=-math.sqrt(max(risk**2 - max(gain, 0.0), 0.0)))


def _at_least(region: Region, total: float) -> Region:
    row = Rows(-np.ones((1, len(region.lower))), np.array([-total]), ("total",))
    return replace(region, rows=region.rows.plus(row))
