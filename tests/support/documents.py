"""Builders of stored documents: signals, orders, books, in the shapes the services write."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from services.common.store import to_document
from services.domain.books import position_id
from services.domain.orders import Order, client_order_id_for
from services.domain.words import (
    Environment,
    Intent,
    OrderStatus,
    OrderType,
    Side,
    SignalStatus,
)
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_instrument,
    make_position,
    make_signal,
)

#: When the signals below arrive.
ARRIVAL = NOW
SIGNAL_ID = "sig_1"
_ENDS = {"FILLED", "REJECTED", "CANCELED", "EXPIRED", "DENIED"}


def after(milliseconds: float) -> datetime:
    """So long after the arrival."""
    return ARRIVAL + timedelta(milliseconds=milliseconds)


def make_decision_document(outcome: str = "APPROVED", **fields: Any) -> dict[str, Any]:
    """A decision without orders and reservations; its context stands for all that is not shown."""
    known = {"signal_id": SIGNAL_ID, "outcome": outcome, "code": "", "reason": "", "steps": []}
    return {**known, "context": {"now": ARRIVAL}, "decided_at": after(4), **fields}


def make_signal_document(**fields: Any) -> dict[str, Any]:
    """A signal that was approved and is through."""
    signal = fields.pop("signal", None) or make_signal()
    known = {
        "_id": signal.signal_id,
        "signal_id": signal.signal_id,
        "strategy_id": signal.strategy_id,
        "external_id": signal.external_id,
        "raw_id": "65641f9e2f8fb814b56fa181",
        "status": SignalStatus.COMPLETED,
        "signal": to_document(signal),
        "received_at": signal.received_at,
        "stages": {"received_at": signal.received_at, "standardized_at": after(2)},
        "decision": make_decision_document(),
    }
    return {**known, **fields}


def make_order_document(**fields: Any) -> dict[str, Any]:
    """An order of `quantity`, `filled` of it at `price`; working unless its status is an end."""
    wanted, filled = Decimal(fields.pop("quantity", 17)), Decimal(fields.pop("filled", 0))
    price = fields.pop("price", None)
    status = fields.pop("status", OrderStatus.FILLED if filled == wanted else OrderStatus.SUBMITTED)
    account_id, leg_index = fields.pop("account_id", ACCOUNT), fields.pop("leg_index", 0)
    order = Order(
        client_order_id=client_order_id_for(SIGNAL_ID, leg_index, account_id, 1),
        signal_id=SIGNAL_ID,
        strategy_id=STRATEGY,
        account_id=account_id,
        leg_index=leg_index,
        intent=Intent.ENTRY,
        instrument=fields.pop("instrument", make_instrument()),
        side=fields.pop("side", Side.BUY),
        quantity=wanted,
        order_type=OrderType.MARKET,
        environment=Environment.STAGING,
    )
    ids = ("client_order_id", "signal_id", "strategy_id", "account_id")
    event = {"status": "PENDING", "occurred_at": after(4), "recorded_at": after(4), "text": ""}
    return {
        "_id": order.client_order_id,
        **{name: getattr(order, name) for name in ids},
        "status": status,
        **({} if status in _ENDS else {"working": True}),
        "order": to_document(order),
        "broker_order_id": "B1",
        "filled_quantity": filled,
        "avg_fill_price": None if price is None else Decimal(price),
        "text": "",
        "events": [event],
        "created_at": after(4),
        "updated_at": after(14),
        "owner_epoch": 1,
        **fields,
    }


def make_fill_document(**fields: Any) -> dict[str, Any]:
    """The execution that fills the order above."""
    known = {
        "_id": f"{ACCOUNT}|E1",
        "account_id": ACCOUNT,
        "execution_id": "E1",
        "client_order_id": client_order_id_for(SIGNAL_ID, 0, ACCOUNT, 1),
        "signal_id": SIGNAL_ID,
        "strategy_id": STRATEGY,
        "instrument_key": make_instrument().key,
        "side": "BUY",
        "quantity": Decimal(17),
        "price": Decimal("150.02"),
        "commission": Decimal("1.00"),
        "realized_pnl": Decimal(0),
        "occurred_at": after(14),
        "recorded_at": after(15),
    }
    return {**known, **fields}


def make_position_document(quantity: str = "17", **fields: Any) -> dict[str, Any]:
    """What that fill has made of the book."""
    position = make_position(quantity, "150.02", commissions=Decimal("1.00"), **fields)
    key = position_id(position.strategy_id, position.account_id, position.instrument)
    row = {"_id": key, "instrument_key": position.instrument.key, **to_document(position)}
    return {**row, **({"open": True} if position.quantity else {})}
