"""Watches what happens and puts it into histories and outboxes, whatever dies in between.

The change stream says which documents changed, and its token is saved after the effect. Behind it
go scans, which find what a stream whose history was lost had not told. Telling twice does nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.change_stream import ChangeStream

from services.common.clock import utc_now
from services.common.following import Pace, keep_following
from services.common.leases import Lease
from services.common.notifications import notify
from services.common.store import Document, Store
from services.domain.errors import TransientError
from services.domain.notifications import Event
from services.telegram.sources import Sources

_SAVE_SECONDS: Final = 1.0
_CATCH_UP_SECONDS: Final = 60.0
#: Between looks at the stream: people are told a moment later, with one question for many.
_REST_SECONDS: Final = 0.25
#: Where changes never end, people are told of those there are so often.
_GATHER_SECONDS: Final = 0.5
_MOST_AT_ONCE: Final = 500
#: What changed before the last saved token is read again so far back.
_OVERLAP: Final = timedelta(minutes=2)
#: Signals and orders that began so long before may end now; the long one where history was lost.
_LOOKBACK: Final = timedelta(minutes=10)
_LONG_LOOKBACK: Final = timedelta(days=7)
#: More than the scans find again: what is forgotten before costs them a write each minute.
_REMEMBERED: Final = 20_000


class Watcher:
    """One stream, read by whoever holds the lease."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._sources = Sources(store)
        self._lease = lease
        self._stop = threading.Event()
        self._pace = Pace(self._stop, _REST_SECONDS)
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._told: OrderedDict[str, None] = OrderedDict()
        self._telling = threading.Lock()
        self._caught_up = False

    def start(self) -> None:
        """Watch in a thread, from where the last process stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is at hand, save the token, end."""
        self._stop.set()
        self._thread.join(timeout=15)

    def state(self) -> str:
        """For /health. Raises: TransientError until the backlog of the start is told."""
        if not self._lease.held():
            return "standing by: another replica holds the lease"
        if not self._caught_up:
            raise TransientError("catching up")
        return "watching"

    def tell(self, events: Sequence[Event]) -> None:
        """Put events into histories and outboxes, those that were not yet; from any thread."""
        with self._telling:
            fresh = [event for event in events if event.event_id not in self._told]
            for start in range(0, len(fresh), _MOST_AT_ONCE):
                batch = fresh[start : start + _MOST_AT_ONCE]
                notify(self._store, batch)
                self._told.update((event.event_id, None) for event in batch)
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)

    def _run(self) -> None:
        keep_following("notifications", self._stop, self._turn, self._forget_token)

    def _turn(self) -> None:
        try:
            if self._lease.held():
                self._watch()
        finally:
            self._caught_up = False

    def _forget_token(self) -> None:
        _, saved_at = self._sources.checkpoint()
        if saved_at is not None:
            self._sources.save_checkpoint(None, saved_at)

    def _watch(self) -> None:
        token, saved_at = self._sources.checkpoint()
        with self._sources.watch(token) as stream:  # first the stream, then the scan: they overlap
            if saved_at is None:  # what happened before there was anybody to tell is not news
                self._sources.save_checkpoint(stream.resume_token, utc_now())
            else:
                lost = token is None
                self._catch_up(saved_at, _LONG_LOOKBACK if lost else _LOOKBACK)
            self._caught_up = True
            self._follow(stream)

    def _catch_up(self, since: datetime, lookback: timedelta) -> None:
        for events in self._sources.events_since(since - _OVERLAP, lookback=lookback):
            if self._stop.is_set():
                return
            self.tell(events)

    def _follow(self, stream: ChangeStream[Document]) -> None:
        saved = scanned = time.monotonic()
        scanned_at = read_at = utc_now()
        while not self._stop.is_set() and self._lease.held():
            changed, drained = self._changes(stream)
            for collection, ids in changed.items():
                self.tell(self._sources.events_of(collection, list(ids)))
            if drained:
                read_at = utc_now()
            now = time.monotonic()
            if now - saved > _SAVE_SECONDS and stream.resume_token is not None:
                self._sources.save_checkpoint(stream.resume_token, read_at)
                saved = now
            if now - scanned > _CATCH_UP_SECONDS:
                since, scanned_at, scanned = scanned_at, utc_now(), now
                self._catch_up(since, _LOOKBACK)
        if stream.resume_token is not None:
            self._sources.save_checkpoint(stream.resume_token, read_at)

    def _changes(self, stream: ChangeStream[Document]) -> tuple[dict[str, dict[Any, None]], bool]:
        """Ids by collection that the stream has, and whether those are all that there are."""
        found: dict[str, dict[Any, None]] = {}
        until = time.monotonic() + _GATHER_SECONDS
        for _ in range(_MOST_AT_ONCE):
            if time.monotonic() > until:
                break
            self._pace.keep()
            change = stream.try_next()
            if change is None:
                return found, True
            if "documentKey" in change:
                ids = found.setdefault(change["ns"]["coll"], {})
                ids[change["documentKey"]["_id"]] = None
        return found, False
