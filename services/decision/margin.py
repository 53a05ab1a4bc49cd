"""Initial margin where the broker has not been asked: rates by class; unknown stays unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

#: Share of the notional to open a position, long or short. Stocks: Federal Reserve Regulation T
#: (12 CFR 220.12), 50 % of the market value. Classes that are not here have no honest single rate.
_INITIAL_RATIOS: Final[dict[InstrumentType, Decimal]] = {
    InstrumentType.STOCK: Decimal("0.5"),
    InstrumentType.ETF: Decimal("0.5"),
}


def initial_margin_ratio(instrument: Instrument) -> Decimal | None:
    """Initial margin as a share of notional; None where we do not know, which denies an entry."""
    return _INITIAL_RATIOS.get(instrument.instrument_type)
