#!/usr/bin/env python3
"""Measure the road of a signal under open-loop load, from HTTP to the broker's books.

    .venv/bin/python scripts/bench_pipeline.py --rate 50 --duration 30 --strategies 10 --accounts 4
    .venv/bin/python scripts/bench_pipeline.py --rate 20 --broker ibkr

A soak is a long run: `--rate 5 --duration 1800`; the column "growth %" tells what memory did.

Starts an instance of its own in a scratch MT_HOME, loads it, prints what it measured and writes the
same as JSON. The load generator shares the machine with the system. Numbers, no verdict.
"""

# ruff: noqa: E402 - the repository must be on the path first
from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import urllib3

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)

from scripts import seed_history
from scripts.bench import measure, venues
from scripts.bench.embedded import embedded_database
from scripts.bench.load import OpenLoop
from scripts.tool import end_when_told
from services.common.clock import utc_now
from services.common.credentials import create_key
from services.common.settings import PORTS, CommonSettings
from services.common.settings_file import load
from services.common.store import Store

#: Between two looks whether all has ended.
_LONGEST_REST_SECONDS = 5.0
_ASKED = ("broker", "rate", "duration", "strategies", "accounts", "stored")


def main() -> int:
    """Run the benchmark; exit code 1 where a signal was lost or doubled."""
    arguments = _arguments()
    end_when_told()
    with tempfile.TemporaryDirectory(prefix="mt-bench-") as home:
        os.environ["MT_HOME"] = home
        os.environ["MT_PORT_OFFSET"] = str(arguments.port_offset)
        os.environ |= {"RATE_LIMIT_STRATEGY_PER_MIN": "0", "RATE_LIMIT_ADDRESS_PER_MIN": "0"}
        if arguments.stored:
            store_past(arguments.stored)
        with venues.running(arguments.broker, Path(home), arguments.accounts) as venue:
            _script("start.py", "--no-ui", *venue.start_options)
            try:
                result = _measure(load(CommonSettings), arguments, venue)
            finally:
                _script("stop.py")
    _print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["lost"] or result["doubled"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=sorted(venues.VENUES), default="mock")
    parser.add_argument("--rate", type=float, default=50, help="signals a second (%(default)s)")
    parser.add_argument("--duration", type=float, default=30, help="seconds (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=5, help="seconds before (%(default)s)")
    parser.add_argument("--strategies", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--accounts", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--stored", type=int, default=0, help="signals of the past, put in before")
    parser.add_argument("--drain", type=float, default=60, help="seconds to wait afterwards")
    parser.add_argument("--port-offset", type=int, default=21000, help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    return parser.parse_args()


def store_past(signals: int) -> None:
    """Signals that ended long ago, with their orders and fills, in the instance to come."""
    settings = load(CommonSettings)
    with embedded_database(settings):
        store = Store.connect(settings)
        store.create_indexes()
        seed_history.fill(store, signals, events=3 * signals, days=250)
        store.close()


def _script(name: str, *options: str) -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / name), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _measure(
    settings: CommonSettings, arguments: argparse.Namespace, venue: venues.Venue
) -> dict[str, Any]:
    store = Store.connect(settings)
    keys = seed(store, venue, arguments.strategies)
    wait_for_accounts(settings, store, venue.accounts)
    url = f"http://127.0.0.1:{settings.port('signal_gateway')}"
    warm = OpenLoop(url, keys, run_id=f"warm-{uuid.uuid4().hex[:6]}", leg_of=venue.leg_of)
    warmed = warm.run(rate=arguments.rate, duration=arguments.warm_up)
    drain(store, arguments.drain, warmed.accepted)
    processes = measure.Processes(_pids(settings), store)
    processes.start()
    load_ = OpenLoop(url, keys, run_id=uuid.uuid4().hex[:8], leg_of=venue.leg_of)
    sent = load_.run(rate=arguments.rate, duration=arguments.duration)
    used = processes.stop()
    drained_in = drain(store, arguments.drain, sent.accepted)
    broker = venue.orders(settings)
    outcomes = measure.outcomes(store, sent.accepted)
    left = measure.left_on_the_road(store, sent.accepted)
    stages = measure.stage_latencies(store, sent.accepted, broker)
    booked = store["execution_confirmations"].count_documents({})
    store.close()
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}",
        "asked": {name: getattr(arguments, name) for name in _ASKED},
        "accepted": len(sent.accepted),
        "accepted_per_s": round(len(sent.accepted) / sent.seconds, 1),
        "refused": dict(Counter(sent.refused)),
        "left_late": sent.late,
        "latency_ms": {"HTTP answer": measure.percentiles(sent.accepted.values()), **stages},
        "backlog_every_5_s": processes.backlog,
        "drained_in_s": drained_in,
        "outcomes": outcomes,
        "left_on_the_road": left,
        "lost": measure.lost(outcomes),
        "doubled": sum(1 for moments in broker.values() if len(moments) > 1),
        "orders_at_broker": sum(map(len, broker.values())),
        "fills_booked": booked,
        "processes": used,
        "broker": venue.facts(),
    }


def seed(store: Store, venue: venues.Venue, strategies: int) -> dict[str, str]:
    """Accounts and strategies for the run; strategy → key."""
    accounts = venue.accounts
    for account_id in accounts:
        row = {"_id": account_id, "account_id": account_id, **venue.account(account_id)}
        store["trading_accounts"].insert_one({**row, "account_type": "PAPER", "status": "ACTIVE"})
    keys, allocations = {}, []
    for number in range(strategies):
        strategy_id = f"Bench_{number + 1}"
        keys[strategy_id], credential = create_key()
        allocations.append({"strategy_id": strategy_id, "ratio": Decimal("0.1")})
        store["strategies"].insert_one(
            {
                "_id": strategy_id,
                "strategy_id": strategy_id,
                "name": strategy_id,
                "status": "ACTIVE",
                "accounts": [
                    {
                        "account_id": accounts[number % len(accounts)],
                        "weight_ratio": Decimal(1),
                    }
                ],
                "credentials": [credential],
                "created_at": utc_now(),
            }
        )
    store["current_allocation"].replace_one(
        {"_id": "current"}, {"version": 1, "allocations": allocations}, upsert=True
    )
    return keys


def wait_for_accounts(settings: CommonSettings, store: Store, accounts: list[str]) -> None:
    """Until every account has been polled and every desk trades."""
    health = f"http://127.0.0.1:{settings.port('execution')}/health"
    until = time.monotonic() + 60
    query = {"_id": {"$in": accounts}, "equity": {"$exists": True}}
    while time.monotonic() < until:
        detail = json.dumps(urllib3.request("GET", health).json())
        polled = store["trading_accounts"].count_documents(query)
        if polled == len(accounts) and all(f"{each}: trading" in detail for each in accounts):
            return
        time.sleep(0.3)
    raise SystemExit("the accounts of the benchmark did not open within 60 s")


def _pids(settings: CommonSettings) -> dict[str, int]:
    found = {}
    for path in sorted((settings.mt_home / "logs" / "pids").glob("*.pid")):
        found[path.stem] = int(json.loads(path.read_text())["pid"])
    if not set(PORTS) & set(found):
        raise SystemExit(f"no processes found under {settings.mt_home}")
    return found


def drain(store: Store, seconds: float, accepted: Collection[str]) -> float:
    """Seconds until nothing is unfinished and each accepted signal has its end, or `seconds`."""
    begin = time.monotonic()
    while True:
        asked = time.monotonic()
        # What was accepted and is not standardized yet is nowhere else.
        unfinished = measure.unfinished(store) or measure.lost(measure.outcomes(store, accepted))
        now = time.monotonic()
        if not unfinished or now - begin >= seconds:
            return round(now - begin, 1)
        # Counting a backlog costs the database what it needs to work it off.
        time.sleep(min(max(0.1, 20 * (now - asked)), _LONGEST_REST_SECONDS))


def _print(result: dict[str, Any]) -> None:
    asked = result["asked"]
    print(f"{result['machine']}; {asked['rate']:g} signals/s for {asked['duration']:g} s, ", end="")
    print(
        f"{asked['strategies']} strategies, {asked['accounts']} accounts at {asked['broker']}, "
        f"{asked['stored']:,} signals stored before"
    )
    print(f"\n{'milliseconds':<28}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    for name, row in result["latency_ms"].items():
        print(
            f"{name:<28}" + "".join(f"{row.get(p, '-'):>9}" for p in ("p50", "p95", "p99", "max"))
        )
    print(f"\n{'process':<28}{'CPU %':>9}{'RSS MB':>9}{'growth %':>9}")
    for name, row in result["processes"].items():
        print(f"{name:<28}{row['cpu_pct']:>9}{row['rss_mb']:>9}{row['growth_pct']:>9}")
    print()
    for name in (
        "accepted",
        "accepted_per_s",
        "refused",
        "left_late",
        "backlog_every_5_s",
        "drained_in_s",
        "outcomes",
        "left_on_the_road",
        "lost",
        "doubled",
        "orders_at_broker",
        "fills_booked",
        "broker",
    ):
        print(f"{name:<28}{result[name]}")


if __name__ == "__main__":
    sys.exit(main())
