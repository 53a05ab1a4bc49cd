#!/usr/bin/env python3
"""Measure account data: answer times at a steady rate while every account is polled.

    .venv/bin/python scripts/bench_accounts.py [--accounts 10] [--rate 50] [--seconds 20]

Database, mock broker, account data and client are processes of their own on this machine. Each
account holds ten positions and is polled every five seconds, six times as often as by default.
Requests leave at their times, whatever the ones before took (open loop), and their answer times
count from then on; each must be answered with 200. `/health`, which asks nothing of accounts, is
what the machine itself takes meanwhile.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import psutil
import urllib3

from scripts.bench.embedded import WAIT_SECONDS, embedded_database, until_works
from scripts.bench.measure import percentiles
from services.common.bus import create_topology
from services.common.credentials import CredentialKind, create_credential
from services.common.settings import AccountDataSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

_POSITIONS = 10
_CONNECTIONS = 8
_FLOOR = "/health"


@dataclass
class Row:
    """One line of the table; CPU of account data in percent of a core."""

    path: str
    requests: int
    failed: int
    p50: float
    p95: float
    p99: float
    max: float
    cpu_pct: float


def main() -> int:
    """Run every path; exit code 1 where a request failed."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "MT_HOME": home,
            "MT_PORT_OFFSET": str(arguments.port_offset),
            "ACCOUNT_POLL_S": str(arguments.poll),
        }
        settings = load(AccountDataSettings)
        with embedded_database(settings), _process(settings, "brokers.mock", "mock_broker"):
            key = _prepare(settings, arguments.accounts)
            with (
                _bus(settings),
                _process(settings, "services.account_data", "account_data") as server,
            ):
                bench = _Bench(settings, server, key)
                rows = [
                    bench.run(path, arguments.rate, arguments.seconds)
                    for path in (
                        _FLOOR,
                        "/api/v1/account/A-0/state",
                        "/api/v1/accounts",
                        "/api/v1/fund/state",
                        "/api/v1/hierarchy",
                    )
                ]
    _print(rows, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 1 if any(row.failed for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--poll", type=float, default=5, help="seconds between polls of each")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--port-offset", type=int, default=25000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _process(settings: AccountDataSettings, module: str, port: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", module])
    try:
        until_works(lambda: _answers(settings.port(port)))
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


@contextmanager
def _bus(settings: AccountDataSettings) -> Iterator[None]:
    """The local bus with its topics."""
    command = [sys.executable, "-m", "services.pubsub_local"]
    command += ["--port", str(settings.port("pubsub_local"))]
    command += ["--path", str(settings.mt_home / "pubsub")]
    process = subprocess.Popen(command)
    try:
        until_works(lambda: create_topology(settings))
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _answers(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/health")
    connection.getresponse().read()


def _prepare(settings: AccountDataSettings, accounts: int) -> str:
    """Accounts with positions at the mock broker; an operator's key."""
    store = Store.connect(settings)
    store.create_indexes()
    names = [f"A-{number}" for number in range(accounts)]
    base = f"http://127.0.0.1:{settings.port('mock_broker')}/v1"
    with urllib3.PoolManager(retries=False) as pool:
        for name in names:
            row = {"_id": name, "account_id": name, "broker": "MOCK", "account_type": "PAPER"}
            store["trading_accounts"].insert_one(row | {"status": "ACTIVE", "currency": "USD"})
            for number in range(_POSITIONS):
                _buy(pool, base, name, number)
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    store["users"].insert_one({"_id": "bench", "role": "ADMIN", "credentials": [record]})
    store.close()
    return secret


def _buy(pool: urllib3.PoolManager, base: str, account_id: str, number: int) -> None:
    instrument = Instrument(instrument_type=InstrumentType.STOCK, symbol=f"S{number}")
    order = {
        "client_order_id": f"MT{account_id.replace('-', '')}{number}",
        "signal_id": "bench",
        "strategy_id": "bench",
        "account_id": account_id,
        "instrument": instrument.model_dump(mode="json"),
        "intent": "ENTRY",
        "side": "BUY",
        "quantity": "100",
        "order_type": "MARKET",
        "time_in_force": "DAY",
        "environment": "production",
        "reference_price": str(Decimal(50 + number)),
        "leg_index": 0,
        "attempt": 1,
    }
    answer = pool.request("POST", f"{base}/accounts/{account_id}/orders", json=order)
    if answer.status >= 300:
        raise SystemExit(f"the mock broker answered {answer.status}: {answer.data.decode()}")


class _Bench:
    def __init__(self, settings: AccountDataSettings, server: psutil.Process, key: str) -> None:
        self._port = settings.port("account_data")
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}"}
        self._local = threading.local()
        until_works(self._polled)

    def _polled(self) -> None:
        status, body = self._get("/api/v1/accounts")
        if status != 200 or any(each["equity"] is None for each in json.loads(body)):
            raise OSError("not every account is polled yet")

    def run(self, path: str, rate: float, seconds: float) -> Row:
        """Requests at their times, for so long."""
        count = int(rate * seconds)
        times: list[float] = []
        statuses: list[int] = []
        before, began = self._server.cpu_times(), time.monotonic()

        def one(number: int) -> None:
            due = began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            status, _ = self._get(path)
            times.append((time.monotonic() - due) * 1000)
            statuses.append(status)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            list(pool.map(one, range(count)))
        after, took = self._server.cpu_times(), time.monotonic() - began
        used = after.user + after.system - before.user - before.system
        # /health says 503 where a poll is late; that is an answer, too.
        failed = sum(status != 200 for status in statuses) if path != _FLOOR else 0
        found = percentiles(times)
        return Row(path, count, failed, **found, cpu_pct=round(used / took * 100, 1))

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            self._local.connection = connection
        connection.request("GET", path, headers=self._headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _print(rows: list[Row], arguments: argparse.Namespace) -> None:
    print(
        f"{arguments.accounts} accounts with {_POSITIONS} positions each, polled every "
        f"{arguments.poll:g} s; {arguments.rate:g} requests a second for {arguments.seconds:g} s "
        "each; milliseconds"
    )
    print(f"{'path':<28}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}{'failed':>8}{'CPU %':>8}")
    for row in rows:
        print(
            f"{row.path:<28}{row.p50:>8}{row.p95:>8}{row.p99:>8}{row.max:>8}"
            f"{row.failed:>8}{row.cpu_pct:>8}"
        )


if __name__ == "__main__":
    sys.exit(main())
