"""The row of an order, the same whoever makes the order."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.common.store import Document
from services.domain.orders import Order, Reservation
from services.domain.values import ZERO
from services.domain.words import OrderStatus

_HELD: Final = ("capital", "margin", "notional")


def order_document(
    order: Order,
    *,
    at: datetime,
    sibling_count: int = 1,
    reservation: Reservation | None = None,
) -> Document:
    """A new order as it is stored; PENDING, which is what execution looks for.

    Args:
        order: as it was made.
        at: when.
        sibling_count: how many orders its signal has, this one included.
        reservation: what is held for it until it has ended; kept, because brokers have said that an
            order had ended that went on working.
    """
    held = {} if reservation is None else {name: getattr(reservation, name) for name in _HELD}
    return {
        **({"reserved": held} if held else {}),
        "_id": order.client_order_id,
        "client_order_id": order.client_order_id,
        "signal_id": order.signal_id,
        "strategy_id": order.strategy_id,
        "account_id": order.account_id,
        "instrument_key": order.instrument.key,
        "sibling_count": sibling_count,
        "status": OrderStatus.PENDING,
        "working": True,
        "order": order.model_dump(exclude_none=True),
        "broker_order_id": None,
        "filled_quantity": ZERO,
        "avg_fill_price": None,
        "text": "",
        "events": [
            {"status": OrderStatus.PENDING, "occurred_at": at, "recorded_at": at, "text": ""}
        ],
        "created_at": at,
        "updated_at": at,
    }
