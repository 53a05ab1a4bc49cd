"""Incidents of the supervisor, written beside its work: the database may be what has died."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, NamedTuple, Protocol

from pymongo.errors import PyMongoError

from services.common.settings import CommonSettings

_RETRY_S = 3.0


class Incident(NamedTuple):
    """Something a person must see."""

    kind: str
    key: str
    sentence: str
    facts: dict[str, Any]


class Incidents(Protocol):
    """Takes incidents; returns at once."""

    def put(self, incident: Incident) -> None:
        """Record it as soon as that is possible."""


class StoredIncidents:
    """Writes incidents to the database, and waits for it as long as needed."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._waiting: queue.SimpleQueue[Incident] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, incident: Incident) -> None:
        """Record it as soon as the database answers."""
        self._waiting.put(incident)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="incidents", daemon=True)
            self._thread.start()

    def _write(self) -> None:
        from services.common.incidents import raise_incident  # noqa: PLC0415 - seldom needed
        from services.common.store import Store  # noqa: PLC0415

        store = Store.connect(self._settings)
        while True:
            incident = self._waiting.get()
            while True:
                try:
                    raise_incident(store, **incident._asdict())
                    break
                except PyMongoError:
                    time.sleep(_RETRY_S)
