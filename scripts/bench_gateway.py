#!/usr/bin/env python3
"""Measure the gateway: stored signals a second, answer times, and the database's share.

    .venv/bin/python scripts/bench_gateway.py [--seconds 15] [--connections 8] [--json FILE]

Database, gateway and client are three processes on this machine; the gateway is pinned to one core
and the others to the rest. Every stored signal is counted in the database afterwards. The last line
is of gateways without a database, one and two: how far they scale where it is not the limit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import psutil

from scripts.bench.embedded import WAIT_SECONDS, embedded_database, until_works
from scripts.bench.gateway_alone import signals_per_second
from scripts.bench.measure import percentiles
from services.common.credentials import create_key
from services.common.settings import GatewaySettings
from services.common.settings_file import load
from services.common.store import Store

_STRATEGY = "bench"


@dataclass
class Row:
    """One line of the table; CPU is milliseconds for one signal."""

    name: str
    signals: int
    per_second: float
    stored: int
    p50_ms: float
    p99_ms: float
    gateway_cpu_ms: float
    database_cpu_ms: float
    client_cpu_ms: float


def main() -> int:
    """Run every case against one fresh instance; exit code 1 where a signal was lost."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "MT_HOME": home,
            "MT_PORT_OFFSET": str(arguments.port_offset),
            "RATE_LIMIT_STRATEGY_PER_MIN": "0",
            "RATE_LIMIT_ADDRESS_PER_MIN": "0",
        }
        settings = load(GatewaySettings)
        with _processes(settings) as (database, gateway):
            bench = _Bench(settings, database, gateway)
            rows = [
                bench.closed_loop("one by one", arguments.connections, arguments.seconds, batch=1),
                bench.closed_loop(
                    "lists of 10", arguments.connections, arguments.seconds, batch=10
                ),
                bench.closed_loop("lists of 100", 2, arguments.seconds, batch=100),
                bench.open_loop("100/s, one by one", 100, arguments.seconds),
            ]
        alone = {
            processes: signals_per_second(processes, seconds=arguments.seconds, strategy=_STRATEGY)
            for processes in (1, 2)
        }
    _print(rows)
    print(
        f"\nwithout a database: {alone[1]:.0f} signals/s by one process, {alone[2]:.0f} by two, "
        f"x {alone[2] / alone[1]:.2f}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 0 if all(row.stored == row.signals for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, default=8, help="kept open, one request each")
    parser.add_argument("--port-offset", type=int, default=24000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _processes(settings: GatewaySettings) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:] or cores))
    with embedded_database(settings) as database:
        gateway = subprocess.Popen([sys.executable, "-m", "services.signal_gateway"])
        try:
            os.sched_setaffinity(gateway.pid, {cores[0]})
            until_works(lambda: _healthy(settings))
            yield database, psutil.Process(gateway.pid)
        finally:
            gateway.terminate()
            gateway.wait(WAIT_SECONDS)


def _healthy(settings: GatewaySettings) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", settings.port("signal_gateway"))
    connection.request("GET", "/health")
    if connection.getresponse().status != 200:
        raise OSError("not ready")


class _Bench:
    def __init__(
        self, settings: GatewaySettings, database: psutil.Process, gateway: psutil.Process
    ) -> None:
        self._settings = settings
        self._store = Store.connect(settings)
        self._store.create_indexes()
        self._key, credential = create_key()
        self._store["strategies"].insert_one(
            {"_id": _STRATEGY, "strategy_id": _STRATEGY, "credentials": [credential]}
        )
        self._processes = (gateway, database, psutil.Process())
        self._lock = threading.Lock()
        self._sent = 0
        self._begin = 0.0

    def closed_loop(self, name: str, connections: int, seconds: float, *, batch: int) -> Row:
        """Each connection posts again as soon as it is answered."""

        def work(post: Callable[[int], float], times: list[float]) -> None:
            while time.perf_counter() < self._begin + seconds:
                times.append(post(batch))

        return self._run(name, connections, work, batch=batch)

    def open_loop(self, name: str, rate: float, seconds: float) -> Row:
        """Signals leave at their time; answer times count from it."""
        due = iter([number / rate for number in range(int(rate * seconds))])

        def work(post: Callable[[int], float], times: list[float]) -> None:
            while True:
                with self._lock:
                    after = next(due, None)
                if after is None:
                    return
                moment = self._begin + after
                time.sleep(max(0.0, moment - time.perf_counter()))
                post(1)
                times.append((time.perf_counter() - moment) * 1000)

        return self._run(name, 16, work, batch=1)

    def _run(
        self,
        name: str,
        connections: int,
        work: Callable[[Callable[[int], float], list[float]], None],
        *,
        batch: int,
    ) -> Row:
        before, cpu = self._stored(), self._cpu()
        times: list[list[float]] = [[] for _ in range(connections)]
        threads = [threading.Thread(target=work, args=(self._poster(), each)) for each in times]
        self._begin = begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - begin
        answers = [each for of_one in times for each in of_one]
        signals = len(answers) * batch
        used = [(after - b) * 1000 / signals for after, b in zip(self._cpu(), cpu, strict=True)]
        ranks = percentiles(answers)
        return Row(
            name=name,
            signals=signals,
            per_second=round(signals / took, 1),
            stored=self._stored() - before,
            p50_ms=ranks["p50"],
            p99_ms=ranks["p99"],
            gateway_cpu_ms=round(used[0], 2),
            database_cpu_ms=round(used[1], 2),
            client_cpu_ms=round(used[2], 2),
        )

    def _poster(self) -> Callable[[int], float]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._settings.port("signal_gateway"), timeout=WAIT_SECONDS
        )
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}

        def post(count: int) -> float:
            with self._lock:
                first, self._sent = self._sent, self._sent + count
            signals = [_signal(first + number) for number in range(count)]
            body = json.dumps(signals if count > 1 else signals[0])
            begin = time.perf_counter()
            connection.request("POST", "/api/v1/signals", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 202:
                raise SystemExit(f"refused: {answer.status} {said.decode()[:300]}")
            return (time.perf_counter() - begin) * 1000

        return post

    def _stored(self) -> int:
        return self._store["trading_signals_raw"].count_documents({})

    def _cpu(self) -> list[float]:
        times = [process.cpu_times() for process in self._processes]
        return [each.user + each.system for each in times]


def _signal(number: int) -> dict[str, object]:
    leg = {
        "instrument": f"BNCH{number % 50}",
        "instrument_type": "STOCK",
        "action": "BUY",
        "direction": "LONG",
        "quantity": 10,
        "order_type": "MARKET",
        "price": 150.0,
    }
    return {
        "strategy_name": _STRATEGY,
        "signalID": f"bench-{number}",
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "signal_legs": [leg],
    }


def _print(rows: list[Row]) -> None:
    print(f"{'':<20}{'signals/s':>10}{'stored':>16}{'p50 ms':>8}{'p99 ms':>8}   CPU ms a signal")
    print(f"{'':<62}   gateway  database  client  database's share")
    for row in rows:
        share = row.database_cpu_ms / (row.database_cpu_ms + row.gateway_cpu_ms)
        stored = f"{row.stored} of {row.signals}"
        print(
            f"{row.name:<20}{row.per_second:>10}{stored:>16}{row.p50_ms:>8}{row.p99_ms:>8}   "
            f"{row.gateway_cpu_ms:>7}{row.database_cpu_ms:>10}{row.client_cpu_ms:>8}{share:>12.0%}"
        )


if __name__ == "__main__":
    sys.exit(main())
