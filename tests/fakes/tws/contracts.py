"""What the fake gateway knows of the world's instruments, and how TWS describes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from services.domain.instruments import Instrument
from services.domain.words import InstrumentType
from tests.fakes.tws.wire import plain

_T = InstrumentType
_ONE = Decimal(1)
_MONTHS = {1: "F", 2: "G", 3: "H", 4: "J", 5: "K", 6: "M"}
_MONTHS |= {7: "N", 8: "Q", 9: "U", 10: "V", 11: "X", 12: "Z"}
_SESSION_DAYS = 5


@dataclass(frozen=True)
class Listing:
    """One contract as `contractDetails` tells it.

    Attributes:
        exchange: where it is routed to by default.
        primary: where it is listed.
        increment: quantity step.
        stock_type: of STK: COMMON or ETF.
        hours: of one session, `HHMM-HHMM` in `zone`.
    """

    instrument: Instrument
    symbol: str
    sec_type: str
    exchange: str
    primary: str
    local_symbol: str
    trading_class: str
    min_tick: Decimal
    increment: Decimal = _ONE
    long_name: str = ""
    stock_type: str = ""
    order_types: str = "ACTIVETIM,DAY,GTC,IOC,LMT,LOC,MKT,MOC,OPG,STP,STPLMT,TRAIL,WHATIF"
    zone: str = "US/Eastern"
    hours: str = "0930-1600"
    under_symbol: str = ""

    @property
    def con_id(self) -> int:
        """The same in every run."""
        return zlib.crc32(f"{self.sec_type}:{self.local_symbol}:{self.currency}".encode()) >> 4

    @property
    def currency(self) -> str:
        """It is quoted in."""
        return self.instrument.currency

    @property
    def expiry(self) -> str:
        """Last day it trades, YYYYMMDD; empty = it does not end."""
        expiry = self.instrument.expiry
        return expiry.strftime("%Y%m%d") if expiry else ""

    @property
    def multiplier(self) -> str:
        """Empty where it is 1, as TWS writes it."""
        multiplier = self.instrument.multiplier
        return "" if self.sec_type in {"STK", "CASH", "CRYPTO"} else plain(multiplier)

    @property
    def exchanges(self) -> str:
        """Where it can be sent to."""
        return ",".join(dict.fromkeys((self.exchange, self.primary)))

    def described(self, exchange: str | None = None) -> dict[str, object]:
        """The contract's own fields, by the names of the protocol."""
        return {
            "conId": self.con_id,
            "symbol": self.symbol,
            "secType": self.sec_type,
            "lastTradeDateOrContractMonth": self.expiry,
            "strike": self.instrument.strike or 0,
            "right": self.instrument.right or ("" if self.sec_type == "STK" else "?"),
            "multiplier": self.multiplier,
            "exchange": self.exchange if exchange is None else exchange,
            "primaryExchange": self.primary,
            "currency": self.currency,
            "localSymbol": self.local_symbol,
            "tradingClass": self.trading_class,
        }

    def sessions(self, today: date) -> str:
        """Trading hours of the next days, as TWS writes them."""
        opens, _, closes = self.hours.partition("-")
        days = (today + timedelta(days=number) for number in range(_SESSION_DAYS))
        return ";".join(
            f"{day:%Y%m%d}:CLOSED"
            if day.isoweekday() > 5
            else f"{day:%Y%m%d}:{opens}-{day:%Y%m%d}:{closes}"
            for day in days
        )


class Table:
    """All contracts."""

    def __init__(self, today: date | None = None):
        today = today or datetime.now(UTC).date()
        found = [*_stocks(), *_pairs(), *_coins(), *_futures(today), *_options(today)]
        self._by_id = {each.con_id: each for each in found}
        self._by_key = {each.instrument.key: each for each in found}
        if len(self._by_id) < len(found):
            raise ValueError("two contracts of one conId")

    def of_id(self, con_id: int) -> Listing | None:
        """The contract of an id."""
        return self._by_id.get(con_id)

    def of_instrument(self, instrument: Instrument) -> Listing | None:
        """The contract of an instrument of ours."""
        return self._by_key.get(instrument.key)

    def of_key(self, instrument_key: str) -> Listing | None:
        """The contract of an instrument's key."""
        return self._by_key.get(instrument_key)

    def options_of(self, symbol: str) -> list[Listing]:
        """All options of an underlying."""
        return [each for each in self._by_id.values() if each.under_symbol == symbol]

    def described(self, instrument: Instrument) -> dict[str, object]:
        """The contract of an instrument that somebody has traded by hand. Raises: LookupError."""
        listing = self.of_instrument(instrument)
        if listing is None:
            raise LookupError(f"the fake gateway has no contract of {instrument.key}")
        return listing.described()

    def matching(self, wanted: Mapping[str, object]) -> list[Listing]:
        """Every contract that a description fits; of an id, the one where nothing contradicts."""
        return [each for each in self._by_id.values() if _fits(each, wanted)]


def _fits(listing: Listing, wanted: Mapping[str, object]) -> bool:
    if wanted["conId"]:
        return listing.con_id == wanted["conId"] and _routed(listing, str(wanted["exchange"]))
    told = listing.described()
    for name in ("symbol", "secType", "currency", "localSymbol", "tradingClass", "multiplier"):
        if wanted[name] and str(wanted[name]) != told[name]:
            return False
    if not (wanted["symbol"] or wanted["localSymbol"]) or not wanted["secType"]:
        return False
    if wanted["strike"] and wanted["strike"] != told["strike"]:
        return False
    right = str(wanted["right"])
    if right not in {"", "0", "?"} and right[0] != told["right"]:
        return False
    expiry = str(wanted["lastTradeDateOrContractMonth"])
    return listing.expiry.startswith(expiry) and _routed(listing, str(wanted["exchange"]))


def _routed(listing: Listing, exchange: str) -> bool:
    return exchange in {"", listing.exchange, listing.primary}


def _stocks() -> Iterator[Listing]:
    cent, paise = Decimal("0.01"), Decimal("0.05")
    for symbol, kind, primary, name in (
        ("AAPL", _T.STOCK, "NASDAQ", "APPLE INC"),
        ("MSFT", _T.STOCK, "NASDAQ", "MICROSOFT CORP"),
        ("SPY", _T.ETF, "ARCA", "SPDR S&P 500 ETF TRUST"),
        ("QQQ", _T.ETF, "NASDAQ", "INVESCO QQQ TRUST SERIES 1"),
    ):
        yield Listing(
            Instrument(instrument_type=kind, symbol=symbol),
            *(symbol, "STK", "SMART", primary, symbol, symbol, cent),
            long_name=name,
            stock_type="ETF" if kind is _T.ETF else "COMMON",
        )
    for symbol, kind, name in (
        ("INFY", _T.STOCK, "INFOSYS LTD"),
        ("TCS", _T.STOCK, "TATA CONSULTANCY SVS LTD"),
        ("RELIANCE", _T.STOCK, "RELIANCE INDUSTRIES LTD"),
        ("M&M", _T.STOCK, "MAHINDRA & MAHINDRA LTD"),
        ("NIFTYBEES", _T.ETF, "NIPPON INDIA ETF NIFTY BEES"),
    ):
        yield Listing(
            Instrument(instrument_type=kind, symbol=symbol, currency="INR"),
            *(symbol, "STK", "NSE", "NSE", symbol, symbol, paise),
            long_name=name,
            stock_type="ETF" if kind is _T.ETF else "COMMON",
            zone="Asia/Kolkata",
            hours="0915-1530",
        )


def _pairs() -> Iterator[Listing]:
    for base, quoted, tick in (
        ("EUR", "USD", "0.00005"),
        ("GBP", "USD", "0.00005"),
        ("USD", "JPY", "0.005"),
        ("USD", "INR", "0.0001"),
        ("EUR", "INR", "0.0001"),
    ):
        pair = Instrument(instrument_type=_T.FOREX, symbol=base + quoted, currency=quoted)
        name = f"{base}.{quoted}"
        yield Listing(
            pair,
            *(base, "CASH", "IDEALPRO", "IDEALPRO", name, name, Decimal(tick)),
            long_name=f"{base} cash",
            hours="0000-2359",
        )


def _coins() -> Iterator[Listing]:
    for symbol, tick in (("BTC", "0.25"), ("ETH", "0.01")):
        yield Listing(
            Instrument(instrument_type=_T.CRYPTO, symbol=symbol),
            *(symbol, "CRYPTO", "PAXOS", "PAXOS", f"{symbol}.USD", symbol, Decimal(tick)),
            increment=Decimal("0.00000001"),
            long_name=f"{symbol} cryptocurrency",
            hours="0000-2359",
        )


def _futures(today: date) -> Iterator[Listing]:
    for root, exchange, multiplier, tick, months in (
        ("ES", "CME", 50, "0.25", (3, 6, 9, 12)),
        ("GC", "COMEX", 100, "0.1", (2, 4, 6, 8, 10, 12)),
    ):
        for expiry in _expiries(today, months, 4):
            month = f"{_MONTHS[expiry.month]}{expiry.year % 10}"
            yield Listing(
                Instrument(
                    instrument_type=_T.FUTURE,
                    symbol=root,
                    exchange=exchange,
                    expiry=expiry,
                    multiplier=Decimal(multiplier),
                ),
                *(root, "FUT", exchange, exchange, f"{root}{month}", root, Decimal(tick)),
                long_name={"ES": "E-mini S&P 500", "GC": "Gold"}[root],
                hours="0000-2359",
            )


def _options(today: date) -> Iterator[Listing]:
    for symbol, strikes in (("AAPL", range(130, 175, 5)), ("SPY", range(430, 475, 5))):
        for expiry in _expiries(today, tuple(range(1, 13)), 3):
            for strike in strikes:
                for right in ("C", "P"):
                    yield Listing(
                        Instrument(
                            instrument_type=_T.OPTION,
                            symbol=symbol,
                            expiry=expiry,
                            strike=Decimal(strike),
                            right=right,
                            multiplier=Decimal(100),
                        ),
                        *(symbol, "OPT", "SMART", "CBOE"),
                        f"{symbol:<6}{expiry:%y%m%d}{right}{strike:05d}000",
                        symbol,
                        Decimal("0.01"),
                        long_name=symbol,
                        under_symbol=symbol,
                    )


def _expiries(today: date, months: tuple[int, ...], count: int) -> list[date]:
    """The next third Fridays of these months."""
    found, year, month = [], today.year, today.month
    while len(found) < count:
        first = date(year, month, 1)
        friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
        if month in months and friday > today:
            found.append(friday)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
