"""How fast we write to the gateway: orders before questions, and never more than it takes.

IB allows 50 messages a second of all kinds together, and disconnects who goes on above that. They
are counted where they arrive, and may arrive closer together than they left: so they leave evenly
but for a small burst, and never more than 45 in a second.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from enum import IntEnum
from typing import Final, NamedTuple

MESSAGES_PER_SECOND: Final = 35
BURST: Final = 10


class Rank(IntEnum):
    """How many who come later go first: no question starves behind orders without end."""

    ORDER = 0
    QUESTION = 20


class _Ticket(NamedTuple):
    place: int
    number: int
    size: int
    called: asyncio.Future[None]


class Pacer:
    """A line of those who want to write; for one event loop."""

    def __init__(self, per_second: float = MESSAGES_PER_SECOND, burst: int = BURST) -> None:
        self._rate = per_second
        self._most = burst
        self._free = float(burst)
        self._counted_at: float | None = None
        self._line: list[_Ticket] = []
        self._numbers = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    async def turn(self, rank: Rank, size: int = 1) -> None:
        """Wait until so many messages may be written, which are to be written at once then."""
        number, called = next(self._numbers), asyncio.get_running_loop().create_future()
        ticket = _Ticket(number + rank, number, min(size, self._most), called)
        heapq.heappush(self._line, ticket)
        self._serve()
        await ticket.called

    def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._count(loop.time())
        while self._line and (self._line[0].called.cancelled() or self._line[0].size <= self._free):
            ticket = heapq.heappop(self._line)
            if not ticket.called.cancelled():
                self._free -= ticket.size
                ticket.called.set_result(None)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._line:
            missing = self._line[0].size - self._free
            self._alarm = loop.call_later(missing / self._rate, self._serve)

    def _count(self, now: float) -> None:
        """What has become free since the last time."""
        if self._counted_at is not None:
            gained = (now - self._counted_at) * self._rate
            self._free = min(self._free + gained, float(self._most))
        self._counted_at = now
