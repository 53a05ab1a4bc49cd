"""What can be traded, and the step sizes its quantities and prices move in."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from typing import Literal

from services.domain.values import Frozen, Positive
from services.domain.words import InstrumentType

#: Smallest tradable quantity where the broker has told us nothing finer.
DEFAULT_LOTS: dict[InstrumentType, Decimal] = {
    InstrumentType.STOCK: Decimal(1),
    InstrumentType.ETF: Decimal(1),
    InstrumentType.FOREX: Decimal(1),
    InstrumentType.FUTURE: Decimal(1),
    InstrumentType.OPTION: Decimal(1),
    InstrumentType.CRYPTO: Decimal("0.00000001"),
}


class Instrument(Frozen):
    """One tradable thing. `multiplier` turns price × quantity into money of `currency`."""

    instrument_type: InstrumentType
    symbol: str
    currency: str = "USD"
    exchange: str | None = None
    expiry: date | None = None
    strike: Positive | None = None
    right: Literal["C", "P"] | None = None
    multiplier: Positive = Decimal(1)

    @cached_property
    def key(self) -> str:
        """Identity of the instrument in positions and limits: opaque, never parsed."""
        parts = [self.instrument_type, self.symbol, self.currency]
        parts += [str(part) for part in (self.expiry, self.strike, self.right) if part is not None]
        return ":".join(parts)

    @property
    def lot(self) -> Decimal:
        """Quantity step."""
        return DEFAULT_LOTS[self.instrument_type]


def round_down_to_lot(quantity: Decimal, lot: Decimal) -> Decimal:
    """Cut a quantity to whole lots, towards zero: an order never gets larger by rounding."""
    return (quantity / lot).to_integral_value(rounding=ROUND_DOWN) * lot
