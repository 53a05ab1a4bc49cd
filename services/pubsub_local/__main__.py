"""Wiring of the local Pub/Sub server.

Runs on the settings of the instance; `--port` and `--path` run one apart, without /health (tests).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily

from services.common.daemon import Process, main
from services.common.settings import CommonSettings
from services.pubsub_local.server import PubSubServer

_GRACE_SECONDS = 0.5


class _Bus:
    """The server as a part of a process; also what /metrics tells of it."""

    def __init__(self, server: PubSubServer) -> None:
        self._server = server

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop(_GRACE_SECONDS)

    def state(self) -> str:
        counters = self._server.counters()
        return (
            f"{counters['backlog_messages']} messages waiting, {counters['open_streams']} streams"
        )

    def collect(self) -> list[GaugeMetricFamily]:
        return [
            GaugeMetricFamily(f"pubsub_local_{name}", name.replace("_", " "), value=count)
            for name, count in self._server.counters().items()
        ]


def build(process: Process[CommonSettings]) -> None:
    """Journal and server; /health where it is the instance's own bus."""
    settings = process.settings
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default=settings.mt_bind_host)
    parser.add_argument("--port", type=int, help="instead of the port of the settings")
    parser.add_argument("--path", type=Path, default=settings.mt_home / ".data" / "pubsub")
    arguments = parser.parse_args()
    port = arguments.port or settings.port("pubsub_local")
    bus = _Bus(PubSubServer(host=arguments.host, port=port, path=arguments.path))
    process.add(bus)
    process.health.add("journal", bus.state)
    if arguments.port is None:
        REGISTRY.register(bus)
        process.serve_ops("pubsub_local_ops")


if __name__ == "__main__":
    main("pubsub_local", CommonSettings, build)
