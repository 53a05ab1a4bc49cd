"""What the gateway makes of a placeOrder before the engine sees it: refusals and orders; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.domain.instruments import round_down_to_lot
from services.domain.orders import OrderTerms
from services.domain.words import OrderType, Side, TimeInForce
from tests.fakes.tws.contracts import Listing, Table

Fields = Mapping[str, object]
#: TWS' word: ours, and the time in force that it brings along.
_TYPES = {
    "MKT": (OrderType.MARKET, None),
    "LMT": (OrderType.LIMIT, None),
    "STP": (OrderType.STOP, None),
    "STP LMT": (OrderType.STOP_LIMIT, None),
    "STPLMT": (OrderType.STOP_LIMIT, None),
    "TRAIL": (OrderType.TRAILING_STOP, None),
    "MOC": (OrderType.MARKET, TimeInForce.CLS),
    "LOC": (OrderType.LIMIT, TimeInForce.CLS),
}
_LIVES = {each.value: each for each in TimeInForce if each is not TimeInForce.CLS}
_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_RATIO = Decimal(100)


class Refused(Exception):
    """An order that the gateway does not take.

    Attributes:
        code: TWS' error code.
        sentence: TWS' words, as far as they are known.
    """

    def __init__(self, code: int, sentence: str):
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Wanted(NamedTuple):
    """One order in our words; of a combo, one for each leg.

    Attributes:
        ratio: of a combo's leg: units for one of the combo, below 0 where the combo sells them.
        more: order type, prices, time in force, group, as the engine's order has them.
    """

    listing: Listing
    side: Side
    quantity: Decimal
    more: dict[str, object]
    ratio: Decimal = Decimal(1)


def account_of(fields: Fields, accounts: Sequence[str]) -> str:
    """Whose order it is. Raises: Refused."""
    account = str(fields["account"])
    if not account and len(accounts) == 1:
        return accounts[0]
    if not account:
        raise Refused(435, "You must specify an account.")
    if account not in accounts:
        raise _invalid("Invalid account code")
    return account


def contract_of(fields: Fields, table: Table) -> Listing:
    """The one contract that an order is for. Raises: Refused."""
    found = table.matching(fields)
    if not found:
        raise Refused(200, "No security definition has been found for the request")
    if not fields["exchange"]:
        raise _invalid("Please enter exchange")
    if len(found) > 1:
        raise Refused(200, f"The contract description specified for {found[0].symbol} is ambiguous")
    return found[0]


def single(fields: Fields, table: Table, price: Decimal | None) -> Wanted:
    """An order of one contract; `price`: where the market stands. Raises: Refused."""
    listing = contract_of(fields, table)
    order_type, life = _type_and_life(fields)
    quantity = _quantity(fields, listing, order_type, price)
    limit, aux = fields["lmtPrice"], fields["auxPrice"]
    more: dict[str, object] = {"order_type": order_type, "time_in_force": life}
    if order_type in _LIMITED:
        more["limit_price"] = _price(limit, listing, "limit")
    if order_type in _STOPPED:
        more["stop_price"] = _price(aux, listing, "stop")
    if order_type is OrderType.TRAILING_STOP:
        more |= _trail(fields)
    if fields["ocaGroup"]:
        more["oco_group"] = str(fields["ocaGroup"])
    return Wanted(listing, _side(fields["action"]), quantity, more)


def legs(fields: Fields, table: Table) -> list[Wanted]:
    """The legs of a combo, without prices: the combo has one price. Raises: Refused."""
    order_type, life = _type_and_life(fields)
    if order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        raise Refused(387, "Unsupported order type for this exchange and security type.")
    if order_type is OrderType.LIMIT and fields["lmtPrice"] is None:
        raise _invalid("a combo's limit order needs a limit price")
    quantity = fields["totalQuantity"] or Decimal(0)
    if quantity <= 0 or quantity != round_down_to_lot(quantity, Decimal(1)):
        raise Refused(434, "The order size cannot be zero.")
    if len(fields["legs"]) < 2:
        raise _invalid("Invalid number of legs")
    return [_leg(each, fields, table, life) for each in fields["legs"]]


def _leg(leg: Fields, fields: Fields, table: Table, life: TimeInForce) -> Wanted:
    listing = table.of_id(leg["conId"])
    if listing is None:
        raise Refused(200, "No security definition has been found for the request")
    if leg["ratio"] <= 0:
        raise _invalid("Invalid leg ratio")
    ratio, side = Decimal(leg["ratio"]), _side(leg["action"])
    bought = side if _side(fields["action"]) is Side.BUY else side.opposite
    more = {"order_type": OrderType.MARKET, "time_in_force": life}
    return Wanted(listing, bought, ratio * fields["totalQuantity"], more, ratio * side.sign)


def terms(fields: Fields, wanted: Wanted) -> OrderTerms:
    """What a placeOrder for an order that lives asks to change it to."""
    trails = wanted.more["order_type"] is OrderType.TRAILING_STOP
    return OrderTerms(
        quantity=wanted.quantity,
        limit_price=wanted.more.get("limit_price"),
        stop_price=fields["trailStopPrice"] if trails else wanted.more.get("stop_price"),
    )


def check_change(before: Fields, after: Fields) -> None:
    """Only size and prices of a live order can be changed. Raises: Refused."""
    same = ["action", "orderType", "secType", "account", "orderRef", "ocaGroup", "parentId"]
    if before["orderType"] == "TRAIL":
        same += ["auxPrice", "trailingPercent"]
    different = [name for name in same if (before[name] or None) != (after[name] or None)]
    if (before["tif"] or "DAY") != (after["tif"] or "DAY"):
        different.append("tif")
    if after["conId"] and before["conId"] and after["conId"] != before["conId"]:
        different.append("conId")
    if after["symbol"] and before["symbol"] and after["symbol"] != before["symbol"]:
        different.append("symbol")
    if different:
        words = ", ".join(different)
        raise Refused(105, f"Order being modified does not match original order: {words}")


def _type_and_life(fields: Fields) -> tuple[OrderType, TimeInForce]:
    if fields["orderType"] not in _TYPES:
        raise Refused(387, "Unsupported order type for this exchange and security type.")
    order_type, life = _TYPES[fields["orderType"]]
    if life is None:
        told = fields["tif"] or "DAY"
        if told not in _LIVES:
            raise Refused(201, f"Order rejected - reason:Time in force {told} is not supported")
        life = _LIVES[told]
    return order_type, life


def _side(action: object) -> Side:
    if action not in {"BUY", "SELL"}:
        raise _invalid(f"Invalid action {action}")
    return Side(action)


def _quantity(
    fields: Fields, listing: Listing, order_type: OrderType, price: Decimal | None
) -> Decimal:
    coins = listing.sec_type == "CRYPTO" and order_type is OrderType.MARKET
    if coins and fields["tif"] != "IOC":
        raise Refused(201, "Order rejected - reason:Market orders of crypto must be IOC")
    if coins and (fields["cashQty"] or fields["action"] == "BUY"):
        return _coins(fields, listing, price)
    if fields["cashQty"]:
        raise Refused(10293, "Cash quantity orders are not supported for this contract.")
    quantity = fields["totalQuantity"] or Decimal(0)
    if quantity <= 0:
        raise Refused(434, "The order size cannot be zero.")
    if quantity != round_down_to_lot(quantity, listing.increment):
        raise Refused(10243, "Fractional-sized order cannot be placed via API.")
    return quantity


def _coins(fields: Fields, listing: Listing, price: Decimal | None) -> Decimal:
    """Coins are bought at the market for an amount of money, at once or not at all."""
    if not fields["cashQty"]:
        raise Refused(10289, "You must set Cash Quantity for this order.")
    if fields["totalQuantity"]:
        raise _invalid("Only one of quantity and cash quantity can be specified")
    if price is None:
        raise Refused(201, "Order rejected - reason:no market for the cash quantity")
    quantity = round_down_to_lot(fields["cashQty"] / price, listing.increment)
    if quantity <= 0:
        raise Refused(434, "The order size cannot be zero.")
    return quantity


def _price(price: object, listing: Listing, which: str) -> Decimal:
    if price is None:
        raise _invalid(f"Missing {which} price")
    if price <= 0 or price % listing.min_tick:
        raise Refused(
            110,
            "The price does not conform to the minimum price variation for this contract.",
        )
    return price


def _trail(fields: Fields) -> dict[str, object]:
    amount, percent = fields["auxPrice"], fields["trailingPercent"]
    if (amount is None) is (percent is None):
        raise _invalid("a trailing stop needs one of trailing amount and trailing percent")
    trail = {"trail_amount": amount} if percent is None else {"trail_ratio": percent / _RATIO}
    return {**trail, "stop_price": fields["trailStopPrice"]}


def _invalid(cause: str) -> Refused:
    return Refused(321, f"Error validating request.-'bW' : cause - {cause}")
