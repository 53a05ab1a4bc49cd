"""Which instrument a sender means: pairs, coins, contracts, tickers as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, Literal

from services.domain.fields import Fields, shown, upper
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

_T = InstrumentType

_TYPE_SYNONYMS: Final = {
    "STOCKS": "STOCK",
    "STK": "STOCK",
    "EQUITY": "STOCK",
    "EQUITIES": "STOCK",
    "ETFS": "ETF",
    "FX": "FOREX",
    "CASH": "FOREX",
    "CURRENCY": "FOREX",
    "FUTURES": "FUTURE",
    "FUT": "FUTURE",
    "OPTIONS": "OPTION",
    "OPT": "OPTION",
    "CRYPTOCURRENCY": "CRYPTO",
    "CRYPTOS": "CRYPTO",
}
_EXCHANGES: Final = {
    **dict.fromkeys(("NASDAQ", "NYSE", "AMEX", "ARCA", "BATS", "NSE", "BSE", "LSE"), _T.STOCK),
    **dict.fromkeys(("FX", "FX_IDC", "OANDA", "FOREXCOM", "IDEALPRO"), _T.FOREX),
    **dict.fromkeys(("BINANCE", "COINBASE", "KRAKEN", "BITSTAMP", "BYBIT", "PAXOS"), _T.CRYPTO),
    **dict.fromkeys(("CME", "CME_MINI", "CBOT", "CBOT_MINI", "COMEX", "NYMEX", "EUREX"), _T.FUTURE),
}
#: ISO 4217 codes that a pair may be made of.
CURRENCIES: Final = frozenset(
    (
        "USD",
        "EUR",
        "GBP",
        "JPY",
        "CHF",
        "CAD",
        "AUD",
        "NZD",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "CZK",
        "HUF",
        "TRY",
        "ZAR",
        "MXN",
        "SGD",
        "HKD",
        "CNH",
        "INR",
    )
)
_COINS: Final = frozenset(
    (
        "BTC",
        "ETH",
        "SOL",
        "XRP",
        "ADA",
        "DOGE",
        "LTC",
        "BCH",
        "DOT",
        "AVAX",
        "LINK",
        "MATIC",
        "BNB",
        "TRX",
        "ATOM",
        "XLM",
        "UNI",
        "ETC",
    )
)
#: What a coin's ticker may end with where nothing separates the two.
_COIN_QUOTES: Final = ("USDT", "USDC", "USD", "EUR", "GBP")
#: Roots of well-known contracts: without a type they could be shares of the same ticker.
_CONTRACT_ROOTS: Final = frozenset(
    (
        "ES",
        "NQ",
        "YM",
        "RTY",
        "MES",
        "MNQ",
        "GC",
        "SI",
        "HG",
        "CL",
        "NG",
        "RB",
        "HO",
        "ZB",
        "ZN",
        "ZF",
        "ZT",
        "ZC",
        "ZW",
        "ZS",
        "6E",
        "6J",
        "6B",
        "6A",
    )
)
_SEPARATOR: Final = re.compile(r"[/.\-_:]")
_OPTION_MULTIPLIER: Final = Decimal(100)
_CONTINUOUS: Final = re.compile(r"\d!$")


def instrument_of(leg: Fields, warnings: list[str]) -> Instrument:
    """The instrument of one leg.

    Args:
        leg: its fields.
        warnings: gets a sentence for each assumption.

    Raises:
        InvalidSignal: named, with the field.
    """
    name = "instrument" if leg.raw("instrument") is not None else "underlying"
    symbol = leg.text(name)
    if symbol is None:
        raise leg.missing("instrument")
    exchange, symbol = _split_exchange(symbol.upper(), leg.text("exchange"))
    kind = _given_type(leg) or _inferred_type(leg, symbol, exchange, warnings)
    currency = leg.text("currency")
    currency = currency.upper() if currency else None
    if kind is _T.FOREX:
        symbol, currency = _pair(leg, symbol, currency)
    elif kind is _T.CRYPTO:
        coin, quote = _coin(symbol)
        symbol, currency = coin, _quote(leg, symbol, quote or currency or "USD", currency)
    elif kind is _T.FUTURE and _CONTINUOUS.search(symbol):
        root = _CONTINUOUS.sub("", symbol)
        warnings.append(f"{symbol} is a continuous contract: read as {root}")
        symbol = root
    expiry = leg.day("expiry") if kind in {_T.FUTURE, _T.OPTION} else None
    if kind is _T.FUTURE and expiry is None:
        warnings.append(f"{symbol} is a future without expiry: which contract is not said")
    return Instrument(
        instrument_type=kind,
        symbol=symbol,
        currency=currency or "USD",
        exchange=exchange,
        expiry=expiry,
        strike=_strike(leg, kind),
        right=_right(leg, kind),
        multiplier=leg.number("multiplier")
        or (_OPTION_MULTIPLIER if kind is _T.OPTION else Decimal(1)),
    )


def _split_exchange(symbol: str, exchange: str | None) -> tuple[str | None, str]:
    """`NASDAQ:AAPL`, as charting tools write it."""
    before, colon, after = symbol.partition(":")
    if colon and before and after:
        return exchange or before, after
    return exchange, symbol


def type_word(value: object) -> InstrumentType | None:
    """The type that a sender's word means; None where it means none."""
    word = upper(value)
    word = _TYPE_SYNONYMS.get(word, word)
    return InstrumentType(word) if word in _T.__members__ else None


def _given_type(leg: Fields) -> InstrumentType | None:
    value = leg.raw("instrument_type")
    if value is None:
        return None
    kind = type_word(value)
    if kind is None:
        raise leg.error(
            "UNKNOWN_INSTRUMENT_TYPE",
            "instrument_type",
            f"must be one of {', '.join(_T)}, was {shown(value)}",
        )
    return kind


def _inferred_type(
    leg: Fields, symbol: str, exchange: str | None, warnings: list[str]
) -> InstrumentType:
    """The type of a leg that names none, where only one reading makes sense."""
    kind = _evident_type(leg, symbol, exchange)
    if kind is None:
        if symbol in _CONTRACT_ROOTS:
            raise leg.error(
                "UNKNOWN_INSTRUMENT_TYPE",
                "instrument_type",
                f"is missing, and {symbol} may be a future or a share: send one of {', '.join(_T)}",
            )
        kind = _T.STOCK
    warnings.append(f"{leg.at}instrument_type is missing: {symbol} is read as {kind}")
    return kind


def _evident_type(leg: Fields, symbol: str, exchange: str | None) -> InstrumentType | None:
    if leg.raw("strike") is not None or leg.raw("right") is not None:
        return _T.OPTION
    if leg.raw("expiry") is not None or _CONTINUOUS.search(symbol):
        return _T.FUTURE
    halves = _SEPARATOR.split(symbol)
    if len(halves) == 1 and len(symbol) == 6:
        halves = [symbol[:3], symbol[3:]]
    if len(halves) == 2 and set(halves) <= CURRENCIES:
        return _T.FOREX
    if _coin(symbol)[0] in _COINS:
        return _T.CRYPTO
    return _EXCHANGES.get((exchange or "").upper())


def _pair(leg: Fields, symbol: str, currency: str | None) -> tuple[str, str]:
    """`EURUSD`, `EUR/USD`, `EUR.USD`, or `EUR` with currency `USD` → `EURUSD`, quoted in `USD`."""
    joined = _SEPARATOR.sub("", symbol)
    if len(joined) == 3 and currency:
        joined += currency
    if len(joined) != 6 or not joined.isascii() or not joined.isalpha() or joined[:3] == joined[3:]:
        raise leg.error(
            "BAD_PAIR",
            "instrument",
            f"must be a pair of two currencies like EURUSD, was {shown(symbol)}",
        )
    return joined, _quote(leg, joined, joined[3:], currency)


def _quote(leg: Fields, symbol: str, quote: str, currency: str | None) -> str:
    if currency not in {None, quote}:
        raise leg.error("CONTRADICTION", "currency", f"is {currency}, but {symbol} is in {quote}")
    return quote


def _coin(symbol: str) -> tuple[str, str | None]:
    """`BTC`, `BTCUSD`, `BTC/USDT` → the coin, and what it is quoted in where that is said."""
    halves = _SEPARATOR.split(symbol)
    if len(halves) == 2 and all(halves):
        return halves[0], halves[1]
    for quote in _COIN_QUOTES:
        base = symbol.removesuffix(quote)
        if base != symbol and len(base) >= 2:
            return base, quote
    return symbol, None


def _strike(leg: Fields, kind: InstrumentType) -> Decimal | None:
    if kind is not _T.OPTION:
        return None
    strike = leg.number("strike")
    if strike is None:
        raise leg.missing("strike", "is missing: an option needs strike, expiry and right")
    if leg.raw("expiry") is None:
        raise leg.missing("expiry", "is missing: an option needs strike, expiry and right")
    return strike


def _right(leg: Fields, kind: InstrumentType) -> Literal["C", "P"] | None:
    if kind is not _T.OPTION:
        return None
    value = leg.raw("right")
    if value is None:
        raise leg.missing("right", "is missing: an option needs strike, expiry and right")
    word = upper(value)
    if word in {"C", "CALL"}:
        return "C"
    if word in {"P", "PUT"}:
        return "P"
    raise leg.error("UNKNOWN_VALUE", "right", f"must be C or P, was {shown(value)}")
