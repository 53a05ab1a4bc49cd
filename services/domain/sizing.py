"""How a strategy's signals become quantities: the policies that an admin may choose for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from services.domain.values import Frozen, Positive


class RatioSizing(Frozen):
    """The sender's quantity × our capital / the sender's equity: their leverage, our size."""

    policy: Literal["RATIO"] = "RATIO"


class PercentSizing(Frozen):
    """A share of the allocated capital in notional, whatever quantity was sent.

    Attributes:
        ratio: notional of all legs together, as a share of the capital.
    """

    policy: Literal["PERCENT_OF_ALLOCATED"] = "PERCENT_OF_ALLOCATED"
    ratio: Positive


class FixedSizing(Frozen):
    """The same quantity every time.

    Attributes:
        quantity: of the first leg, units; the others keep the sender's ratio to it.
    """

    policy: Literal["FIXED"] = "FIXED"
    quantity: Positive


class RiskSizing(Frozen):
    """So much that a stop costs a fixed share of the capital (fixed fractional).

    q = ratio × capital / (|price − stop_loss| × multiplier); Vince, The Mathematics of Money
    Management, 1992. A gap through the stop costs more.

    Attributes:
        ratio: share of the capital that the stop may cost, e.g. 0.005.
    """

    policy: Literal["RISK_PER_TRADE"] = "RISK_PER_TRADE"
    ratio: Positive


class VolatilitySizing(Frozen):
    """Ratio sizing, scaled so that the strategy's own results keep to a volatility.

    k = min(max_multiple, target / observed); Moreira and Muir, Journal of Finance 72 (2017).

    Attributes:
        target_ratio: annual volatility of the strategy's returns, e.g. 0.1.
        max_multiple: the most that a calm strategy is enlarged.
    """

    policy: Literal["VOLATILITY_TARGET"] = "VOLATILITY_TARGET"
    target_ratio: Positive
    max_multiple: Positive = Decimal(1)


class FractionSizing(Frozen):
    """The sent quantity is a share of the capital, 1 = all of it, whatever equity was sent."""

    policy: Literal["FRACTION"] = "FRACTION"


SizingPolicy = Annotated[
    RatioSizing | PercentSizing | FixedSizing | RiskSizing | VolatilitySizing | FractionSizing,
    Field(discriminator="policy"),
]
