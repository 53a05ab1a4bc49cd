"""Statistics of a strategy's daily returns; floats, because they are estimates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from typing import Final

#: Fewer returns tell nothing.
MINIMUM_DAYS: Final = 20
_DECAY: Final = 0.94
_DAYS_A_YEAR: Final = 252


def volatility_of(returns: Sequence[float | Decimal]) -> Decimal | None:
    """Annual volatility of daily returns, oldest first; None where they are too few.

    Exponentially weighted, s² = 0.94 s² + 0.06 r² (J. P. Morgan, RiskMetrics Technical Document,
    4th edition, 1996), begun with the mean square of the first `MINIMUM_DAYS`; × √252.
    """
    if len(returns) < MINIMUM_DAYS:
        return None
    numbers = [float(each) for each in returns]
    variance = sum(each * each for each in numbers[:MINIMUM_DAYS]) / MINIMUM_DAYS
    for each in numbers[MINIMUM_DAYS:]:
        variance = _DECAY * variance + (1 - _DECAY) * each * each
    return Decimal(f"{sqrt(variance * _DAYS_A_YEAR):.8f}")
