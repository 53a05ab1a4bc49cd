#!/usr/bin/env python3
"""How many market orders a second the mock broker takes over HTTP.

    python3 scripts/bench_mock_broker.py [--accounts 4] [--seconds 10]

A broker of its own on a free port and a scratch directory; each account is a process that sends
through the adapter, one order after another, 20 instruments in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from brokers.errors import BrokerError
from brokers.mock.adapter import MockBroker
from services.domain.instruments import Instrument
from services.domain.orders import Order, client_order_id_for
from services.domain.words import Environment, InstrumentType, Intent, OrderType, Side

_MOST = 1500  # orders a second of one account, made before the clock starts


def main() -> None:
    """Start, send, print, end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        port = _free_port()
        command = [sys.executable, "-m", "brokers.mock", "--port", str(port), "--path", scratch]
        broker = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1])
        try:
            _until_answers(port)
            _measure(psutil.Process(broker.pid), port, wanted.accounts, wanted.seconds)
        finally:
            broker.terminate()
            broker.wait(30)


def _measure(broker: psutil.Process, port: int, accounts: int, seconds: float) -> None:
    answers: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    ready = multiprocessing.Barrier(accounts + 1)
    senders = [
        multiprocessing.Process(target=_send, args=(port, number, seconds, ready, answers))
        for number in range(accounts)
    ]
    for sender in senders:
        sender.start()
    ready.wait()
    before = _cpu(broker)
    took = sorted(each for _ in senders for each in answers.get())
    used = _cpu(broker) - before
    for sender in senders:
        sender.join()
    percentiles = statistics.quantiles(took, n=100)
    print(
        f"{len(took) / seconds:.0f} orders/s over {accounts} accounts; answer p50 / p99 "
        f"{percentiles[49] * 1000:.1f} / {percentiles[98] * 1000:.1f} ms; "
        f"{used / len(took) * 1000:.2f} ms of CPU an order"
    )


def _send(
    port: int,
    number: int,
    seconds: float,
    ready: multiprocessing.synchronize.Barrier,
    answers: multiprocessing.Queue[list[float]],
) -> None:
    account_id = f"Bench-{number}"
    orders = [_order(account_id, each) for each in range(int(_MOST * seconds))]
    broker = MockBroker(account_id, base_url=f"http://127.0.0.1:{port}", timeout_seconds=10)
    broker.connect()
    ready.wait()
    took = []
    end = time.perf_counter() + seconds
    for order in orders:
        began = time.perf_counter()
        if began > end:
            break
        broker.place_order(order)
        took.append(time.perf_counter() - began)
    broker.close()
    answers.put(took)


def _order(account_id: str, number: int) -> Order:
    return Order(
        client_order_id=client_order_id_for(f"bench-{number}", 0, account_id, 1),
        signal_id=f"bench-{number}",
        strategy_id="bench",
        account_id=account_id,
        leg_index=0,
        intent=Intent.ENTRY,
        instrument=Instrument(
            instrument_type=InstrumentType.STOCK, symbol=f"STK{number % 20}", currency="USD"
        ),
        side=Side.BUY if number // 20 % 2 else Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        reference_price=Decimal(100),
        environment=Environment.STAGING,
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_answers(port: int) -> None:
    broker = MockBroker("Bench", base_url=f"http://127.0.0.1:{port}", timeout_seconds=1)
    until = time.monotonic() + 30
    while True:
        try:
            broker.connect()
        except BrokerError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
