"""The processes of one instance: commands, ports, and the order of their start."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from services.common.settings import CommonSettings

Probe = Literal["health", "mongodb"]

#: Downstream first and the gateway last: nothing comes in before what handles it is there. A drain
#: goes the other way round. The web UI is the outermost: it only forwards.
SERVICES = (
    "telegram",
    "dashboard_creator",
    "portfolio_builder",
    "account_data",
    "execution",
    "cerebro",
    "signal_ingestion",
    "signal_gateway",
    "web",
)
ORDER = ("mongodb", "pubsub_local", "mock_broker", *SERVICES)
#: Without the first an acknowledged write may be lost with the power. With a cache of 64 MB one
#: document of 14 MB, which a study may be, beside other writes stops the database for good.
DATABASE_OPTIONS: Final = ("--sync-on-commit", "--cache-size", "256M", "--log-level", "WARNING")
#: Its Python reads the sitecustomize.py there, which keeps the garbage collector from stopping it.
#: With two arenas of malloc instead of sixteen its memory grows by an eighth less.
DATABASE_ENVIRONMENT: Final = {
    "PYTHONPATH": str(Path(__file__).with_name("database_process")),
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True)
class Process:
    """One process to run.

    Attributes:
        port: where `probe` is asked.
        ports: everything it listens on, `port` included.
        patience_s: seconds it may take to be ready.
        most_bytes: of memory; larger it is ended in good order and started anew; 0 = any.
    """

    name: str
    command: tuple[str, ...]
    port: int
    host: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    probe: Probe = "health"
    patience_s: float = 60.0
    most_bytes: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def listens_on(self) -> tuple[int, ...]:
        """Every port it needs."""
        return self.ports or (self.port,)

    @property
    def url(self) -> str:
        """Where it tells how it is."""
        if self.probe == "mongodb":
            return f"mongodb://{self.host}:{self.port}"
        return f"http://{self.host}:{self.port}/health"


def infrastructure(settings: CommonSettings, *, mock_broker: bool) -> tuple[Process, ...]:
    """What the services need before they start."""
    wanted = []
    if settings.embedded_database:
        wanted.append(_database(settings))
    if settings.embedded_bus:
        ports = (settings.port("pubsub_local"), settings.port("pubsub_local_ops"))
        wanted.append(_python(settings, "pubsub_local", "services.pubsub_local", ports[1], ports))
    if mock_broker:
        wanted.append(
            _python(settings, "mock_broker", "brokers.mock", settings.port("mock_broker"))
        )
    return tuple(wanted)


def services(settings: CommonSettings, *, ui: bool = True) -> tuple[Process, ...]:
    """The daemons, in the order of their start."""
    return tuple(_service(settings, name) for name in SERVICES if ui or name != "web")


def _service(settings: CommonSettings, name: str) -> Process:
    ports = (settings.port(name),)
    if name == "web":  # the world sees its first port, so it tells how it is on another
        ports = (settings.port("web_ops"), settings.port("web"))
    return _python(settings, name, f"services.{name}", ports[0], ports)


def _python(
    settings: CommonSettings, name: str, module: str, port: int, ports: tuple[int, ...] = ()
) -> Process:
    command = (sys.executable, "-m", module)
    return Process(name, command, port, host=settings.reachable_host, ports=ports)


def _database(settings: CommonSettings) -> Process:
    """SecantusDB, always as a program of its own (GPL-2.0), never imported."""
    port = settings.port("mongodb")
    storage = settings.mt_home / ".data" / "mongodb"
    command = (
        str(Path(sys.executable).parent / "secantusd-py"),
        *("--host", "127.0.0.1", "--port", str(port), "--storage-path", str(storage)),
        *DATABASE_OPTIONS,
        *("--oplog-retention-seconds", "604800", "--oplog-max-entries", "1000000"),
        *("--noop-heartbeat-seconds", "10"),
    )
    most_bytes = settings.embedded_database_max_mb * 2**20
    return Process(
        "mongodb",
        command,
        port,
        probe="mongodb",
        patience_s=120.0,
        most_bytes=most_bytes,
        environment=DATABASE_ENVIRONMENT,
    )
