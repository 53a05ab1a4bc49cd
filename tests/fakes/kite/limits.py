"""Kite's rate limits: a call above one is answered 429, not carried out, and a violation."""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import StrEnum


class Budget(StrEnum):
    """Which calls count together."""

    ORDERS = "ORDERS"  # placements, changes, cancels
    QUOTES = "QUOTES"
    OTHERS = "OTHERS"


#: Calls in so many seconds.
LIMITS = {
    Budget.ORDERS: ((10, 1.0), (200, 60.0)),
    Budget.QUOTES: ((1, 1.0),),
    Budget.OTHERS: ((10, 1.0),),
}


class Limits:
    """Counts calls over the last second and minute; a refused one counts for nothing."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self.start_over()

    def start_over(self):
        """Forget all calls, and hold again."""
        self.enabled = True
        self._calls = {budget: deque() for budget in Budget}

    def broken_by(self, budget):
        """What a call that comes now would exceed, in words; None = nothing, and it is counted."""
        now = self._clock()
        with self._lock:
            calls = self._calls[budget]
            longest = max(seconds for _, seconds in LIMITS[budget])
            while calls and calls[0] <= now - longest:
                calls.popleft()
            for most, seconds in LIMITS[budget]:
                recent = sum(at > now - seconds for at in calls)
                if self.enabled and recent >= most:
                    return f"more than {most} calls of {budget} in {seconds:g} s"
            calls.append(now)
        return None
