"""Keeps the rows of days up to date: what has changed since the last look is made anew.

A change stream says which signals and fills moved; a row is made from the documents of its day, so
the cost of a change is that day's, however long the history is. The token of the stream is stored
after the rows: a process that dies in between sees the same changes again, and makes the same rows.
Where the history of changes is gone, every row is made anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pymongo.change_stream import ChangeStream

from services.common.clock import utc_now
from services.common.following import Pace, keep_following
from services.common.leases import Lease
from services.common.store import Document
from services.dashboard_creator.summary_store import Key, SummaryStore

LEASE: Final = "summaries"
#: Between tokens while nothing changes, so that the history of changes still has them.
_IDLE_SECONDS: Final = 60.0
#: Between looks at the stream.
_REST_SECONDS: Final = 0.5
#: Changes that are read before rows are made of them.
_MOST_CHANGES: Final = 2000
#: All rows together may take this part of the time: busy days are read less often, quiet ones not.
_DUTY: Final = 0.05


class Changes:
    """Ids of documents that moved, until rows are made of them."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.signals: set[str] = set()
        self.fills: set[str] = set()
        self.keys = set(keys)

    def add(self, event: Mapping[str, Any]) -> None:
        """Note one change."""
        if event["operationType"] not in {"insert", "update", "replace"}:
            return
        name = event["ns"]["coll"]
        (self.signals if name == "signal_store" else self.fills).add(
            str(event["documentKey"]["_id"])
        )

    def __len__(self) -> int:
        return len(self.signals) + len(self.fills)


class Summaries:
    """A part of a process; only the one that holds the lease writes rows.

    Args:
        store: documents and rows.
        lease: who writes.
        every_seconds: how old a row may be at least.
    """

    def __init__(self, store: SummaryStore, lease: Lease, *, every_seconds: float) -> None:
        self._store = store
        self._lease = lease
        self._every = every_seconds
        self._changes = Changes()
        self._not_before: dict[Key, float] = {}
        self._stop = threading.Event()
        self._pace = Pace(self._stop, min(_REST_SECONDS, every_seconds / 2))
        self._thread = threading.Thread(target=self._run, name="summaries", daemon=True)
        self._caught_up = False
        self._saved_at = 0.0

    def start(self) -> None:
        """Follow changes in a thread, from where the last process stopped."""
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the row at hand, save how far it is, end."""
        self._stop.set()
        self._thread.join(timeout=15)
        self._lease.stop()

    def state(self) -> str:
        """For /health; rows that are being made do not keep the pages from being served."""
        if not self._lease.held():
            return "standing by: another replica holds the lease"
        return "following" if self._caught_up else "making rows"

    def _run(self) -> None:
        keep_following("summaries", self._stop, self._turn, self._store.forget_token)

    def _turn(self) -> None:
        try:
            if self._lease.held():
                self.follow()
        finally:
            self._caught_up = False

    def _begin(self) -> Any | None:  # noqa: ANN401 - opaque
        token, waiting = self._store.checkpoint()
        self._changes = Changes(waiting)
        return token

    def follow(self) -> None:
        """Read changes and make rows of them until told to stop."""
        token = self._begin()
        with self._store.watch(token) as stream:  # first the stream, then the rows: they overlap
            if token is None and not self.remake_all():
                return
            self._caught_up = True
            last = 0.0
            while not self._stop.is_set() and self._lease.held():
                self._read(stream)
                if time.monotonic() - last >= self._every or len(self._changes) >= _MOST_CHANGES:
                    self._make(stream)
                    last = time.monotonic()
            self._make(stream, all_of_them=True)

    def catch_up(self) -> None:
        """Make rows of every change that there is now, then return; all rows where it must be."""
        token = self._begin()
        with self._store.watch(token) as stream:
            if token is None:
                self.remake_all()
            self._read(stream)
            while len(self._changes) or self._changes.keys:
                self._make(stream, all_of_them=True)
                self._read(stream)
            self._save(stream)

    def _read(self, stream: ChangeStream[Document]) -> None:
        """Take changes up: those that there are, or that come until rows are due again."""
        until = time.monotonic() + max(self._every, _REST_SECONDS)
        while len(self._changes) < _MOST_CHANGES and time.monotonic() < until:
            self._pace.keep()
            event = stream.try_next()
            if event is None:
                return
            self._changes.add(event)

    def _make(self, stream: ChangeStream[Document], *, all_of_them: bool = False) -> None:
        changes, now = self._changes, time.monotonic()
        if not len(changes) and not changes.keys:
            self._save(stream, idle=True)
            return
        if changes.signals:
            changes.keys |= self._store.keys_of_signals(sorted(changes.signals))
        if changes.fills:
            changes.keys |= self._store.keys_of_fills(sorted(changes.fills))
        changes.signals.clear()
        changes.fills.clear()
        due = [key for key in sorted(changes.keys) if all_of_them or now >= self._due_at(key)]
        for key in due:
            self._remake(key)
        for strategy_id, month in sorted({(name, on[:7]) for name, on in due}):
            self._store.remake_month(strategy_id, month)
        for strategy_id in sorted({name for name, _ in due}):
            self._store.remake_total(strategy_id)
        changes.keys.difference_update(due)
        self._save(stream)

    def _due_at(self, key: Key) -> float:
        return self._not_before.get(key, 0.0)

    def _remake(self, key: Key) -> None:
        begun = time.monotonic()
        self._store.remake(key)
        took = time.monotonic() - begun
        busy = sum(1 for at in self._not_before.values() if at > begun)
        self._not_before[key] = begun + took * (busy + 1) / _DUTY

    def _save(self, stream: ChangeStream[Document], *, idle: bool = False) -> None:
        """Store how far changes are read; now and then, too, while nothing of ours changes."""
        if idle and time.monotonic() - self._saved_at < _IDLE_SECONDS:
            return
        self._saved_at = time.monotonic()
        self._not_before = {
            key: at for key, at in self._not_before.items() if at > time.monotonic()
        }
        if stream.resume_token is not None:
            waiting = sorted(self._changes.keys)
            self._store.save_checkpoint(stream.resume_token, waiting, at=utc_now())

    def remake_all(self) -> bool:
        """Make every row anew; False where it was told to stop before the end."""
        months: set[Key] = set()
        for strategy_id, on in self._store.all_keys():
            if self._stop.is_set():
                return False
            self._store.remake((strategy_id, on))
            months.add((strategy_id, on[:7]))
        for key in sorted(months):
            self._store.remake_month(*key)
        for strategy_id in sorted({name for name, _ in months}):
            self._store.remake_total(strategy_id)
        return True
