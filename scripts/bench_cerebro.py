#!/usr/bin/env python3
"""Measure Cerebro: decisions a second by one process and by two, and with many stored signals.

    .venv/bin/python scripts/bench_cerebro.py [--signals 3000] [--stored 0,100000,1000000]

Database and Cerebro are processes of their own on this machine; the signals are in the store
already, and each process is handed its part of them in batches, as the bus would. Beside the rate
are the CPU of the database and of the Cerebros for one decision, which say what limits it. The last
rows decide without a database, from contexts in memory: what more processes bring where it is not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import psutil

from scripts import bench_decide
from scripts.bench.embedded import embedded_database
from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from services.common.bus import Ring
from services.common.clock import utc_now
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Document, Store, to_document
from services.decision.decide import decide
from services.domain.accounts import RiskLimits
from services.domain.intake import take_in
from services.domain.orders import client_order_id_for

STRATEGIES, ACCOUNTS, BATCH = 20, 4, 16


class _Deaf:
    """A bus that nobody listens to."""

    def ring(self, _topic: str, _rings: Sequence[Ring]) -> bool:
        return True


def main() -> int:
    """Measure every case in one run; exit code 1 where a signal was not decided once."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"MT_HOME": home, "MT_PORT_OFFSET": str(arguments.port_offset)}
        settings = load(CommonSettings)
        with embedded_database(settings) as database:
            store = Store.connect(settings)
            store.create_indexes()
            _set_up(store)
            whole = True
            print(f"{'':34} {'1/s':>7} {'database':>9} {'Cerebro':>9}   CPU ms for one decision")
            stored = 0
            for wanted in arguments.stored:
                stored = _fill(store, stored, wanted)
                whole &= _case(store, database, f"1 process, {stored:,} stored", 1, arguments)
            whole &= _case(store, database, "2 processes", 2, arguments)
            whole &= _case(
                store, database, "2 processes, no account shared", 2, arguments, apart=True
            )
    for processes in (1, 2):
        rate = _without_database(processes, arguments.signals)
        print(f"{f'decide only, {processes} process(es)':34} {rate:7.0f}")
    return 0 if whole else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--signals", type=int, default=3000, help="decided in each case")
    parser.add_argument(
        "--stored",
        type=lambda text: [int(each) for each in text.split(",")],
        default=[0],
        help="signals stored before, comma-separated and rising",
    )
    parser.add_argument("--port-offset", type=int, default=25000)
    return parser.parse_args()


def _set_up(store: Store) -> None:
    equity = Decimal(10**12)  # nothing binds, however many are decided
    for number in range(ACCOUNTS):
        name = f"A-{number}"
        row = {
            "_id": name,
            "account_id": name,
            "broker": "MOCK",
            "account_type": "PAPER",
            "status": "ACTIVE",
            "currency": "USD",
            **dict.fromkeys(("equity", "cash", "available_funds"), equity),
            "as_of": utc_now() + timedelta(days=1),
        }
        store["trading_accounts"].insert_one(row)
    allocations = []
    for number in range(STRATEGIES):
        account = {"account_id": f"A-{number % ACCOUNTS}", "weight_ratio": Decimal(1)}
        row = {"strategy_id": f"S-{number}", "status": "ACTIVE", "accounts": [account]}
        store["strategies"].insert_one({"_id": f"S-{number}", **row})
        allocations.append({"strategy_id": f"S-{number}", "ratio": Decimal("0.05")})
    store["current_allocation"].insert_one({"_id": "current", "allocations": allocations})
    store["controls"].insert_one({"_id": "global", "trading_state": "ACTIVE"})


def _life(signal_id: str, number: int, *, decided: bool) -> Document:
    strategy_id = f"S-{number % STRATEGIES}"
    received_at = utc_now() - (timedelta(days=30) if decided else timedelta())
    message = {
        "strategy_name": strategy_id,
        "signalID": signal_id,
        "signal_type": "ENTRY",
        "account_equity": 10**12,
        "signal_legs": [
            {
                "instrument": f"STK{number % 50}",
                "instrument_type": "STOCK",
                "action": "BUY",
                "quantity": 1000,
                "price": 100,
            }
        ],
    }
    row: Document = {
        "_id": signal_id,
        "signal_id": signal_id,
        "strategy_id": strategy_id,
        "received_at": received_at,
        "stages": {"received_at": received_at},
        "intent": "ENTRY",
    }
    if decided:
        return row | {"status": "COMPLETED"}
    taken = take_in(message, strategy_id=strategy_id, received_at=received_at)
    signal = taken.signals[0].model_copy(update={"signal_id": signal_id})
    return row | {"status": "STANDARDIZED", "undecided": True, "signal": to_document(signal)}


def _fill(store: Store, stored: int, wanted: int) -> int:
    """Signals that were decided a month ago, up to `wanted`."""
    for begin in range(stored, wanted, 5000):
        rows = [_life(f"old-{n}", n, decided=True) for n in range(begin, min(begin + 5000, wanted))]
        store["signal_store"].insert_many(rows, ordered=False)
    return max(stored, wanted)


def _case(
    store: Store,
    database: psutil.Process,
    name: str,
    processes: int,
    arguments: argparse.Namespace,
    *,
    apart: bool = False,
) -> bool:
    """Decide new signals and print a row; whether each was decided once."""
    names = [f"{name}-{number}" for number in range(arguments.signals)]
    for begin in range(0, len(names), 1000):
        part = enumerate(names[begin : begin + 1000], start=begin)
        rows = [_life(each, number, decided=False) for number, each in part]
        store["signal_store"].insert_many(rows)
    parts: list[list[str]] = [[] for _ in range(processes)]
    for number, each in enumerate(names):
        # Apart: whoever decides for an account decides for it alone.
        place = number % ACCOUNTS % processes if apart else number // BATCH % processes
        parts[place].append(each)
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(processes + 1), context.Event()
    spent = context.Queue()
    workers = [context.Process(target=_work, args=(part, ready, go, spent)) for part in parts]
    for worker in workers:
        worker.start()
    ready.wait()
    cpu, began = sum(database.cpu_times()[:2]), time.perf_counter()
    go.set()
    of_cerebro = sum(spent.get() for _ in workers)
    seconds = time.perf_counter() - began
    of_database = sum(database.cpu_times()[:2]) - cpu
    for worker in workers:
        worker.join()
    each = 1000 / len(names)
    row = f"{len(names) / seconds:7.0f} {of_database * each:9.2f} {of_cerebro * each:9.2f}"
    busy = 100 * of_database / seconds
    print(f"{name:34} {row}   database {busy:.0f} % of a core", flush=True)
    orders = store["orders"].count_documents({"signal_id": {"$in": names}})
    return orders == len(names)


def _work(names: list[str], ready: Any, go: Any, spent: Any) -> None:  # noqa: ANN401 - of a context
    store = Store.connect(load(CommonSettings))
    limits = RiskLimits(
        max_position_ratio=Decimal(1),
        max_broker_allocation_ratio=Decimal(1),
        account_max_age_seconds=Decimal(10**6),
    )
    patience = Patience(Decimal(60), Decimal(60), Decimal(10))
    queries = CerebroStore(store, reference_seconds=0.5)
    cerebro = Cerebro(store, queries, _Deaf(), limits=limits, patience=patience)  # type: ignore[arg-type]
    ready.wait()
    go.wait()
    began = sum(os.times()[:2])
    for begin in range(0, len(names), BATCH):
        cerebro.on_signals([{"signal_id": name} for name in names[begin : begin + BATCH]])
        # As if execution had booked the fills.
        held = [_order_id(name) for name in names[begin : begin + BATCH]]
        store["reservations"].delete_many({"_id": {"$in": held}})
    spent.put(sum(os.times()[:2]) - began)


def _order_id(signal_id: str) -> str:
    number = int(signal_id.rsplit("-", 1)[1])
    account = f"A-{number % STRATEGIES % ACCOUNTS}"
    return client_order_id_for(signal_id, 0, account, 1)


def _without_database(processes: int, decisions: int) -> float:
    """Decisions a second of so many processes that decide from memory."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    workers = [context.Process(target=_decide, args=(ready, decisions)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return processes * decisions / (time.perf_counter() - began)


def _decide(ready: Any, decisions: int) -> None:  # noqa: ANN401 - of a context
    signal, seen = bench_decide.signal(), bench_decide.context(1, ())
    ready.wait()
    for _ in range(decisions):
        decide(signal, seen)


if __name__ == "__main__":
    sys.exit(main())
