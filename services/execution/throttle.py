"""The repeated-execution throttle: a strategy that sends the same again and again is stopped.

RTS 6 (Regulation 2017/589) art. 15(3): after a preset number of repeated executions a strategy is
disabled until a designated person enables it again. Counted where orders leave, because what runs
away may be this system itself. The count is kept in memory and read from the store on opening; the
lock that it leads to is stored.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from services.domain.orders import Order
from services.domain.words import OrderRole, Side

_Kind = tuple[str, str, Side]


class Throttle:
    """Entries of one account that left, by strategy, instrument and side.

    Args:
        most: how many of a kind may leave within the window.
        window_seconds: how long one counts.
    """

    def __init__(self, most: int, window_seconds: float) -> None:
        self._most = most
        self._window = timedelta(seconds=window_seconds)
        self._left: dict[_Kind, deque[datetime]] = defaultdict(deque)

    @property
    def window(self) -> timedelta:
        """How long one counts."""
        return self._window

    def note(self, order: Order, at: datetime) -> None:
        """An order leaves."""
        if _counts(order):
            self._left[_kind(order)].append(at)

    def objection(self, order: Order, now: datetime, *, ahead: Sequence[Order] = ()) -> str:
        """Why an order is one too many; empty = it is not.

        Args:
            order: what would leave.
            now: the time.
            ahead: what leaves just before it, and is not noted yet.
        """
        if not _counts(order):
            return ""
        left = self._left[_kind(order)]
        while left and left[0] <= now - self._window:
            left.popleft()
        count = len(left) + sum(_counts(each) and _kind(each) == _kind(order) for each in ahead)
        if count < self._most:
            return ""
        return (
            f"{count} orders to {order.side} {order.instrument.symbol} left for "
            f"{order.strategy_id} within {self._window.total_seconds():g} s, {self._most} may"
        )

    def forget(self, strategy_id: str, before: datetime) -> None:
        """A person has let a strategy go again: what left before does not count any more."""
        for kind, left in self._left.items():
            while kind[0] == strategy_id and left and left[0] <= before:
                left.popleft()


def _kind(order: Order) -> _Kind:
    return order.strategy_id, order.instrument.key, order.side


def _counts(order: Order) -> bool:
    """Entries only, and an algo as one: nothing keeps a position from being closed."""
    return not order.intent.reduces_risk and order.role is not OrderRole.SLICE
