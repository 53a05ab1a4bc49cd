"""What happens, told to everybody who looks: the store's changes, read once and fanned out.

The store is the truth and the bus is a doorbell: it carries ids of what is to be done next, may
lose or repeat them, and says nothing of incidents, controls, accounts. A change stream has all that
was committed, in its order, once, and a place in it (the resume token) that outlives us.

That token is the id of each event: a browser that comes back says the last one that it saw
(Last-Event-ID) and hears all since then, also where this process was started anew in between. Where
the history does not reach back so far, or somebody cannot follow, they are told to load everything
anew: `reset`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, Final

from pymongo.change_stream import ChangeStream
from pymongo.errors import PyMongoError

from services.common.following import Pace, keep_following
from services.common.store import Document, Store
from services.dashboard_creator.stream_events import (
    KINDS,
    OWNER_FIELDS,
    Owner,
    Told,
    key_of,
    told,
    told_owner,
)

_log = logging.getLogger(__name__)
_AWAIT_MS: Final = 250
_REST_SECONDS: Final = 0.05
#: The same while nobody listens; who begins to listen hears nothing for so long at most.
_UNHEARD_REST_SECONDS: Final = 0.5
#: What a listener may leave waiting, and what is brought up for one that comes back.
MOST_WAITING: Final = 1000
_MOST_MISSED: Final = 2000
_MOST_KEPT: Final = 2000
#: Of what has changed lately: of anything else it is asked whose it is.
_MOST_OWNERS: Final = 5000
_TOKEN: Final = re.compile(r"[\w+/=.-]{1,1000}")
_PIPELINE: Final = [{"$match": {"ns.coll": {"$in": list(KINDS)}}}]
_TELLING: Final = frozenset({"insert", "update", "replace"})


class Listener:
    """One open stream: what waits for it, filled by the feed's thread, emptied by its own loop.

    Attributes:
        place: how far it has been told everything, whether it was for it or not.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, place: str | None) -> None:
        self._loop = loop
        self.place = place
        self._waiting: list[Told] = []
        self.woken = asyncio.Event()
        self.lost = False
        self.closed = False

    def offer(self, event: Told) -> None:
        """From the feed's thread: one more event."""
        self._call(self._put, event)

    def pass_by(self, place: str) -> None:
        """From the feed's thread: up to here there was nothing more."""
        self._call(self._set_place, place)

    def lose(self) -> None:
        """From the feed's thread: there is a gap."""
        self._call(self._set_lost)

    def close(self) -> None:
        """From the feed's thread: there will be no more."""
        self._call(self._set_closed)

    def take(self) -> list[Told]:
        """In the loop: all that waits."""
        taken, self._waiting = self._waiting, []
        self.woken.clear()
        return taken

    def _call(self, what: Any, *given: Any) -> None:  # noqa: ANN401 - a method of ours
        try:
            self._loop.call_soon_threadsafe(what, *given)
        except RuntimeError:  # the loop has ended before its listener was taken off
            self.closed = True

    def _put(self, event: Told) -> None:
        if len(self._waiting) >= MOST_WAITING:  # a slow one keeps nobody else's memory
            self._waiting.clear()
            self.lost = True
        else:
            self._waiting.append(event)
        self.place = event.token
        self.woken.set()

    def _set_place(self, place: str) -> None:
        self.place = place

    def _set_lost(self) -> None:
        self._waiting.clear()
        self.lost = True
        self.woken.set()

    def _set_closed(self) -> None:
        self.closed = True
        self.woken.set()


class Feed:
    """Reads the store's changes in a thread of its own, and hands them to all who listen."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._kept: deque[tuple[str, Told | None]] = deque(maxlen=_MOST_KEPT)
        self._owners: OrderedDict[tuple[str, str], Owner] = OrderedDict()
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._read_at = -math.inf
        self._resume: Mapping[str, Any] | None = None
        self.position: str | None = None

    def start(self) -> None:
        """Read from now on."""
        self._thread.start()
        self._opened.wait(timeout=5)

    def stop(self) -> None:
        """Read no more, and end every stream."""
        self._stop.set()
        for listener in self._everybody():
            listener.close()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def state(self) -> str:
        """For /health. Raises: RuntimeError: nothing is read."""
        if not self._thread.is_alive():
            raise RuntimeError("the feed of changes does not run")
        return f"{len(self._everybody())} streams"

    def has_read_within(self, seconds: float) -> bool:
        """Whether the store has answered so lately; else nobody knows what has changed."""
        return time.monotonic() - self._read_at <= seconds

    def listen(self) -> Listener:
        """Hear everything from now on; called in the loop that will take it."""
        # The place is read first: what comes in between is told twice rather than never.
        listener = Listener(asyncio.get_running_loop(), self.position)
        with self._lock:
            self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Hear no more."""
        with self._lock:
            self._listeners.discard(listener)

    def missed(self, token: str) -> list[Told] | None:
        """What has happened since a token; None: it is not known any more, or it is too much."""
        if not _TOKEN.fullmatch(token):
            return None
        kept = list(self._kept)
        places = [number for number, (known, _) in enumerate(kept) if known == token]
        if places:
            return [event for _, event in kept[places[-1] + 1 :] if event is not None]
        try:
            return self._read_missed(token)
        except PyMongoError as error:
            _log.info("a stream cannot be taken up where it ended: %s", type(error).__name__)
            return None

    def _read_missed(self, token: str) -> list[Told] | None:
        found: list[Told] = []
        with self._watch({"_data": token}) as changes:
            while (change := changes.try_next()) is not None:
                event = self._told(change)
                if event is not None:
                    found.append(event)
                if len(found) > _MOST_MISSED:
                    return None
        return found

    def _watch(self, token: Mapping[str, Any] | None) -> ChangeStream[Document]:
        return self._store.database.watch(
            _PIPELINE, resume_after=token, max_await_time_ms=_AWAIT_MS
        )

    def _run(self) -> None:
        keep_following("the feed", self._stop, self._follow, self._lose)

    def _lose(self) -> None:
        """There is a gap: what was kept is not all that has happened since."""
        self._resume = None
        self._kept.clear()
        for listener in self._everybody():
            listener.lose()

    def _follow(self) -> None:
        pace = Pace(self._stop, _REST_SECONDS)
        with self._watch(self._resume) as changes:
            while not self._stop.is_set():
                pace.seconds = _REST_SECONDS if self._listeners else _UNHEARD_REST_SECONDS
                pace.keep()
                change = changes.try_next()
                self._read_at = time.monotonic()
                self._opened.set()
                if change is not None:
                    self._tell(change)
                place = changes.resume_token
                if place is not None and str(place["_data"]) != self.position:
                    self._reach(str(place["_data"]), quiet=change is None)

    def _reach(self, position: str, *, quiet: bool) -> None:
        """So far everything is read; after it a stream that broke is taken up."""
        self.position, self._resume = position, {"_data": position}
        if quiet:
            self._kept.append((position, None))
            for listener in self._everybody():
                listener.pass_by(position)

    def _tell(self, change: Document) -> None:
        event = self._told(change)
        if event is None:
            return
        self._kept.append((event.token, event))
        for listener in self._everybody():
            listener.offer(event)

    def _told(self, change: Document) -> Told | None:
        if change["operationType"] not in _TELLING:
            return None
        key = key_of(change)
        owner = told_owner(change, self._owners.get(key)) or self._look_up(change)
        self._owners[key] = owner
        self._owners.move_to_end(key)
        while len(self._owners) > _MOST_OWNERS:
            self._owners.popitem(last=False)
        return told(change, owner)

    def _look_up(self, change: Document) -> Owner:
        fields = dict.fromkeys(OWNER_FIELDS, 1)
        collection = change["ns"]["coll"]
        found = self._store[collection].find_one({"_id": change["documentKey"]["_id"]}, fields)
        return told_owner({**change, "fullDocument": found or {}}, None) or Owner()

    def _everybody(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)
