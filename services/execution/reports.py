"""The broker's stream of reports: booked as they come, and how far it was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.common.failpoints import FailPoint, failpoint
from services.domain.errors import TransientError
from services.domain.orders import OrderReport
from services.execution.counter import Counter
from services.execution.timetable import Timetable

#: What was read since is told again after a restart, and known.
_SAVE_CURSOR_SECONDS: Final = 5.0


class Reports:
    """Takes reports of one account; in the thread of its broker's adapter.

    Args:
        counter: the account.
        is_open: whether its desk trades.
    """

    def __init__(self, counter: Counter, is_open: Callable[[], bool]) -> None:
        self._counter = counter
        self._is_open = is_open
        self._times = Timetable()

    def take(self, report: OrderReport, cursor: str) -> None:
        """One report; raising makes it come again."""
        failpoint(FailPoint.STREAM_REPORT)
        counter = self._counter
        if not self._is_open():
            raise TransientError(f"account {counter.account_id} is not open here")
        counter.books.let_answer(report.client_order_id)
        known = counter.books.knows(report)
        stored = None if known else counter.queries.order(report.client_order_id)
        if stored is not None and stored["account_id"] == counter.account_id:
            counter.books.book([(stored, report)], counter.lease)
        if self._times.is_due("cursor", _SAVE_CURSOR_SECONDS):
            counter.queries.save_cursor(counter.account_id, cursor)
