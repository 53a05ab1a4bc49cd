"""How fast we write to the gateway: orders before questions, and never more than it takes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple

#: IB allows 50 a second of all messages together, and disconnects who goes on above that.
MESSAGES_PER_SECOND: Final = 45
#: A little more than the second that is counted: messages may arrive closer than they left.
_WINDOW_SECONDS: Final = 1.05


class Rank(IntEnum):
    """Who goes first."""

    ORDER = 0
    QUESTION = 1


class _Ticket(NamedTuple):
    rank: Rank
    number: int
    size: int
    called: asyncio.Future[None]


class Pacer:
    """A line of those who want to write; for one event loop."""

    def __init__(self, per_second: int = MESSAGES_PER_SECOND) -> None:
        self._most = per_second
        self._left_at: deque[float] = deque()
        self._line: list[_Ticket] = []
        self._numbers = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    async def turn(self, rank: Rank, count: int = 1) -> None:
        """Wait until `count` messages may be written, and write them at once then."""
        loop = asyncio.get_running_loop()
        ticket = _Ticket(rank, next(self._numbers), min(count, self._most), loop.create_future())
        heapq.heappush(self._line, ticket)
        self._serve()
        await ticket.called

    def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._left_at and now - self._left_at[0] >= _WINDOW_SECONDS:
            self._left_at.popleft()
        while self._line:
            ticket = self._line[0]
            if ticket.called.cancelled():
                heapq.heappop(self._line)
                continue
            if len(self._left_at) + ticket.size > self._most:
                break
            heapq.heappop(self._line)
            self._left_at.extend([now] * ticket.size)
            ticket.called.set_result(None)
        if self._line and (self._alarm is None or self._alarm.when() <= now):
            self._alarm = loop.call_at(self._left_at[0] + _WINDOW_SECONDS, self._serve)
