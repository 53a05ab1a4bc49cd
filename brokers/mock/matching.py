"""What the simulated market and clearing house do with an order: pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from services.domain.books import Position
from services.domain.instruments import Instrument, round_down_to_lot
from services.domain.orders import Order
from services.domain.values import ZERO
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce

#: This broker's own simple rule: initial margin as a share of notional, 1 where not named.
_MARGIN_RATIOS = {
    InstrumentType.STOCK: Decimal("0.5"),
    InstrumentType.ETF: Decimal("0.5"),
    InstrumentType.FUTURE: Decimal("0.1"),
    InstrumentType.FOREX: Decimal("0.05"),
}
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Refusal(NamedTuple):
    """Why the broker rejects an order."""

    code: str
    text: str


class Holding(NamedTuple):
    """A position and what it is worth now."""

    position: Position
    price: Decimal

    @property
    def value(self) -> Decimal:
        """Market value, negative for a short."""
        return self.position.quantity * self.price * self.position.instrument.multiplier

    @property
    def margin(self) -> Decimal:
        """Initial margin of the position."""
        return abs(self.value) * margin_ratio(self.position.instrument.instrument_type)


def margin_ratio(instrument_type: InstrumentType) -> Decimal:
    """Initial margin as a share of notional, this broker's own simple rule."""
    return _MARGIN_RATIOS.get(instrument_type, Decimal(1))


def available_funds(cash: Decimal, holdings: Iterable[Holding]) -> Decimal:
    """Equity less initial margin."""
    return cash + sum((each.value - each.margin for each in holdings), ZERO)


def added_margin(instrument: Instrument, held: Decimal, change: Decimal, price: Decimal) -> Decimal:
    """What a change of a position would add to its margin; below 0 where it makes it smaller.

    Args:
        instrument: what is traded.
        held: signed position before.
        change: signed quantity traded.
        price: of the instrument now.
    """
    more = abs(held + change) - abs(held)
    return more * price * instrument.multiplier * margin_ratio(instrument.instrument_type)


def fill_price(order: Order, market: Decimal | None) -> Decimal | None:
    """The price at which an order fills now, or None where it does not."""
    if order.order_type is OrderType.MARKET:
        return market or order.reference_price
    limit = order.limit_price
    if limit is None or market is None:
        # Nobody has set a price: the market is where the order's sender saw it.
        market = market or order.reference_price
    if limit is None or market is None:
        return None
    marketable = market <= limit if order.side is Side.BUY else market >= limit
    return market if marketable else None


def may_rest(order: Order) -> bool:
    """Whether an order that does not fill now stays."""
    return order.order_type is OrderType.LIMIT and order.time_in_force not in _IMMEDIATE


def commission(quantity: Decimal, *, per_unit: Decimal, minimum: Decimal) -> Decimal:
    """What one execution costs."""
    return max(minimum, per_unit * quantity)


def refusal(
    order: Order, price: Decimal | None, held: Decimal, available: Decimal, fee: Decimal
) -> Refusal | None:
    """Why this order is rejected, or None.

    Args:
        order: as it came.
        price: the price it would fill or rest at.
        held: signed position of the account in the instrument.
        available: available funds.
        fee: commission of its execution.
    """
    if order.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        return Refusal("UNSUPPORTED_ORDER_TYPE", f"{order.order_type} orders are not taken here")
    lot = order.instrument.lot
    if order.quantity != round_down_to_lot(order.quantity, lot):
        return Refusal("BAD_QUANTITY", f"{order.quantity:f} is no multiple of the lot {lot:f}")
    if price is None:
        return Refusal("NO_PRICE", f"no price is known for {order.instrument.symbol}")
    change = order.quantity * order.side.sign
    margin = added_margin(order.instrument, held, change, price)
    if margin <= 0:
        return None
    needed = margin + fee
    if needed > available:
        text = f"{needed:.2f} margin and commission needed, {available:.2f} available"
        return Refusal("INSUFFICIENT_FUNDS", text)
    return None
