"""How fast Kite may be called: https://kite.trade/docs/connect/v3/exceptions (API rate limit)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple


class Window(NamedTuple):
    """At most so many calls in any so many seconds."""

    most: int
    seconds: float


#: A little below what Kite allows (10/s and 200/min, 10/s, 1/s): the network bunches calls up.
ORDERS: Final = (Window(9, 1.05), Window(195, 61.0))
QUESTIONS: Final = (Window(9, 1.05),)
QUOTES: Final = (Window(1, 1.05),)


class Pacer:
    """Gives calls their turn, first come first served; safe to use from any thread."""

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._windows = windows
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turns: deque[float] = deque(maxlen=max(window.most for window in windows))

    def wait(self, most_seconds: float) -> bool:
        """Wait for a turn; False, at once, where it would not come within `most_seconds`."""
        with self._lock:
            now = self._clock()
            turn = next_turn(self._turns, self._windows, now)
            if turn - now > most_seconds:
                return False
            self._turns.append(turn)
        if turn > now:
            self._sleep(turn - now)
        return True

    def is_free(self, calls: int) -> bool:
        """Whether so many calls could be made now without any wait."""
        with self._lock:
            now = self._clock()
            turns = list(self._turns)
            for _ in range(calls):
                turn = next_turn(turns, self._windows, now)
                if turn > now:
                    return False
                turns.append(turn)
        return True


def next_turn(turns: Sequence[float], windows: Sequence[Window], now: float) -> float:
    """When the next call may be made, given when the last ones were or will be, oldest first."""
    full = [window for window in windows if len(turns) >= window.most]
    last = turns[-1] if turns else now
    return max([now, last, *(turns[-window.most] + window.seconds for window in full)])
