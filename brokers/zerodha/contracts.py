"""What is listed at Zerodha's exchanges, and which of our instruments it is: pure.

An instrument has one name here and there, whoever names it: positions and fills that come back
must be of the instrument that was ordered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from brokers.errors import UnsupportedOrder
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

CURRENCY: Final = "INR"
CASH_EXCHANGES: Final = ("NSE", "BSE")
#: Where futures and options of an underlying are looked for, by the exchange that is named.
_DERIVATIVES: Final[dict[str | None, tuple[str, ...]]] = {
    None: ("NFO", "BFO", "CDS", "MCX"),
    "NSE": ("NFO", "CDS"),
    "BSE": ("BFO",),
    **{each: (each,) for each in ("NFO", "BFO", "CDS", "MCX")},
}
#: Kite's list does not say which shares are of a fund.
_FUND: Final = re.compile(r"\bETF\b|BEES$", re.IGNORECASE)
#: What one lot is, in units of its price. Kite counts these in lots, NFO and BFO in units.
#: https://www.nseindia.com (currency derivatives), https://www.mcxindia.com (contract
#: specifications); a position that Kite reports with another multiplier is an error.
_MULTIPLIERS: Final = {
    **dict.fromkeys((("CDS", each) for each in ("USDINR", "EURINR", "GBPINR", "JPYINR")), 1000),
    ("MCX", "GOLD"): 100,
    ("MCX", "GOLDM"): 10,
    ("MCX", "GOLDPETAL"): 1,
    ("MCX", "SILVER"): 30,
    ("MCX", "SILVERM"): 5,
    ("MCX", "SILVERMIC"): 1,
    ("MCX", "CRUDEOIL"): 100,
    ("MCX", "CRUDEOILM"): 10,
    ("MCX", "NATURALGAS"): 1250,
    ("MCX", "NATGASMINI"): 250,
    ("MCX", "COPPER"): 2500,
    ("MCX", "ZINC"): 5000,
    ("MCX", "ZINCMINI"): 1000,
    ("MCX", "ALUMINIUM"): 5000,
    ("MCX", "ALUMINI"): 1000,
    ("MCX", "LEAD"): 5000,
    ("MCX", "LEADMINI"): 1000,
}
_T = InstrumentType


class Listing(NamedTuple):
    """One line of Kite's list: https://kite.trade/docs/connect/v3/market-quotes (instruments).

    Attributes:
        name: of a derivative: its underlying.
        kind: EQ, FUT, CE or PE.
        lot: quantities are multiples of it.
    """

    exchange: str
    tradingsymbol: str
    name: str
    kind: str
    expiry: date | None
    strike: Decimal
    tick: Decimal
    lot: int


class Contract(NamedTuple):
    """A listing, and the instrument that it is."""

    listing: Listing
    instrument: Instrument

    @property
    def is_cash(self) -> bool:
        """Whether it is bought outright, on a stock exchange."""
        return self.listing.exchange in CASH_EXCHANGES


class Market:
    """The listings of one exchange, by what they are asked by."""

    def __init__(self, exchange: str, listings: Iterable[Listing]) -> None:
        self.exchange = exchange
        self._by_symbol: dict[str, Contract] = {}
        self._by_terms: dict[tuple[object, ...], Contract] = {}
        for listing in listings:
            contract = _contract(listing)
            if contract is not None:
                self._by_symbol[listing.tradingsymbol] = contract
                self._by_terms[_terms(contract.instrument)] = contract

    def listed_as(self, tradingsymbol: str) -> Contract | None:
        """What Kite means; None = it is not listed today, or cannot be traded through us."""
        return self._by_symbol.get(tradingsymbol)

    def find(self, instrument: Instrument) -> Contract | None:
        """Where an instrument is listed here; None = it is not."""
        return self._by_terms.get(_terms(instrument))

    def expiries(self, instrument: Instrument) -> list[date]:
        """What there is of its kind and underlying."""
        kind = instrument.instrument_type, instrument.symbol
        found = (each.instrument for each in self._by_terms.values())
        return [
            each.expiry
            for each in found
            if each.expiry is not None and (each.instrument_type, each.symbol) == kind
        ]


def exchanges_of(instrument: Instrument) -> tuple[str, ...]:
    """Where an instrument may be listed, in the order to look.

    Raises:
        UnsupportedOrder: nowhere that Zerodha trades.
    """
    kind, named = instrument.instrument_type, instrument.exchange
    if instrument.currency != CURRENCY:
        raise UnsupportedOrder(
            f"Zerodha trades in {CURRENCY}: {instrument.symbol} is in {instrument.currency}"
        )
    if kind in {_T.STOCK, _T.ETF}:
        if named is not None and named not in CASH_EXCHANGES:
            raise UnsupportedOrder(f"Zerodha trades no {kind} on {named}, but on NSE and BSE")
        return (named or CASH_EXCHANGES[0],)
    if kind not in {_T.FUTURE, _T.OPTION}:
        hint = ": currencies are futures on CDS" if kind is _T.FOREX else ""
        raise UnsupportedOrder(f"Zerodha trades no {kind} {instrument.symbol}{hint}")
    if named not in _DERIVATIVES:
        raise UnsupportedOrder(f"Zerodha trades no {kind} on {named}, but on NFO, BFO, CDS and MCX")
    return _DERIVATIVES[named]


def check_same(instrument: Instrument, contract: Contract) -> None:
    """Refuse an instrument that is listed, and not as the sender thinks.

    Raises:
        UnsupportedOrder: with both.
    """
    known = contract.instrument
    if instrument.instrument_type is not known.instrument_type:
        raise UnsupportedOrder(
            f"{known.symbol} is a {known.instrument_type} at Zerodha, "
            f"not a {instrument.instrument_type}"
        )
    if instrument.multiplier != known.multiplier:
        raise UnsupportedOrder(
            f"the multiplier of {contract.listing.tradingsymbol} must be {known.multiplier:f}, "
            f"was {instrument.multiplier:f}: on {known.exchange} quantities are "
            f"{'units' if known.multiplier == 1 else 'lots'}"
        )


def unlisted_share(exchange: str, tradingsymbol: str) -> Instrument:
    """A share that is held and not listed any more, e.g. suspended."""
    return _share(exchange, tradingsymbol, tradingsymbol)


def _share(exchange: str, tradingsymbol: str, name: str) -> Instrument:
    is_fund = _FUND.search(name) or _FUND.search(tradingsymbol)
    return Instrument(
        instrument_type=_T.ETF if is_fund else _T.STOCK,
        symbol=tradingsymbol,
        currency=CURRENCY,
        exchange=exchange,
    )


def _contract(listing: Listing) -> Contract | None:
    if listing.lot < 1 or listing.tick <= 0:
        return None  # an index: it stands among the shares, and nobody can buy it
    if listing.kind == "EQ" and listing.exchange in CASH_EXCHANGES:
        share = _share(listing.exchange, listing.tradingsymbol, listing.name)
        return Contract(listing, share)
    if listing.kind not in {"FUT", "CE", "PE"} or listing.expiry is None:
        return None
    multiplier = 1
    if listing.exchange not in {"NFO", "BFO"}:
        known = _MULTIPLIERS.get((listing.exchange, listing.name))
        if known is None:
            return None
        multiplier = known
    is_option = listing.kind != "FUT"
    return Contract(
        listing,
        Instrument(
            instrument_type=_T.OPTION if is_option else _T.FUTURE,
            symbol=listing.name,
            currency=CURRENCY,
            exchange=listing.exchange,
            expiry=listing.expiry,
            strike=listing.strike if is_option else None,
            right=("C" if listing.kind == "CE" else "P") if is_option else None,
            multiplier=Decimal(multiplier),
        ),
    )


def _terms(instrument: Instrument) -> tuple[object, ...]:
    """What an instrument is found by: its type not, so that a wrong one can be named."""
    if instrument.instrument_type in {_T.STOCK, _T.ETF}:
        return (instrument.symbol,)
    return instrument.symbol, instrument.expiry, instrument.strike, instrument.right
