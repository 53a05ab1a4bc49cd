"""What orders need beyond their own life at the broker: slices of algos, guards, groups of legs.

Everything here is found again from the rows alone: `tend` looks at an order and what was made for
it, has a pure function say what is missing, and stores that. It may run twice, and after a crash.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.orders import order_document
from services.common.store import Document, from_document, to_document
from services.domain.books import Position, position_id
from services.domain.instruments import Instrument
from services.domain.orders import TERMINAL, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus, OrderType
from services.execution.algos import ChildView, child_order, due_slices, is_complete, stopped_by
from services.execution.changes import AT_BROKER
from services.execution.counter import Counter
from services.execution.documents import Booking
from services.execution.gate import GUARDS
from services.execution.groups import LegView, tend_group
from services.execution.guards import Closing, EntryView, GuardView, guards_due, open_of
from services.execution.lifecycle import Advance, OrderState


class _Place(NamedTuple):
    """By what a booking concerns a tended order."""

    strategy_id: str
    instrument_key: str
    signal_id: str
    is_algo: bool


class _Position(NamedTuple):
    """What a strategy holds of an instrument in the account."""

    strategy_id: str
    instrument: Instrument


class Tending:
    """Looks after the orders of one account; `note` from any thread, the rest from its worker."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._places: dict[str, _Place] = {}
        self._due: set[str] = set()
        self._trims: set[_Position] = set()
        self._lock = threading.Lock()

    def load(self) -> None:
        """Find everything again that must be looked after; all of it is due."""
        rows = self._counter.queries.tended(self._counter.account_id)
        with self._lock:
            self._places = {row["_id"]: _place_of(row) for row in rows}
            self._due = set(self._places)

    def add(self, rows: Iterable[Document]) -> None:
        """Look after these orders too, where they need it."""
        with self._lock:
            for row in rows:
                if row.get("tended"):
                    self._places[row["_id"]] = _place_of(row)
                    self._due.add(row["_id"])

    def note(self, booking: Booking) -> None:
        """An order has moved: whatever hangs on it is due."""
        order = booking.after.state.order
        if booking.fresh and order.intent.reduces_risk:
            with self._lock:
                self._trims.add(_Position(order.strategy_id, order.instrument))
        self.touch(order.strategy_id, order.instrument.key, order.signal_id)

    def touch(self, strategy_id: str, instrument_key: str, signal_id: str = "") -> None:
        """Whatever hangs on a position, or on a signal, is due."""
        with self._lock:
            for order_id, place in self._places.items():
                position = (place.strategy_id, place.instrument_key)
                if place.signal_id == signal_id or position == (strategy_id, instrument_key):
                    self._due.add(order_id)

    def due_by_time(self) -> None:
        """Algos are due because time has passed."""
        with self._lock:
            self._due |= {name for name, place in self._places.items() if place.is_algo}

    def run(self) -> list[str]:
        """Tend everything that is due.

        Returns: client_order_ids that the desk should look at.

        Raises: TransientError, PyMongoError: what is left stays due.
        """
        wake: list[str] = []
        with self._lock:
            trims, self._trims = self._trims, set()
        for position in trims:
            wake += self._trim(position)
        while True:
            with self._lock:
                order_id = next(iter(self._due), None)
                if order_id is None:
                    return wake
                self._due.discard(order_id)
            try:
                wake += self._tend(order_id)
            except BaseException:
                with self._lock:
                    self._due.add(order_id)
                raise

    def _tend(self, order_id: str) -> list[str]:
        row = self._counter.queries.order(order_id)
        if row is None:
            return []
        order = from_document(Order, row["order"])
        children = self._counter.queries.orders(row.get("children", ()))
        wake: list[str] = []
        done = True
        if order.algo is not None:
            ended, woken = self._algo(row, order, children)
            done, wake = done and ended, wake + woken
            row = self._counter.queries.order(order_id) or row
        if order.stop_loss is not None or order.take_profit is not None:
            ended, woken = self._guards(row, order, children)
            done, wake = done and ended, wake + woken
        if row.get("sibling_count", 1) > 1 and order.role is OrderRole.LEG:
            ended, woken = self._group(order)
            done, wake = done and ended, wake + woken
        if done:
            self._counter.queries.end_tending(order_id)
            with self._lock:
                self._places.pop(order_id, None)
        return wake

    def _algo(
        self, row: Document, order: Order, rows: Sequence[Document]
    ) -> tuple[bool, list[str]]:
        if row["status"] in TERMINAL:
            return True, []
        if row["status"] in {OrderStatus.PENDING, OrderStatus.SUBMITTING}:
            return False, []
        slices = [each for each in rows if each["order"]["role"] == OrderRole.SLICE]
        children = [
            ChildView(
                each["child_number"],
                OrderStatus(each["status"]),
                each["order"]["quantity"],
                each["filled_quantity"],
                each.get("sent_at"),
            )
            for each in slices
        ]
        canceled = bool(row.get("cancel_requested_at"))
        now, started_at = utc_now(), row["algo_started_at"]
        due = due_slices(order, started_at, now=now, children=children, canceled=canceled)
        over = not due and is_complete(
            order, started_at, now=now, children=children, canceled=canceled
        )
        stands = self._follow(row, order, children, slices, over=over, canceled=canceled)
        made = [(each.number, child_order(order, each, started_at)) for each in due]
        if made:
            self._create(row, made)
            failpoint(FailPoint.SLICE_STORED)
        wake = [each.client_order_id for _, each in made]
        if canceled:
            working = [each["_id"] for each in slices if each["status"] not in TERMINAL]
            self._counter.queries.request_cancel(working, at=now, text="its parent is canceled")
            wake += working
        return over and stands, wake

    def _follow(
        self,
        row: Document,
        order: Order,
        children: Sequence[ChildView],
        slices: Sequence[Document],
        *,
        over: bool,
        canceled: bool,
    ) -> bool:
        """A parent stands as its slices do; False where it has moved meanwhile."""
        filled = sum((each.filled_quantity for each in children), ZERO)
        paid = sum(
            (
                each["filled_quantity"] * each["avg_fill_price"]
                for each in slices
                if each["avg_fill_price"]
            ),
            ZERO,
        )
        stopped = stopped_by(children)
        if filled >= order.quantity:
            status, text = OrderStatus.FILLED, ""
        elif over:
            status = OrderStatus.CANCELED if canceled or stopped else OrderStatus.EXPIRED
            text = "canceled" if canceled else "its time is over"
            if stopped and not canceled:
                text = f"slice {stopped.number} is {stopped.status}: it is not sent again"
                raise_incident(
                    self._counter.store,
                    kind="ALGO_STOPPED",
                    key=order.client_order_id,
                    sentence=f"{order.strategy_id}: {order.algo and order.algo.name} of "
                    f"{order.side} {order.quantity:f} {order.instrument.symbol} ended with "
                    f"{filled:f}: {text}",
                )
        else:
            status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus(row["status"])
            text = row["text"]
        if (status, filled) == (row["status"], row["filled_quantity"]):
            return True
        report = OrderReport(
            client_order_id=order.client_order_id, status=status, text=text, occurred_at=utc_now()
        )
        state = OrderState(
            order=order,
            status=status,
            filled_quantity=filled,
            avg_fill_price=paid / filled if filled else None,
        )
        booking = Booking(row, report, (), Advance(state, ()), changes=True)
        return self._counter.books.apply([booking], self._counter.lease)

    def _guards(
        self, row: Document, order: Order, rows: Sequence[Document]
    ) -> tuple[bool, list[str]]:
        if row["status"] in {OrderStatus.PENDING, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN}:
            return False, []
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
        plan = guards_due(entry, views, can_modify=self._counter.broker.capabilities.modify)
        self._tell_lost(row, entry, plan.lost)
        now = utc_now()
        if plan.create:
            self._create(row, [(_next_number(each, views), each) for each in plan.create])
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
        return not is_live and not wake and not live and gone, wake

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

    def _trim(self, position: _Position) -> list[str]:
        """Exits that rest and would close more than is left are canceled, the newest first."""
        key = position_id(position.strategy_id, self._counter.account_id, position.instrument)
        found = self._counter.queries.position(key)
        held = abs(found["quantity"]) if found else ZERO
        rows = self._counter.queries.exits(
            self._counter.account_id, position.strategy_id, position.instrument
        )
        exits = [row for row in rows if row["order"]["role"] != OrderRole.SLICE]
        excess = sum((_left(row) for row in exits), ZERO) - held
        wake = []
        for row in sorted(exits, key=lambda row: row["created_at"], reverse=True):
            resting = row["order"]["order_type"] != OrderType.MARKET or row["order"]["algo"]
            if excess <= 0:
                break
            if resting and row["status"] in AT_BROKER:
                wake.append(row["_id"])
                excess -= _left(row)
        text = "what it was to close is closed"
        self._counter.queries.request_cancel(wake, at=utc_now(), text=text)
        return wake

    def _group(self, order: Order) -> tuple[bool, list[str]]:
        rows = self._counter.queries.legs(order.signal_id, order.account_id)
        legs = [
            LegView(
                from_document(Order, each["order"]),
                OrderStatus(each["status"]),
                each["filled_quantity"],
            )
            for each in rows
        ]
        if len(legs) < 2:
            return True, []
        plan = tend_group(legs)
        if plan.broken:
            raise_incident(
                self._counter.store,
                kind="GROUP_BROKEN",
                key=f"{order.signal_id}|{order.account_id}",
                sentence=f"{order.strategy_id} in {order.account_id}: {plan.broken}",
            )
        self._counter.queries.request_cancel(
            plan.cancel, at=utc_now(), text="another leg cannot be had"
        )
        wake = list(plan.cancel)
        for each in plan.unwind:
            leg = next(row for row in rows if row["_id"] == each.parent_order_id)
            if each.client_order_id not in leg.get("children", ()):
                self._create(leg, [(0, each)])
                wake.append(each.client_order_id)
        return plan.settled, wake

    def _create(self, parent: Document, made: Sequence[tuple[int, Order]]) -> None:
        """Store orders that were made for another, and that they were; a repeat changes nothing."""
        at = utc_now()
        rows = [order_document(each, at=at) | {"child_number": number} for number, each in made]

        def work(session: ClientSession) -> None:
            self._counter.queries.add_children(parent["_id"], rows, session)

        try:
            self._counter.books.transact(self._counter.lease, work)
        except DuplicateKeyError:
            self._counter.queries.link_children(parent["_id"], [row["_id"] for row in rows])


def _left(row: Document) -> Decimal:
    left: Decimal = row["order"]["quantity"] - row["filled_quantity"]
    return left


def _place_of(row: Document) -> _Place:
    order = from_document(Order, row["order"])
    return _Place(order.strategy_id, order.instrument.key, order.signal_id, order.algo is not None)


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
            )
        )
    return views


def _next_number(guard: Order, views: Sequence[GuardView]) -> int:
    return max((each.number for each in views if each.role is guard.role), default=-1) + 1
