"""Equal weights: the benchmark that every other method must beat. Pure.

DeMiguel, Garlappi and Uppal (2009), Optimal versus naive diversification.
"""

from __future__ import annotations

import numpy as np

from services.portfolio_builder.optimizers.cutting import Found
from services.portfolio_builder.optimizers.fit import fitted
from services.portfolio_builder.optimizers.region import Region


def equal_weight(region: Region) -> Found:
    """1/N of equity each, made to keep the constraints.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    count = len(region.lower)
    return fitted(region, np.full(count, 1 / count), "equal weights")
