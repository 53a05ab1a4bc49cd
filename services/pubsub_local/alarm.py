"""One thread that sleeps until something is due: a lease ends, a back-off is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Alarm:
    """Calls `ring(now)` when due; `ring` answers with the next instant on the monotonic clock."""

    def __init__(self, ring: Callable[[float], float]) -> None:
        self._ring = ring
        self._due_at = math.inf
        self._changed = threading.Condition(threading.Lock())
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)

    def start(self) -> None:
        """Ring once now, then when due."""
        self._due_at = 0.0
        self._thread.start()

    def stop(self) -> None:
        """Ring no more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def no_later_than(self, instant: float) -> None:
        """Ring at `instant` at the latest; costs nothing where it would ring earlier anyway."""
        if instant >= self._due_at:
            return
        with self._changed:
            self._due_at = min(self._due_at, instant)
            self._changed.notify()

    def _run(self) -> None:
        while self._wait():
            self.no_later_than(self._ring(time.monotonic()))

    def _wait(self) -> bool:
        with self._changed:
            while not self._stopping:
                left = self._due_at - time.monotonic()
                if left <= 0:
                    self._due_at = math.inf
                    return True
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        return False
