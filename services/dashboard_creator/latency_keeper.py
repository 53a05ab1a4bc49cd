"""Keeps `latency_buckets` up: each minute once it is over, each hour once, and the past bit by bit.

A bucket is made of its signals alone and replaced as a whole, so that making it twice, or by two
processes at once, changes nothing; what was not made for a crash is made next. How many signals an
hour had is also what the pages of lists choose their windows by (`paging`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.store import Document, Store
from services.dashboard_creator.latency import LatencyAnswer, answer, counted

_log = logging.getLogger(__name__)
CHECKPOINT: Final = "latency_buckets"
_MINUTE: Final = 60
_HOUR: Final = 3600
#: After its end a minute waits for its last signals, an hour for fills that come late.
_MINUTE_LAG: Final = 5
_HOUR_LAG: Final = 600
#: Minutes that are made; what an outage left behind is in the hours.
_MOST_MINUTES: Final = 130
_KEEP_MINUTES: Final = timedelta(days=3)
#: The past is over after so long a silence.
_SILENT_HOURS: Final = 24 * 45
_PIECE: Final = timedelta(minutes=10)
#: Rest after a piece of the past, in lengths of it.
_REST: Final = 3
_FIELDS: Final = {"received_at": 1, "stages": 1}


class LatencyKeeper:
    """A part of the process with a thread of its own.

    Args:
        store: signals in, buckets out.
        every_seconds: between looks.
        work_seconds: that a look at the past may take at most.
        silent_hours: after which the past is over.
    """

    def __init__(
        self,
        store: Store,
        *,
        every_seconds: float = 10.0,
        work_seconds: float = 0.25,
        silent_hours: int = _SILENT_HOURS,
    ) -> None:
        self._store = store
        self._every = every_seconds
        self._work = work_seconds
        self._silent_hours = silent_hours
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="latency", daemon=True)

    def start(self) -> None:
        """Keep them up from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being made."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def look(self, now: datetime) -> bool:
        """Make what is due, and a bit of the past; whether all of the past is made."""
        until = time.monotonic() + self._work
        done = self._store["checkpoints"].find_one({"_id": CHECKPOINT}) or {}
        self._make_minutes(done, now)
        last = int((now.timestamp() - _HOUR_LAG) // _HOUR)  # the first hour that is not over
        begun = done.get("hours_until", last)
        for hour in range(begun, last):
            self._make("HOUR", hour, _HOUR)
        done = {**done, "hours_until": last, "hours_from": done.get("hours_from", begun)}
        self._save(done)
        made = done
        while not made.get("complete") and time.monotonic() < until:
            made = self._make_past(made)
        if made is not done:
            self._save(made)
        return bool(made.get("complete"))

    def _make_minutes(self, done: Document, now: datetime) -> None:
        last = int((now.timestamp() - _MINUTE_LAG) // _MINUTE)
        for minute in range(max(done.get("minutes_until", 0), last - _MOST_MINUTES), last):
            self._make("MINUTE", minute, _MINUTE, expires_at=now + _KEEP_MINUTES)
        done["minutes_until"] = last

    def _make_past(self, done: Document) -> Document:
        hour, silent = done["hours_from"] - 1, done.get("silent_hours", 0)
        # Before a silence there is mostly more of it: it is asked for in one piece.
        signals = self._make("HOUR", hour, _HOUR, piece=timedelta(hours=1) if silent else _PIECE)
        silent = 0 if signals else silent + 1
        complete = silent >= self._silent_hours
        return {**done, "hours_from": hour, "silent_hours": silent, "complete": complete}

    def _make(
        self,
        size: str,
        number: int,
        seconds: int,
        *,
        piece: timedelta = _PIECE,
        **more: Any,  # noqa: ANN401 - fields of the row
    ) -> int:
        """One bucket; how many signals it has. An empty hour is no row."""
        begins = datetime.fromtimestamp(number * seconds, UTC)
        signals, counts = counted(self._lives(begins, timedelta(seconds=seconds), piece))
        row = {"size": size, "number": number, "at": begins, "signals": signals, "counts": counts}
        if signals:
            name = {"_id": f"{size}|{number}"}
            self._store["latency_buckets"].replace_one(name, {**row, **more}, upsert=True)
        return signals

    def _lives(self, begins: datetime, length: timedelta, piece: timedelta) -> Iterator[Document]:
        """In pieces: the embedded database holds all that a query matches in memory."""
        at, end = begins, begins + length
        while at < end:
            until = min(at + piece, end)
            query = {"received_at": {"$gte": at, "$lt": until}}
            yield from self._store["signal_store"].find(query, _FIELDS)
            at = until

    def _save(self, done: Document) -> None:
        row = {**done, "_id": CHECKPOINT, "saved_at": utc_now()}
        self._store["checkpoints"].replace_one({"_id": CHECKPOINT}, row, upsert=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            complete = True
            try:
                complete = self.look(utc_now())
            except PyMongoError as error:
                _log.warning("latency is not counted for now: %s", type(error).__name__)
            # While there is a past to make, most of the time is the store's for others.
            self._stop.wait(self._every if complete else min(self._every, _REST * self._work))


def read_latency(store: Store, *, now: datetime, hours: float) -> LatencyAnswer:
    """The stages of the last hours: minutes up to two hours, whole hours beyond."""
    since = now - timedelta(hours=hours)
    size, seconds = ("MINUTE", _MINUTE) if hours <= 2 else ("HOUR", _HOUR)
    first = int(since.timestamp() // seconds)
    rows = list(store["latency_buckets"].find({"size": size, "number": {"$gte": first}}))
    if size == "HOUR":  # and the hour that is not made yet, from its minutes
        done = store["checkpoints"].find_one({"_id": CHECKPOINT}) or {}
        begins = done.get("hours_until", int(now.timestamp() // _HOUR)) * _HOUR // _MINUTE
        query = {"size": "MINUTE", "number": {"$gte": begins}}
        rows += store["latency_buckets"].find(query)
    signals = sum(row["signals"] for row in rows)
    last = max((_end(row) for row in rows), default=now)
    begun = datetime.fromtimestamp(first * seconds, UTC)
    return answer([row["counts"] for row in rows], signals, since=begun, until=min(last, now))


def _end(row: Document) -> datetime:
    seconds = _HOUR if row["size"] == "HOUR" else _MINUTE
    return datetime.fromtimestamp((row["number"] + 1) * seconds, UTC)
