"""What the account holds and what it is worth, from the gateway's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from brokers.broker import AccountState, BrokerPosition, CurrencyBalance
from brokers.errors import BrokerUnavailable
from brokers.ibkr import answers as of
from brokers.ibkr.api import Contract
from brokers.ibkr.exact import decimal_of
from brokers.ibkr.line import Line
from brokers.ibkr.pacing import Rank
from brokers.ibkr.reports import Names
from services.domain.values import ZERO
from services.domain.words import InstrumentType

_DATED: Final = frozenset({InstrumentType.FUTURE, InstrumentType.OPTION})
_BASE: Final = "BASE"
_RATE: Final = "ExchangeRate"


class Held(NamedTuple):
    """A row of positions."""

    contract: Contract
    quantity: Decimal
    cost: Decimal


async def held_by(line: Line, account: str) -> list[Held]:
    """What an account holds now; nothing that is closed. Raises: BrokerUnavailable."""
    rows = await line.ask(of.POSITIONS, lambda client: client.reqPositions())
    client = await line.turn(Rank.QUESTION)
    client.cancelPositions()  # else every change would be told from now on
    return [
        Held(contract, quantity, decimal_of(cost) or ZERO)
        for whose, contract, size, cost in rows
        if whose == account and (quantity := decimal_of(size))
    ]


def positions_of(
    rows: Iterable[Held],
    names: Names,
    price_of: Callable[[int], Decimal | None] = lambda _number: None,
) -> list[BrokerPosition]:
    """Positions by the names of our books; IB's cost of what has a multiplier is of a contract.

    Args:
        rows: of the account.
        names: what our books call a contract.
        price_of: what was pushed of a contract's price, by IB's number of it.
    """
    found: dict[str, BrokerPosition] = {}
    for row in rows:
        instrument = names(row.contract)
        times = instrument.multiplier if instrument.instrument_type in _DATED else Decimal(1)
        position = BrokerPosition(
            instrument=instrument,
            quantity=row.quantity,
            average_price=max(row.cost / times, ZERO),
            market_price=price_of(row.contract.conId),
        )
        found[instrument.key] = _together(found.get(instrument.key), position)
    return [each for each in found.values() if each.quantity]


def _together(one: BrokerPosition | None, other: BrokerPosition) -> BrokerPosition:
    """Two contracts under one name, e.g. two expiries of a future that orders name without."""
    if one is None:
        return other
    quantity = one.quantity + other.quantity
    larger = max(one, other, key=lambda each: abs(each.quantity))
    return larger.model_copy(update={"quantity": quantity})


def state_of(
    account_id: str, rows: Sequence[tuple[str, str, str, str]], as_of: datetime
) -> AccountState:
    """The account from rows of account, tag, value and currency.

    Raises: BrokerUnavailable: a figure is missing, and none is made up.
    """
    figures: dict[str, Decimal] = {}
    rates: dict[str, Decimal] = {}
    currency = ""
    for _, tag, text, unit in rows:
        value = decimal_of(text) if tag in _FIGURES or tag == _RATE else None
        if value is None:
            continue
        if tag == _RATE:
            rates[unit] = value
        elif tag not in figures or unit != _BASE:
            figures[tag] = value
            if tag == _EQUITY and unit not in {"", _BASE}:
                currency = unit
    missing = [tag for tag in _FIGURES if tag not in figures] + ([] if currency else ["currency"])
    if missing:
        raise BrokerUnavailable(f"the gateway tells no {', '.join(missing)} of {account_id}")
    return AccountState(
        account_id=account_id,
        currency=currency,
        equity=figures[_EQUITY],
        cash=figures["TotalCashValue"],
        initial_margin=max(figures["InitMarginReq"], ZERO),
        maintenance_margin=max(figures["MaintMarginReq"], ZERO),
        available_funds=figures["AvailableFunds"],
        buying_power=figures["BuyingPower"],
        as_of=as_of,
        fx_rates={
            unit: rate
            for unit, rate in rates.items()
            if unit not in {"", _BASE, currency} and rate > 0
        },
        balances=_balances(rows),
    )


def _balances(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, CurrencyBalance]:
    """By currency, where its cash is told."""
    told: dict[str, dict[str, Decimal]] = {}
    for _, tag, text, unit in rows:
        value = decimal_of(text) if tag in _BY_CURRENCY and unit not in {"", _BASE} else None
        if value is not None:
            told.setdefault(unit, {})[_BY_CURRENCY[tag]] = value
    return {unit: CurrencyBalance(**amounts) for unit, amounts in told.items() if "cash" in amounts}


#: Tags of the ledger, which has a row of each for every currency.
_BY_CURRENCY: Final = {
    "CashBalance": "cash",
    "NetLiquidationByCurrency": "equity",
    "UnrealizedPnL": "unrealized_pnl",
    "RealizedPnL": "realized_pnl",
}
_EQUITY: Final = "NetLiquidation"
_FIGURES: Final = (
    _EQUITY,
    "TotalCashValue",
    "InitMarginReq",
    "MaintMarginReq",
    "AvailableFunds",
    "BuyingPower",
)
