#!/usr/bin/env python3
"""Measure the lists and pages of the UI on a long past: the real routes over HTTP, one by one.

    MT_HOME=/tmp/history .venv/bin/python scripts/seed_history.py
    MT_HOME=/tmp/history .venv/bin/python scripts/bench_lists.py [--requests 200]

Database and read side are processes of their own; the database has the cache that it has in
production. Pages are asked from the newest on and from places all over the past, each with cursors
and filters that differ from request to request. At the end the stream: how long after a write an
event is at a client.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import urllib3

from scripts.bench.embedded import WAIT_SECONDS, embedded_database, until_works
from scripts.bench.history import ACCOUNTS, INSTRUMENTS, STRATEGIES
from scripts.bench.measure import percentiles
from scripts.seed_history import refuse_what_trades, scratch_settings
from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential
from services.common.incidents import raise_incident
from services.common.settings import CommonSettings
from services.common.store import Store
from services.dashboard_creator.latency_keeper import LatencyKeeper
from services.dashboard_creator.paging import Cursor
from services.domain.errors import ConfigurationError

_CHANCE: Final = random.Random(8)  # noqa: S311 - the same questions every time
_SECONDS_A_LOOK: Final = 20.0
_EVENTS: Final = 50


@dataclass
class Row:
    """One line of the table, milliseconds."""

    route: str
    requests: int
    rows: float
    p50: float
    p95: float
    p99: float
    max: float


def main() -> int:
    """Ask every route; exit code 1 where one failed."""
    arguments = _arguments()
    settings = scratch_settings()
    with embedded_database(settings) if settings.embedded_database else nullcontext():
        store = Store.connect(settings)
        refuse_what_trades(store)
        past = _prepare(store)
        key = _key(store)
        with _server(settings):
            bench = _Bench(settings, key)
            questions = _questions(store, past)
            rows = [
                bench.ask(name, ask, arguments.requests)
                for name, ask in questions.items()
                if arguments.only in name
            ]
            rows.append(_stream(settings, store, key))
    _print(rows, past, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 0


@dataclass
class _Past:
    signals: int
    first: datetime
    last: datetime


def _prepare(store: Store) -> _Past:
    """Count the hours, as the dashboards do by and by in the background."""
    began = time.monotonic()
    keeper = LatencyKeeper(store, work_seconds=_SECONDS_A_LOOK)
    while not keeper.look(utc_now()):
        pass
    hours = list(store["latency_buckets"].find({"size": "HOUR"}, {"at": 1, "signals": 1}))
    signals = sum(row["signals"] for row in hours)
    took = time.monotonic() - began
    print(f"{signals:,} signals in {len(hours)} hours, counted in {took:.0f} s", flush=True)
    times = [row["at"] for row in hours]
    return _Past(signals, min(times), max(times))


def _key(store: Store) -> str:
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    person = {"$set": {"role": "ADMIN", "credentials": [record]}}
    store["users"].update_one({"_id": "bench"}, person, upsert=True)
    return secret


@contextmanager
def _server(settings: CommonSettings) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "scripts.bench.lists_server"])
    port = settings.port("dashboard_creator")
    try:
        until_works(lambda: _answers(port))
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _answers(port: int) -> None:
    answer = urllib3.request("GET", f"http://127.0.0.1:{port}/health", retries=False)
    if answer.status != 200:
        raise ConnectionError(answer.status)


def _questions(store: Store, past: _Past) -> dict[str, Callable[[], str]]:
    """By name what is asked, another one each time."""
    ids = [row["_id"] for row in _some(store, past)]
    orders = [row["_id"] for row in store["orders"].find({"signal_id": {"$in": ids}}, {"_id": 1})]

    def deep() -> str:
        span = (past.last - past.first).total_seconds()
        at = past.first + timedelta(seconds=_CHANCE.random() * span)
        return Cursor(at, "~").text()

    def strategy() -> str:
        return _CHANCE.choice(STRATEGIES)

    def symbol() -> str:
        return _CHANCE.choice(INSTRUMENTS).symbol

    def url(path: str, **query: Callable[[], str] | str) -> Callable[[], str]:
        def made() -> str:
            said = {name: each() if callable(each) else each for name, each in query.items()}
            return f"/api/v1/{path}?{urlencode(said)}"

        return made

    account = lambda: _CHANCE.choice(ACCOUNTS)  # noqa: E731
    return {
        "signals": url("signals"),
        "signals, deep": url("signals", before=deep),
        "signals, strategy, deep": url("signals", strategy_id=strategy, before=deep),
        "signals, DENIED, deep": url("signals", status="DENIED", before=deep),
        "signals, REJECTED, deep": url("signals", status="REJECTED", before=deep),
        "signals, EXIT": url("signals", intent="EXIT"),
        "signals, account, deep": url("signals", account_id=account, before=deep),
        "signals, symbol, deep": url("signals", q=symbol, before=deep),
        "signals, id": url("signals", q=lambda: _CHANCE.choice(ids)),
        "orders": url("orders"),
        "orders, deep": url("orders", before=deep),
        "orders, working": url("orders", working="true"),
        "orders, strategy, deep": url("orders", strategy_id=strategy, before=deep),
        "orders, account, deep": url("orders", account_id=account, before=deep),
        "orders, symbol, deep": url("orders", symbol=symbol, before=deep),
        "orders, REJECTED, deep": url("orders", status="REJECTED", before=deep),
        "fills": url("fills"),
        "fills, deep": url("fills", before=deep),
        "fills, strategy, deep": url("fills", strategy_id=strategy, before=deep),
        "fills, account, deep": url("fills", account_id=account, before=deep),
        "fills, symbol, deep": url("fills", symbol=symbol, before=deep),
        "decisions": url("decisions"),
        "decisions, RESIZED, deep": url("decisions", outcome="RESIZED", before=deep),
        "decisions, rare code": url("decisions", code="DRAWDOWN_LIMIT", before=deep),
        "positions by strategy": url("positions", by="strategy"),
        "positions by account": url("positions", by="account"),
        "positions by instrument": url("positions", by="instrument"),
        "incidents": url("incidents"),
        "dead letters": url("dead-letters"),
        "one signal": lambda: f"/api/v1/signals/{_CHANCE.choice(ids)}",
        "one order": lambda: f"/api/v1/orders/{quote(_CHANCE.choice(orders))}",
        "search, id": url("search", q=lambda: _CHANCE.choice(ids)),
        "search, beginning": url("search", q=lambda: _CHANCE.choice(("Str", "AK", "Seed", "B"))),
        "frame": url("frame"),
        "latency, 24 h": url("latency", hours="24"),
        "latency, 30 days": url("latency", hours="720"),
    }


def _some(store: Store, past: _Past) -> list[dict[str, str]]:
    """Signals from all over the past."""
    found: list[dict[str, str]] = []
    span = (past.last - past.first).total_seconds()
    for _ in range(200):
        at = past.first + timedelta(seconds=_CHANCE.random() * span)
        query = {"received_at": {"$gte": at, "$lt": at + timedelta(minutes=1)}}
        found += store["signal_store"].find(query, {"_id": 1}).limit(5)
    return found


class _Bench:
    """One client that asks one thing after the other."""

    def __init__(self, settings: CommonSettings, key: str) -> None:
        port = settings.port("dashboard_creator")
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(self, name: str, question: Callable[[], str], requests: int) -> Row:
        """Ask so often; the first few answers warm up and are not counted."""
        took, lines = [], 0
        for number in range(requests + 3):
            began = time.perf_counter()
            self._connection.request("GET", question(), headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ConnectionError(f"{name}: {answer.status} {body[:200]!r}")
            if number >= 3:
                took.append((time.perf_counter() - began) * 1000)
                lines += len(json.loads(body).get("rows", ()))
        row = Row(name, requests, round(lines / requests, 1), **percentiles(took))
        print(row, flush=True)
        return row


def _stream(settings: CommonSettings, store: Store, key: str) -> Row:
    """How long after a write began its event is at a client."""
    url = f"http://127.0.0.1:{settings.port('dashboard_creator')}/api/v1/stream"
    headers = {"Authorization": f"Bearer {key}"}
    answer = urllib3.request("GET", url, headers=headers, preload_content=False)
    took = []
    lines = answer.stream(None)
    for number in range(_EVENTS):
        began = time.perf_counter()
        raise_incident(store, kind="BENCH", key=f"{number}~", sentence="measured")
        while f"BENCH|{number}~".encode() not in next(lines):
            pass
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1)
    answer.close()
    return Row("stream: write to client", _EVENTS, 1, **percentiles(took))


def _print(rows: list[Row], past: _Past, arguments: argparse.Namespace) -> None:
    print(f"\n{past.signals:,} signals, {past.first:%Y-%m-%d} to {past.last:%Y-%m-%d}; ", end="")
    print(f"{arguments.requests} requests each, pages of at most 50; load {os.getloadavg()}\n")
    print("| route | rows a page | p50 ms | p95 ms | p99 ms | max ms |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.route} | {row.rows} | {row.p50} | {row.p95} | {row.p99} | {row.max} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--only", default="", help="routes whose name has this in it")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(78)
