"""Rows that execution writes: what a booking makes of orders, fills and positions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from pymongo import UpdateOne

from services.common.clock import utc_now
from services.common.store import Document, from_document, to_document
from services.domain.books import Position, Step, position_id, rank
from services.domain.instruments import Instrument
from services.domain.orders import TERMINAL, Execution, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import FillOrigin, OrderStatus
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

    @property
    def arrived_at(self) -> datetime:
        """When the broker had the order: never before we sent it, whatever its clock says."""
        sent: list[datetime] = [
            each["recorded_at"]
            for each in self.stored.get("events", ())
            if each["status"] == OrderStatus.SUBMITTING
        ]
        return max([self.report.occurred_at, *sent])


def has_expired(row: Document, now: datetime) -> bool:
    """Whether the time is over within which an order may leave."""
    expires_at = row["order"].get("expires_at")
    return expires_at is not None and expires_at < now


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
    """The order after the report; that it is still as it was read is looked at before."""
    stored, report, state = booking.stored, booking.report, booking.after.state
    now = utc_now()
    is_unknown = state.status is OrderStatus.UNKNOWN
    sent = {} if state.status is OrderStatus.PENDING else {"sent": True}
    return UpdateOne(
        {"_id": stored["_id"]},
        {
            "$set": {
                "status": state.status,
                "broker_order_id": state.broker_order_id,
                "filled_quantity": state.filled_quantity,
                "avg_fill_price": state.avg_fill_price,
                "text": report.text,
                "updated_at": now,
                **({} if booking.ended else {"working": True, **sent}),
                **({"unknown": True} if is_unknown else {}),
            },
            "$push": {"events": event(state.status, report.occurred_at, now, report.text)},
            "$unset": {
                "absent_since": "",
                **({"working": "", "sent": ""} if booking.ended else {}),
                **({} if is_unknown else {"unknown": ""}),
            },
        },
    )


class Owner(NamedTuple):
    """Whose a fill is.

    Attributes:
        order: of which it is; None = of none of ours, and then the ids are empty too.
        origin: why we have it: of an order, foreign, adopted.
    """

    strategy_id: str
    account_id: str
    order: Order | None = None
    origin: FillOrigin = FillOrigin.ORDER

    @classmethod
    def of_order(cls, stored: Document) -> Owner:
        """Whoever has this order's row."""
        order = from_document(Order, stored["order"])
        return cls(stored["strategy_id"], stored["account_id"], order)


def position_key(owner: Owner, execution: Execution) -> str:
    """Which position a fill belongs to."""
    return position_id(owner.strategy_id, owner.account_id, execution.instrument)


def position_of_row(row: Document) -> str:
    """Which position a stored fill belongs to."""
    return "|".join((row["strategy_id"], row["account_id"], row["instrument_key"]))


def flat(owner: Owner, execution: Execution) -> Position:
    """The position before its first fill."""
    return Position(
        strategy_id=owner.strategy_id,
        account_id=owner.account_id,
        instrument=execution.instrument,
    )


def position_document(position: Position) -> Document:
    """A position as it is stored; `open` only while there is something of it."""
    document = {"instrument_key": position.instrument.key, **to_document(position)}
    return document | {"open": True} if position.quantity else document


def confirmation_key(account_id: str, execution: Execution) -> str:
    """Key of what was told of a fill: each revision is a row of its own."""
    key = f"{account_id}|{execution.execution_id}"
    if rank(execution) == (0, False):
        return key
    return f"{key}|r{execution.revision}{'b' if execution.busted else ''}"


def confirmation(owner: Owner, execution: Execution, step: Step | None) -> Document:
    """What was told of a fill as it is stored, with the P&L it realized, gross.

    Args:
        owner: whose it is.
        execution: as it was told.
        step: what it did to the position; None = it does not count: `void`.
    """
    return {
        "_id": confirmation_key(owner.account_id, execution),
        "account_id": owner.account_id,
        "execution_id": execution.execution_id,
        "revision": execution.revision,
        "busted": execution.busted,
        "client_order_id": (owner.order or execution).client_order_id,
        "signal_id": owner.order.signal_id if owner.order else None,
        "strategy_id": owner.strategy_id,
        "origin": owner.origin,
        "instrument_key": execution.instrument.key,
        "side": execution.side,
        "quantity": execution.quantity,
        "price": execution.price,
        "commission": execution.commission,
        "commission_currency": execution.commission_currency,
        "occurred_at": execution.occurred_at,
        "recorded_at": utc_now(),
        **effect(step),
    }


def effect(step: Step | None) -> Document:
    """The derived part of a confirmation, which is written anew when its position is."""
    if step is None:
        return {"realized_pnl": ZERO, "flat": False, "void": True}
    return {"realized_pnl": step.gain, "flat": step.flat}


def execution_of(row: Document, instrument: Instrument) -> Execution:
    """A confirmation back as it was told; `instrument` is its position's."""
    return from_document(Execution, row | {"instrument": instrument})
