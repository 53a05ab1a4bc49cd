"""Our orders as IB's and back; pure."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple

from brokers.errors import UnsupportedOrder
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.contracts import Listing, to_tick
from brokers.ibkr.exact import decimal_of, float_of, positive_of
from brokers.ibkr.link import IbkrLink
from services.domain.orders import Order, OrderTerms
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce

_O = OrderType
_TYPES: Final = {
    _O.MARKET: "MKT",
    _O.LIMIT: "LMT",
    _O.STOP: "STP",
    _O.STOP_LIMIT: "STP LMT",
    _O.TRAILING_STOP: "TRAIL",
}
_AT_CLOSE: Final = {_O.MARKET: "MOC", _O.LIMIT: "LOC"}
_KINDS: Final = {
    **{word: kind for kind, word in _TYPES.items()},
    **{word: kind for kind, word in _AT_CLOSE.items()},
    "TRAIL LIMIT": _O.TRAILING_STOP,
    "STPLMT": _O.STOP_LIMIT,
}
_AUCTIONS: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_WITH_LIMIT: Final = frozenset({_O.LIMIT, _O.STOP_LIMIT})
_WITH_STOP: Final = frozenset({_O.STOP, _O.STOP_LIMIT})
#: What fills of one order is taken off the others of its group, and only one is at an exchange at
#: a time: the pair can never fill for more than is held.
_REDUCE_WITH_BLOCK: Final = 2
_CENT: Final = Decimal("0.01")


class Linked(NamedTuple):
    """How an order hangs together with others.

    Attributes:
        group: whose fills are taken off each other; empty = none.
        transmit: False holds it, and what it hangs on, until the next one of the chain.
    """

    group: str = ""
    transmit: bool = True


ALONE: Final = Linked()


def ib_order(order: Order, listing: Listing, link: IbkrLink, linked: Linked = ALONE) -> IbOrder:
    """An order as IB takes it.

    Raises:
        UnsupportedOrder: IB has no such order.
    """
    if order.time_in_force in _AUCTIONS and order.order_type not in _AT_CLOSE:
        raise UnsupportedOrder(
            f"IB takes no {order.order_type} {order.time_in_force} orders: MARKET or LIMIT only"
        )
    made = IbOrder(
        action=str(order.side),
        totalQuantity=float_of(order.quantity),
        orderType=_type(order),
        tif=_life(order),
        orderRef=order.client_order_id,
        account=link.broker_account,
        outsideRth=link.outside_rth,
        transmit=linked.transmit,
    )
    if group := linked.group or order.oco_group or "":
        made.ocaGroup, made.ocaType = group, _REDUCE_WITH_BLOCK
    _set_prices(made, order, listing.tick)
    if order.instrument.instrument_type is InstrumentType.CRYPTO:
        _as_crypto(made, order)
    return made


def _type(order: Order) -> str:
    if order.time_in_force is TimeInForce.CLS:
        return _AT_CLOSE[order.order_type]
    return _TYPES[order.order_type]


def _life(order: Order) -> str:
    return "DAY" if order.time_in_force is TimeInForce.CLS else str(order.time_in_force)


def _set_prices(made: IbOrder, order: Order, tick: Decimal | None) -> None:
    limit, stop = to_tick(order.limit_price, tick), to_tick(order.stop_price, tick)
    if order.order_type in _WITH_LIMIT:
        made.lmtPrice = float_of(_needed(limit, order, "limit price"))
    if order.order_type in _WITH_STOP:
        made.auxPrice = float_of(_needed(stop, order, "stop price"))
    if order.order_type is not OrderType.TRAILING_STOP:
        return
    if (order.trail_amount is None) is (order.trail_ratio is None):
        raise UnsupportedOrder("TRAILING_STOP orders need one of trail_amount and trail_ratio")
    if order.trail_amount is not None:
        made.auxPrice = float_of(to_tick(order.trail_amount, tick) or order.trail_amount)
    if order.trail_ratio is not None:
        made.trailingPercent = float_of(order.trail_ratio * 100)
    if stop is not None:
        made.trailStopPrice = float_of(stop)


def _needed(price: Decimal | None, order: Order, name: str) -> Decimal:
    if price is None:
        raise UnsupportedOrder(f"{order.order_type} orders need a {name}")
    return price


def _as_crypto(made: IbOrder, order: Order) -> None:
    """Coins at the market are bought for an amount of money, and all such orders are IOC."""
    if order.order_type is not OrderType.MARKET:
        return
    made.tif = "IOC"
    if order.side is Side.SELL:
        return
    if order.reference_price is None:
        raise UnsupportedOrder(
            "IB buys coins at the market for an amount of money: a price is needed to name it"
        )
    amount = (order.quantity * order.reference_price).quantize(_CENT, rounding=ROUND_DOWN)
    if amount <= 0:
        raise UnsupportedOrder(f"coins for {amount:f} are none")
    made.totalQuantity, made.cashQty = 0.0, float_of(amount)


def terms_misfit(order: Order, terms: OrderTerms) -> str:
    """Why an order cannot have these terms; empty = it can."""
    kind = order.order_type
    if (kind in _WITH_LIMIT) is not (terms.limit_price is not None):
        return f"limit price {terms.limit_price} for an order {kind}"
    if kind is not OrderType.TRAILING_STOP and (
        (kind in _WITH_STOP) is not (terms.stop_price is not None)
    ):
        return f"stop price {terms.stop_price} for an order {kind}"
    if order.instrument.instrument_type is InstrumentType.CRYPTO and kind is OrderType.MARKET:
        return "an amount of money that buys coins at once is not changed"
    return ""


def under(order: Order, terms: OrderTerms) -> Order:
    """The order with other terms."""
    return order.model_copy(
        update={
            "quantity": terms.quantity,
            "limit_price": terms.limit_price,
            "stop_price": terms.stop_price,
        }
    )


def kind_of(made: IbOrder) -> OrderType:
    """Our word for the type of an order; of one made by hand the nearest there is."""
    known = _KINDS.get(made.orderType)
    if known is not None:
        return known
    return OrderType.MARKET if positive_of(made.lmtPrice) is None else OrderType.LIMIT


def terms_of(made: IbOrder, filled: Decimal) -> OrderTerms | None:
    """An order's terms as IB tells them; None where it tells no size.

    Args:
        made: of a message of the gateway.
        filled: of it so far: an order for an amount of money ends as large as that.
    """
    quantity = positive_of(made.totalQuantity) or positive_of(made.filledQuantity)
    quantity = quantity or (filled if filled > 0 else None)
    if quantity is None:
        return None
    kind = kind_of(made)
    stop = made.trailStopPrice if kind is OrderType.TRAILING_STOP else made.auxPrice
    return OrderTerms(
        quantity=quantity,
        limit_price=positive_of(made.lmtPrice) if kind in _WITH_LIMIT else None,
        stop_price=positive_of(stop) if kind in _WITH_STOP | {OrderType.TRAILING_STOP} else None,
    )


def same_terms(made: IbOrder, told: IbOrder) -> bool:
    """Whether the gateway shows an order as it was sent."""
    names = ("totalQuantity", "lmtPrice", "auxPrice")
    return all(_number(getattr(made, each)) == _number(getattr(told, each)) for each in names)


def _number(value: float | Decimal | None) -> Decimal:
    return decimal_of(value) or Decimal(0)
