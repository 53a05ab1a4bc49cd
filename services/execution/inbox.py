"""Which orders a desk is told to look at: by doorbells, by itself, by the rows that wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from services.common.store import Document
from services.execution.agenda import Agenda
from services.execution.store import ExecutionStore

_log = logging.getLogger(__name__)


class Inbox:
    """The agenda of one account, and the rows that were read for it in this turn.

    Anybody may ring; all else is the desk's own thread's.
    """

    def __init__(self, queries: ExecutionStore, account_id: str) -> None:
        self._queries = queries
        self._account_id = account_id
        self._agenda = Agenda()
        self._fresh: dict[str, Document] = {}
        self._rung: set[str] = set()
        self._rung_lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._agenda)

    def begin_turn(self) -> None:
        """What was read before may have changed since."""
        self._fresh.clear()

    def ring(self, client_order_ids: Sequence[str]) -> None:
        """Have these orders looked at with the next turn."""
        with self._rung_lock:
            self._rung.update(client_order_ids)

    def put_rung(self) -> None:
        """Read what was rung for."""
        with self._rung_lock:
            rung, self._rung = self._rung, set()
        # What waits its turn is read when that comes: doorbells are rung again meanwhile.
        self.put([each for each in rung if each not in self._agenda])

    def put(self, client_order_ids: Sequence[str]) -> None:
        """Read these orders, and look at those that are ours and not at their end."""
        if client_order_ids:
            for row in self._queries.orders(client_order_ids):
                if row["account_id"] != self._account_id:
                    _log.error("order %s is not of %s", row["_id"], self._account_id)
                elif row.get("working"):
                    self.put_row(row)
                    self._fresh[row["_id"]] = row

    def put_row(self, row: Document) -> None:
        """Look at an order; its row is read again when its turn comes."""
        self._agenda.put(row)

    def take(self, most: int) -> list[Document]:
        """The next orders, all of one urgency, as they stand: read in this turn, or now."""
        taken = self._agenda.take(most)
        fresh, self._fresh = self._fresh, {}
        missing = [each for each in taken if each not in fresh]
        found = {row["_id"]: row for row in self._queries.orders(missing)}
        found |= {each: fresh[each] for each in taken if each in fresh}
        return [found[each] for each in taken if each in found]

    def clear(self) -> None:
        """Forget everything: the account is another's now."""
        self._agenda.clear()
