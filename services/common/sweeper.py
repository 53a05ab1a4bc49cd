"""The outbox without a box: whatever the store shows without its next step is published again.

DESIGN rule 1 asks that losing every message loses nothing. The row that must cause the next step
(a signal without a decision, an order nobody has taken up) is written in the same transaction as
what caused it, and it is itself the outbox entry: it counts as pending until its *successor*
exists, which also covers a message that was published and then lost by the bus. A second collection
of unpublished messages would cost three more writes a signal and cover less.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.store import Document, Store

_log = logging.getLogger(__name__)
_BATCH = 500
#: So many that wait are a backlog: most of their doorbells wait in the bus, and more of them only
#: keep whoever works it off from doing so.
_BACKLOG = 50
_LONGEST_SECONDS = 30.0
#: A sweep takes at most so small a part of the time: what waits wants the database, too.
_REST_FACTOR = 20
#: What has not been looked at for so long has its successor, or is rung for as if it were new.
_FORGOTTEN_SECONDS = 4 * _LONGEST_SECONDS


class _Rung(NamedTuple):
    """When a row was rung for, and how long until it is again; `time.monotonic`, seconds."""

    at: float
    wait: float


class Pending(NamedTuple):
    """What to look for, and which doorbell to ring for it.

    Attributes:
        query: finds the rows without a successor; covered by a partial index.
        age_field: time since which a row has been waiting.
        id_field: field of the row that the message names it by.
        key_field: field of the row that is the key of the message; in the message too.
    """

    collection: str
    query: Mapping[str, Any]
    age_field: str
    topic: str
    id_field: str
    key_field: str


class Sweeper:
    """Rings again for what has waited longer than `patience_seconds`.

    Of a backlog each row is rung for less and less often. That is kept in memory only: a process
    that has forgotten it rings once too often.
    """

    def __init__(
        self, store: Store, publisher: Publisher, pending: Pending, *, patience_seconds: float = 3.0
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._pending = pending
        self._patience = timedelta(seconds=patience_seconds)
        self._rung: dict[Any, _Rung] = {}
        self._last: Document | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"sweep-{pending.topic}", daemon=True
        )

    def start(self) -> None:
        """Sweep in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sweep that is running."""
        self._stop.set()
        self._thread.join(timeout=10)

    def sweep(self) -> int:
        """Ring for what waits too long, and was not rung for just now; how many there were.

        The next sweep goes on behind the last row of this one, so that what waits for something
        else for long keeps nobody behind it from being rung for.
        """
        pending = self._pending
        page = self._page()
        alone = self._last is None and len(page) < _BATCH
        self._last = page[-1] if len(page) == _BATCH else None
        rows = self._due(page, alone=alone)
        names = (pending.id_field, pending.key_field)
        self._publisher.ring(
            pending.topic,
            [Ring(row[pending.key_field], {name: row[name] for name in names}) for row in rows],
        )
        if rows:
            _log.warning("published %s on %s again: no successor yet", len(rows), pending.topic)
        return len(rows)

    def _page(self) -> list[Document]:
        """The oldest that wait, behind the last one that was looked at."""
        pending, age, last = self._pending, self._pending.age_field, self._last
        waits: Document = {"$lt": utc_now() - self._patience}
        if last is not None:
            waits["$gte"] = last[age]
        fields = {pending.id_field: 1, pending.key_field: 1, age: 1}
        rows = self._store[pending.collection].find({**pending.query, age: waits}, fields)
        with rows.sort([(age, ASCENDING), ("_id", ASCENDING)]) as ordered:
            behind = (
                row for row in ordered if last is None or _place(row, age) > _place(last, age)
            )
            return list(islice(behind, _BATCH))

    def _due(self, rows: list[Document], *, alone: bool) -> list[Document]:
        """Those to ring for now: all, or of a backlog those not rung for of late."""
        if alone and len(rows) < _BACKLOG:
            self._rung.clear()
            return rows
        now, due = time.monotonic(), []
        rung = {key: at for key, at in self._rung.items() if now - at.at < _FORGOTTEN_SECONDS}
        for row in rows:
            last = rung.get(row["_id"])
            if last is None:
                last = _Rung(now, self._patience.total_seconds())
                due.append(row)
            elif now - last.at >= last.wait:
                last = _Rung(now, min(2 * last.wait, _LONGEST_SECONDS))
                due.append(row)
            rung[row["_id"]] = last
        self._rung = rung
        return due

    def _run(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self.sweep()
            except PyMongoError as error:
                _log.warning("sweep of %s failed: %s", self._pending.topic, type(error).__name__)
            rest = _REST_FACTOR * (time.monotonic() - begun)
            self._stop.wait(max(self._patience.total_seconds() / 2, min(rest, _LONGEST_SECONDS)))


def _place(row: Document, age: str) -> tuple[datetime, Any]:
    return row[age], row["_id"]
