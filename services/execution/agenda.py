"""What is to be done in an account, the most urgent first: a memory of doorbells, never a record.

What is forgotten here is found again: every order that waits is a row of the store, and the desk
reads those rows when it opens and every second.
"""

from __future__ import annotations

import heapq
from datetime import datetime
from enum import IntEnum

from services.common.store import Document
from services.domain.words import Intent


class Urgency(IntEnum):
    """Who goes before whom."""

    CANCEL = 0
    EXIT = 1
    REDUCE = 2
    ENTRY = 3


def urgency_of(stored: Document) -> Urgency:
    """How urgent an order is: what must be canceled before what leaves a position before the rest.

    Args:
        stored: the order's row.
    """
    if stored.get("cancel_requested_at"):
        return Urgency.CANCEL
    intent = Intent(stored["order"]["intent"])
    if intent is Intent.SCALE_OUT:
        return Urgency.REDUCE
    return Urgency.EXIT if intent.reduces_risk else Urgency.ENTRY


class Agenda:
    """Orders to look at, each once; of one urgency the oldest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[Urgency, datetime, str]] = []
        self._urgencies: dict[str, Urgency] = {}

    def __len__(self) -> int:
        return len(self._urgencies)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._urgencies

    def put(self, stored: Document) -> None:
        """Look at this order; one that has become more urgent moves up."""
        order_id, urgency = stored["_id"], urgency_of(stored)
        if urgency < self._urgencies.get(order_id, len(Urgency)):
            self._urgencies[order_id] = urgency
            heapq.heappush(self._heap, (urgency, stored["created_at"], order_id))

    def take(self, most: int) -> list[str]:
        """The next orders, all of one urgency, so that what is more urgent never waits for less."""
        taken: list[str] = []
        first: Urgency | None = None
        while self._heap and len(taken) < most:
            urgency, _, order_id = self._heap[0]
            if self._urgencies.get(order_id) is not urgency:
                heapq.heappop(self._heap)  # it has moved up since, or is done
                continue
            if first is not None and urgency is not first:
                break
            first = urgency
            heapq.heappop(self._heap)
            del self._urgencies[order_id]
            taken.append(order_id)
        return taken

    def clear(self) -> None:
        """Forget everything: the account is another's now."""
        self._heap.clear()
        self._urgencies.clear()
