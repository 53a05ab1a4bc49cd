"""Algos at work: the next slice of an order, and the order as its slices stand."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import raise_incident
from services.common.store import Document
from services.domain.orders import TERMINAL, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus
from services.execution.algos import ChildView, child_order, due_slices, is_complete, stopped_by
from services.execution.bookkeeper import local
from services.execution.children import create_children
from services.execution.counter import Counter
from services.execution.documents import Booking
from services.execution.lifecycle import Advance, OrderState


def worked_as(order: Order) -> str:
    """What stands in place of a broker's words."""
    return f"worked as {order.algo.name}" if order.algo else ""


class Slicing:
    """Works the algos of one account; for its worker thread only."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def tend(self, row: Document, order: Order, rows: Sequence[Document]) -> tuple[bool, list[str]]:
        """Make the slice that is due, and let its order stand as its slices do.

        Args:
            row: of the order that is worked.
            order: the same.
            rows: everything that was made for it.

        Returns: whether it is over, and client_order_ids that the desk should look at.
        """
        if row["status"] in TERMINAL:
            return True, []
        if row["status"] == OrderStatus.PENDING:
            return False, []
        if row["status"] == OrderStatus.SUBMITTING:
            # Its owner died before this was recorded. No broker has it: nothing is to be asked.
            report = local(order, OrderStatus.SUBMITTED, worked_as(order))
            self._counter.books.book([(row, report)], self._counter.lease)
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
            create_children(self._counter, row, made)
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
