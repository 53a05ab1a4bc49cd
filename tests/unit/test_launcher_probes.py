"""What is understood of a process's answer, and what is told of a database address."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from scripts.launcher import probes
from scripts.launcher.errors import ScriptError
from services.common.settings import CommonSettings
from tests.support.servers import free_port

Serve = Callable[[int, bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def report(*, ready: bool, **dependencies: bool) -> bytes:
    states = {name: {"ok": ok, "detail": f"{name} says"} for name, ok in dependencies.items()}
    return json.dumps({"ready": ready, "dependencies": states, "pid": 1}).encode()


def test_ready_process_is_ready(serve: Serve) -> None:
    answer = probes.health("127.0.0.1", serve(200, report(ready=True, mongodb=True)))
    assert answer.ready
    assert answer.report["pid"] == 1


def test_unready_process_tells_the_missing_dependency(serve: Serve) -> None:
    port = serve(503, report(ready=False, mongodb=True, broker=False))
    assert probes.health("127.0.0.1", port)[:2] == (False, "broker: broker says")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"ok"',
        b'{"status": "ok"}',
        b"\xff",
        b'{"ready": true, "dependencies": [1]}',
    ],
)
def test_answer_of_a_stranger_is_not_ready(serve: Serve, body: bytes) -> None:
    answer = probes.health("127.0.0.1", serve(200, body))
    assert answer[:2] == (False, "something that is not ours answers")


def test_no_answer_is_not_ready() -> None:
    answer = probes.health("127.0.0.1", free_port())
    assert not answer.ready
    assert "no answer" in answer.detail


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://db.example:27017/", "db.example:27017"),
        ("mongodb://bob:s3cret@a:1,b:2/x?replicaSet=r", "a:1,b:2"),
        ("mongodb://bob:s3@cret@a:1/", "a:1"),
        ("mongodb://bob:s3/cret@[::1]:5/", "[::1]:5"),
        ("mongodb+srv://bob:s3cret@cluster.example", "cluster.example"),
        ("mongodb://bob:s3cret", "an unreadable address"),
        ("s3cret!", "an unreadable address"),
    ],
)
def test_only_hosts_of_a_database_address_are_shown(uri: str, shown: str) -> None:
    assert probes.hosts(uri) == shown


@pytest.mark.parametrize(
    ("uri", "exit_code"),
    [
        ("mongodb://bob:s3cret@127.0.0.1:9/", 1),
        ("mongodb://bob:s3@cret@127.0.0.1:9/", 78),
        ("mongodb://bob:s3cret", 78),
        ("postgres://bob:s3cret@127.0.0.1/", 78),
    ],
)
def test_unusable_database_is_told_without_credentials(uri: str, exit_code: int) -> None:
    with pytest.raises(ScriptError, match="MONGODB_URI") as caught:
        probes.check_database(CommonSettings(mongodb_uri=uri), timeout_s=0.3)
    assert "s3" not in str(caught.value)
    assert "bob" not in str(caught.value)
    assert caught.value.exit_code == exit_code


def test_bus_that_does_not_answer_is_told() -> None:
    answer = probes.bus(CommonSettings(pubsub_emulator_host=f"127.0.0.1:{free_port()}"))
    assert not answer.ready
    assert "no answer" in answer.detail
