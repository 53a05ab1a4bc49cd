"""The read side of the dashboards over a real socket, and people who look at it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx

from services.common.credentials import CredentialKind, create_credential
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import DashboardSettings
from services.common.store import Store
from services.dashboard_creator.api import create_app
from services.dashboard_creator.reading import add_reading
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from tests.support.http import http_client

WAIT_SECONDS = 20.0


@contextmanager
def reading(store: Store, **settings) -> Iterator[httpx.Client]:
    """Serve it; who asks says so with each request (`as_`)."""
    known = DashboardSettings(**settings)
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=0
    )
    app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
    feed = add_reading(app, store, known, dashboards)
    with http_client(app) as client:
        feed.start()
        try:
            yield client
        finally:
            feed.stop()


def add_person(store: Store, name: str, role: str, strategies: tuple[str, ...] = ()) -> dict:
    """Headers of somebody with this role."""
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    person = {"role": role, "strategies": list(strategies)}
    store["users"].update_one(
        {"_id": name}, {"$set": person, "$push": {"credentials": record}}, upsert=True
    )
    return {"Authorization": f"Bearer {secret}"}


class Stream:
    """One open stream: what it has said so far."""

    def __init__(self, client: httpx.Client, headers: dict, last_id: str | None = None) -> None:
        self.events: list[tuple[str, dict]] = []
        self.ids: list[str] = []
        self.pings = 0
        self.ended = False
        self.status: int | None = None
        self._news = threading.Condition()
        self._headers = {**headers, **({"Last-Event-ID": last_id} if last_id else {})}
        self._url = client.base_url
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.wait(lambda: self.status is not None)

    def wait(self, until) -> None:
        """Until a condition on this stream holds."""
        with self._news:
            assert self._news.wait_for(until, WAIT_SECONDS), (self.events, self.status)

    def close(self) -> None:
        """Leave."""
        self._closing.set()
        self._thread.join(WAIT_SECONDS)

    def _read(self) -> None:
        with (
            httpx.Client(base_url=self._url, timeout=WAIT_SECONDS) as own,
            own.stream("GET", "/api/v1/stream", headers=self._headers) as answer,
        ):
            block: list[str] = []
            self._note(lambda: setattr(self, "status", answer.status_code))
            for line in answer.iter_lines():
                if self._closing.is_set():
                    return
                if line:
                    block.append(line)
                else:
                    self._note(lambda lines=tuple(block): self._take(lines))
                    block.clear()
        self._note(lambda: setattr(self, "ended", True))

    def _note(self, change) -> None:
        with self._news:
            change()
            self._news.notify_all()

    def _take(self, lines: tuple[str, ...]) -> None:
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        if fields.get("id"):
            self.ids.append(fields["id"])
        if fields.get("event") == "ping":
            self.pings += 1
        elif "event" in fields:
            self.events.append((fields["event"], json.loads(fields["data"])))
