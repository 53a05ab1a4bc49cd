"""The gateway without a database: what one process takes, and what a second one adds to it.

Two gateways share nothing but the database. Here each has one that keeps nothing, so that two
processes on two cores tell how its own work scales: bodies, credentials, keys, answers.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from typing import Any

from services.common.credentials import create_key
from services.common.ops import Health
from services.common.settings import GatewaySettings
from services.common.settings_file import load
from services.common.store import Document, Store
from services.common.vault import Vault
from services.signal_gateway.api import create_app
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore

_AT_ONCE = 8
_UNLIMITED = dict.fromkeys(("strategy", "address", "failures", "lint"), 0)


class _Forgetful(Store):
    """A database that knows one strategy and keeps nothing."""

    def __init__(self, strategy: Document) -> None:
        self._strategy = strategy

    def __getitem__(self, collection: str) -> Any:  # noqa: ANN401 - a collection
        return self

    def find_one(self, *_query: object) -> Document:
        return self._strategy

    def insert_many(self, _documents: Sequence[Document], *, ordered: bool) -> None:
        """Stored nowhere."""


def signals_per_second(processes: int, *, seconds: float, strategy: str) -> float:
    """Signals that so many gateways answer with 202 in a second, all at once."""
    context = multiprocessing.get_context("spawn")
    ready, counts = context.Barrier(processes), context.Queue()
    given = (ready, counts, seconds, strategy)
    workers = [context.Process(target=_work, args=given) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = sum(counts.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(found)


def _work(ready: Any, counts: Any, seconds: float, strategy: str) -> None:  # noqa: ANN401
    settings = load(GatewaySettings)
    key, credential = create_key()
    store = _Forgetful({"_id": strategy, "strategy_id": strategy, "credentials": [credential]})
    limits = RateLimits(store, _UNLIMITED)
    authenticator = Authenticator(
        store, limits, Vault(settings), cache_seconds=60, signature_window_seconds=60
    )
    service = GatewayService(GatewayStore(store), authenticator, limits, answer_seconds=10)
    app = create_app(service, Health("bench"), max_body_bytes=1_000_000)
    counts.put(asyncio.run(_post_for(app, key, seconds, strategy, ready)))


async def _post_for(app: Any, key: str, seconds: float, strategy: str, ready: Any) -> float:  # noqa: ANN401
    """Signals a second, eight requests at a time; the first half second warms up."""
    numbers = iter(range(1_000_000_000))
    done = 0

    async def client(until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await _post(app, key, _body(strategy, next(numbers)))
            done += 1

    async def clients(until: float) -> None:
        await asyncio.gather(*(client(until) for _ in range(_AT_ONCE)))

    await clients(time.perf_counter() + 0.5)
    done = 0
    await asyncio.to_thread(ready.wait)
    began = time.perf_counter()
    await clients(began + seconds)
    return done / (time.perf_counter() - began)


def _body(strategy: str, number: int) -> bytes:
    leg = {"instrument": "AAPL", "instrument_type": "STOCK", "action": "BUY", "quantity": 10}
    leg |= {"order_type": "MARKET", "price": 150.0}
    signal = {"strategy_name": strategy, "signalID": f"alone-{number}", "signal_type": "ENTRY"}
    return json.dumps(signal | {"account_equity": 500000, "signal_legs": [leg]}).encode()


async def _post(app: Any, key: str, body: bytes) -> None:  # noqa: ANN401 - an ASGI application
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/signals",
        "raw_path": b"/api/v1/signals",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {key}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    said: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    if said[0]["status"] != 202:
        raise SystemExit(f"refused: {said}")
