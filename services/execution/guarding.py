"""Guards at work: what an entry has filled is covered by its stop-loss and take-profit, no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, from_document, to_document
from services.domain.books import Position, position_id
from services.domain.instruments import Instrument
from services.domain.orders import TERMINAL, Order
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus, OrderType, TimeInForce
from services.execution.changes import AT_BROKER
from services.execution.children import create_children
from services.execution.counter import Counter
from services.execution.gate import GUARDS
from services.execution.guards import (
    Closing,
    EntryView,
    GuardView,
    Ways,
    guards_due,
    lasting,
    open_of,
)
from services.execution.sessions import session_of

#: What ends so shortly before the exchange closes has ended with its day: clocks differ.
_CLOSING: Final = timedelta(minutes=1)


class Tended(NamedTuple):
    """What became of a look at an entry's guards.

    Attributes:
        done: nothing will be left to guard.
        wake: client_order_ids to look at.
        again_at: when to look again although nothing has happened.
    """

    done: bool
    wake: list[str]
    again_at: datetime | None = None


class Guarding:
    """Guards the positions of one account; for its worker thread only."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def tend(self, row: Document, order: Order, rows: Sequence[Document]) -> Tended:
        """Make, change or cancel what guards an entry, as it is held now.

        Args:
            row: of the entry.
            order: the same.
            rows: everything that was made for it.
        """
        if row["status"] in {OrderStatus.PENDING, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN}:
            return Tended(False, [])
        guards = [each for each in rows if each["order"]["role"] in GUARDS]
        views = _guard_views(guards)
        is_live = row["status"] not in TERMINAL
        entry = EntryView(
            order,
            row["filled_quantity"],
            self._held(order),
            is_live,
            native=bool(row.get("native_guards")),
        )
        can, now = self._counter.broker.capabilities, utc_now()
        plan = guards_due(entry, views, Ways(now, can.modify, lasting(can.times_in_force)))
        self._tell_lost(row, entry, plan.lost)
        if plan.create:
            create_children(
                self._counter, row, [(_next_number(each, views), each) for each in plan.create]
            )
            failpoint(FailPoint.GUARDS_STORED)
        for change in plan.change:
            self._counter.queries.request_change(
                change.client_order_id, to_document(change.terms), at=now, by="guards"
            )
        self._counter.queries.request_cancel(
            plan.cancel, at=now, text="cut to what is held", cut=True
        )
        wake = [each.client_order_id for each in plan.create]
        wake += [each.client_order_id for each in plan.change]
        wake += plan.cancel
        live = any(view.is_live for view in views)
        gone = not entry.held_quantity or not row["filled_quantity"]
        done = not is_live and not wake and not live and gone
        return Tended(done, wake, plan.again_at)

    def _tell_lost(self, row: Document, entry: EntryView, lost: Sequence[OrderRole]) -> None:
        """A position that should be guarded and is not; until it is closed."""
        order, store = entry.order, self._counter.store
        for role in lost:
            raise_incident(
                store,
                kind="GUARD_LOST",
                key=f"{order.client_order_id}|{role}",
                sentence=f"{order.strategy_id}: the {role} of {order.side} "
                f"{order.instrument.symbol} in {order.account_id} has ended by itself, and "
                f"{entry.held_quantity:f} are held without it",
                facts={"account_id": order.account_id, "strategy_id": order.strategy_id},
            )
        told = row.get("guards_lost", [])
        if sorted(told) != sorted(lost):
            self._counter.queries.note_lost(order.client_order_id, lost)
            for role in set(told) - set(lost):
                clear_incident(store, kind="GUARD_LOST", key=f"{order.client_order_id}|{role}")

    def _held(self, entry: Order) -> Decimal:
        """What is open of an entry, less what exits are closing at once."""
        key = position_id(entry.strategy_id, entry.account_id, entry.instrument)
        found = self._counter.queries.position(key)
        if found is None:
            return ZERO
        closings = []
        for row in self._counter.queries.exits(
            entry.account_id, entry.strategy_id, entry.instrument
        ):
            order = from_document(Order, row["order"])
            if order.order_type is OrderType.MARKET and order.algo is None:
                left = order.quantity - row["filled_quantity"]
                closings.append(Closing(left, order.entry_signal_id))
        return open_of(entry.signal_id, from_document(Position, found).all_lots, closings)

    def trim(self, strategy_id: str, instrument: Instrument) -> list[str]:
        """Exits that rest and would close more than is left are canceled, the newest first."""
        key = position_id(strategy_id, self._counter.account_id, instrument)
        found = self._counter.queries.position(key)
        held = abs(found["quantity"]) if found else ZERO
        rows = self._counter.queries.exits(self._counter.account_id, strategy_id, instrument)
        exits = [row for row in rows if row["order"]["role"] != OrderRole.SLICE]
        excess = sum((_left(row) for row in exits), ZERO) - held
        wake = []
        for row in sorted(exits, key=lambda row: row["created_at"], reverse=True):
            resting = row["order"]["order_type"] != OrderType.MARKET or row["order"].get("algo")
            if excess <= 0:
                break
            if resting and row["status"] in AT_BROKER:
                wake.append(row["_id"])
                excess -= _left(row)
        text = "what it was to close is closed"
        self._counter.queries.request_cancel(wake, at=utc_now(), text=text)
        return wake


def _left(row: Document) -> Decimal:
    left: Decimal = row["order"]["quantity"] - row["filled_quantity"]
    return left


def _guard_views(rows: Sequence[Document]) -> list[GuardView]:
    views = []
    for row in rows:
        asked = row.get("modify_requested")
        views.append(
            GuardView(
                OrderRole(row["order"]["role"]),
                row.get("child_number", 0),
                OrderStatus(row["status"]),
                row["order"]["quantity"],
                row["filled_quantity"],
                asked["terms"]["quantity"] if asked else None,
                bool(row.get("cut")),
                _again_at(row),
                bool(row.get("change_refused")),
            )
        )
    return views


def _again_at(row: Document) -> datetime | None:
    """When another may be placed for a guard that lived for a day; None = never."""
    status = OrderStatus(row["status"])
    if row["order"]["time_in_force"] != TimeInForce.DAY or row.get("cancel_requested_at"):
        return None
    session = session_of(from_document(Order, row["order"]).instrument)
    ended_at: datetime = row["events"][-1]["occurred_at"]
    sent_at: datetime = row.get("sent_at") or row["created_at"]
    by_day = status is OrderStatus.EXPIRED or (
        status is OrderStatus.CANCELED and ended_at + _CLOSING >= session.closes_after(sent_at)
    )
    refused = status in {OrderStatus.REJECTED, OrderStatus.DENIED}
    too_late = refused and (row.get("child_number", 0) > 0 or not session.is_open(sent_at))
    return session.opens_after(ended_at) if by_day or too_late else None


def _next_number(guard: Order, views: Sequence[GuardView]) -> int:
    return max((each.number for each in views if each.role is guard.role), default=-1) + 1
