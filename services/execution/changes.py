"""Cancels and changes of orders that the broker has: requests, never results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from brokers.errors import BrokerError, BrokerUnavailable, OrderRejected, UnsupportedOrder
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.store import Document, from_document
from services.domain.orders import Order, OrderReport, OrderTerms
from services.domain.signals import plain
from services.domain.words import OrderStatus
from services.execution.bookkeeper import local
from services.execution.counter import Counter

_log = logging.getLogger(__name__)
AT_BROKER: Final = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
CANCELABLE: Final = AT_BROKER | {OrderStatus.CANCEL_PENDING}
#: A cancel that changed nothing is asked for again after so long.
_AGAIN: Final = timedelta(seconds=5)


class Changes:
    """Cancels and modifies orders of one account; for its worker thread only."""

    def __init__(self, counter: Counter, *, on_settled: Callable[[Order], None]) -> None:
        """`on_settled` is told of orders whose change has come to its end: more may be wanted."""
        self._counter = counter
        self._on_settled = on_settled

    def cancel(self, stored: Document) -> None:
        """Ask the broker to cancel, unless it was asked a moment ago.

        Raises: BrokerUnavailable: it was not asked.
        """
        now = utc_now()
        asked_at = stored.get("cancel_sent_at")
        if asked_at is not None and now - asked_at < _AGAIN:
            return
        order = from_document(Order, stored["order"])
        status = OrderStatus(stored["status"])
        pending = OrderStatus.CANCEL_PENDING
        asked = self._counter.queries.move(
            stored["_id"],
            before=status,
            after=pending,
            epoch=self._counter.lease.epoch,
            text=stored.get("cancel_reason") or "cancel requested",
            changes={"cancel_sent_at": now},
        )
        if not asked:
            return
        failpoint(FailPoint.CANCEL_SENT)
        self._counter.budget.order_left()
        try:
            report = self._counter.broker.cancel_order(order)
        except BrokerUnavailable:
            self._counter.queries.move(
                stored["_id"],
                before=pending,
                after=status,
                epoch=self._counter.lease.epoch,
                text="cancel not sent",
                forget=("cancel_sent_at",),
            )
            raise
        except BrokerError as error:
            # CANCEL_PENDING is working: the broker is asked what became of it.
            _log.warning("cancel of %s has no answer: %s", stored["_id"], error)
            return
        failpoint(FailPoint.CANCEL_ANSWERED)
        row = stored | {"status": pending, "cancel_sent_at": now}
        self._counter.books.book([(row, report)], self._counter.lease)

    def modify(self, stored: Document) -> None:
        """Ask the broker for the terms that were asked of us; what it refuses changes nothing.

        Raises: BrokerUnavailable: it was not asked.
        """
        order = from_document(Order, stored["order"])
        asked = stored["modify_requested"]
        terms = OrderTerms.model_validate(asked["terms"])
        refusal = _refusal(order, stored, terms)
        if refusal:
            self._counter.queries.end_change(stored["_id"], text=f"not changed: {refusal}")
            self._on_settled(order)
            return
        self._counter.queries.note_change_sent(stored["_id"])
        self._counter.budget.order_left()
        try:
            report = self._counter.broker.modify_order(order, terms)
        except BrokerUnavailable:
            self._counter.queries.note_change_sent(stored["_id"], sent=False)
            raise
        except (OrderRejected, UnsupportedOrder) as error:
            # It would be refused again: what guards takes other ways from now on.
            self._counter.queries.end_change(
                stored["_id"], text=f"not changed: {error}", refused=True
            )
            self._on_settled(order)
        except BrokerError as error:
            # The order works under the old or the new terms: its next report says which.
            _log.warning("change of %s has no answer: %s", stored["_id"], error)
        else:
            self.settle(stored, report, answered=True)
            self._counter.books.book([(stored, report)], self._counter.lease)

    def settle(self, stored: Document, report: OrderReport, *, answered: bool = False) -> None:
        """Take over the terms that the broker says an order has now.

        Args:
            stored: the order's row.
            report: what the broker says of it.
            answered: whether this is the answer to the request itself, so that what it does not
                say has not happened.
        """
        order = from_document(Order, stored["order"])
        own = OrderTerms(
            quantity=order.quantity, limit_price=order.limit_price, stop_price=order.stop_price
        )
        if report.terms is not None and report.terms != own:
            words = _in_words(own, report.terms)
            self._counter.queries.end_change(stored["_id"], text=words, terms=report.terms)
            self._on_settled(order)  # what has filled meanwhile waits for this
        elif answered or report.terms is not None:
            self._counter.queries.end_change(stored["_id"], text="the broker changed nothing")
            if not answered:  # the request was lost, and whoever wanted it still does
                self._on_settled(order)

    def end_unsent(self, stored: Document, text: str) -> None:
        """Cancel an order that is not at the broker."""
        order = from_document(Order, stored["order"])
        report = local(order, OrderStatus.CANCELED, text)
        self._counter.books.book([(stored, report)], self._counter.lease)


def _refusal(order: Order, stored: Document, terms: OrderTerms) -> str:
    """Why a change may not be asked for; empty = it may. More risk needs a decision anew."""
    if terms.quantity <= stored["filled_quantity"]:
        return f"{plain(stored['filled_quantity'])} has filled, {plain(terms.quantity)} was asked"
    if terms.quantity > order.quantity and not order.intent.reduces_risk:
        return "an entry only grows by a new signal"
    if (terms.limit_price is None) is not (order.limit_price is None):
        return "a change cannot add or remove a limit price"
    if (terms.stop_price is None) is not (order.stop_price is None):
        return "a change cannot add or remove a stop price"
    return ""


def _in_words(before: OrderTerms, after: OrderTerms) -> str:
    pairs = (
        ("quantity", before.quantity, after.quantity),
        ("limit price", before.limit_price, after.limit_price),
        ("stop price", before.stop_price, after.stop_price),
    )
    changed = [
        f"{name} {plain(old)} → {plain(new)}"
        for name, old, new in pairs
        if old is not None and new is not None and old != new
    ]
    return "changed: " + ", ".join(changed)


def is_asked(row: Document) -> bool:
    """Whether somebody wants an order at the broker canceled or changed, and nobody has asked."""
    if row.get("cancel_requested_at"):
        return row["status"] in AT_BROKER
    return bool(row.get("modify_requested")) and not row.get("modify_sent_at")
