"""What is stored of all accounts, at hand: read again by a thread as long as somebody asks.

Whoever asks then waits for no query, however busy the database is; ages are reckoned from `as_of`
when they are asked for, so that nothing looks younger than it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from services.account_data.seed_views import OpenOrderView, foreign_order_view, order_view
from services.common.store import Document, Store

_log = logging.getLogger(__name__)
#: Between two reads, while somebody asks.
_PAUSE_SECONDS: Final = 0.2
#: What the thread has read is used so long at most: then the database does not answer, and is
#: asked by whoever wants to know.
_USABLE_SECONDS: Final = 1.0
#: Nobody has asked for so long: reading stops until somebody does.
_IDLE_SECONDS: Final = 5.0
#: Of accounts, beside what is secret or of others.
_HIDDEN: Final = {"secrets": 0, "connection": 0}


class Snapshot(NamedTuple):
    """Everything of one moment, by account.

    Attributes:
        taken_at: of `time.monotonic`, when reading began.
    """

    taken_at: float
    accounts: Mapping[str, Document]
    positions: Mapping[str, Document]
    orders: Mapping[str, list[OpenOrderView]]


class Snapshots:
    """Keeps the last one; without its thread running it reads whenever it is asked.

    Args:
        store: the database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: Snapshot | None = None
        self._reading = threading.Lock()
        self._wanted_at = 0.0
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read in a thread from now on."""
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(_USABLE_SECONDS)

    def last(self) -> Snapshot:
        """The last one, unless it is too old. Raises: PyMongoError."""
        self._wanted_at = time.monotonic()
        self._wanted.set()
        if (found := self._usable()) is not None:
            return found
        with self._reading:  # of many who ask at once one reads
            return self._usable() or self.anew()

    def anew(self) -> Snapshot:
        """As it is stored now. Raises: PyMongoError."""
        began = time.monotonic()
        accounts = self._store["trading_accounts"].find({}, _HIDDEN).sort("_id", ASCENDING)
        taken = Snapshot(
            began,
            {row["_id"]: row for row in accounts},
            {row["_id"]: row for row in self._store["account_positions"].find({})},
            self._orders(),
        )
        if self._last is None or self._last.taken_at < began:
            self._last = taken
        return taken

    def _usable(self) -> Snapshot | None:
        last = self._last
        if self._thread is None or last is None:
            return None
        return last if time.monotonic() - last.taken_at <= _USABLE_SECONDS else None

    def _orders(self) -> dict[str, list[OpenOrderView]]:
        found: dict[str, list[OpenOrderView]] = {}
        for row in self._store["orders"].find({"working": True}):
            found.setdefault(row["account_id"], []).append(order_view(row))
        for row in self._store["foreign_orders"].find({"status": "OPEN"}):
            found.setdefault(row["account_id"], []).append(foreign_order_view(row))
        return found

    def _run(self) -> None:
        while not self._stop.is_set():
            if time.monotonic() - self._wanted_at > _IDLE_SECONDS:
                self._wanted.clear()
                self._wanted.wait()
                continue
            try:
                self.anew()
            except PyMongoError as error:
                _log.warning("accounts could not be read: %s", type(error).__name__)
            self._stop.wait(_PAUSE_SECONDS)
