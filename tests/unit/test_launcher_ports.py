"""Which ports are free, and who has the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from scripts.launcher import ports
from scripts.launcher.errors import ScriptError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server


def test_port_with_a_listener_is_taken(listener: socket.socket) -> None:
    assert not ports.is_free("127.0.0.1", listener.getsockname()[1])


def test_port_that_shares_itself_is_taken() -> None:
    # gRPC servers listen with SO_REUSEPORT
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        assert not ports.is_free("127.0.0.1", server.getsockname()[1])


def test_port_of_a_closed_connection_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = listener.accept()
    accepted.close()  # the server side closes first and is left in TIME_WAIT
    client.close()
    listener.close()
    assert ports.is_free("127.0.0.1", port)


def test_listener_on_one_address_takes_the_port_on_all(listener: socket.socket) -> None:
    assert not ports.is_free("0.0.0.0", listener.getsockname()[1])


def test_address_of_another_machine_is_a_wrong_setting() -> None:
    with pytest.raises(ScriptError, match=r"MT_BIND_HOST 192\.0\.2\.1") as caught:
        ports.is_free("192.0.2.1", 8001)  # TEST-NET-1 is nobody's
    assert caught.value.exit_code == 78


def test_holder_is_named_by_its_pid(listener: socket.socket) -> None:
    assert f"pid {os.getpid()}" in ports.holder(listener.getsockname()[1])


def test_sentence_names_port_and_service(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    [sentence] = ports.taken([("cerebro", port)], {"127.0.0.1"})
    assert sentence.startswith(f"port {port}, which cerebro needs, is taken by pid")
