"""What brokers report becomes books, confirmations and incidents, whoever of a desk heard it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.leases import Lease
from services.common.logs import road
from services.common.store import Document, Store
from services.common.topology import EXECUTION_CONFIRMATIONS
from services.domain.errors import TransientError
from services.domain.orders import Execution, Order, OrderReport
from services.domain.words import OrderStatus
from services.execution.documents import Booking
from services.execution.posting import Posting

T = TypeVar("T")
_REMEMBERED = 1000
#: A report that the stream brings while its order is being placed waits so long for the answer.
_ANSWER_SECONDS = 0.5


class _Told(NamedTuple):
    """What was booked last of an order: the broker's own word, its number, and its fills so far."""

    status: OrderStatus
    broker_order_id: str | None
    executions: frozenset[tuple[str, int, bool]]


class Bookkeeper:
    """Books reports of one account; safe to call from the worker and from the broker's stream.

    All transactions of an account run one after the other in its lease's session, so that the next
    owner can abort what this one died in.
    """

    def __init__(self, account_id: str, store: Store, publisher: Publisher) -> None:
        self._account_id = account_id
        self._store = store
        self._posting = Posting(store)
        self._publisher = publisher
        self._turns = threading.RLock()
        self._closed = False
        self._listeners: list[Callable[[Booking], None]] = []
        self._doubters: list[Callable[[], None]] = []
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._answers = threading.Condition()
        self._expected: frozenset[str] = frozenset()

    def close(self) -> None:
        """Book no more; what is being booked is finished first, for the session ends next."""
        with self._turns:
            self._closed = True

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with self._turns:
            if self._closed:
                raise TransientError(f"account {self._account_id} is closed here")
            yield

    @contextmanager
    def expecting(self, client_order_ids: Iterable[str]) -> Iterator[None]:
        """While the worker places these orders: it books their answers, many at once."""
        self._expected = frozenset(client_order_ids)
        try:
            yield
        finally:
            with self._answers:
                self._expected = frozenset()
                self._answers.notify_all()

    def let_answer(self, client_order_id: str) -> None:
        """Leave a report of the stream to the worker that places the order now, for a moment."""
        with self._answers:
            self._answers.wait_for(
                lambda: client_order_id not in self._expected, timeout=_ANSWER_SECONDS
            )

    def knows(self, report: OrderReport) -> bool:
        """Whether a report tells only what this process has booked itself, moments ago.

        Brokers say everything twice, in the answer and in the stream. What is forgotten here is
        read from the store, and found to be booked there.
        """
        told = self._told.get(report.client_order_id)
        if told is None or report.status is not told.status:
            return False
        if report.broker_order_id not in {None, told.broker_order_id}:
            return False
        return all(_revision(each) in told.executions for each in report.executions)

    def _remember(self, booking: Booking) -> None:
        before = self._told.pop(booking.order_id, None)
        executions = before.executions if before else frozenset()
        fresh = frozenset(_revision(each) for each in booking.fresh)
        number = booking.after.state.broker_order_id
        self._told[booking.order_id] = _Told(booking.report.status, number, executions | fresh)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    def listen(
        self, listener: Callable[[Booking], None], *, in_doubt: Callable[[], None] = lambda: None
    ) -> None:
        """Call `listener` after each booking, in whichever thread it was made.

        Args:
            listener: told what was booked.
            in_doubt: called where a booking failed and may be in the books all the same: what is
                there already is not told when the same report comes again.
        """
        self._listeners.append(listener)
        self._doubters.append(in_doubt)

    def transact(self, lease: Lease, work: Callable[[ClientSession], T]) -> T:
        """Run `work` in a transaction of the account. Raises: TransientError, PyMongoError."""
        with self._one_at_a_time():
            return self._store.transaction(work, session=lease.session)

    def book(self, reports: Sequence[tuple[Document, OrderReport]], lease: Lease) -> list[Booking]:
        """Book reports, each with its order as it was read, then tell everyone of what is new.

        Returns: what was changed.

        Raises:
            TransientError: the account is another's now.
        """
        if not reports:
            return []
        with self._one_at_a_time():
            try:
                bookings = self._posting.book(reports, epoch=lease.epoch, session=lease.session)
            except (PyMongoError, TransientError):
                for in_doubt in self._doubters:
                    in_doubt()
                raise
        self.tell(bookings)
        return bookings

    def apply(self, bookings: Sequence[Booking], lease: Lease) -> bool:
        """Book states that were worked out from other orders; False where an order has moved."""
        with self._one_at_a_time():
            done = self._posting.book_states(bookings, session=lease.session)
        if done:
            self.tell(bookings)
        return done

    def tell(self, bookings: Sequence[Booking]) -> None:
        """Publish and log what bookings that are in the books have brought."""
        if bookings:
            failpoint(FailPoint.BOOKED)
        news = [each for each in bookings if each.ended or each.fresh]
        self._publisher.ring(
            EXECUTION_CONFIRMATIONS,
            [
                Ring(
                    self._account_id,
                    {"account_id": self._account_id, "client_order_id": each.order_id},
                )
                for each in news
            ],
        )
        if news:
            failpoint(FailPoint.CONFIRMED)
        for booking in bookings:
            self._remember(booking)
            self._tell(booking)
            for listener in self._listeners:
                listener(booking)

    def _tell(self, booking: Booking) -> None:
        state, report = booking.after.state, booking.report
        road(
            str(state.status),
            state.order.signal_id,
            began_at=booking.stored.get("created_at"),
            order=booking.order_id,
            account=self._account_id,
            filled=state.filled_quantity,
            price=state.avg_fill_price if state.avg_fill_price is not None else "-",
            text=report.text or "-",
        )


def _revision(execution: Execution) -> tuple[str, int, bool]:
    return execution.execution_id, execution.revision, execution.busted


def local(order: Order, status: OrderStatus, text: str) -> OrderReport:
    """A report that we make ourselves, because the broker was not asked or did not answer."""
    return OrderReport(
        client_order_id=order.client_order_id, status=status, text=text, occurred_at=utc_now()
    )
