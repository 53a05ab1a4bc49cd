"""Real servers for tests: the embedded database, the local bus, the mock broker, as processes.

Each is a context manager that yields a `Server` and ends that process, and no other, when left.
Give the same `path` (and `port`) twice to start again on the same books after a kill. A server
that is not installed skips the test, or fails it where REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
import pytest
import urllib3
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from scripts.launcher.table import DATABASE_ENVIRONMENT, DATABASE_OPTIONS

REPOSITORY = Path(__file__).resolve().parents[2]
#: Generous, because CI machines are slow and several test runs may share this one.
START_SECONDS = 60.0
STOP_SECONDS = 30.0
#: Below those that the system takes for outgoing connections, of which tests have very many.
_LISTENING_PORTS = (10_000, 32_000)

#: For clients that ask now and then: a server ends a connection that was idle for some seconds,
#: perhaps in the moment in which it is used again, and then nobody knows whether it had heard.
ONCE = {"Connection": "close"}


@dataclass(frozen=True)
class Server:
    """One running server.

    Attributes:
        address: how its clients name it: a MongoDB URI, host:port, or http://host:port.
    """

    process: subprocess.Popen[bytes]
    port: int
    address: str

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


def free_port() -> int:
    """A port nobody listens on now, and that no outgoing connection is given before we do."""
    while True:
        port = random.SystemRandom().randrange(*_LISTENING_PORTS)  # whatever a test has seeded
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def start_database(path: Path, *, port: int | None = None) -> Iterator[Server]:
    """SecantusDB with its data below `path`; durable as in production (`--sync-on-commit`)."""
    program = Path(sys.executable).with_name("secantusd-py")
    if not program.exists():
        missing(f"{program} is not there: pip install -r requirements.txt")
    port = port or free_port()
    command = [str(program), "--port", str(port), "--storage-path", str(path / "database")]
    command += [*DATABASE_OPTIONS, "--host", "127.0.0.1"]
    address = f"mongodb://127.0.0.1:{port}/?retryWrites=false"
    with _run(command, path, port, address, _pings, DATABASE_ENVIRONMENT) as server:
        yield server


@contextmanager
def start_bus(path: Path, *, port: int | None = None) -> Iterator[Server]:
    """The local Pub/Sub server with its books below `path`."""
    port = port or free_port()
    command = [*_module("services.pubsub_local"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--path", str(path / "pubsub")]
    with _run(command, path, port, f"127.0.0.1:{port}", _speaks_grpc) as server:
        yield server


@contextmanager
def start_mock_broker(
    path: Path,
    *,
    port: int | None = None,
    options: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """The mock broker with its books below `path`; `settings` beside those of this process."""
    port = port or free_port()
    command = [*_module("brokers.mock"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--path", str(path / "mock_broker"), *options]
    ready = _answers_http
    with _run(command, path, port, f"http://127.0.0.1:{port}", ready, settings) as server:
        yield server


@contextmanager
def start_fake(
    name: str, path: Path, *, port: int, control_port: int, options: Sequence[str] = ()
) -> Iterator[Server]:
    """The fake of a real broker (`tests.fakes.<name>`); the address is that of its commands."""
    command = [*_module(f"tests.fakes.{name}"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--control-port", str(control_port), "--path", str(path / name), *options]
    with _run(command, path, port, f"http://127.0.0.1:{control_port}", _answers_http) as server:
        yield server


def missing(reason: str) -> NoReturn:
    """Skip, because a server cannot run here; fail where the environment promises it can."""
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _module(name: str) -> list[str]:
    if not (REPOSITORY / name.replace(".", "/") / "__main__.py").exists():
        missing(f"python -m {name} is not there")
    return [sys.executable, "-m", name]


@contextmanager
def _run(
    command: list[str],
    path: Path,
    port: int,
    address: str,
    ready: Callable[[str], bool],
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    path.mkdir(parents=True, exist_ok=True)
    log = path / f"server-{port}.log"
    # Logs and .env of this test, not ours.
    environment = {**os.environ, **(settings or {}), "MT_HOME": str(path)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output
        )
    try:
        _wait(process, lambda: ready(address), log)
        yield Server(process, port, address)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            tail = log.read_text(errors="replace")[-2000:]
            pytest.fail(f"{process.args} did not start (exit code {process.poll()}):\n{tail}")
        time.sleep(0.05)


def _pings(address: str) -> bool:
    client: MongoClient[dict[str, object]] = MongoClient(address, serverSelectionTimeoutMS=500)
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True


def _speaks_grpc(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return False
    return True


def _answers_http(address: str) -> bool:
    with urllib3.PoolManager() as pool:
        try:
            return pool.request("GET", f"{address}/health", retries=False, timeout=1).status == 200
        except urllib3.exceptions.HTTPError:
            return False
