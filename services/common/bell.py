"""Doorbells that nobody waits for: rung in a thread of their own, many with one request.

Whoever rings for one row after the other waits as long for each answer of the bus as the row took:
at Cloud Pub/Sub ten times as long. The row is its own outbox, so a doorbell that is still here when
its process dies is one that the bus has lost: the sweeper rings again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, Protocol

from services.common.bus import Ring

_log = logging.getLogger(__name__)
#: While the bus is away; what is more is left to the sweeper at once.
_MOST_WAITING: Final = 10_000
_MOST_TOGETHER: Final = 500


class Rings(Protocol):
    """Whatever doorbells are rung with."""

    def ring(self, topic: str, rings: Sequence[Ring]) -> bool:
        """Ring; False where it is left to the sweeper."""


class Bell:
    """Rings doorbells later; a part of its process, to be ended after those that ring it."""

    def __init__(self, publisher: Rings) -> None:
        self._publisher = publisher
        self._waiting: queue.Queue[tuple[str, Ring] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)

    def start(self) -> None:
        """Ring in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ring for what waits, and end."""
        self._waiting.put(None)
        self._thread.join(timeout=15)

    def ring(self, topic: str, rings: Sequence[Ring]) -> bool:
        """Have it rung soon; False where too many wait, and the sweeper will."""
        try:
            for ring in rings:
                self._waiting.put_nowait((topic, ring))
        except queue.Full:
            _log.warning("too many doorbells wait for %s, the sweeper will ring", topic)
            return False
        return True

    def _run(self) -> None:
        ended = False
        while not ended:
            gathered = [self._waiting.get()]
            while len(gathered) < _MOST_TOGETHER and not self._waiting.empty():
                gathered.append(self._waiting.get())
            ended = None in gathered
            for topic, together in groupby(filter(None, gathered), key=itemgetter(0)):
                self._ring(topic, [ring for _, ring in together])

    def _ring(self, topic: str, rings: Sequence[Ring]) -> None:
        try:
            self._publisher.ring(topic, rings)
        except Exception:  # noqa: BLE001 - without this thread every signal waits for the sweeper
            _log.exception("could not ring on %s, the sweeper will", topic)
