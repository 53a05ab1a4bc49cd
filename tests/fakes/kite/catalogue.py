"""What the fake lists: a few instruments of every exchange, with the rules of each.

Derivatives expire on the last Thursday of this month and the next two, so there is always a series
that lives.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

INDIA = ZoneInfo("Asia/Kolkata")
#: As `instrument_token & 0xff` says it.
SEGMENT_CODES = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "MCX": 7}
EQUITY_EXCHANGES = frozenset({"NSE", "BSE"})
_T = InstrumentType
_TICK = Decimal("0.05")
_STOCKS = (
    ("INFY", "INFOSYS", 1594),
    ("TCS", "TATA CONSULTANCY SERV LT", 11536),
    ("RELIANCE", "RELIANCE INDUSTRIES", 2885),
    ("SBIN", "STATE BANK OF INDIA", 3045),
    ("HDFCBANK", "HDFC BANK", 1333),
    ("WIPRO", "WIPRO", 3787),
    ("M&M", "MAHINDRA & MAHINDRA", 2031),
    ("BAJAJ-AUTO", "BAJAJ AUTO", 16669),
)
_ETFS = (("NIFTYBEES", "NIPPON INDIA ETF NIFTY BEES", 10576), ("GOLDBEES", "GOLD BEES", 14428))
_BSE_SHIFT = 500_000


@dataclass(frozen=True)
class Listing:
    """One line of the instruments dump, and what the dump does not say.

    Attributes:
        lot: quantities are multiples of it.
        freeze: the largest order that the exchange takes; None = any.
        instrument: the same for the engine; its multiplier is 1 where Kite counts units.
    """

    exchange: str
    tradingsymbol: str
    name: str
    exchange_token: int
    instrument: Instrument
    tick: Decimal = _TICK
    lot: int = 1
    freeze: int | None = None

    @property
    def token(self):
        """Kite's number of it."""
        return self.exchange_token * 256 + SEGMENT_CODES[self.exchange]

    @property
    def instrument_type(self):
        """EQ, FUT, CE or PE."""
        if self.instrument.right is not None:
            return f"{self.instrument.right}E"
        return "FUT" if self.instrument.expiry else "EQ"

    @property
    def segment(self):
        """Of the exchange."""
        kind = self.instrument_type
        suffix = {"EQ": "", "FUT": "-FUT"}.get(kind, "-OPT")
        return self.exchange + suffix

    def dump_line(self):
        """As in Kite's CSV; it never knows a price of today."""
        expiry, strike = self.instrument.expiry, self.instrument.strike
        fields = (self.token, self.exchange_token, self.tradingsymbol, self.name, 0)
        fields += (expiry or "", strike or 0, self.tick, self.lot)
        fields += (self.instrument_type, self.segment, self.exchange)
        return ",".join(map(str, fields))


DUMP_HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
)


class Catalogue:
    """All listings, by what they are asked by."""

    def __init__(self, today):
        self.listings = [*_equities(), *_derivatives(today)]
        self._by_symbol = {(each.exchange, each.tradingsymbol): each for each in self.listings}
        self._by_token = {each.token: each for each in self.listings}
        self._by_key = {}
        for each in self.listings:
            self._by_key.setdefault(each.instrument.key, each)  # NSE comes before BSE

    def find(self, exchange, tradingsymbol):
        """One listing; None = there is none."""
        return self._by_symbol.get((exchange, tradingsymbol))

    def by_token(self, token):
        """One listing; None = there is none."""
        return self._by_token.get(token)

    def of(self, instrument):
        """Where an instrument of the engine trades. Raises: KeyError."""
        named = self.find(instrument.exchange, instrument.symbol)
        return named or self._by_key[instrument.key]

    def dump(self, exchange=None):
        """Kite's CSV."""
        lines = [each.dump_line() for each in self.listings if exchange in {None, each.exchange}]
        return "\n".join([DUMP_HEADER, *lines]) + "\n"


def today_in_india():
    """The date there."""
    return datetime.now(UTC).astimezone(INDIA).date()


def _equities():
    for exchange, shift in (("NSE", 0), ("BSE", _BSE_SHIFT)):
        for kind, listed in ((_T.STOCK, _STOCKS), (_T.ETF, _ETFS)):
            for symbol, name, token in listed:
                instrument = Instrument(
                    instrument_type=kind, symbol=symbol, currency="INR", exchange=exchange
                )
                tick = Decimal("0.01") if kind is _T.ETF else _TICK
                yield Listing(exchange, symbol, name, token + shift, instrument, tick)


def _derivatives(today):
    token = 40_000
    for month, expiry in enumerate(_expiries(today)):
        series = f"{expiry:%y%b}".upper()
        yield from _of_month(series, expiry, token + 1000 * month)


def _of_month(series, expiry, token):
    def listing(exchange, symbol, kind, offset, *, right=None, strike=None, multiplier=1, **rules):
        instrument = Instrument(
            instrument_type=kind,
            symbol=symbol,
            currency="INR",
            exchange=exchange,
            expiry=expiry,
            right=right,
            strike=strike,
            multiplier=Decimal(multiplier),
        )
        ending = "FUT" if right is None else f"{strike}{right}E"
        name = f"{symbol}{series}{ending}"
        return Listing(exchange, name, symbol, token + offset, instrument, **rules)

    future, option = _T.FUTURE, _T.OPTION
    yield listing("NFO", "NIFTY", future, 1, lot=75, freeze=1800)
    yield listing("NFO", "BANKNIFTY", future, 2, lot=35, freeze=600)
    yield listing("NFO", "INFY", future, 3, lot=400, freeze=40_000)
    # Quantities of currencies and commodities are lots; the multiplier is what one is worth.
    usd = Decimal("0.0025")
    yield listing("CDS", "USDINR", future, 4, multiplier=1000, tick=usd, freeze=10_000)
    yield listing("MCX", "GOLD", future, 5, multiplier=100, tick=Decimal(1), freeze=100)
    yield listing("MCX", "CRUDEOIL", future, 6, multiplier=100, tick=Decimal(1), freeze=10_000)
    for place, strike in enumerate((24_000, 24_500, 25_000, 25_500, 26_000)):
        for right in ("C", "P"):
            offset = 10 + 2 * place + (right == "P")
            terms = {"right": right, "strike": Decimal(strike), "lot": 75, "freeze": 1800}
            yield listing("NFO", "NIFTY", option, offset, **terms)


def _expiries(today):
    """The last Thursday of this month, or of the next where that is over, and two more."""
    found, year, month = [], today.year, today.month
    while len(found) < 3:
        last = date(year, month, calendar.monthrange(year, month)[1])
        thursday = last - timedelta(days=(last.weekday() - calendar.THURSDAY) % 7)
        if thursday >= today:
            found.append(thursday)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
