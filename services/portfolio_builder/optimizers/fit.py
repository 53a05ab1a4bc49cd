"""Weights that no optimizer found, made to keep the constraints. Pure."""

from __future__ import annotations

import numpy as np

from services.portfolio_builder.optimizers.conflict import feasible
from services.portfolio_builder.optimizers.cutting import (
    Found,
    cash_is_free,
    nearest,
    stretched,
)
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.optimizers.region import Region, no_cuts


def fitted(region: Region, wanted: Vector, name: str) -> Found:
    """The wanted weights, or all of them smaller, or the nearest ones; the notes say which.

    Where only limits of risk are broken, all are made smaller alike. Where bounds, groups or sums
    are, or where smaller does not help, it is those with the least sum of squared distances.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    none = no_cuts(len(wanted))
    if region.excess(wanted) <= 1e-9:
        return Found(wanted, 0, none, solver="formula")
    if region.keeps_rows(wanted) and cash_is_free(region):
        smaller = stretched(region, wanted)
        part = float(smaller.sum() / wanted.sum())
        note = f"{name} made smaller to {part:.4f} of their size"
        return Found(smaller, 0, none, (note,), solver="formula")
    found = feasible(nearest(region, wanted), region)
    most = float(np.abs(found.weights - wanted).max())
    note = f"{name} break constraints: the nearest that do not, up to {most:.4f} away, are taken"
    return Found(found.weights, found.iterations, found.cuts, (note,))


def wanted_total(region: Region) -> float:
    """What weights that have no size of their own are to sum to: 1, where that is allowed."""
    limits = region.problem.constraints
    return max(limits.min_total_ratio, min(1.0, limits.max_total_ratio))
