"""One desk for one broker account: holds the lease, places, cancels, books, reconciles."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from pymongo.errors import PyMongoError

from brokers.broker import Broker
from brokers.errors import (
    BrokerError,
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.leases import Lease
from services.common.logs import road
from services.common.store import Document, Store, from_document
from services.common.topology import EXECUTION_CONFIRMATIONS
from services.domain.errors import TransientError
from services.domain.orders import Order, OrderReport
from services.domain.words import OrderStatus
from services.execution.documents import Booking
from services.execution.store import ExecutionStore

_log = logging.getLogger(__name__)
_SAVE_CURSOR_SECONDS = 1.0
_WORKING_AT_BROKER = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
#: How often an order that never arrived is sent anew before a person has to decide.
_MAX_RESENDS = 3
_NO_OUTCOME = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class Desk:
    """The only hand on one account; a desk whose lease another holds stands by."""

    def __init__(  # noqa: PLR0913 - what a desk is made of, by name
        self,
        *,
        account_id: str,
        broker: Broker,
        store: Store,
        queries: ExecutionStore,
        publisher: Publisher,
        lease: Lease,
        absence_seconds: float,
        reconcile_seconds: float,
    ) -> None:
        self.account_id = account_id
        self._broker = broker
        self._store = store
        self._queries = queries
        self._publisher = publisher
        self._lease = lease
        self._absence = timedelta(seconds=absence_seconds)
        self._reconcile_seconds = reconcile_seconds
        self._one_at_a_time = threading.RLock()
        self._stop = threading.Event()
        self._look = threading.Event()
        self._open_epoch = 0
        self._trouble = "not reconciled yet"
        self._cursor_saved = 0.0
        self._thread = threading.Thread(target=self._run, name=f"desk-{account_id}", daemon=True)

    def start(self) -> None:
        """Compete for the account; once ours: reconcile, then trade."""
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the order at hand, then give the account back."""
        self._stop.set()
        self._look.set()
        self._thread.join(timeout=15)
        with self._one_at_a_time:
            self._open_epoch = 0
        self._broker.close()
        self._lease.stop()

    def state(self) -> str:
        """For /health. Raises: TransientError while we own the account but cannot trade."""
        if not self._lease.held():
            return "standing by"
        if not self._is_open():
            raise TransientError(f"{self.account_id}: {self._trouble}")
        return f"trading, epoch {self._open_epoch}"

    def _is_open(self) -> bool:
        return self._lease.held() and self._open_epoch == self._lease.epoch

    def on_orders(self, client_order_ids: Sequence[str]) -> None:
        """Place or cancel what the store says of these orders.

        Raises: TransientError where this desk may not act now; the orders stay as they are.
        """
        failpoint(FailPoint.ORDER_RECEIVED)
        with self._one_at_a_time:
            if not self._is_open():
                raise TransientError(f"account {self.account_id} is not open here")
            pending = []
            for stored in self._queries.orders(client_order_ids):
                if stored["account_id"] != self.account_id:
                    _log.error("order %s is not of %s", stored["_id"], self.account_id)
                elif stored["status"] == OrderStatus.PENDING:
                    pending.append(stored)
                elif stored.get("cancel_requested_at") and stored["status"] in _WORKING_AT_BROKER:
                    self._cancel(from_document(Order, stored["order"]), stored)
            if pending:
                self._place(pending)

    def _place(self, pending: Sequence[Document]) -> None:
        orders = {stored["_id"]: from_document(Order, stored["order"]) for stored in pending}
        refused = [
            (stored, report)
            for stored in pending
            if (report := self._refusal(orders[stored["_id"]], stored)) is not None
        ]
        self._book(refused)
        held_back = {stored["_id"] for stored, _ in refused}
        leaving = [stored for stored in pending if stored["_id"] not in held_back]
        if not leaving:
            return
        answered: list[tuple[Document, OrderReport]] = []
        trouble: Exception | None = None
        failpoint(FailPoint.BEFORE_INTENT)
        epoch = self._lease.epoch
        for stored in self._queries.begin(leaving, epoch=epoch):
            failpoint(FailPoint.INTENT_STORED)
            order = orders[stored["_id"]]
            if trouble is None:
                try:
                    report = self._send(order, epoch)
                except (BrokerUnavailable, TransientError) as error:
                    trouble = error
                else:
                    answered.append((stored, report))
                    if report.status is OrderStatus.UNKNOWN:
                        trouble = OrderStateUnknown(report.text)
                    continue
            # A broker in trouble is not sent more: what has not left waits for its next doorbell.
            self._queries.move(
                order.client_order_id,
                before=OrderStatus.SUBMITTING,
                after=OrderStatus.PENDING,
                text=f"not sent: {trouble}",
                epoch=epoch,
            )
        self._book(answered)
        if trouble is not None and len(answered) < len(leaving):
            raise TransientError(f"{self.account_id}: not sent: {trouble}") from trouble

    def _refusal(self, order: Order, stored: Document) -> OrderReport | None:
        """Why an order ends here instead of leaving."""
        if stored.get("cancel_requested_at"):
            return _local(order, OrderStatus.CANCELED, "canceled before it was sent")
        refusal = self._queries.refusal(order)
        if refusal is None:
            return None
        if order.intent.reduces_risk:
            raise_incident(
                self._store,
                kind="EXIT_DENIED",
                key=order.client_order_id,
                sentence=f"{order.strategy_id}: {order.intent} not sent: {refusal.sentence}",
            )
        expired = refusal.kind == "SIGNAL_EXPIRED"
        ended = OrderStatus.EXPIRED if expired else OrderStatus.DENIED
        return _local(order, ended, f"{refusal.kind}: {refusal.sentence}")

    def _send(self, order: Order, epoch: int) -> OrderReport:
        """Call the broker, once, under the lease of `epoch`, which stored the intent.

        Raises: BrokerUnavailable, TransientError: it did not leave.
        """
        # Paused since the intent: the account may be another's, or ours again after another had it.
        if not self._lease.held() or self._lease.epoch != epoch:
            raise TransientError(f"account {self.account_id} was lost before the order left")
        road("SUBMITTING", order.signal_id, order=order.client_order_id, account=self.account_id)
        try:
            if order.stop_loss or order.take_profit or order.algo:
                raise UnsupportedOrder("guards and algos are not worked yet")
            report = self._broker.place_order(order)
        except OrderRejected as error:
            return _local(order, OrderStatus.REJECTED, f"{error.code}: {error}")
        except UnsupportedOrder as error:
            return _local(order, OrderStatus.DENIED, f"UNSUPPORTED: {error}")
        except OrderStateUnknown as error:
            _log.warning("order %s has no answer: %s", order.client_order_id, error)
            failpoint(FailPoint.SENT)
            self._look.set()
            return _local(order, OrderStatus.UNKNOWN, f"no answer: {error}")
        failpoint(FailPoint.ANSWERED)
        return report

    def _cancel(self, order: Order, stored: Document) -> None:
        if stored["status"] != OrderStatus.CANCEL_PENDING:
            self._queries.move(
                order.client_order_id,
                before=OrderStatus(stored["status"]),
                after=OrderStatus.CANCEL_PENDING,
                text="cancel requested",
                epoch=self._lease.epoch,
            )
        failpoint(FailPoint.CANCEL_SENT)
        try:
            report = self._broker.cancel_order(order)
            failpoint(FailPoint.CANCEL_ANSWERED)
            self._book([(stored | {"status": OrderStatus.CANCEL_PENDING}, report)])
        except BrokerError as error:
            # CANCEL_PENDING is working: the reconciler asks the broker what became of it.
            _log.warning("cancel of %s has no answer: %s", order.client_order_id, error)

    def _book(self, reports: Sequence[tuple[Document, OrderReport]]) -> None:
        lease = self._lease
        bookings = (
            self._queries.book(reports, epoch=lease.epoch, session=lease.session) if reports else []
        )
        if bookings:
            failpoint(FailPoint.BOOKED)
        news = [each for each in bookings if each.ended or each.fresh]
        self._publisher.ring(
            EXECUTION_CONFIRMATIONS,
            [
                Ring(
                    self.account_id,
                    {"account_id": self.account_id, "client_order_id": each.order_id},
                )
                for each in news
            ],
        )
        if news:
            failpoint(FailPoint.CONFIRMED)
        for booking in bookings:
            self._tell(booking)

    def _tell(self, booking: Booking) -> None:
        state, report = booking.after.state, booking.report
        for incident in booking.after.incidents:
            raise_incident(
                self._store, kind=incident.kind, key=booking.order_id, sentence=incident.sentence
            )
        was_absent = "absent_since" in booking.stored or booking.stored.get("resend_count")
        if was_absent and state.status not in _NO_OUTCOME:
            clear_incident(self._store, kind="ORDER_UNKNOWN", key=booking.order_id)
        road(
            str(state.status),
            state.order.signal_id,
            order=booking.order_id,
            account=self.account_id,
            filled=state.filled_quantity,
            price=state.avg_fill_price if state.avg_fill_price is not None else "-",
            text=report.text or "-",
        )

    def _on_report(self, report: OrderReport, cursor: str) -> None:
        """One report of the broker's stream; raising makes it come again."""
        failpoint(FailPoint.STREAM_REPORT)
        with self._one_at_a_time:
            if not self._is_open():
                raise TransientError(f"account {self.account_id} is not open here")
            stored = self._queries.order(report.client_order_id)
            if stored is not None and stored["account_id"] == self.account_id:
                self._book([(stored, report)])
            now = time.monotonic()
            if now - self._cursor_saved > _SAVE_CURSOR_SECONDS:
                self._queries.save_cursor(self.account_id, cursor)
                self._cursor_saved = now

    def _run(self) -> None:
        streaming = False
        while not self._stop.is_set():
            try:
                if self._lease.held():
                    self._reconcile()
                    if not streaming:
                        cursor = self._queries.cursor(self.account_id)
                        self._broker.stream_reports(self._on_report, after=cursor)
                        streaming = True
            except (BrokerError, PyMongoError, TransientError) as error:
                self._trouble = f"{type(error).__name__}: {error}"
                _log.warning("desk %s: %s", self.account_id, self._trouble)
            pause = self._reconcile_seconds if self._is_open() else 0.5
            self._look.wait(pause)
            self._look.clear()

    def _reconcile(self) -> None:
        """Ask the broker about every order without an end; the desk opens once all is asked."""
        if not self._is_open():
            self._broker.connect()
            self._queries.adopt(self.account_id, self._lease.epoch)
        for stored in self._queries.unfinished(self.account_id):
            with self._one_at_a_time:
                fresh = self._queries.order(stored["_id"])  # it may have moved while we waited
                if fresh is not None and fresh.get("working"):
                    self._reconcile_order(from_document(Order, fresh["order"]), fresh)
        if not self._is_open():
            failpoint(FailPoint.RECONCILED)
            self._open_epoch = self._lease.epoch
            _log.info("account %s is open, epoch %s", self.account_id, self._open_epoch)

    def _reconcile_order(self, order: Order, stored: Document) -> None:
        report = self._broker.find_order(order.client_order_id)
        if report is not None:
            self._book([(stored, report)])
            works = report.status in _WORKING_AT_BROKER and stored["status"] not in _NO_OUTCOME
            if stored.get("cancel_requested_at") and works:
                self._cancel(order, stored)  # also once more, where the first request was lost
        elif stored["status"] in _NO_OUTCOME:
            self._absent(order, stored)
        else:
            raise_incident(
                self._store,
                kind="ORDER_MISSING_AT_BROKER",
                key=order.client_order_id,
                sentence=f"order {order.client_order_id} is {stored['status']} in our books, "
                f"and the broker of {self.account_id} does not know it",
            )

    def _absent(self, order: Order, stored: Document) -> None:
        """The broker says it has no such order: believed only after a second look, and time."""
        since = stored.get("absent_since")
        now = utc_now()
        if since is None:
            self._queries.note_absent(order.client_order_id, now)
            if stored["status"] == OrderStatus.UNKNOWN:
                raise_incident(
                    self._store,
                    kind="ORDER_UNKNOWN",
                    key=order.client_order_id,
                    sentence=f"order {order.client_order_id} was sent to {self.account_id} and "
                    "not answered; the broker does not show it, it is asked again",
                )
        elif now - since >= self._absence and stored.get("resend_count", 0) < _MAX_RESENDS:
            _log.warning("order %s never reached the broker: to be sent", order.client_order_id)
            before = OrderStatus(stored["status"])
            self._queries.give_up(order.client_order_id, before=before, epoch=self._lease.epoch)


def _local(order: Order, status: OrderStatus, text: str) -> OrderReport:
    """A report that we make ourselves, because the broker was not asked or did not answer."""
    return OrderReport(
        client_order_id=order.client_order_id, status=status, text=text, occurred_at=utc_now()
    )
