"""Measure the local Pub/Sub server through Google's unmodified high-level client.

Server, publisher and subscriber are three processes on this machine. Prints what was measured:

    python -m scripts.bench_pubsub --messages 20000
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from google.cloud import pubsub_v1

_REPOSITORY = Path(__file__).resolve().parents[1]
_PROJECT = "projects/bench"
_WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Cost:
    """What the server used between two moments."""

    cpu_seconds: float
    wall_seconds: float

    def per_message_ms(self, messages: int) -> float:
        """Milliseconds of server CPU for one message."""
        return self.cpu_seconds / messages * 1000


class Bench:
    """The server's process, a publisher and names for one run."""

    def __init__(self, server: psutil.Process, *, payload_bytes: int) -> None:
        self._server = server
        self._payload = "x" * payload_bytes
        self._runs = 0

    def topic_and_subscription(self, *, ordered: bool = False) -> tuple[str, str]:
        """A fresh pair."""
        self._runs += 1
        topic = f"{_PROJECT}/topics/topic-{self._runs}"
        subscription = f"{_PROJECT}/subscriptions/subscription-{self._runs}"
        with pubsub_v1.SubscriberClient() as subscriber:
            publisher = pubsub_v1.PublisherClient()
            publisher.create_topic(name=topic)
            subscriber.create_subscription(
                request={"name": subscription, "topic": topic, "enable_message_ordering": ordered}
            )
            publisher.stop()
        return topic, subscription

    def body(self) -> bytes:
        """A payload that carries the time it was made."""
        return f"{time.time_ns()} {self._payload}".encode()

    @contextmanager
    def cost(self) -> Iterator[list[Cost]]:
        """What the server uses inside the block."""
        result: list[Cost] = []
        before, started_at = self._server.cpu_times(), time.monotonic()
        yield result
        after = self._server.cpu_times()
        used = after.user + after.system - before.user - before.system
        result.append(Cost(used, time.monotonic() - started_at))

    def rss_mb(self) -> float:
        """Resident memory of the server."""
        return float(self._server.memory_info().rss / 1e6)


class Consumer:
    """A subscriber in a process of its own; says when it has got `messages`."""

    def __init__(self, subscription: str, messages: int) -> None:
        command = [sys.executable, __file__, "--consume", subscription, "--messages", str(messages)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._read()  # it is subscribed

    def latencies_ms(self) -> list[float]:
        """Publish to callback of every message, once all have come."""
        latencies: list[float] = self._read()
        self._process.wait(timeout=_WAIT_SECONDS)
        return latencies

    def _read(self) -> Any:  # noqa: ANN401 - whatever the other process says
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        return json.loads(self._process.stdout.readline())


def consume(subscription: str, messages: int) -> None:
    """The subscriber's process."""
    latencies: list[float] = []
    complete = threading.Event()

    def on_message(message: Any) -> None:  # noqa: ANN401 - untyped client
        sent_ns = int(message.data.partition(b" ")[0])
        latencies.append((time.time_ns() - sent_ns) / 1e6)
        message.ack()
        if len(latencies) == messages:
            complete.set()

    with pubsub_v1.SubscriberClient() as subscriber:
        future = subscriber.subscribe(subscription, on_message, await_callbacks_on_shutdown=True)
        time.sleep(0.5)  # let the stream open
        print(json.dumps("subscribed"), flush=True)
        complete.wait(_WAIT_SECONDS)
        time.sleep(0.2)  # the last acks leave
        future.cancel()
        future.result(timeout=30)
    print(json.dumps(latencies), flush=True)


def bench_latency(bench: Bench, messages: int, per_second: float) -> None:
    """Unbatched publishing at a steady rate: what the trading system does."""
    topic, subscription = bench.topic_and_subscription()
    consumer = Consumer(subscription, messages)
    publisher = pubsub_v1.PublisherClient(
        batch_settings=pubsub_v1.types.BatchSettings(max_messages=1, max_latency=0)
    )
    with bench.cost() as cost:
        for number in range(messages):
            publisher.publish(topic, bench.body())
            time.sleep(1 / per_second)
            if number == 0:
                time.sleep(0.5)  # the first one opens connections
        latencies = consumer.latencies_ms()[1:]
    publisher.stop()
    cuts = statistics.quantiles(latencies, n=100)
    _row(
        f"unbatched, {per_second:g}/s",
        f"p50 {cuts[49]:6.2f} ms   p95 {cuts[94]:6.2f} ms   p99 {cuts[98]:6.2f} ms",
        f"{cost[0].per_message_ms(messages):.3f} ms CPU/message   {bench.rss_mb():.0f} MB",
    )


def bench_bulk(bench: Bench, messages: int, keys: int) -> None:
    """As many messages as the clients can move, publisher batching on."""
    topic, subscription = bench.topic_and_subscription(ordered=keys > 0)
    consumer = Consumer(subscription, messages)
    publisher = pubsub_v1.PublisherClient(
        publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=keys > 0)
    )
    with bench.cost() as cost:
        started_at = time.monotonic()
        futures = [
            publisher.publish(topic, bench.body(), f"key-{n % keys}" if keys else "")
            for n in range(messages)
        ]
        for future in futures:
            future.result(timeout=_WAIT_SECONDS)
        published_in = time.monotonic() - started_at
        consumer.latencies_ms()
    publisher.stop()
    _row(
        f"bulk, {keys or 'no'} keys",
        f"{messages / published_in:6.0f}/s published   "
        f"{messages / cost[0].wall_seconds:6.0f}/s end to end",
        f"{cost[0].per_message_ms(messages):.3f} ms CPU/message   {bench.rss_mb():.0f} MB",
    )


def bench_idle(bench: Bench, seconds: float) -> None:
    """What the server uses when nothing happens."""
    time.sleep(2)  # the runs before this one are over
    with bench.cost() as cost:
        time.sleep(seconds)
    _row(
        "idle",
        f"{cost[0].cpu_seconds / cost[0].wall_seconds * 100:.2f} % of one CPU",
        f"{bench.rss_mb():.0f} MB",
    )


def _row(name: str, *cells: str) -> None:
    print(f"{name:<22}" + "   ".join(cells), flush=True)


@contextmanager
def server() -> Iterator[psutil.Process]:
    """The server on a free port with an empty journal; clients find it in the environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["PUBSUB_EMULATOR_HOST"] = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.pubsub_local", "--port", str(port), "--path", home],
            cwd=_REPOSITORY,
            env={**os.environ, "MT_HOME": home},
            stderr=subprocess.DEVNULL,
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def main() -> None:
    """Print one row for each load."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000, help="of the bulk runs")
    parser.add_argument("--singles", type=int, default=1_000, help="of the unbatched runs")
    parser.add_argument("--payload-bytes", type=int, default=300)
    parser.add_argument("--consume", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.consume:
        consume(arguments.consume, arguments.messages)
        return
    with server() as process:
        bench = Bench(process, payload_bytes=arguments.payload_bytes)
        for per_second in (20.0, 200.0):
            bench_latency(bench, arguments.singles, per_second)
        bench_bulk(bench, arguments.messages, keys=0)
        bench_bulk(bench, arguments.messages, keys=50)
        bench_idle(bench, seconds=20)


if __name__ == "__main__":
    main()
