"""Rows of Kite's order book and trade book, read once into values: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from brokers.errors import BrokerUnavailable
from brokers.zerodha.numbers import exact
from brokers.zerodha.times import instant
from services.domain.orders import has_our_form
from services.domain.words import OrderType, Side

#: A slice names the order that Kite has sliced: https://kite.trade/forum/discussion/comment/51301
_SLICE_OF: Final = "autoslice:"
#: Statuses in which nothing happens any more; all others, also those unknown to us, are on the way.
COMPLETE, CANCELLED, REJECTED = "COMPLETE", "CANCELLED", "REJECTED"
ENDED: Final = frozenset({COMPLETE, CANCELLED, REJECTED, "LAPSED", "EXPIRED"})
#: Statuses in which an order rests at the exchange, or waits at Kite for its trigger.
RESTING: Final = frozenset({"OPEN", "TRIGGER PENDING"})
_ORDER_TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "SL-M": OrderType.STOP,
    "SL": OrderType.STOP_LIMIT,
}


class OrderRow(NamedTuple):
    """One order of Kite's, as it stands.

    Attributes:
        client_order_id: the tag that is ours; empty where none is.
        parent: the order that Kite has sliced into this one and others, or its own id.
        updated_at: when it last changed, to the second.
    """

    order_id: str
    client_order_id: str
    parent: str
    status: str
    message: str
    exchange: str
    tradingsymbol: str
    side: Side
    order_type: OrderType
    kite_type: str
    variety: str
    quantity: Decimal
    filled: Decimal
    price: Decimal
    trigger: Decimal
    placed_at: datetime
    updated_at: datetime

    @property
    def has_ended(self) -> bool:
        """Whether it will not move by itself any more."""
        return self.status in ENDED

    @property
    def is_settled(self) -> bool:
        """Whether Kite has said what has become of it so far."""
        return self.has_ended or self.status in RESTING


class Trade(NamedTuple):
    """One fill, as the exchange told Kite; it never changes."""

    exchange: str
    trade_id: str
    order_id: str
    tradingsymbol: str
    side: Side
    product: str
    quantity: Decimal
    price: Decimal
    filled_at: datetime


def order_rows(told: object) -> list[OrderRow]:
    """The order book. Raises: BrokerUnavailable: it cannot be read."""
    return [_reading("order", row, _order_row) for row in _each("order book", told)]


def trades(told: object) -> list[Trade]:
    """The trade book, oldest first. Raises: BrokerUnavailable: it cannot be read."""
    found = (_reading("trade", row, _trade) for row in _each("trade book", told))
    return sorted(found, key=lambda each: (each.filled_at, len(each.trade_id), each.trade_id))


def _each(name: str, told: object) -> Iterable[Any]:
    if not isinstance(told, list):
        raise BrokerUnavailable(f"Kite's {name} must be a list, was {type(told).__name__}")
    return told


def _reading(name: str, row: Any, read: Any) -> Any:  # noqa: ANN401 - of either kind
    try:
        return read(row)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BrokerUnavailable(
            f"a row of Kite's {name} book cannot be read: {type(error).__name__}: {error}"
        ) from error


def _order_row(row: Mapping[str, Any]) -> OrderRow:
    tags = [str(each) for each in (row.get("tag"), *(row.get("tags") or ())) if each]
    placed_at = instant(row["order_timestamp"])
    if placed_at is None:
        raise ValueError("an order has no order_timestamp")
    moments = [
        instant(row.get(name)) for name in ("exchange_timestamp", "exchange_update_timestamp")
    ]
    order_id = _id(row, "order_id")
    return OrderRow(
        order_id=order_id,
        client_order_id=next((each for each in tags if has_our_form(each)), ""),
        parent=_parent(order_id, row.get("parent_order_id"), tags),
        status=_text(row, "status").upper(),
        message=str(row.get("status_message") or ""),
        exchange=_text(row, "exchange"),
        tradingsymbol=_text(row, "tradingsymbol"),
        side=Side(row["transaction_type"]),
        order_type=_ORDER_TYPES[row["order_type"]],
        kite_type=row["order_type"],
        variety=_text(row, "variety"),
        quantity=_positive(row, "quantity"),
        filled=_not_negative(row, "filled_quantity"),
        price=_not_negative(row, "price"),
        trigger=_not_negative(row, "trigger_price"),
        placed_at=placed_at,
        updated_at=max([placed_at, *(each for each in moments if each is not None)]),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    found = row[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} must be a text, was {found!r}")
    return found


def _id(row: Mapping[str, Any], name: str) -> str:
    found = row[name]
    return str(found) if type(found) is int else _text(row, name)


def _positive(row: Mapping[str, Any], name: str) -> Decimal:
    number = exact(row[name])
    if number <= 0:
        raise ValueError(f"{name} must be above 0, was {number:f}")
    return number


def _not_negative(row: Mapping[str, Any], name: str) -> Decimal:
    number = exact(row[name] or 0)
    if number < 0:
        raise ValueError(f"{name} must not be below 0, was {number:f}")
    return number


def _parent(order_id: str, parent_order_id: object, tags: Iterable[str]) -> str:
    named = [each.removeprefix(_SLICE_OF) for each in tags if each.startswith(_SLICE_OF)]
    return next(iter(named), "") or str(parent_order_id or "") or order_id


def _trade(row: Mapping[str, Any]) -> Trade:
    filled_at = instant(row.get("fill_timestamp")) or instant(row["exchange_timestamp"])
    if filled_at is None:
        raise ValueError("a trade has no fill_timestamp")
    return Trade(
        exchange=_text(row, "exchange"),
        trade_id=_id(row, "trade_id"),
        order_id=_id(row, "order_id"),
        tradingsymbol=_text(row, "tradingsymbol"),
        side=Side(row["transaction_type"]),
        product=_text(row, "product"),
        quantity=_positive(row, "quantity"),
        price=_positive(row, "average_price"),
        filled_at=filled_at,
    )
