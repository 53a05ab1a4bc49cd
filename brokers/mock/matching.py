"""What the simulated market does with one order: pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from brokers.mock.margin import Refusal
from brokers.mock.market import Level, Market, worse
from services.domain.instruments import round_down_to_lot
from services.domain.orders import Order, OrderTerms
from services.domain.values import ZERO, Exact, Frozen, NonNegative, Positive
from services.domain.words import OrderStatus, OrderType, Side, TimeInForce

IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
WORKING = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
_WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_WITH_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_STOPS = _WITH_STOP | {OrderType.TRAILING_STOP}


class Standing(Frozen):
    """How an order stands at the broker: all of it that changes.

    Attributes:
        quantity: asked for, with every change of it.
        taken: what fills of its OCO group have taken off that.
        stop_price: of a trailing stop: where it is now.
        fills: how many executions it has had, for the number of the next.
        group: its OCO group; None = it has none.
        entry: number of the order that it guards while that one works.
        combo: number of the first leg of its combo.
    """

    status: OrderStatus = OrderStatus.SUBMITTED
    text: str = ""
    quantity: Positive
    filled: NonNegative = ZERO
    taken: Exact = ZERO
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    triggered: bool = False
    fills: int = 0
    group: str | None = None
    entry: int | None = None
    combo: int | None = None

    @property
    def left(self) -> Decimal:
        """What may still fill."""
        return self.quantity - self.taken - self.filled

    @property
    def terms(self) -> OrderTerms:
        """As a report tells them; an order whose group has left it nothing tells its own size."""
        return OrderTerms(
            quantity=self.quantity - self.taken if self.quantity > self.taken else self.quantity,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
        )


class Take(NamedTuple):
    """What an order takes from the book."""

    price: Decimal
    quantity: Decimal


def standing_of(order: Order) -> Standing:
    """How an order stands before anything has happened to it."""
    return Standing(
        quantity=order.quantity,
        limit_price=order.limit_price if order.order_type in _WITH_LIMIT else None,
        stop_price=order.stop_price if order.order_type in _STOPS else None,
        group=order.oco_group,
    )


def moved(order: Order, standing: Standing, middle: Decimal) -> Standing:
    """After a price: a stop that it reaches is triggered, a trailing one follows, never back."""
    if order.order_type not in _STOPS or standing.triggered:
        return standing
    stop, sign = standing.stop_price, order.side.sign
    if order.order_type is OrderType.TRAILING_STOP:
        distance = order.trail_amount or middle * (order.trail_ratio or ZERO)
        behind = middle + sign * distance
        if behind > 0 and (stop is None or (behind - stop) * sign < 0):
            stop = behind
    if stop is None:
        return standing
    triggered = (middle - stop) * sign >= 0
    if stop == standing.stop_price and not triggered:
        return standing
    return standing.model_copy(update={"stop_price": stop, "triggered": triggered})


def takes(
    order: Order, standing: Standing, levels: Sequence[Level], market: Market, quantity: Decimal
) -> list[Take]:
    """What an order takes from its side of the book now.

    Args:
        order: as it came.
        standing: after the price (`moved`).
        levels: best first.
        market: how it is.
        quantity: no more than this.
    """
    if order.order_type in _STOPS and not standing.triggered:
        return []
    limit, taken = standing.limit_price, []
    slippage = market.slippage_bps if limit is None else ZERO
    left = quantity
    for level in levels:
        if limit is not None and (level.price - limit) * order.side.sign > 0:
            break
        part = left if level.quantity is None else min(left, level.quantity)
        part = round_down_to_lot(part, order.instrument.lot)
        if part > 0:
            taken.append(Take(worse(level.price, order.side, slippage), part))
            left -= part
    whole = left <= 0 or order.time_in_force is not TimeInForce.FOK
    return taken if whole else []


def expected_price(order: Order, standing: Standing, middle: Decimal | None) -> Decimal | None:
    """About where an order will fill: what its margin is reckoned with; None = nobody knows."""
    limit, side = standing.limit_price, order.side
    if limit is not None:
        marketable = middle is not None and (middle - limit) * side.sign <= 0
        return middle if marketable and order.order_type is OrderType.LIMIT else limit
    return standing.stop_price or middle


def misfit(order: Order) -> Refusal | None:
    """Why an order makes no sense to this broker whatever the market, or None."""
    kind, lot = order.order_type, order.instrument.lot
    if order.quantity != round_down_to_lot(order.quantity, lot):
        return Refusal("BAD_QUANTITY", f"{order.quantity:f} is no multiple of the lot {lot:f}")
    if kind in _WITH_LIMIT and order.limit_price is None:
        return Refusal("BAD_ORDER", f"{kind} orders need a limit price")
    if kind in _WITH_STOP and order.stop_price is None:
        return Refusal("BAD_ORDER", f"{kind} orders need a stop price")
    trails = [each for each in (order.trail_amount, order.trail_ratio) if each is not None]
    if kind is OrderType.TRAILING_STOP and len(trails) != 1:
        return Refusal("BAD_ORDER", "TRAILING_STOP orders need one of trail_amount and trail_ratio")
    return None


def changed(order: Order, standing: Standing, terms: OrderTerms) -> Standing | Refusal:
    """An order under other terms, or why it cannot be.

    A trailing stop keeps its distance; its `stop_price` may be named, and trails from there.
    """
    if standing.status not in WORKING:
        return Refusal("ORDER_ENDED", f"the order is {standing.status} already")
    if refusal := _bad_size(order, standing, terms) or _bad_prices(order, standing, terms):
        return refusal
    return standing.model_copy(
        update={
            "quantity": terms.quantity + standing.taken,
            "limit_price": terms.limit_price,
            "stop_price": terms.stop_price or standing.stop_price,
        }
    )


def _bad_size(order: Order, standing: Standing, terms: OrderTerms) -> Refusal | None:
    lot = order.instrument.lot
    if terms.quantity < standing.filled:
        text = f"{standing.filled:f} have filled, {terms.quantity:f} would be less"
        return Refusal("QUANTITY_BELOW_FILLED", text)
    if terms.quantity != round_down_to_lot(terms.quantity, lot):
        return Refusal("BAD_QUANTITY", f"{terms.quantity:f} is no multiple of the lot {lot:f}")
    return None


def _bad_prices(order: Order, standing: Standing, terms: OrderTerms) -> Refusal | None:
    kind = order.order_type
    if (kind in _WITH_LIMIT) is not (terms.limit_price is not None):
        return Refusal("BAD_TERMS", f"limit price {terms.limit_price} for an order {kind}")
    trails = kind is OrderType.TRAILING_STOP
    if not trails and (kind in _WITH_STOP) is not (terms.stop_price is not None):
        return Refusal("BAD_TERMS", f"stop price {terms.stop_price} for an order {kind}")
    if standing.triggered and terms.stop_price not in {None, standing.stop_price}:
        return Refusal("BAD_TERMS", "the stop has been triggered already")
    return None


def opposite_sides(entry: Order, guard: Order) -> bool:
    """Whether `guard` makes smaller what `entry` opens, and by no more than that."""
    side: Side = entry.side.opposite
    return (
        guard.side is side
        and guard.instrument.key == entry.instrument.key
        and guard.quantity <= entry.quantity
    )
