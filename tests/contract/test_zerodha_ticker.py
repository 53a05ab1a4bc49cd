"""Kite's websocket as a doorbell: it rings for orders, comes back, and keeps its secret."""

import json
import logging
import queue
import threading
import time

import pytest
from pydantic import SecretStr
from websockets.sync.server import serve

from brokers.errors import BrokerUnavailable, LoginRequired
from brokers.zerodha.client import KiteClient
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.ticker import Ticker
from services.domain.errors import ConfigurationError
from tests.support.broker_orders import eventually
from tests.support.impostor import impostor  # noqa: F401 - a fixture

TOKEN = "s3cr3tt0k3n"
ORDER = json.dumps({"type": "order", "data": {"order_id": "1"}})


class Socket:
    """A websocket server, and who has come."""

    def __init__(self):
        self.arrived = queue.Queue()
        self.refuses = False
        self._server = serve(
            self._take, "127.0.0.1", 0, process_request=self._admit, compression=None
        )
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _admit(self, connection, _request):
        return connection.respond(403, "Forbidden") if self.refuses else None

    def _take(self, connection):
        self.arrived.put(connection)
        for _ in connection:
            pass

    def stop(self):
        self._server.shutdown()
        self._thread.join(timeout=10)


@pytest.fixture
def server():
    made = Socket()
    yield made
    made.stop()


@pytest.fixture
def rung():
    return queue.Queue()


@pytest.fixture
def listen(rung):
    """Starts a ticker on a port."""
    made = []

    def start(port, token=lambda: TOKEN, scheme="ws"):
        link = ZerodhaLink(api_key="key", ticker_url=f"{scheme}://127.0.0.1:{port}")
        ticker = Ticker(link, token, lambda: rung.put(True))
        made.append(ticker)
        ticker.start()
        return ticker

    yield start
    for ticker in made:
        ticker.close()


def test_it_rings_when_it_has_connected_and_when_an_order_has_moved(server, rung, listen):
    ticker = listen(server.port)
    connection = server.arrived.get(timeout=10)
    assert rung.get(timeout=10)  # something may have moved while nobody listened
    eventually(lambda: ticker.is_healthy)
    connection.send(b"\x00")  # a heartbeat
    connection.send(json.dumps({"type": "message", "data": "hello"}))
    connection.send(ORDER)
    connection.send("<html>")
    for _ in range(2):  # the order, and what cannot be read
        assert rung.get(timeout=10)
    time.sleep(0.2)
    assert rung.empty()
    request = connection.request
    assert request.headers["X-Kite-Version"] == "3"
    assert f"access_token={TOKEN}" in request.path


def test_it_comes_back_after_a_cut_with_the_token_of_then(server, rung, listen):
    tokens = iter(["of-yesterday", "of-today"])
    listen(server.port, token=lambda: next(tokens))
    server.arrived.get(timeout=10).close(1011)
    again = server.arrived.get(timeout=10)
    assert "access_token=of-today" in again.request.path
    assert [rung.get(timeout=10) for _ in range(3)]  # up, down, up


def test_a_refused_token_is_no_health_and_is_tried_again(server, listen):
    server.refuses = True
    ticker = listen(server.port)
    time.sleep(0.3)
    assert not ticker.is_healthy
    server.refuses = False
    server.arrived.get(timeout=10)
    eventually(lambda: ticker.is_healthy)


def test_without_a_login_it_waits_for_one(server, listen):
    answers = [LoginRequired("log in"), TOKEN]

    def token():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ticker = listen(server.port, token=token)
    server.arrived.get(timeout=10)
    assert eventually(lambda: ticker.is_healthy)
    assert answers == []


@pytest.mark.parametrize("trouble", [RuntimeError(TOKEN), ConfigurationError("another key")])
def test_secrets_that_cannot_be_read_end_no_thread(server, listen, caplog, trouble):
    """The database is away, say."""
    caplog.set_level(logging.DEBUG)
    answers = [trouble, TOKEN]

    def token():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ticker = listen(server.port, token=token)
    server.arrived.get(timeout=10)
    eventually(lambda: ticker.is_healthy)
    mine = [each.getMessage() for each in caplog.records if "kite" in each.name.lower()]
    mine += [each.getMessage() for each in caplog.records if each.name.startswith("brokers")]
    assert not [each for each in mine if TOKEN in each]


def test_the_same_trouble_all_night_is_told_once(server, listen, caplog, monkeypatch):
    monkeypatch.setattr("brokers.zerodha.ticker._LONGEST_PAUSE_SECONDS", 0.02)
    caplog.set_level(logging.INFO)
    tries = []

    def token():
        tries.append(1)
        raise LoginRequired("log in")

    listen(server.port, token=token)
    eventually(lambda: len(tries) > 5)
    assert [each.getMessage() for each in caplog.records if "log in" in each.getMessage()] == [
        "Kite's order updates are not to be had: log in"
    ]


def test_its_address_is_in_no_log(server, listen, caplog):
    caplog.set_level(logging.DEBUG)
    server.refuses = True
    ticker = listen(server.port)
    time.sleep(0.3)
    server.refuses = False
    server.arrived.get(timeout=10)
    eventually(lambda: ticker.is_healthy)
    # The server of this test is in this process too, and logs what it was asked for.
    client_side = [each for each in caplog.records if each.name != "websockets.server"]
    assert not [each for each in client_side if TOKEN in each.getMessage()]
    assert "Kite answered 403" in "".join(each.getMessage() for each in client_side)


def test_it_ends_when_it_is_closed(server, listen):
    ticker = listen(server.port)
    server.arrived.get(timeout=10)
    ticker.close()
    eventually(lambda: not ticker.is_healthy)
    time.sleep(0.7)
    assert server.arrived.empty()


def test_who_cannot_prove_to_be_kite_is_told_nothing(impostor, listen, tmp_path):  # noqa: F811
    port, heard, tried = impostor
    ticker = listen(port, scheme="wss")
    tried.get(timeout=10)
    link = ZerodhaLink(api_key="key", root=f"https://127.0.0.1:{port}")
    client = KiteClient(
        link,
        "ZE-1",
        secrets=lambda: {"access_token": SecretStr(TOKEN)},
        cache=tmp_path,
        timeout_seconds=2,
    )
    with pytest.raises(BrokerUnavailable, match="nothing was sent"):
        client.send(lambda kite: kite.cancel_order("regular", "1"))
    client.close()
    assert not ticker.is_healthy
    assert [each for each in heard if each] == []
