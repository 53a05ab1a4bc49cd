"""Waiting for what the gateway says of some orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from brokers.ibkr.codes import Meaning
from brokers.ibkr.tracks import Refusal, Track

T = TypeVar("T")
_LOOK_SECONDS: Final = 0.01


class Watch(Generic[T]):
    """What one call waits for; for one event loop.

    Attributes:
        tracks: the orders.
        said: errors that named one of them since the watch began.
        heard_at: when the gateway last said something of one of them; None = nothing yet.
    """

    def __init__(self, tracks: Sequence[Track], verdict: Callable[[Watch[T]], T | None]) -> None:
        """Not waiting yet.

        Args:
            tracks: the orders.
            verdict: asked after each event and from time to time: the outcome, or None as long as
                there is none. What it says at an event is said of that moment.
        """
        self.tracks = tracks
        self.said: list[tuple[Meaning, Refusal]] = []
        self.heard_at: float | None = None
        self._verdict = verdict
        self._outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def hear(self, now: float, error: tuple[Meaning, Refusal] | None = None) -> None:
        """An event of one of the orders."""
        self.heard_at = now
        if error is not None:
            self.said.append(error)
        self.look()

    def look(self) -> None:
        """Ask for the verdict."""
        if self._outcome.done():
            return
        found = self._verdict(self)
        if found is not None:
            self._outcome.set_result(found)

    def fail(self, error: Exception) -> None:
        """The link is gone: nothing more will be said."""
        if not self._outcome.done():
            self._outcome.set_exception(error)

    def quiet_for(self, now: float) -> float:
        """How long nothing was said, once something was."""
        return 0.0 if self.heard_at is None else now - self.heard_at

    def with_meaning(self, *meanings: Meaning) -> Refusal | None:
        """The first error of such a meaning."""
        return next((refusal for meaning, refusal in self.said if meaning in meanings), None)

    async def outcome(self, until: float) -> T | None:
        """The verdict; None where there is none before `until` of the loop's clock.

        Raises: what `fail` was given.
        """
        loop = asyncio.get_running_loop()
        while True:
            left = until - loop.time()
            await asyncio.wait({self._outcome}, timeout=max(min(left, _LOOK_SECONDS), 0))
            if not self._outcome.done():
                self.look()
            if self._outcome.done():
                return self._outcome.result()
            if left <= 0:
                return None
