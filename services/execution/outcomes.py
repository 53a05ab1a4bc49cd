"""What became of orders: the broker is asked about every one that is not at its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pymongo.client_session import ClientSession

from brokers.errors import BrokerUnavailable, OrderStateUnknown
from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, from_document
from services.domain.orders import TERMINAL, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import OrderStatus, TimeInForce
from services.execution.bookkeeper import local
from services.execution.changes import AT_BROKER, Changes
from services.execution.counter import Counter
from services.execution.posting import NO_OUTCOME
from services.execution.sessions import session_of

_log = logging.getLogger(__name__)
#: How often an order that never arrived goes again by itself (requirement R14).
_MOST_RESENDS: Final = 1


class Outcomes:
    """Asks one account's broker; for its worker thread only.

    Args:
        proof_seconds: how long the broker must go on not showing an order, in one unbroken
            connection and in two looks at least, until it counts as never received.
    """

    def __init__(self, counter: Counter, changes: Changes, *, proof_seconds: float) -> None:
        self._counter = counter
        self._changes = changes
        self._proof_seconds = proof_seconds
        #: Since when the broker does not show an order, by the monotonic clock.
        self._absent_from: dict[str, float] = {}
        #: What the broker holds by instrument, once a look has asked for it.
        self._held: dict[str, Decimal] | None = None

    def ask(self) -> list[str]:
        """Ask about all orders without an end, in one question, and book the answers.

        Returns: client_order_ids that the desk should look at again.

        Raises: BrokerUnavailable, TransientError.
        """
        rows = [
            row
            for row in self._counter.queries.unfinished(self._counter.account_id)
            if row["order"].get("algo") is None
        ]
        asked_of = {row["_id"] for row in rows}
        self._absent_from = {each: at for each, at in self._absent_from.items() if each in asked_of}
        if not rows:
            if not self._counter.broker.is_connected():
                raise BrokerUnavailable("the link to the broker is down")
            return []
        self._counter.budget.asked()
        self._held = None
        found, doubled = self._find([row["_id"] for row in rows])
        rows = [row for row in rows if row["_id"] not in doubled]
        known = [(row, found[row["_id"]]) for row in rows if row["_id"] in found]
        self._counter.books.book(known, self._counter.lease)
        again = []
        for row, report in known:
            if row.get("modify_sent_at"):
                self._changes.settle(row, report)
            works = report.status in AT_BROKER and row["status"] not in NO_OUTCOME
            if row.get("cancel_requested_at") and works:
                again.append(row["_id"])  # asked once more, where the first request was lost
            elif row.get("missing"):
                clear_incident(self._counter.store, kind="ORDER_MISSING_AT_BROKER", key=row["_id"])
                self._counter.queries.note_found(row["_id"])
        again += self._not_found([row for row in rows if row["_id"] not in found])
        return again

    def _find(self, order_ids: Sequence[str]) -> tuple[dict[str, OrderReport], set[str]]:
        """What the broker says of orders, and which of them it has twice."""
        try:
            return self._counter.broker.find_orders(order_ids), set()
        except OrderStateUnknown:
            found: dict[str, OrderReport] = {}
            doubled = set()
        for order_id in order_ids:
            self._counter.budget.asked()
            try:
                report = self._counter.broker.find_order(order_id)
            except OrderStateUnknown as error:
                doubled.add(order_id)
                raise_incident(
                    self._counter.store,
                    kind="ORDER_DOUBLED",
                    key=order_id,
                    sentence=f"{self._counter.account_id}: {error}; nothing more is done with it: "
                    "cancel or close one of the two at the broker",
                    facts={"account_id": self._counter.account_id},
                )
            else:
                if report is not None:
                    found[order_id] = report
        return found, doubled

    def _not_found(self, rows: Sequence[Document]) -> list[str]:
        again = []
        for row in rows:
            fresh = self._counter.queries.order(row["_id"])  # the stream may have told meanwhile
            if fresh is None or fresh["status"] != row["status"]:
                continue
            if row["status"] in NO_OUTCOME:
                again += self._absent(fresh)
            else:
                self._missing(fresh)
        return again

    def _missing(self, row: Document) -> None:
        """The broker does not show an order that it had: ended where nobody saw it, or lost."""
        order = from_document(Order, row["order"])
        if row.get("resolution"):
            self._give_up(order, row, row["resolution"])
            return
        if self._ended_unfilled_with_its_day(order, row):
            clear_incident(self._counter.store, kind="ORDER_MISSING_AT_BROKER", key=row["_id"])
            words = "its day is over, and the broker holds what the books say: it did not fill"
            report = local(order, OrderStatus.EXPIRED, words).model_copy(
                update={
                    "filled_quantity": row["filled_quantity"],
                    "occurred_at": self._counter.broker.remembers_since(),
                }
            )
            self._counter.books.book([(row, report)], self._counter.lease)
            return
        self._ask_a_person(
            row,
            "ORDER_MISSING_AT_BROKER",
            f"order {row['_id']} is {row['status']} in our books, and the broker of "
            f"{self._counter.account_id} does not know it{self._forgotten(row)}; once its fills "
            f"are booked (scripts/books.py), end it: scripts/orders.py resolve {row['_id']} "
            "--absent",
            {"missing": True},
            among={OrderStatus(row["status"])},
        )

    def _ended_unfilled_with_its_day(self, order: Order, row: Document) -> bool:
        """Whether an order that the broker has forgotten has certainly ended, and as we know it.

        It cannot work any more, as it lived for a day that is over. That nothing of it filled
        unseen is believed only where the broker holds exactly what the books say, nothing else of
        the instrument is open to doubt, and its exchange trades: before that, holdings of brokers
        may still be those of the day before.
        """
        if order.time_in_force is not TimeInForce.DAY or not self._forgotten(row):
            return False
        key, queries = order.instrument.key, self._counter.queries
        if not session_of(order.instrument).is_open(utc_now()):
            return False
        if queries.is_in_doubt(self._counter.account_id, key):
            return False
        return self._held_at_broker(key) == queries.held(self._counter.account_id, key)

    def _held_at_broker(self, instrument_key: str) -> Decimal:
        if self._held is None:
            self._counter.budget.asked()
            self._held = {
                each.instrument.key: each.quantity for each in self._counter.broker.positions()
            }
        return self._held.get(instrument_key, ZERO)

    def _forgotten(self, row: Document) -> str:
        """Why an order's absence proves nothing, in words; empty = the broker remembers so far.

        What was sent before may have filled: neither given up nor sent again but by a person.
        """
        since = self._counter.broker.remembers_since()
        sent_at: datetime = row.get("sent_at") or row["created_at"]
        if since is None or sent_at >= since:
            return ""
        return (
            f", which has forgotten what ended before {since:%Y-%m-%d %H:%M} UTC, and this was "
            f"sent {sent_at:%Y-%m-%d %H:%M}: look at its statement"
        )

    def _absent(self, row: Document) -> list[str]:
        """The broker does not show an order that may have been sent: no proof before its time."""
        order = from_document(Order, row["order"])
        since, now = row.get("absent_since"), time.monotonic()
        if row.get("attached") and self._follows_entry(order, row):
            return []
        decided = row.get("resolution")
        if decided and row["status"] == OrderStatus.UNKNOWN:
            return self._resolve(order, row, decided)
        forgotten = self._forgotten(row)
        if since is None:
            self._counter.queries.note_absent(row["_id"], utc_now())
            self._absent_from[row["_id"]] = now
            if row["status"] == OrderStatus.UNKNOWN and not forgotten:
                self._tell_unknown(order, row, "it is asked again")
        if not forgotten:
            # By a clock that nobody sets: a step must not cut the proof short.
            if now - self._absent_from.setdefault(row["_id"], now) < self._proof_seconds:
                return []
            if self._may_resend(order, row):
                _log.warning("order %s never reached the broker: it is sent once more", row["_id"])
                before, epoch = OrderStatus(row["status"]), self._counter.lease.epoch
                self._counter.queries.give_up(row["_id"], before=before, epoch=epoch)
                return [row["_id"]]
        self._leave_to_a_person(order, row, forgotten)
        return []

    def _leave_to_a_person(self, order: Order, row: Document, forgotten: str) -> None:
        """Neither given up nor sent again by itself."""
        if row["status"] == OrderStatus.SUBMITTING:
            words = "the broker does not show it" if forgotten else "sent twice, and it has neither"
            report = local(order, OrderStatus.UNKNOWN, words)
            self._counter.books.book([(row, report)], self._counter.lease)
        canceled = row.get("cancel_requested_at") is not None
        choices = "--absent (it is to be canceled)" if canceled else "--resend or --absent"
        self._tell_unknown(
            order,
            row,
            (forgotten.removeprefix(", ") or f"for {self._proof_seconds:g} s")
            + "; it is not sent again by itself: decide with "
            f"scripts/orders.py resolve {row['_id']} {choices}",
        )

    def _follows_entry(self, order: Order, row: Document) -> bool:
        """Whether a guard that went together with its entry is settled with it."""
        entry = self._counter.queries.order(order.parent_order_id or "")
        if entry is None or entry["status"] in NO_OUTCOME | {OrderStatus.PENDING}:
            return True
        if entry["status"] in TERMINAL and not entry["filled_quantity"]:
            report = local(order, OrderStatus.CANCELED, f"its entry is {entry['status']}")
            self._counter.books.book([(row, report)], self._counter.lease)
            return True
        return False

    def _may_resend(self, order: Order, row: Document) -> bool:
        """Once, and only what nobody knows to have left, or what leaves a position."""
        if row.get("resend_count", 0) >= _MOST_RESENDS:
            return False
        return row["status"] == OrderStatus.SUBMITTING or order.intent.reduces_risk

    def _resolve(self, order: Order, row: Document, decided: Document) -> list[str]:
        """A person has decided on an order whose outcome nobody knows."""
        if decided["decision"] == "RESEND":
            by = f"by {decided['by']}: {decided['reason']}"
            clear_incident(self._counter.store, kind="ORDER_UNKNOWN", key=row["_id"])
            epoch = self._counter.lease.epoch
            self._counter.queries.give_up(
                row["_id"], before=OrderStatus.UNKNOWN, epoch=epoch, text=by
            )
            return [row["_id"]]
        self._give_up(order, row, decided)
        return []

    def _give_up(self, order: Order, row: Document, decided: Document) -> None:
        """A person has seen that the broker does not have it, or not any more."""
        kinds = {OrderStatus.UNKNOWN: "ORDER_UNKNOWN"}
        kind = kinds.get(OrderStatus(row["status"]), "ORDER_MISSING_AT_BROKER")
        clear_incident(self._counter.store, kind=kind, key=row["_id"])
        words = f"the broker does not have it, by {decided['by']}: {decided['reason']}"
        report = local(order, OrderStatus.CANCELED, words)
        self._counter.books.book([(row, report)], self._counter.lease)

    def _tell_unknown(self, order: Order, row: Document, words: str) -> None:
        self._ask_a_person(
            row,
            "ORDER_UNKNOWN",
            f"order {row['_id']} ({order.side} {order.quantity:f} "
            f"{order.instrument.symbol}) may have been sent to {self._counter.account_id} and was "
            f"not answered; the broker does not show it, {words}",
            {"person_asked_at": utc_now()},
            among=NO_OUTCOME,
        )

    def _ask_a_person(
        self,
        row: Document,
        kind: str,
        sentence: str,
        doubt: Document,
        *,
        among: Collection[OrderStatus],
    ) -> None:
        """Open an incident, in one transaction with the order that it asks about.

        Another owner may book the answer at this moment: apart from it the incident would stay
        open for an order that has ended.
        """

        def work(session: ClientSession) -> None:
            if self._counter.queries.note_doubt(row["_id"], among, doubt, session):
                raise_incident(
                    self._counter.store,
                    kind=kind,
                    key=row["_id"],
                    sentence=sentence,
                    facts={"account_id": self._counter.account_id},
                    session=session,
                )

        self._counter.books.transact(self._counter.lease, work)
