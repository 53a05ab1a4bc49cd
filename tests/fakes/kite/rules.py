"""What Kite asks of an order before it gives it an id: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from services.domain.words import Side
from tests.fakes.kite.call import one_of, price, whole
from tests.fakes.kite.catalogue import EQUITY_EXCHANGES, Listing
from tests.fakes.kite.errors import Misuse, bad_input
from tests.fakes.kite.ticket import ORDER_TYPES

VARIETIES = frozenset({"regular", "amo", "iceberg"})
_WITH_PRICE = frozenset({"LIMIT", "SL"})
_WITH_TRIGGER = frozenset({"SL", "SL-M"})
_PROTECTED = frozenset({"MARKET", "SL-M"})
_TAG = re.compile(r"[A-Za-z0-9]{1,20}")
_PROTECTION = re.compile(r"-1(\.0)?|\d{1,3}(\.\d{1,4})?")
_LEGS = range(2, 51)
REQUIRED = ("exchange", "tradingsymbol", "transaction_type", "quantity", "product", "order_type")
OPTIONAL = (
    "variety",
    "price",
    "trigger_price",
    "validity",
    "validity_ttl",
    "disclosed_quantity",
    "iceberg_legs",
    "iceberg_quantity",
    "algo_id",
    "tag",
    "market_protection",
    "autoslice",
)
CHANGEABLE = (
    "variety",
    "order_id",
    "quantity",
    "price",
    "order_type",
    "trigger_price",
    "validity",
    "disclosed_quantity",
    "market_protection",
)


@dataclass(frozen=True)
class Wanted:
    """An order as it was asked for."""

    listing: Listing
    side: Side
    quantity: int
    product: str
    order_type: str
    price: Decimal | None
    trigger_price: Decimal | None
    validity: str
    validity_ttl: int = 0
    disclosed_quantity: int = 0
    market_protection: float = 0
    tag: str | None = None
    legs: int = 0
    leg_quantity: int = 0
    autoslice: bool = False


def wanted(fields, variety, catalogue):
    """An order from the fields of its form. Raises: KiteError."""
    _agrees(fields, "variety", variety)
    kind = one_of(fields, "order_type", ORDER_TYPES)
    listing = catalogue.find(fields["exchange"], fields["tradingsymbol"])
    if listing is None:
        raise bad_input(
            "The instrument you are placing an order for has either expired or does not exist."
        )
    order = Wanted(
        listing=listing,
        side=Side(one_of(fields, "transaction_type", {"BUY", "SELL"})),
        quantity=whole(fields, "quantity"),
        product=one_of(fields, "product", {"CNC", "MIS", "NRML"}),
        order_type=kind,
        price=price(fields, "price"),
        trigger_price=price(fields, "trigger_price"),
        validity=one_of({"validity": "DAY", **fields}, "validity", {"DAY", "IOC", "TTL"}),
        validity_ttl=whole(fields, "validity_ttl"),
        disclosed_quantity=whole(fields, "disclosed_quantity"),
        market_protection=_protection(fields),
        tag=fields.get("tag"),
        legs=whole(fields, "iceberg_legs"),
        leg_quantity=whole(fields, "iceberg_quantity"),
        autoslice=_flag(fields, "autoslice"),
    )
    _fits_kind(order)
    _fits_listing(order)
    _fits_variety(order, variety)
    return order


def changed(order, fields, variety, order_id):
    """An order after the changes that a form names. Raises: KiteError."""
    _agrees(fields, "variety", variety)
    _agrees(fields, "order_id", order_id)
    changes = {}
    if "quantity" in fields:
        changes["quantity"] = whole(fields, "quantity")
    for name in ("price", "trigger_price"):
        if name in fields:
            changes[name] = price(fields, name)
    if "order_type" in fields:
        changes["order_type"] = one_of(fields, "order_type", ORDER_TYPES)
    if "validity" in fields:
        changes["validity"] = one_of(fields, "validity", {"DAY", "IOC", "TTL"})
    if "disclosed_quantity" in fields:
        changes["disclosed_quantity"] = whole(fields, "disclosed_quantity")
    if "market_protection" in fields:
        changes["market_protection"] = _protection(fields)
    after = replace(order, **changes)
    if after.order_type != order.order_type:
        after = _of_another_kind(order, after)
    _fits_kind(after)
    _fits_listing(after)
    return after


def _of_another_kind(before, after):
    """Only what the engine can do: a limit order that is to fill at once."""
    if (before.order_type, after.order_type) != ("LIMIT", "MARKET"):
        raise bad_input(
            f"Order type cannot be changed from {before.order_type} to {after.order_type}."
        )
    return replace(after, price=None)


def _agrees(fields, name, said):
    if fields.get(name, said) != said:
        raise Misuse(f"`{name}` is {said!r} in the path and {fields[name]!r} in the form")


def _flag(fields, name):
    return one_of({name: "false", **fields}, name, {"true", "false"}) == "true"


def _protection(fields):
    text = fields.get("market_protection", "0")
    if not _PROTECTION.fullmatch(text):
        raise Misuse(f"Invalid `market_protection`: was {text!r}")
    value = float(text)
    if value > 100:
        raise bad_input("Market protection must be -1 or above 0 and up to 100.")
    return int(value) if value.is_integer() else value


def _fits_kind(order):
    """Prices that belong to the order type, and no others."""
    kind = order.order_type
    if (kind in _WITH_PRICE) is not (order.price is not None):
        raise Misuse(f"`price` is {order.price} for {kind}")
    if (kind in _WITH_TRIGGER) is not (order.trigger_price is not None):
        raise Misuse(f"`trigger_price` is {order.trigger_price} for {kind}")
    if order.market_protection and kind not in _PROTECTED:
        raise Misuse(f"`market_protection` is {order.market_protection:g} for {kind}")
    if not order.market_protection and kind in _PROTECTED:
        raise bad_input(f"{kind} orders without market protection are not allowed through the API.")
    if kind == "SL" and (order.trigger_price - order.price) * order.side.sign > 0:
        worse = "higher" if order.side is Side.BUY else "lower"
        raise bad_input(f"Trigger price cannot be {worse} than the limit price.")
    if (order.validity == "TTL") is not (order.validity_ttl > 0):
        raise Misuse(f"`validity_ttl` is {order.validity_ttl} for {order.validity}")


def _fits_listing(order):
    """Lot, tick, product and what the exchange does not know."""
    listing, equity = order.listing, order.listing.exchange in EQUITY_EXCHANGES
    if order.quantity <= 0 or order.quantity % listing.lot:
        raise bad_input(f"Quantity should be a multiple of the lot size {listing.lot}.")
    for amount in (order.price, order.trigger_price):
        if amount is not None and amount % listing.tick:
            raise bad_input(
                f"Tick size for this instrument is {listing.tick}. Kindly enter a price in the "
                "multiple of it."
            )
    if order.product == ("NRML" if equity else "CNC"):
        raise bad_input(f"Product {order.product} is not allowed on {listing.exchange}.")
    if order.order_type == "SL-M" and listing.instrument.right is not None:
        raise bad_input("SL-M orders are not allowed for options. Use SL orders.")
    if order.disclosed_quantity > (order.quantity if equity else 0):
        raise bad_input("Disclosed quantity cannot be more than the quantity, and only in equity.")
    if order.tag is not None and not _TAG.fullmatch(order.tag):
        raise bad_input("Invalid `tag`: expected up to 20 letters and digits.")


def _fits_variety(order, variety):
    if (variety == "iceberg") is not (order.legs > 0 or order.leg_quantity > 0):
        raise Misuse(f"iceberg fields for {variety}")
    if variety != "iceberg":
        return
    if order.legs not in _LEGS or order.leg_quantity % order.listing.lot:
        raise bad_input("Iceberg orders have 2 to 50 legs, each a multiple of the lot size.")
    if order.order_type not in _WITH_PRICE | {"MARKET"} or order.autoslice:
        raise bad_input("Iceberg orders are MARKET, LIMIT or SL, and not sliced.")
    if (
        not order.leg_quantity * (order.legs - 1)
        < order.quantity
        <= order.leg_quantity * order.legs
    ):
        raise bad_input("Iceberg legs do not add up to the quantity.")
