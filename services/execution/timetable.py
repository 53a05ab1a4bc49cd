"""When each of the things that one thread does by the time is due again."""

from __future__ import annotations

import time


class Timetable:
    """For one thread, but that anybody may call `soon`; by the monotonic clock."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def is_due(self, what: str, seconds: float) -> bool:
        """Whether it is time; if so, the next time is so many seconds away."""
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + seconds
        return True

    def soon(self, what: str) -> None:
        """At the next look."""
        self._next[what] = 0.0

    def in_seconds(self, what: str, seconds: float) -> None:
        """So many seconds from now, whatever was planned."""
        self._next[what] = time.monotonic() + seconds

    def not_before(self, what: str, seconds: float) -> None:
        """As planned, but not within so many seconds."""
        self._next[what] = max(self._next.get(what, 0.0), time.monotonic() + seconds)
