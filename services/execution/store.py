"""All queries of execution; `book` is the one place that moves orders, fills and positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.controls import controls
from services.common.failpoints import FailPoint, failpoint
from services.common.kept import Kept
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import TransientError
from services.domain.orders import Order, OrderReport, Reservation
from services.domain.risk import Control
from services.domain.values import ZERO
from services.domain.words import AccountType, Intent, OrderStatus, SignalStatus
from services.execution.documents import Booking, event, order_update
from services.execution.ledger import Ledger
from services.execution.lifecycle import Incident, OrderState, advance, gate

_TRIES = 5
_NOTHING_HELD = {"capital": ZERO, "margin": ZERO, "notional": ZERO, "closing_quantity": ZERO}
#: Statuses that say that the broker has, or had, the order.
_AT_BROKER = frozenset(OrderStatus) - {
    OrderStatus.PENDING,
    OrderStatus.SUBMITTING,
    OrderStatus.UNKNOWN,
    OrderStatus.DENIED,
}
#: Kill switches and overrides may be this old when an order leaves; they must act within a second.
_SWITCH_SECONDS = 0.2


def _not_above(epoch: int) -> Document:
    """Filter: no newer owner has put its epoch on the row."""
    return {"owner_epoch": {"$not": {"$gt": epoch}}}


class _Moved(Exception):
    """An order is not any more as it was read: nothing of the transaction may stay."""


class AccountRow:
    """What execution needs to know of an account to open a desk for it."""

    def __init__(self, document: Document) -> None:
        self.account_id: str = document["account_id"]
        self.broker: str = document["broker"]
        self.account_type = AccountType(document["account_type"])


class ExecutionStore:
    """Orders and books."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ledger = Ledger(store)
        self._controls: Kept[str, tuple[Control, ...]] = Kept(
            lambda _: controls(store), seconds=_SWITCH_SECONDS
        )

    def accounts(self) -> list[AccountRow]:
        """Accounts that take part."""
        found = self._store["trading_accounts"].find({"status": "ACTIVE"})
        return [AccountRow(document) for document in found]

    def order(self, client_order_id: str) -> Document | None:
        """One order with all that is stored of it."""
        return self._store["orders"].find_one({"_id": client_order_id})

    def orders(self, client_order_ids: Sequence[str]) -> list[Document]:
        """These orders: what reduces risk first, then the oldest first."""
        found = self._store["orders"].find({"_id": {"$in": list(client_order_ids)}})
        return sorted(
            found,
            key=lambda row: (not Intent(row["order"]["intent"]).reduces_risk, row["created_at"]),
        )

    def unfinished(self, account_id: str) -> list[Document]:
        """Orders of the account that were taken up and are not at their end."""
        query = {
            "working": True,
            "account_id": account_id,
            "status": {"$ne": OrderStatus.PENDING},
        }
        return list(self._store["orders"].find(query))

    def adopt(self, account_id: str, epoch: int) -> None:
        """Put our epoch on every working order, which locks out an owner before us."""
        self._store["orders"].update_many(
            {"working": True, "account_id": account_id}, {"$set": {"owner_epoch": epoch}}
        )

    def refusal(self, order: Order) -> Incident | None:
        """The last gate before an order leaves; why it may not, or None."""
        return gate(order, controls=self._controls("all"), now=utc_now())

    def begin(self, pending: Sequence[Document], *, epoch: int) -> list[Document]:
        """The intent, durable before the broker is called: PENDING orders become SUBMITTING.

        Returns: those that are ours to send now; what a newer owner or somebody else took is not.
        """
        now = utc_now()
        ids = [stored["_id"] for stored in pending]
        changes = {
            "status": OrderStatus.SUBMITTING,
            "owner_epoch": epoch,
            "updated_at": now,
            "text": "",
        }
        taken = self._store["orders"].update_many(
            {
                "_id": {"$in": ids},
                "status": OrderStatus.PENDING,
                **_not_above(epoch),
            },
            {
                "$set": changes,
                "$push": {"events": event(OrderStatus.SUBMITTING, now, now, "")},
                "$unset": {"absent_since": ""},
            },
        )
        if taken.modified_count != len(ids):
            ours = {"status": OrderStatus.SUBMITTING, "owner_epoch": epoch, "updated_at": now}
            found = self._store["orders"].find({"_id": {"$in": ids}, **ours}, {"_id": 1})
            kept = {row["_id"] for row in found}
            pending = [stored for stored in pending if stored["_id"] in kept]
        # An absence that was noted belongs to the attempt before.
        kept_fields = ({k: v for k, v in row.items() if k != "absent_since"} for row in pending)
        return [fields | changes for fields in kept_fields]

    def move(
        self,
        client_order_id: str,
        *,
        before: OrderStatus,
        after: OrderStatus,
        epoch: int,
        text: str = "",
    ) -> bool:
        """Compare-and-set of a status that changes nothing else; not on a newer owner's order."""
        now = utc_now()
        changed = self._store["orders"].update_one(
            {"_id": client_order_id, "status": before, **_not_above(epoch)},
            {
                "$set": {"status": after, "updated_at": now, "text": text},
                "$push": {"events": event(after, now, now, text)},
            },
        )
        return bool(changed.modified_count)

    def give_up(self, client_order_id: str, *, before: OrderStatus, epoch: int) -> None:
        """The broker does not have this order: back to PENDING, and counted."""
        now = utc_now()
        text = "the broker does not have it"
        self._store["orders"].update_one(
            {"_id": client_order_id, "status": before, **_not_above(epoch)},
            {
                "$set": {"status": OrderStatus.PENDING, "updated_at": now, "text": text},
                "$push": {"events": event(OrderStatus.PENDING, now, now, text)},
                "$inc": {"resend_count": 1},
            },
        )

    def note_absent(self, client_order_id: str, since: datetime) -> None:
        """Remember when the broker first said that it does not have an order."""
        self._store["orders"].update_one(
            {"_id": client_order_id, "absent_since": {"$exists": False}},
            {"$set": {"absent_since": since}},
        )

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

    def _retried(
        self, stored: Document, report: OrderReport, epoch: int, session: ClientSession | None
    ) -> list[Booking]:
        for _ in range(_TRIES):
            read = self.order(stored["_id"])
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
        fresh = self._ledger.unbooked(stored, report.executions)
        after = advance(before, report, fresh)
        return Booking(stored, report, tuple(fresh), after, after.changes(before))

    def _book(self, bookings: Sequence[Booking], session: ClientSession | None) -> bool:
        """One transaction; False, with nothing written, where an order is not as it was read."""
        updates = [order_update(booking) for booking in bookings]

        def work(session: ClientSession) -> None:
            changed = self._store["orders"].bulk_write(updates, ordered=False, session=session)
            if changed.modified_count != len(updates):
                raise _Moved
            self._ledger.book(
                [(each.stored, execution) for each in bookings for execution in each.fresh], session
            )
            self._update_reservations(bookings, session)
            self._update_signals(bookings, session)
            failpoint(FailPoint.BEFORE_BOOKING)

        try:
            self._store.transaction(work, session=session)
        except _Moved:
            return False
        return True

    def _update_reservations(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        reservations = self._store["reservations"]
        ended = [booking.order_id for booking in bookings if booking.ended]
        if ended:
            reservations.delete_many({"_id": {"$in": ended}}, session=session)
        for booking in bookings:
            filled = booking.after.state.filled_quantity
            if booking.ended or not filled:
                continue
            found = reservations.find_one({"_id": booking.order_id}, session=session)
            if found is not None:
                whole = from_document(Reservation, found.get("whole") or found)
                left = whole.after_fill(filled) or whole.model_copy(update=_NOTHING_HELD)
                row = {**to_document(left), "whole": to_document(whole)}
                reservations.replace_one({"_id": booking.order_id}, row, session=session)

    def _update_signals(self, bookings: Sequence[Booking], session: ClientSession) -> None:
        updates = []
        for booking in bookings:
            outcome = self._outcome(booking, session) if booking.ended else None
            changes: Document = {"status": outcome or SignalStatus.WORKING}
            if outcome is not None:
                changes["stages.completed_at"] = utc_now()
            first: Document = {}
            if booking.after.state.status in _AT_BROKER:
                first["stages.submitted_at"] = booking.report.occurred_at
            if booking.fresh:
                first["stages.first_fill_at"] = min(e.occurred_at for e in booking.fresh)
            update: Document = {"$set": changes, **({"$min": first} if first else {})}
            updates.append(UpdateOne({"_id": booking.stored["signal_id"]}, update))
        self._store["signal_store"].bulk_write(updates, session=session)

    def _outcome(self, booking: Booking, session: ClientSession) -> SignalStatus | None:
        """The outcome of the signal once its last order has ended; None while others work."""
        stored, state = booking.stored, booking.after.state
        filled = bool(state.filled_quantity)
        if stored.get("sibling_count", 1) > 1:
            others = self._store["orders"].find(
                {"signal_id": stored["signal_id"], "_id": {"$ne": stored["_id"]}},
                {"working": 1, "filled_quantity": 1},
                session=session,
            )
            for other in others:
                if other.get("working"):
                    return None
                filled = filled or bool(other["filled_quantity"])
        return SignalStatus.COMPLETED if filled else SignalStatus(state.status)

    def cursor(self, account_id: str) -> str | None:
        """Where the stream of the broker's reports was left."""
        found = self._store["checkpoints"].find_one({"_id": f"reports|{account_id}"})
        return found["cursor"] if found else None

    def save_cursor(self, account_id: str, cursor: str) -> None:
        """Remember how far the broker's reports are booked."""
        self._store["checkpoints"].update_one(
            {"_id": f"reports|{account_id}"},
            {"$set": {"cursor": cursor, "saved_at": utc_now()}},
            upsert=True,
        )
