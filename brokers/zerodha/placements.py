"""Our orders as Kite takes them: pure. What does not fit is refused, never rounded.

Parameters: https://kite.trade/docs/connect/v3/orders
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

from brokers.broker import Capabilities
from brokers.errors import OrderRejected, UnsupportedOrder
from brokers.zerodha.contracts import Contract
from brokers.zerodha.link import ZerodhaLink
from services.domain.accounts import PreviewLeg
from services.domain.orders import Order, OrderTerms
from services.domain.words import InstrumentType, OrderType, TimeInForce

#: No after-market orders: outside market hours Kite refuses, and that is told.
VARIETY: Final = "regular"
#: Protection of market orders as the exchanges want it, by Kite's own measure.
_AUTOMATIC: Final = -1
_TAG: Final = re.compile("[A-Za-z0-9]{1,20}")
ORDER_TYPES: Final = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "SL-M",
    OrderType.STOP_LIMIT: "SL",
}
CAPABILITIES: Final = Capabilities(
    order_types=frozenset(ORDER_TYPES),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.IOC}),
    instrument_types=frozenset(
        {InstrumentType.STOCK, InstrumentType.ETF, InstrumentType.FUTURE, InstrumentType.OPTION}
    ),
    modify=True,
    margin_preview=True,
    messages_per_second=10,
    orders_per_second=10,
)


class Request(NamedTuple):
    """A placement.

    Attributes:
        fields: of `KiteConnect.place_order`, without the variety.
        sliced: whether Kite is to slice it, because it is above the freeze quantity.
    """

    fields: dict[str, Any]
    sliced: bool


def placement(order: Order, contract: Contract, link: ZerodhaLink) -> Request:
    """How an order is placed. Raises: UnsupportedOrder: it does not fit what is listed."""
    if not _TAG.fullmatch(order.client_order_id):
        raise UnsupportedOrder(
            "a client_order_id is 20 letters and digits at most at Zerodha, "
            f"was {order.client_order_id!r}"
        )
    terms = OrderTerms(
        quantity=order.quantity, limit_price=order.limit_price, stop_price=order.stop_price
    )
    units = _units(order.quantity, contract)
    fields = {
        "exchange": contract.listing.exchange,
        "tradingsymbol": contract.listing.tradingsymbol,
        "transaction_type": str(order.side),
        "quantity": units,
        "product": product(contract, link),
        "validity": str(order.time_in_force),
        "tag": order.client_order_id,
        **_prices(order.order_type, terms, contract),
    }
    freeze = link.freeze_quantities.get(contract.listing.name)
    return Request(fields, sliced=not contract.is_cash and freeze is not None and units > freeze)


def change(order: Order, terms: OrderTerms, contract: Contract) -> dict[str, Any]:
    """How other terms are asked for; the quantity is the whole, with what has filled.

    Raises:
        OrderRejected: an order of this type cannot have such terms.
    """
    try:
        units = _units(terms.quantity, contract)
        return {"quantity": units, **_prices(order.order_type, terms, contract)}
    except UnsupportedOrder as error:
        raise OrderRejected("BAD_TERMS", str(error)) from error


def basket_row(leg: PreviewLeg, contract: Contract, link: ZerodhaLink) -> dict[str, Any]:
    """A leg of a margin preview: filled now, at the market. Raises: UnsupportedOrder."""
    return {
        "exchange": contract.listing.exchange,
        "tradingsymbol": contract.listing.tradingsymbol,
        "transaction_type": str(leg.side),
        "variety": VARIETY,
        "product": product(contract, link),
        "order_type": "MARKET",
        "quantity": _units(leg.quantity, contract),
        "price": 0,
        "trigger_price": 0,
    }


def product(contract: Contract, link: ZerodhaLink) -> str:
    """Kite's word for how long a position may be held."""
    return link.product_equity if contract.is_cash else link.product_derivative


def _prices(order_type: OrderType, terms: OrderTerms, contract: Contract) -> dict[str, Any]:
    """What an order type needs, and nothing else."""
    fields: dict[str, Any] = {"order_type": ORDER_TYPES[order_type]}
    if order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
        fields["price"] = _price("limit_price", terms.limit_price, contract)
    if order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        fields["trigger_price"] = _price("stop_price", terms.stop_price, contract)
    if order_type in {OrderType.MARKET, OrderType.STOP}:
        fields["market_protection"] = _AUTOMATIC
    return fields


def _price(name: str, price: Decimal | None, contract: Contract) -> str:
    listing = contract.listing
    if price is None:
        raise UnsupportedOrder(f"an order of this type needs a {name}")
    if price % listing.tick:
        raise UnsupportedOrder(
            f"{name} of {listing.tradingsymbol} must be a multiple of {listing.tick:f}, "
            f"was {price:f}"
        )
    return f"{price:f}"


def _units(quantity: Decimal, contract: Contract) -> int:
    listing = contract.listing
    if quantity % listing.lot:
        raise UnsupportedOrder(
            f"quantity of {listing.tradingsymbol} must be a multiple of {listing.lot}, "
            f"was {quantity:f}"
        )
    return int(quantity)
