"""One desk for one broker account: one worker thread that owns every call to the broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo.errors import PyMongoError

from brokers.errors import BrokerError, LoginRequired
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.store import Document, from_document
from services.domain.errors import ConfigurationError, TransientError
from services.domain.orders import TERMINAL, Order
from services.domain.words import OrderStatus
from services.execution.bookkeeper import local
from services.execution.changes import CANCELABLE, Changes, is_asked
from services.execution.counter import Counter
from services.execution.documents import Booking, has_expired
from services.execution.gate import GUARDS
from services.execution.inbox import Inbox
from services.execution.intents import Ground, Intents
from services.execution.kill_runs import KillRuns
from services.execution.ledger import Ledger
from services.execution.outcomes import Outcomes
from services.execution.placing import Placing
from services.execution.reconciler import Reconciler
from services.execution.reports import Reports
from services.execution.squaring import Squaring
from services.execution.tending import Tending
from services.execution.throttle import Throttle
from services.execution.timetable import Timetable
from services.execution.troubles import Troubles
from services.execution.unreadable import tell_unreadable

_log = logging.getLogger(__name__)
_BATCH = 16
_POLL_SECONDS = 1.0
_POLL_SHARE = 25
_TICK_SECONDS = 0.25
_SQUARING_SECONDS = 5.0
#: So often a desk looks whether anything that it tends has moved: a fill that an owner before us
#: has booked late told nobody here, and its guards are ours to make.
_TENDING_SECONDS = 30.0
#: News of a broker are asked about together, at most this often.
_NEWS_SECONDS = 0.5
_QUESTIONS_OF_A_COMPARISON = 5
#: First and longest pause between attempts to open: a broker that is back is noticed soon.
_RECONNECT_SECONDS = (0.5, 2.0)


class Pace(NamedTuple):
    """How often a desk looks.

    Attributes:
        outcomes_seconds: at orders that are not at their end.
        proof_seconds: how long an order must stay away from the broker's books to count as never
            received.
        books_seconds: at positions, executions, foreign orders and cash.
    """

    outcomes_seconds: float
    proof_seconds: float
    books_seconds: float


class Desk:
    """The only hand on one account; a desk whose lease another holds stands by."""

    def __init__(self, counter: Counter, pace: Pace, throttle: Throttle) -> None:
        self._counter = counter
        self.account_id = counter.account_id
        self._pace = pace
        self._throttle = throttle
        self._inbox = Inbox(counter.queries, counter.account_id)
        intents = Intents(
            counter.store, counter.account_id, lease=counter.lease, books=counter.books
        )
        self._placing = Placing(counter, intents, on_left=self._on_left)
        self._changes = Changes(counter, on_settled=self._on_settled)
        self._outcomes = Outcomes(counter, self._changes, proof_seconds=pace.proof_seconds)
        self._tending = Tending(counter)
        self._squaring = Squaring(counter)
        self._troubles = Troubles(counter.store, counter.account_id)
        self._kills = KillRuns(counter.store, counter.account_id, on_asked=counter.budget.asked)
        self._reconciler = Reconciler(
            counter.store,
            Ledger(counter.store),
            counter.broker,
            counter.account_id,
            book=lambda reports: counter.books.book(reports, counter.lease),
            transact=lambda work: counter.books.transact(counter.lease, work),
            every_seconds=pace.books_seconds,
            asked=counter.budget.asked,
        )
        self._entries_stopped = "the account was not compared with the broker yet"
        self._bell = threading.Event()
        self._has_news = threading.Event()
        self._stop = threading.Event()
        self._adopted_epoch = 0
        self._compared_epoch = 0
        self._open_epoch = 0
        self._trouble = "not reconciled yet"
        self._tries = 0
        self._streaming = False
        self._times = Timetable()
        self._reports = Reports(counter, self._is_open)
        self._in_doubt = threading.Event()
        counter.books.listen(self._on_booking, in_doubt=self._on_doubt)
        self._thread = threading.Thread(
            target=self._run, name=f"desk-{self.account_id}", daemon=True
        )

    def start(self) -> None:
        """Compete for the account; once ours: reconcile, then trade."""
        self._counter.lease.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the order at hand, then give the account back."""
        self._stop.set()
        self._bell.set()
        self._thread.join(timeout=15)
        self._open_epoch = 0
        self._counter.broker.close()
        self._counter.books.close()
        self._counter.lease.stop()

    def state(self) -> str:
        """For /health. Raises: TransientError while we own the account but cannot trade."""
        if not self._counter.lease.held():
            return "standing by"
        if not self._is_open():
            raise TransientError(f"{self.account_id}: {self._trouble}")
        return f"trading, epoch {self._open_epoch}"

    def _is_open(self) -> bool:
        lease = self._counter.lease
        return lease.held() and self._open_epoch == lease.epoch

    def wake(self, client_order_ids: Sequence[str]) -> None:
        """Look at these orders now. Raises: TransientError where the account is another's.

        Only a doorbell: the rows are the record, and are all looked at again every second.
        """
        failpoint(FailPoint.ORDER_RECEIVED)
        if not self._counter.lease.held():
            raise TransientError(f"account {self.account_id} is not ours")
        self._inbox.ring(client_order_ids)
        self._bell.set()

    def ask_soon(self) -> None:
        """The broker says that it has news: ask it sooner than by the time. Only a doorbell."""
        self._has_news.set()
        self._bell.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.step():
                self._bell.wait(_TICK_SECONDS)
            self._bell.clear()

    def step(self) -> bool:
        """One round, where the account is ours; whether there is more to do at once."""
        try:
            return self._counter.lease.held() and self._turn()
        except (BrokerError, PyMongoError, TransientError, ConfigurationError) as error:
            self._in_trouble(error)
        except Exception as error:  # noqa: BLE001 - see below
            # The account's only hand: it must neither die silently nor go on as if well.
            _log.exception("desk %s", self.account_id)
            self._in_trouble(error)
        return False

    def _turn(self) -> bool:
        """One round; whether there is more to do at once."""
        self._inbox.begin_turn()
        if self._times.is_due("poll", _POLL_SECONDS):
            self._poll()
        if not self._is_open():
            if self._times.is_due("kills", _POLL_SECONDS):
                self._kills.wait(self._trouble, utc_now())
            if self._times.is_due("open", _RECONNECT_SECONDS[0]):
                self._open()
            return False
        self._look_around()
        if self._in_doubt.is_set():
            self._in_doubt.clear()
            self._tending.look_again()
        self._inbox.put(self._tending.run())
        self._inbox.put_rung()
        self._work(self._inbox.take(self._counter.budget.orders_now(_BATCH)))
        return len(self._inbox) > 0 and self._counter.budget.orders_now(1) > 0

    def _look_around(self) -> None:
        """Everything that is due by the time, or because somebody asked for it."""
        if self._has_news.is_set() and self._times.is_due("news", _NEWS_SECONDS):
            self._has_news.clear()
            self._times.soon("outcomes")
        if self._counter.budget.may_ask():  # orders first
            if self._times.is_due("outcomes", self._pace.outcomes_seconds):
                self._inbox.put(self._outcomes.ask())
            if self._reconciler.due():
                self._compare()
        if self._times.is_due("kills", _TICK_SECONDS):
            woken = self._kills.step(self._counter.broker, utc_now())
            if self._kills.is_open:
                failpoint(FailPoint.KILL_STEP)
            self._inbox.put(woken)
        if self._times.is_due("squaring", _SQUARING_SECONDS):
            self._inbox.put(self._squaring.run(utc_now()))
        if self._times.is_due("algos", _TICK_SECONDS):
            self._tending.due_by_time(utc_now())
        if self._times.is_due("tending", _TENDING_SECONDS):
            self._tending.look_again()

    def _soon(self, what: str) -> None:
        self._times.soon(what)
        self._bell.set()

    def _in_trouble(self, error: Exception) -> None:
        """Closed until the broker has been asked about everything again."""
        before, self._trouble = self._trouble, f"{type(error).__name__}: {error}"
        # A broker may be away for a night: the same words again are for nobody.
        level = logging.DEBUG if before == self._trouble else logging.WARNING
        _log.log(level, "desk %s: %s", self.account_id, self._trouble)
        self._open_epoch = 0
        self._tries = min(self._tries + 1, 6)
        pause = min(_RECONNECT_SECONDS[0] * 2 ** (self._tries - 1), _RECONNECT_SECONDS[1])
        self._times.in_seconds("open", pause)
        try:
            self._troubles.tell(error)
        except PyMongoError as storing:
            _log.warning("that could not be recorded: %s", type(storing).__name__)

    def _open(self) -> None:
        """Reconcile, then trade: nothing leaves before the broker was asked about every order."""
        lease, queries = self._counter.lease, self._counter.queries
        epoch, began = lease.epoch, time.monotonic()
        self._counter.broker.connect()
        self._counter.budget.follow(self._counter.broker.capabilities)
        queries.adopt(self.account_id, epoch)
        if epoch != self._adopted_epoch:
            self._inbox.clear()
            for order, left_at in queries.left_since(
                self.account_id, utc_now() - self._throttle.window
            ):
                self._throttle.note(order, left_at)
            self._adopted_epoch = epoch
        again = self._outcomes.ask()
        asked = time.monotonic()
        self._compare(everything=epoch != self._compared_epoch)
        self._compared_epoch = epoch
        compared = time.monotonic()
        self._tending.load()
        self._troubles.end()
        if not self._streaming:
            cursor = queries.cursor(self.account_id)
            self._counter.broker.stream_reports(self._reports.take, after=cursor)
            self._streaming = True
        failpoint(FailPoint.RECONCILED)
        self._open_epoch = epoch
        self._tries, self._trouble = 0, ""
        self._times.in_seconds("outcomes", self._pace.outcomes_seconds)
        _log.info(
            "account %s is open, epoch %s: orders asked about in %.2f s, books compared in %.2f s",
            self.account_id,
            epoch,
            asked - began,
            compared - asked,
        )
        self._inbox.put(again)
        self._soon("poll")

    def _compare(self, *, everything: bool = False) -> None:
        """Books against the broker; while that fails exits go and entries wait."""
        for _ in range(_QUESTIONS_OF_A_COMPARISON):
            self._counter.budget.asked()
        try:
            self._reconciler.run(utc_now(), everything=everything)
        except LoginRequired:
            raise
        except BrokerError as error:
            before = self._entries_stopped
            self._entries_stopped = f"books could not be compared with the broker: {error}"
            level = logging.DEBUG if before == self._entries_stopped else logging.WARNING
            _log.log(level, "account %s: %s", self.account_id, self._entries_stopped)
        else:
            self._entries_stopped = ""

    def _poll(self) -> None:
        """Everything that waits in the store, also what no doorbell rang for; and the time."""
        now, began = utc_now(), time.monotonic()
        for row in self._counter.queries.waiting(self.account_id):
            try:
                self._look_at(row, now)
            except (KeyError, ValueError) as error:
                tell_unreadable(self._counter.store, row["_id"], error)
        # However much waits, this is a small part of what the database has to do.
        self._times.not_before("poll", _POLL_SHARE * (time.monotonic() - began))

    def _look_at(self, row: Document, now: datetime) -> None:
        status, cancel_at = OrderStatus(row["status"]), row["order"].get("cancel_at")
        if cancel_at is not None and cancel_at <= now and not row.get("cancel_requested_at"):
            self._counter.queries.request_cancel([row["_id"]], at=now, text="its time is over")
            row["cancel_requested_at"] = now
        if status is OrderStatus.PENDING and not self._is_open() and has_expired(row, now):
            self._expire(row["_id"])
        elif status is OrderStatus.PENDING or is_asked(row):
            self._inbox.put_row(row)
        if row.get("resolution"):
            self._soon("outcomes")

    def _expire(self, order_id: str) -> None:
        """An entry whose broker cannot be reached is not traded after its time."""
        row = self._counter.queries.order(order_id)
        if row is None or row["status"] != OrderStatus.PENDING:
            return
        order = from_document(Order, row["order"])
        report = local(order, OrderStatus.EXPIRED, f"SIGNAL_EXPIRED: {self._trouble}")
        self._counter.books.book([(row, report)], self._counter.lease)

    def _work(self, rows: Sequence[Document]) -> None:
        """Cancel, change or place these orders as their rows say now."""
        pending: list[Document] = []
        for row in rows:
            status = OrderStatus(row["status"])
            if row.get("cancel_requested_at") and status is OrderStatus.PENDING:
                why = row.get("cancel_reason") or "canceled before it was sent"
                self._changes.end_unsent(row, why)
            elif status is OrderStatus.PENDING:
                pending.append(row)
            elif row["order"].get("algo") is not None:
                self._tending.add([row])
            elif row.get("cancel_requested_at") and status in CANCELABLE:
                self._changes.cancel(row)
            elif is_asked(row):
                self._changes.modify(row)
        if pending:
            self._place(pending)

    def _place(self, pending: Sequence[Document]) -> None:
        groups = self._counter.queries.grouped(pending)
        ground = Ground(self._counter.lease.epoch, self._entries_stopped, self._repeated)
        placed = self._placing.place(groups, ground)
        self._tending.add(placed.left)
        for _, verdict in placed.waiting:
            if verdict.code == "GUARDS_WORKING":
                order = verdict.order
                self._tending.touch(order.strategy_id, order.instrument.key)
                self._bell.set()
        for row in placed.again:
            self._inbox.put_row(row)
        if placed.trouble is not None:
            raise TransientError(f"not sent: {placed.trouble}") from placed.trouble

    def _repeated(self, order: Order, ahead: Sequence[Order]) -> str:
        objection = self._throttle.objection(order, utc_now(), ahead=ahead)
        if not objection:
            return ""
        reset_at = self._counter.queries.throttle_reset_at(order.strategy_id)
        if reset_at is None:
            return objection
        self._throttle.forget(order.strategy_id, reset_at)
        return self._throttle.objection(order, utc_now(), ahead=ahead)

    def _on_left(self, order: Order) -> None:
        self._throttle.note(order, utc_now())

    def _on_booking(self, booking: Booking) -> None:
        self._tending.note(booking)
        state = booking.after.state
        if state.status in TERMINAL and state.order.role in GUARDS:
            self._soon("poll")  # an exit may have waited for it
        elif booking.after.incidents or state.status is OrderStatus.UNKNOWN:
            self._soon("outcomes")
        self._bell.set()

    def _on_settled(self, order: Order) -> None:
        """What guards may be asked for another change now: its entry is looked after again."""
        self._tending.touch(order.strategy_id, order.instrument.key, order.signal_id)
        self._bell.set()

    def _on_doubt(self) -> None:
        """Something may be booked that nobody was told of: the desk looks whether it is."""
        self._in_doubt.set()
        self._bell.set()
