"""Our instruments as IB's contracts and back; pure.

IB has one type for shares and ETFs, and knows a contract by its `conId`. What an order trades must
come back under the same `Instrument.key`, also after a restart: an order whose instrument IB calls
by another name would be booked apart from its position, so it is refused with the name to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal, NamedTuple

from brokers.ibkr.api import Contract, ContractDetails
from brokers.ibkr.exact import decimal_of, float_of, positive_of
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

_T = InstrumentType
SEC_TYPES: Final = {
    _T.STOCK: "STK",
    _T.ETF: "STK",
    _T.FOREX: "CASH",
    _T.FUTURE: "FUT",
    _T.OPTION: "OPT",
    _T.CRYPTO: "CRYPTO",
}
_KINDS: Final = {
    "STK": _T.STOCK,
    "CASH": _T.FOREX,
    "FUT": _T.FUTURE,
    "OPT": _T.OPTION,
    "FOP": _T.OPTION,
    "CRYPTO": _T.CRYPTO,
}
#: Names of exchanges as senders write them, where IB has another.
_EXCHANGES: Final = {"CME_MINI": "CME", "GLOBEX": "CME", "CBOT_MINI": "CBOT", "AMS": "AEB"}
#: Where shares are routed to by IB itself.
_SMART: Final = frozenset({"USD", "CAD", "EUR", "GBP", "CHF"})
_HOME: Final = {"INR": "NSE"}


class Listing(NamedTuple):
    """One contract as the gateway describes it.

    Attributes:
        instrument: as it is called in orders, or else as IB calls it.
        contract: complete, as orders name it.
        tick: smallest step of a price; None = the gateway does not say.
        trouble: why nothing that adds risk may be ordered under this name; empty = it may.
    """

    instrument: Instrument
    contract: Contract
    tick: Decimal | None = None
    trouble: str = ""


def asked_contract(instrument: Instrument) -> Contract:
    """What the gateway is asked to describe: as much as an instrument says."""
    kind = instrument.instrument_type
    wanted = Contract(
        secType=SEC_TYPES[kind],
        symbol=instrument.symbol,
        currency=instrument.currency,
        exchange=_exchange(instrument),
    )
    if kind in {_T.STOCK, _T.ETF}:
        wanted.symbol = instrument.symbol.replace("/", " ").replace(".", " ")
        given = instrument.exchange
        if given and wanted.exchange == "SMART":
            wanted.primaryExchange = _EXCHANGES.get(given, given)
    elif kind is _T.FOREX:
        wanted.symbol = instrument.symbol[:3]
    elif kind is _T.OPTION and instrument.expiry and instrument.strike:
        wanted.lastTradeDateOrContractMonth = f"{instrument.expiry:%Y%m%d}"
        wanted.strike = float_of(instrument.strike)
        wanted.right = instrument.right or ""
        wanted.multiplier = f"{instrument.multiplier:f}"
    elif kind is _T.FUTURE and instrument.expiry:
        wanted.lastTradeDateOrContractMonth = f"{instrument.expiry:%Y%m}"
    return wanted


def _exchange(instrument: Instrument) -> str:
    kind, given = instrument.instrument_type, instrument.exchange
    if kind in {_T.STOCK, _T.ETF}:
        routed = instrument.currency in _SMART
        return "SMART" if routed else given or _HOME.get(instrument.currency, "SMART")
    if kind is _T.FOREX:
        return "IDEALPRO"
    if kind is _T.CRYPTO:
        return given if given in {"PAXOS", "ZEROHASH"} else "PAXOS"
    if kind is _T.OPTION:
        return given if given in {"CBOE", "NSE", "EUREX"} else "SMART"
    return _EXCHANGES.get(given, given) if given else ""


def described(details: ContractDetails, name: Instrument | None = None) -> Listing:
    """One contract of an answer; `name`: the instrument that was asked for."""
    contract = details.contract or Contract()
    found = instrument_of(contract, stock_type=details.stockType, routes=details.validExchanges)
    listed = Contract(
        **{each: getattr(contract, each) for each in _SENT if getattr(contract, each) != ""}
    )
    if not listed.exchange:
        listed.exchange = "SMART"
    return Listing(
        instrument=name or found,
        contract=listed,
        tick=positive_of(details.minTick),
        trouble=_trouble(name, found, details.priceMagnifier) if name else "",
    )


_SENT: Final = (
    "conId",
    "symbol",
    "secType",
    "lastTradeDateOrContractMonth",
    "strike",
    "right",
    "multiplier",
    "exchange",
    "currency",
    "localSymbol",
    "tradingClass",
)


def _trouble(name: Instrument, found: Instrument, magnifier: int) -> str:
    """Why what is bought under this name would be booked wrongly."""
    if magnifier > 1:
        return f"IB quotes {name.symbol} in 1/{magnifier} {name.currency}: amounts would be wrong"
    if name.expiry is None and found.instrument_type is _T.FUTURE:
        found = found.model_copy(update={"expiry": None})
    if name.key != found.key:
        return f"IB calls {name.key} {found.key}: send it under that name"
    if name.multiplier != found.multiplier:
        return (
            f"{name.symbol} has the multiplier {found.multiplier:f} at IB, "
            f"and {name.multiplier:f} was said"
        )
    return ""


def instrument_of(contract: Contract, *, stock_type: str = "", routes: str = "SMART") -> Instrument:
    """What a contract is in our words.

    Args:
        contract: of a message of the gateway.
        stock_type: of a share, by its description: IB's word for its kind.
        routes: where it may be sent, comma-separated.
    """
    kind = _KINDS.get(contract.secType)
    if kind is None:
        # Bonds, funds, CFDs …: held or traded by hand; no type of ours, but never left out.
        name = f"{contract.secType}:{contract.localSymbol or contract.symbol}"
        return Instrument(
            instrument_type=_T.STOCK, symbol=name, currency=contract.currency or "USD"
        )
    if kind is _T.STOCK and stock_type == "ETF":
        kind = _T.ETF
    dated = kind in {_T.FUTURE, _T.OPTION}
    return Instrument(
        instrument_type=kind,
        symbol=_symbol(kind, contract),
        currency=contract.currency,
        exchange=_home(kind, contract, routes),
        expiry=day_of(contract.lastTradeDateOrContractMonth) if dated else None,
        strike=positive_of(contract.strike) if kind is _T.OPTION else None,
        right=_right(contract.right) if kind is _T.OPTION else None,
        multiplier=(positive_of(contract.multiplier) if dated else None) or Decimal(1),
    )


def _symbol(kind: InstrumentType, contract: Contract) -> str:
    if kind is _T.FOREX:
        return contract.symbol + contract.currency
    return contract.symbol.replace(" ", ".") if kind in {_T.STOCK, _T.ETF} else contract.symbol


def _home(kind: InstrumentType, contract: Contract, routes: str) -> str | None:
    if kind is _T.FUTURE:
        return contract.exchange or contract.primaryExchange or None
    if kind not in {_T.STOCK, _T.ETF} or contract.currency in _SMART or "SMART" in routes:
        return None
    return contract.primaryExchange or contract.exchange or None


def _right(text: str) -> Literal["C", "P"] | None:
    return "C" if text[:1] == "C" else "P" if text[:1] == "P" else None


def day_of(text: str) -> date | None:
    """`20261218`, or a longer text that begins so; None of a month or nothing."""
    try:
        return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def chosen(
    found: Sequence[ContractDetails], instrument: Instrument, today: date
) -> ContractDetails | str:
    """Which of the answers an instrument means, or why none of them can be taken."""
    fitting = list(found)
    if instrument.instrument_type is _T.FUTURE:
        fitting = _future(fitting, instrument, today)
    elif instrument.instrument_type is _T.OPTION and len(fitting) > 1:
        own = [each for each in fitting if _class(each) == instrument.symbol]
        fitting = own or fitting
    by_id = {each.contract.conId: each for each in fitting if each.contract is not None}
    if len(by_id) == 1:
        return next(iter(by_id.values()))
    if not by_id:
        return f"IB knows no {instrument.key} that still trades"
    names = ", ".join(sorted(_local(each) for each in by_id.values())[:5])
    return f"IB knows {len(by_id)} contracts for {instrument.key} ({names}): say which"


def _future(
    found: list[ContractDetails], instrument: Instrument, today: date
) -> list[ContractDetails]:
    """The contract of that day, or else of that month; without one the nearest that trades."""
    ends = [(day, each) for each in found if (day := _last_day(each)) is not None]
    if instrument.multiplier != 1:
        same = [pair for pair in ends if _multiplier(pair[1]) == instrument.multiplier]
        ends = same or ends
    wanted = instrument.expiry
    if wanted is None:
        live = sorted({day for day, _ in ends if day >= today})
        return [each for day, each in ends if live and day == live[0]]
    exact = [each for day, each in ends if day == wanted]
    return exact or [each for day, each in ends if f"{day:%Y%m}" == f"{wanted:%Y%m}"]


def _last_day(details: ContractDetails) -> date | None:
    contract = details.contract
    real = day_of(details.realExpirationDate)
    return real or (day_of(contract.lastTradeDateOrContractMonth) if contract else None)


def _multiplier(details: ContractDetails) -> Decimal | None:
    return decimal_of(details.contract.multiplier) if details.contract else None


def _class(details: ContractDetails) -> str:
    return details.contract.tradingClass if details.contract else ""


def _local(details: ContractDetails) -> str:
    contract = details.contract
    return contract.localSymbol or str(contract.conId) if contract else ""


def to_tick(price: Decimal | None, tick: Decimal | None) -> Decimal | None:
    """A price in whole steps, to the nearest; never 0."""
    if price is None or tick is None:
        return price
    steps = (price / tick).to_integral_value(rounding=ROUND_HALF_EVEN)
    return max(steps, Decimal(1)) * tick
