"""What an account holds and is worth, by several answers of Kite's together: pure.

https://kite.trade/docs/connect/v3/portfolio and https://kite.trade/docs/connect/v3/user (margins)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from brokers.broker import AccountState, BrokerPosition, MarginQuote
from brokers.errors import BrokerUnavailable
from brokers.zerodha.contracts import CURRENCY
from brokers.zerodha.numbers import exact
from services.domain.instruments import Instrument
from services.domain.orders import Execution
from services.domain.values import ZERO
from services.domain.words import InstrumentType

#: What Kite means by an exchange and a symbol. Raises: BrokerUnavailable.
InstrumentOf = Callable[[str, str], Instrument]


class Holding(NamedTuple):
    """One row: of what was bought today or is held on margin, or of what lies in the depot.

    Attributes:
        m2m: what a future has made today, which is settled every night.
    """

    instrument: Instrument
    quantity: Decimal
    average_price: Decimal
    last_price: Decimal
    m2m: Decimal = ZERO

    @property
    def worth(self) -> Decimal:
        """What it adds to the cash of the account: a future only what it has made today."""
        if self.instrument.instrument_type is InstrumentType.FUTURE:
            return self.m2m
        return self.quantity * self.last_price * self.instrument.multiplier


class Margins(NamedTuple):
    """Of all segments together.

    Attributes:
        cash: before today's trades, with what was paid in today and without what was paid out.
        net: what is free for new positions.
        blocked: what positions and sales hold back.
    """

    cash: Decimal
    net: Decimal
    blocked: Decimal


def holdings_of(positions: object, depot: object, instrument_of: InstrumentOf) -> list[Holding]:
    """Everything that is held. Nothing is there twice: what is bought today is a position today,
    and in the depot from tomorrow on; what is sold of the depot is a position below 0 today, and
    the depot's opening quantity does not change with it.

    Raises:
        BrokerUnavailable: an answer cannot be read.
    """
    try:
        rows = positions["net"]  # type: ignore[index]
        found = [_position(row, instrument_of) for row in rows]
        found += [_of_depot(row, instrument_of) for row in depot]  # type: ignore[attr-defined]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BrokerUnavailable(f"Kite's positions cannot be read: {error!r}") from error
    return found


def net(holdings: Iterable[Holding]) -> list[BrokerPosition]:
    """Net positions: products and exchanges of one instrument together."""
    sums: dict[str, Holding] = {}
    for each in holdings:
        if each.quantity:
            known = sums.get(each.instrument.key)
            sums[each.instrument.key] = each if known is None else _together(known, each)
    return [
        BrokerPosition(
            instrument=each.instrument,
            quantity=each.quantity,
            average_price=each.average_price,
            market_price=each.last_price or None,
        )
        for each in sums.values()
        if each.quantity
    ]


def margins_of(told: object) -> Margins:
    """Of all segments that are enabled. Raises: BrokerUnavailable: it cannot be read."""
    try:
        segments = [each for each in told.values() if each["enabled"]]  # type: ignore[attr-defined]
        return Margins(
            cash=_sum(exact(each["available"]["cash"]) for each in segments)
            - _sum(exact(each["utilised"]["payout"]) for each in segments),
            net=_sum(exact(each["net"]) for each in segments),
            blocked=_sum(
                exact(each["utilised"][name])
                for each in segments
                for name in ("span", "exposure", "delivery")
            ),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BrokerUnavailable(f"Kite's margins cannot be read: {error!r}") from error


def state_of(
    account_id: str,
    margins: Margins,
    holdings: Iterable[Holding],
    today: Iterable[Execution],
    as_of: datetime,
) -> AccountState:
    """An account as Kite's answers make it, with today's trades as if they were settled.

    Kite's cash is that of the morning: what was traded today and what it cost moves it over night.
    So that it can be compared with books, today's fills are counted: `cash` is what will be there.
    `equity` is that and what everything held is worth at last prices; pledged shares count as what
    they are worth, not as collateral. Indian margins have to be there in full all day: maintenance
    is as much as initial margin. Kite knows no buying power beyond what is free.

    Args:
        account_id: whose.
        margins: by Kite.
        holdings: by Kite.
        today: all fills of the account today, somebody else's too.
        as_of: when that was so.
    """
    cash = margins.cash + _sum(_flow(each) for each in today)
    return AccountState(
        account_id=account_id,
        currency=CURRENCY,
        equity=cash + _sum(each.worth for each in holdings),
        cash=cash,
        initial_margin=max(margins.blocked, ZERO),
        maintenance_margin=max(margins.blocked, ZERO),
        available_funds=margins.net,
        buying_power=margins.net,
        as_of=as_of,
    )


def margin_quote(told: object, as_of: datetime) -> MarginQuote:
    """The answer to a basket: what all its orders together change, positions considered.

    Raises:
        BrokerUnavailable: it cannot be read.
    """
    try:
        total = exact(told["final"]["total"])  # type: ignore[index]
    except (LookupError, TypeError, ValueError) as error:
        raise BrokerUnavailable(f"Kite's basket margin cannot be read: {error!r}") from error
    return MarginQuote(initial_margin=total, maintenance_margin=total, as_of=as_of)


def _flow(execution: Execution) -> Decimal:
    """What a fill moves in cash; a future is not paid for, it is settled (`Holding.m2m`)."""
    instrument = execution.instrument
    if instrument.instrument_type is InstrumentType.FUTURE:
        return -execution.commission
    paid = execution.quantity * execution.price * instrument.multiplier
    return -paid * execution.side.sign - execution.commission


def _position(row: Mapping[str, Any], instrument_of: InstrumentOf) -> Holding:
    instrument = instrument_of(row["exchange"], row["tradingsymbol"])
    multiplier = exact(row["multiplier"])
    if multiplier != instrument.multiplier:
        raise BrokerUnavailable(
            f"Kite says that the multiplier of {row['tradingsymbol']} is {multiplier:f}, it should "
            f"be {instrument.multiplier:f}: amounts would be wrong"
        )
    return Holding(
        instrument,
        exact(row["quantity"]),
        abs(exact(row["average_price"])),
        exact(row["last_price"]),
        exact(row["m2m"]),
    )


def _of_depot(row: Mapping[str, Any], instrument_of: InstrumentOf) -> Holding:
    opening = row.get("opening_quantity")
    if opening is None:
        opening = exact(row["quantity"]) + exact(row["t1_quantity"])
    return Holding(
        instrument_of(row["exchange"], row["tradingsymbol"]),
        exact(opening),
        exact(row["average_price"]),
        exact(row["last_price"]),
    )


def _together(first: Holding, second: Holding) -> Holding:
    quantity = first.quantity + second.quantity
    larger = max(first, second, key=lambda each: abs(each.quantity))
    average = larger.average_price
    if first.quantity * second.quantity > 0:
        paid = first.quantity * first.average_price + second.quantity * second.average_price
        average = paid / quantity
    return larger._replace(quantity=quantity, average_price=average, m2m=first.m2m + second.m2m)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
