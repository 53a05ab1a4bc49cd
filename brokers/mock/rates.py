"""How many calls of an account the mock broker takes in a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from brokers.broker import Capabilities
from brokers.mock.faults import Step

_SECOND = 1.0
_NO_ORDERS = frozenset({Step.QUERY, Step.STREAM})


class Rates:
    """Counts calls over the last second; the stream is one connection and counts for nothing."""

    def __init__(
        self,
        capabilities: Callable[[str], Capabilities],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capabilities = capabilities
        self._clock = clock
        self._calls: dict[tuple[str, bool], deque[float]] = {}
        self._lock = threading.Lock()

    def takes(self, account_id: str, step: Step) -> bool:
        """Whether a call is within what the account may; one that is not counts for nothing."""
        able = self._capabilities(account_id)
        limits = {False: able.messages_per_second}
        if step not in _NO_ORDERS:
            limits[True] = able.orders_per_second
        if step is Step.STREAM or set(limits.values()) == {None}:
            return True
        now = self._clock()
        with self._lock:
            recent = {kind: self._recent(account_id, kind, now) for kind in limits}
            full = any(
                limit is not None and len(recent[kind]) >= limit for kind, limit in limits.items()
            )
            if not full:
                for calls in recent.values():
                    calls.append(now)
        return not full

    def _recent(self, account_id: str, orders: bool, now: float) -> deque[float]:
        calls = self._calls.setdefault((account_id, orders), deque())
        while calls and calls[0] <= now - _SECOND:
            calls.popleft()
        return calls
