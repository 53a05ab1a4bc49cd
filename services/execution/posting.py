"""The one place that moves orders, fills, positions, reservations and signals, all or nothing.

What a person must see of them is in the same transaction: a crash after it loses no incident.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import TransientError
from services.domain.fronts import called
from services.domain.orders import TERMINAL, Order, OrderReport, Reservation
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus, SignalStatus
from services.execution.documents import Booking, order_update
from services.execution.ledger import Ledger
from services.execution.lifecycle import OrderState, advance

#: Statuses of orders of which nobody knows whether they left.
NO_OUTCOME = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})
_TRIES = 5
_NOTHING_HELD = {"capital": ZERO, "margin": ZERO, "notional": ZERO, "closing_quantity": ZERO}
#: Statuses that say that the broker has, or had, the order.
_AT_BROKER = frozenset(OrderStatus) - {
    OrderStatus.PENDING,
    OrderStatus.SUBMITTING,
    OrderStatus.UNKNOWN,
    OrderStatus.DENIED,
}

#: What a booking changes of an order; the price also where a fill is taken back that nobody had
#: told of, and only then a report of that fill is known to be old.
_MOVES = ("status", "filled_quantity", "avg_fill_price")


class _Moved(Exception):
    """An order is not any more as it was read: nothing of the transaction may stay."""


class Posting:
    """Books what brokers report."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ledger = Ledger(store)

    def book(
        self,
        reports: Sequence[tuple[Document, OrderReport]],
        *,
        epoch: int,
        session: ClientSession | None = None,
    ) -> list[Booking]:
        """Apply reports in one transaction: orders, fills, positions, reservations, signals.

        Args:
            reports: each with its order as it was read; where one has moved since, each is booked
                by itself, read again.
            epoch: of the lease that this is done under.
            session: of that lease.

        Returns: what was changed; a report that told nothing new is not among it.

        Raises:
            TransientError: a newer owner has the account, or an order would not hold still.
        """
        bookings = [self._plan(stored, report, epoch) for stored, report in reports]
        changed = [booking for booking in bookings if booking.changes]
        if not changed or self._book(changed, session):
            return changed
        return [
            each
            for stored, report in reports
            for each in self._retried(stored, report, epoch, session)
        ]

    def book_states(self, bookings: Sequence[Booking], *, session: ClientSession) -> bool:
        """Book states that were worked out from other orders; False where an order has moved."""
        return self._book(bookings, session)

    def _retried(
        self, stored: Document, report: OrderReport, epoch: int, session: ClientSession | None
    ) -> list[Booking]:
        for _ in range(_TRIES):
            read = self._store["orders"].find_one({"_id": stored["_id"]})
            if read is None:
                return []
            booking = self._plan(read, report, epoch)
            if not booking.changes:
                return []
            if self._book([booking], session):
                return [booking]
        raise TransientError(f"order {stored['_id']} is moved by somebody else")

    def _plan(self, stored: Document, report: OrderReport, epoch: int) -> Booking:
        if stored.get("owner_epoch", 0) > epoch:
            raise TransientError(f"{stored['account_id']} has a newer owner than {epoch}")
        before = from_document(OrderState, stored)
        instrument = before.order.instrument  # the broker may call it by a name of its own
        fills = tuple(called(each, instrument) for each in report.executions)
        report = report.model_copy(update={"executions": fills})
        fresh, replaced = self._ledger.unbooked(stored, report.executions)
        after = advance(before, report, fresh, replaced)
        return Booking(stored, report, fresh, after, after.changes(before) or bool(fresh))

    def _book(self, bookings: Sequence[Booking], session: ClientSession | None) -> bool:
        """One transaction; False, with nothing written, where an order is not as it was read."""
        updates = [order_update(booking) for booking in bookings]

        def work(session: ClientSession) -> None:
            self._check_still(bookings, session)
            self._store["orders"].bulk_write(updates, ordered=False, session=session)
            self._ledger.book(
                [(each.stored, execution) for each in bookings for execution in each.fresh], session
            )
            self._update_reservations(bookings, session)
            self._update_signals(bookings, session)
            self._raise_incidents(bookings, session)
            self._clear_incidents(bookings, session)
            failpoint(FailPoint.BEFORE_BOOKING)

        try:
            self._store.transaction(work, session=session)
        except _Moved:
            return False
        return True

    def _check_still(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        """Compare-and-set by the transaction: what is read here cannot move before it commits.

        A filter of the update that names more than `_id` costs the embedded database twice as much.
        """
        before = {each.order_id: each.stored for each in bookings}
        query, fields = {"_id": {"$in": list(before)}}, dict.fromkeys(_MOVES, 1)
        found = 0
        for row in self._store["orders"].find(query, fields, session=session):
            stored = before[row["_id"]]
            found += 1
            if any(row[name] != stored[name] for name in fields):
                raise _Moved
        if found != len(before):
            raise _Moved

    def _update_reservations(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        reservations = self._store["reservations"]
        ended = [booking.order_id for booking in bookings if booking.ended]
        if ended:
            reservations.delete_many({"_id": {"$in": ended}}, session=session)
        for booking in bookings:
            filled = booking.after.state.filled_quantity
            if booking.ended or not (filled or booking.fresh):  # a bust gives back what it took
                continue
            found = reservations.find_one({"_id": booking.order_id}, session=session)
            found = found or _held_again(booking)
            if found is not None:
                whole = from_document(Reservation, found.get("whole") or found)
                left = whole.after_fill(filled) or whole.model_copy(update=_NOTHING_HELD)
                row = {**to_document(left), "whole": to_document(whole)}
                reservations.replace_one(
                    {"_id": booking.order_id}, row, upsert=True, session=session
                )

    def _update_signals(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        updates = []
        for booking in bookings:
            if booking.after.state.order.role is not OrderRole.LEG:
                continue  # a signal is as far as what Cerebro made of it
            outcome = self._outcome(booking, session) if booking.ended else None
            changes: Document = {"status": outcome or SignalStatus.WORKING}
            if outcome is not None:
                changes["stages.completed_at"] = utc_now()
            first: Document = {}
            if booking.after.state.status in _AT_BROKER:
                first["stages.submitted_at"] = booking.arrived_at
            if booking.fresh:
                first["stages.first_fill_at"] = min(e.occurred_at for e in booking.fresh)
            update: Document = {"$set": changes, **({"$min": first} if first else {})}
            if booking.stored.get("sibling_count", 1) > 1:
                # Orders of one signal are booked by the threads of their accounts. A row that is
                # set to what it is, is not written: two that end at once would not conflict, each
                # would see the other at work, and the signal would work for ever.
                update["$inc"] = {"bookings": 1}
            updates.append(UpdateOne({"_id": booking.stored["signal_id"]}, update))
        if updates:
            self._store["signal_store"].bulk_write(updates, ordered=False, session=session)

    def _outcome(self, booking: Booking, session: ClientSession) -> SignalStatus | None:
        """The outcome of the signal once its last order has ended; None while others work."""
        stored, state = booking.stored, booking.after.state
        # FILLED stays the outcome where the broker took the fill back afterwards.
        filled = bool(state.filled_quantity) or state.status is OrderStatus.FILLED
        if stored.get("sibling_count", 1) > 1:
            others = self._store["orders"].find(
                {"signal_id": stored["signal_id"], "_id": {"$ne": stored["_id"]}},
                {"working": 1, "filled_quantity": 1, "order.role": 1},
                session=session,
            )
            for other in others:
                if other["order"].get("role", OrderRole.LEG) != OrderRole.LEG:
                    continue
                if other.get("working"):
                    return None
                filled = filled or bool(other["filled_quantity"])
        return SignalStatus.COMPLETED if filled else SignalStatus(state.status)

    def _raise_incidents(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        for booking in bookings:
            told = {each.kind: each.sentence for each in booking.after.incidents}
            state = booking.after.state
            if state.status is OrderStatus.REJECTED and state.order.intent.reduces_risk:
                told["EXIT_REJECTED"] = _rejected(state.order, booking.report.text)
            for kind, sentence in told.items():
                raise_incident(
                    self._store,
                    kind=kind,
                    key=booking.order_id,
                    sentence=sentence,
                    facts={"account_id": state.order.account_id},
                    session=session,
                )

    def _clear_incidents(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        """What a person was asked of orders without an outcome is answered."""
        for booking in bookings:
            stored = booking.stored
            asked = stored["status"] == OrderStatus.UNKNOWN or "absent_since" in stored
            asked = asked or bool(stored.get("resend_count"))
            if asked and booking.after.state.status not in NO_OUTCOME:
                clear_incident(
                    self._store, kind="ORDER_UNKNOWN", key=booking.order_id, session=session
                )


def _held_again(booking: Booking) -> Document | None:
    """What was held for an order that had ended, and works after all; None where nothing was."""
    held = booking.stored.get("reserved")
    if held is None or booking.stored["status"] not in TERMINAL:
        return None
    return to_document(Reservation.of(booking.after.state.order, **held))


def _rejected(order: Order, text: str) -> str:
    return (
        f"{order.strategy_id}: {order.role} {order.side} {order.quantity:f} "
        f"{order.instrument.symbol} in {order.account_id} was rejected: {text}"
    )
