#!/usr/bin/env python3
"""Measure execution: orders a second, time from a message to the broker, time to open again.

    .venv/bin/python scripts/bench_execution.py [--orders 2000] [--rates 20,50] [--duration 15]
    .venv/bin/python scripts/bench_execution.py --broker ibkr --orders 200 --rates 10,20

Database, bus, broker and one execution process run apart on this machine; orders are put into the
store and rung for as Cerebro does. Throughput counts from the first doorbell to the last booking;
latency from the doorbell's publication to the broker's own time of the fill; a restart from the
start of the process, and from its last lease, to the last desk that is open. A fake of a real
broker is also killed and started again: measured from when it answers to the last desk that is
open again, everything compared.
Numbers, no verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()


from scripts.bench import venues
from scripts.bench.embedded import embedded_database
from scripts.bench.measure import percentiles
from scripts.bench.orders import DRAIN_SECONDS, Bench
from scripts.bench.processes import CpuShares, running
from services.common.bootstrap import prepare
from services.common.clock import utc_now
from services.common.orders import order_document
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.domain.orders import Order
from services.domain.words import OrderStatus, OrderType

_CHUNK = 50
_AHEAD_SECONDS = 0.4
#: A restart, and a gateway that somebody has to start.
_AWAY_SECONDS = (1.0, 15.0)
_OPEN = re.compile(r"account (\S+) is open.*?\|(\d{4}-[^|Z]*)Z")


def main() -> int:
    """Measure every case; exit code 1 where an order was lost or doubled."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="mt-bench-") as home, ExitStack() as parts:
        os.environ |= {"MT_HOME": home, "MT_PORT_OFFSET": str(arguments.port_offset)}
        os.environ |= {"USE_MOCK_BROKER": "true" if arguments.broker == "mock" else "false"}
        settings = load(CommonSettings)
        started = {"database": parts.enter_context(embedded_database(settings))}
        bus = running("services.pubsub_local", settings, "pubsub_local_ops")
        started["bus"] = parts.enter_context(bus)
        venue = parts.enter_context(
            venues.running(arguments.broker, Path(home), arguments.accounts)
        )
        if isinstance(venue, venues.FakeVenue):
            started["broker"] = venue.process
        else:
            mock = running("brokers.mock", settings, "mock_broker")
            started["broker"] = parts.enter_context(mock)
        prepare(settings)
        bench = Bench(settings, venue)
        bench.processes = started
        bench.seed()
        result = {"orders a second": _loads(bench, arguments)} | _restarts(bench, arguments)
        if isinstance(venue, venues.FakeVenue):
            result["broker is back"] = _returns(bench, venue)
        doubled = _doubled(bench)
        result |= {"doubled": doubled, "broker": venue.facts()}
        print(f"\n{venue.facts() or ''}")
        bench.store.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2, default=str) + "\n")
    print(f"\ndoubled at the broker: {doubled}")
    return 1 if doubled else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=sorted(venues.VENUES), default="mock")
    parser.add_argument("--orders", type=int, default=2000, help="of the burst (%(default)s)")
    parser.add_argument(
        "--rates",
        type=lambda text: [float(each) for each in text.split(",")],
        default=[20.0, 50.0, 100.0, 200.0],
        help="steady rates, orders a second, comma-separated",
    )
    parser.add_argument("--duration", type=float, default=15, help="seconds of each (%(default)s)")
    parser.add_argument("--accounts", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--history", type=int, default=10_000, help="ended orders (%(default)s)")
    parser.add_argument("--open", type=int, default=200, help="working orders (%(default)s)")
    parser.add_argument("--port-offset", type=int, default=24000, help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    return parser.parse_args()


def _loads(bench: Bench, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The burst and the steady rates, before one execution process."""
    with running("services.execution", bench.settings, "execution") as execution:
        bench.processes["execution"] = execution
        _until_open(bench, 0)
        warm = [bench.order() for _ in range(100)]
        bench.decide(warm)
        bench.ring(warm)
        bench.until(0, {})
        print(f"\n{'load':24}{'orders/s':>9}  CPU ms an order: ", end="")
        print("".join(f"{name:>12}" for name in bench.processes) + f"{'commands':>10}", end="")
        print("   ms from the doorbell p50 / p99: to the broker, to booked")
        rows = [_burst(bench, arguments.orders)]
        rows += [_steady(bench, rate, arguments.duration) for rate in arguments.rates]
    del bench.processes["execution"]
    return rows


def _burst(bench: Bench, count: int) -> dict[str, Any]:
    """All orders as fast as they can be stored and rung for."""
    orders = [bench.order() for _ in range(count)]

    def work(rung: dict[str, datetime]) -> None:
        for at in range(0, count, _CHUNK):
            together = orders[at : at + _CHUNK]
            bench.decide(together)
            rung |= dict.fromkeys((each.client_order_id for each in together), datetime.now(UTC))
            bench.ring(together)

    return _load(bench, f"{count} at once", orders, work)


def _steady(bench: Bench, rate: float, seconds: float) -> dict[str, Any]:
    """One doorbell after the other at its time; the orders are stored a moment before."""
    orders = [bench.order() for _ in range(int(rate * seconds))]
    few = max(1, int(rate * _AHEAD_SECONDS / 2))
    begun = time.perf_counter() + 2 * _AHEAD_SECONDS

    stored = threading.Semaphore(0)  # a doorbell for a row that is not there yet would be lost

    def store() -> None:
        for at in range(0, len(orders), few):
            _sleep_until(begun + at / rate - _AHEAD_SECONDS)
            bench.decide(orders[at : at + few])
            stored.release(few)

    def work(rung: dict[str, datetime]) -> None:
        storing = threading.Thread(target=store)
        storing.start()
        for number, order in enumerate(orders):
            _sleep_until(begun + number / rate)
            stored.acquire()
            rung[order.client_order_id] = datetime.now(UTC)
            bench.ring([order])
        storing.join()

    return _load(bench, f"{rate:g}/s for {seconds:g} s", orders, work)


def _sleep_until(moment: float) -> None:
    if (pause := moment - time.perf_counter()) > 0:
        time.sleep(pause)


def _load(
    bench: Bench, name: str, orders: Sequence[Order], work: Callable[[dict[str, datetime]], None]
) -> dict[str, Any]:
    """Measure until all that was rung for is booked; print a row."""
    shares, commands = CpuShares(bench.processes), bench.commands()
    rung: dict[str, datetime] = {}
    work(rung)
    bench.until(0, {})
    spent, commands = shares.stop(), bench.commands() - commands
    row = _figures(bench, orders, rung)
    row |= {"load": name, "commands_an_order": round(commands / len(orders), 1)}
    row["cpu_ms_an_order"] = {who: round(1000 * s / len(orders), 2) for who, s in spent.items()}
    _print_load(row)
    return row


def _figures(bench: Bench, orders: Sequence[Order], rung: Mapping[str, datetime]) -> dict[str, Any]:
    filled_at, booked_at = bench.at_broker(), {}
    for stored in bench.rows(orders):
        if stored["status"] == OrderStatus.FILLED:
            booked_at[stored["_id"]] = stored["events"][-1]["recorded_at"]
    seconds = (max(booked_at.values()) - min(rung.values())).total_seconds()
    return {
        "orders": len(orders),
        "not_booked": len(orders) - len(booked_at),
        "orders_per_s": round(len(booked_at) / seconds, 1),
        "to_broker_ms": percentiles(_ms(rung[i], filled_at[i]) for i in booked_at),
        "to_booked_ms": percentiles(_ms(rung[i], booked_at[i]) for i in booked_at),
    }


def _print_load(row: Mapping[str, Any]) -> None:
    cpu = "".join(f"{value:12.2f}" for value in row["cpu_ms_an_order"].values())
    broker, booked = row["to_broker_ms"], row["to_booked_ms"]
    print(
        f"{row['load']:24}{row['orders_per_s']:9.0f}{'':19}{cpu}{row['commands_an_order']:10.1f}"
        f"   {broker['p50']:.0f} / {broker['p99']:.0f}, {booked['p50']:.0f} / {booked['p99']:.0f}"
        f" (longest {booked['max']:.0f})"
        + (f"   {row['not_booked']} NOT BOOKED" if row["not_booked"] else ""),
        flush=True,
    )


def _restarts(bench: Bench, arguments: argparse.Namespace) -> dict[str, Any]:
    """Orders that rest at the broker and orders that have ended; then start, twice."""
    with running("services.execution", bench.settings, "execution"):
        _until_open(bench, 0)
        limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(5)}
        resting = [bench.order(**limit) for _ in range(arguments.open)]
        for at in range(0, len(resting), _CHUNK):
            bench.decide(resting[at : at + _CHUNK])
            bench.ring(resting[at : at + _CHUNK])
        bench.until(len(resting), {"status": OrderStatus.SUBMITTED})
    ended = bench.store["orders"].count_documents({"working": {"$exists": False}})
    _fill(bench, arguments.history - ended)
    result: dict[str, Any] = {}
    print(f"\nrestart with {arguments.history} ended and {arguments.open} open orders, seconds")
    for name in ("after a drain", "after a kill -9"):
        began = time.time()
        with running("services.execution", bench.settings) as execution:
            lease, opened = _until_open(bench, began)
            if name == "after a drain":
                execution.kill()
                execution.wait()
        row = {"from start": opened - began, "from the last lease": opened - lease}
        result[name] = {what: round(seconds, 2) for what, seconds in row.items()}
        print(f"{name:24}" + "".join(f"{w}: {s:.2f}   " for w, s in result[name].items()))
    return {"restart": result}


def _returns(bench: Bench, venue: venues.FakeVenue) -> list[dict[str, float]]:
    """The broker dies and comes back, soon and after a while, with what rests there."""
    rows = []
    print("\nthe broker is back: seconds until every desk has compared everything and trades")
    with running("services.execution", bench.settings, "execution"):
        _until_open(bench, 0)
        for away in _AWAY_SECONDS:
            venue.kill()
            time.sleep(away)
            venue.start()
            back = time.time()
            _, opened = _until_open(bench, back)
            rows.append({"away_s": away, "open_again_s": round(opened - back, 2)})
            print(f"away for {away:g} s: {opened - back:.2f}")
    return rows


def _fill(bench: Bench, count: int) -> None:
    """Orders that ended a month ago."""
    then = utc_now() - timedelta(days=30)
    for begin in range(0, max(count, 0), 1000):
        rows = []
        for _ in range(min(1000, count - begin)):
            row = order_document(bench.order(), at=then)
            row |= {"status": OrderStatus.FILLED, "filled_quantity": Decimal(1)}
            del row["working"]
            rows.append(row)
        bench.store["orders"].insert_many(rows, ordered=False)


def _until_open(bench: Bench, since: float) -> tuple[float, float]:
    """When the last lease was taken and the last desk opened, after a moment; epoch seconds."""
    log = bench.settings.mt_home / "logs" / "execution.log"
    until = time.monotonic() + DRAIN_SECONDS
    taken: dict[str, float] = {}
    known = {row["_id"]: row["epoch"] for row in bench.store["leases"].find()}
    while time.monotonic() < until:
        for row in bench.store["leases"].find():
            if row["epoch"] != known.get(row["_id"]):
                taken.setdefault(row["_id"], time.time())
        opened = dict(_OPEN.findall(log.read_text())) if log.exists() else {}
        moments = {n: datetime.fromisoformat(t + "+00:00").timestamp() for n, t in opened.items()}
        if all(moments.get(each, 0) > since for each in bench.accounts):
            return max(taken.values(), default=since), max(moments.values())
        time.sleep(0.01)
    raise SystemExit("the desks did not open")


def _doubled(bench: Bench) -> int:
    counts: dict[str, int] = {}
    for account_id in bench.accounts:
        for each in bench.broker("GET", f"/v1/accounts/{account_id}/orders"):
            name = each["client_order_id"]
            counts[name] = counts.get(name, 0) + 1
    return sum(1 for count in counts.values() if count > 1)


def _ms(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000


if __name__ == "__main__":
    sys.exit(main())
