#!/usr/bin/env python3
"""Measure the lists and pages of the UI on a long past: the real routes over HTTP, one by one.

    MT_HOME=/tmp/history .venv/bin/python scripts/seed_history.py
    MT_HOME=/tmp/history .venv/bin/python scripts/bench_lists.py [--requests 200]

Database and read side are processes of their own; the database has the cache that it has in
production. Pages are asked from the newest on and from places all over the past, each with cursors
and filters that differ from request to request. At the end the stream: how long after a write an
event is at a client. CPU is what both processes have worked for an answer; where others use the
machine, that says more than the time that was waited.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import urllib3
from pymongo.uri_parser import parse_uri

from scripts.bench.embedded import WAIT_SECONDS, embedded_database, until_works
from scripts.bench.measure import cpu_milliseconds, listener, percentiles
from scripts.bench.questions import Past, Question, questions
from scripts.bench.surroundings import READER
from scripts.seed_history import refuse_what_trades, scratch_settings
from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential
from services.common.incidents import raise_incident
from services.common.settings import CommonSettings
from services.common.store import Store
from services.dashboard_creator.latency_keeper import LatencyKeeper
from services.domain.errors import ConfigurationError

_GOAL_MS: Final = 100.0
_WARMING: Final = 3
_SECONDS_A_LOOK: Final = 20.0
_EVENTS: Final = 50


@dataclass
class Row:
    """One line of the table, milliseconds.

    Attributes:
        database: CPU that an answer costs it, on average; `reader`: the process that answers.
        cpu_p99: of both together: what a machine without other work would at least take.
    """

    route: str
    requests: int
    rows: float
    p50: float
    p95: float
    p99: float
    max: float
    database: float = 0.0
    reader: float = 0.0
    cpu_p99: float = 0.0


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
            rows, failed = [], []
            for name, ask in questions(store, past).items():
                if arguments.only in name:
                    try:
                        rows.append(bench.ask(name, ask, arguments.requests))
                    except (OSError, http.client.HTTPException) as error:
                        failed.append(f"{name}: {error!r}")
                        bench.connect()
            if not arguments.only:
                rows.append(_stream(settings, store, key))
    _print(rows, past, arguments)
    print("\n".join(("failed:", *failed)) if failed else "", end="")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 1 if failed else 0


def _prepare(store: Store) -> Past:
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
    return Past(signals, min(times), max(times))


def _key(store: Store) -> str:
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    person = {"$set": {"role": "ADMIN", "credentials": [record]}}
    store["users"].update_one({"_id": READER}, person, upsert=True)
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


class _Bench:
    """One client that asks one thing after the other."""

    def __init__(self, settings: CommonSettings, key: str) -> None:
        self._port = port = settings.port("dashboard_creator")
        self.connect()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._database = listener(_database_port(settings))
        self._reader = listener(port)

    def connect(self) -> None:
        """Begin anew, after a failure too."""
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def ask(self, name: str, question: Question, requests: int) -> Row:
        """Ask so often; the first few answers warm up and are not counted."""
        took, database, reader, lines = [], [], [], 0
        for number in range(requests + _WARMING):
            path, before, began = question(), self._worked(), time.perf_counter()
            rows = self._rows(name, path)
            milliseconds = (time.perf_counter() - began) * 1000
            after = self._worked()
            if number >= _WARMING:
                took.append(milliseconds)
                database.append(after[0] - before[0])
                reader.append(after[1] - before[1])
                lines += rows
        worked = percentiles(map(sum, zip(database, reader, strict=True)))
        row = Row(
            name,
            requests,
            round(lines / requests, 1),
            **percentiles(took),
            database=round(sum(database) / requests, 1),
            reader=round(sum(reader) / requests, 1),
            cpu_p99=worked["p99"],
        )
        print(row, flush=True)
        return row

    def _rows(self, name: str, path: str) -> int:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{name}: {path}: {answer.status} {body[:200]!r}")
        found = json.loads(body)
        return len(found if isinstance(found, list) else found.get("rows", ()))

    def _worked(self) -> tuple[float, float]:
        return cpu_milliseconds(self._database), cpu_milliseconds(self._reader)


def _database_port(settings: CommonSettings) -> int:
    if settings.embedded_database:
        return settings.port("mongodb")
    return int(parse_uri(settings.mongodb_uri.get_secret_value())["nodelist"][0][1])


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


def _print(rows: list[Row], past: Past, arguments: argparse.Namespace) -> None:
    print(f"\n{past.signals:,} signals, {past.first:%Y-%m-%d} to {past.last:%Y-%m-%d}; ", end="")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{arguments.requests} requests each, pages of at most 50; load {load}\n")
    print(
        "| route | rows | p50 ms | p95 ms | p99 ms | CPU ms: database + reader | CPU p99 | ", end=""
    )
    print(f"p99 ≤ {_GOAL_MS:.0f} ms |\n|---|---|---|---|---|---|---|---|")
    for row in rows:
        verdict = "yes" if row.p99 <= _GOAL_MS else "**no**"
        times = f"{row.p50} | {row.p95} | {row.p99} | {row.database} + {row.reader}"
        print(f"| {row.route} | {row.rows} | {times} | {row.cpu_p99} | {verdict} |")
    missed = [row.route for row in rows if row.p99 > _GOAL_MS]
    print(f"\n{len(rows) - len(missed)} of {len(rows)} within {_GOAL_MS:.0f} ms", end="")
    print(f"; not: {', '.join(missed)}" if missed else "")


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
