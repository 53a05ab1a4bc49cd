"""Rows that execution writes: what a booking makes of orders, fills and positions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pymongo import UpdateOne

from services.common.clock import utc_now
from services.common.store import Document, to_document
from services.domain.books import Position, position_id
from services.domain.orders import TERMINAL, Execution, OrderReport
from services.domain.words import OrderStatus
from services.execution.lifecycle import Advance


class Booking(NamedTuple):
    """One report applied to one order, and what of it is new."""

    stored: Document
    report: OrderReport
    fresh: tuple[Execution, ...]
    after: Advance
    changes: bool

    @property
    def order_id(self) -> str:
        """client_order_id."""
        return str(self.stored["_id"])

    @property
    def ended(self) -> bool:
        """Whether the order is at its end now."""
        return self.after.state.status in TERMINAL


def event(
    status: OrderStatus, occurred_at: datetime, recorded_at: datetime, text: str
) -> dict[str, Any]:
    """One row of an order's event list."""
    return {
        "status": status,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "text": text,
    }


def order_update(booking: Booking) -> UpdateOne:
    """Compare-and-set: the order as it was read becomes the order after the report."""
    stored, report, state = booking.stored, booking.report, booking.after.state
    now = utc_now()
    return UpdateOne(
        {
            "_id": stored["_id"],
            "status": stored["status"],
            "filled_quantity": stored["filled_quantity"],
        },
        {
            "$set": {
                "status": state.status,
                "broker_order_id": state.broker_order_id,
                "filled_quantity": state.filled_quantity,
                "avg_fill_price": state.avg_fill_price,
                "text": report.text,
                "updated_at": now,
                **({} if booking.ended else {"working": True}),
            },
            "$push": {"events": event(state.status, report.occurred_at, now, report.text)},
            "$unset": {"absent_since": "", **({"working": ""} if booking.ended else {})},
        },
    )


def position_key(stored: Document, execution: Execution) -> str:
    """Which position a fill belongs to."""
    return position_id(stored["strategy_id"], stored["account_id"], execution.instrument)


def flat(stored: Document, execution: Execution) -> Position:
    """The position before its first fill."""
    return Position(
        strategy_id=stored["strategy_id"],
        account_id=stored["account_id"],
        instrument=execution.instrument,
    )


def position_document(position: Position) -> Document:
    """A position as it is stored; `open` only while there is something of it."""
    document = {"instrument_key": position.instrument.key, **to_document(position)}
    return document | {"open": True} if position.quantity else document


def confirmation(stored: Document, execution: Execution, gain: Decimal) -> Document:
    """One fill as it is stored, with the P&L it realized, gross."""
    return {
        "_id": f"{stored['account_id']}|{execution.execution_id}",
        "account_id": stored["account_id"],
        "execution_id": execution.execution_id,
        "client_order_id": stored["client_order_id"],
        "signal_id": stored["signal_id"],
        "strategy_id": stored["strategy_id"],
        "instrument_key": execution.instrument.key,
        "side": execution.side,
        "quantity": execution.quantity,
        "price": execution.price,
        "commission": execution.commission,
        "realized_pnl": gain,
        "occurred_at": execution.occurred_at,
        "recorded_at": utc_now(),
    }
