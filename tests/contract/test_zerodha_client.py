"""The real KiteConnect against answers of all kinds: nothing is guessed or repeated."""

import contextlib
import http.server
import logging
import socket
import struct
import sys
import threading
import traceback

import pytest
from pydantic import SecretStr

from brokers.errors import BrokerUnavailable, LoginRequired, OrderRejected, OrderStateUnknown
from brokers.zerodha.client import KiteClient, kite_of
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.rows import order_rows
from services.domain.errors import ConfigurationError
from tests.support.servers import free_port

TOKEN = "s3cr3tt0k3n"
JSON = "application/json"


class Answering(http.server.ThreadingHTTPServer):
    """Answers every call with the same bytes, and counts them."""

    def __init__(self):
        self.calls = []
        self.answer = (200, JSON, b'{"status": "success", "data": {"order_id": "1"}}')
        self.more_headers = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.calls.append((self.command, self.path, dict(self.headers)))
        if self.server.answer == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        if self.server.answer == "silence":
            self.server.released.wait(10)
            self.close_connection = True
            return
        status, content_type, body = self.server.answer
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in self.server.more_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def finish(self):
        with contextlib.suppress(OSError, ValueError):  # it was cut
            super().finish()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    serving = Answering()
    serving.released = threading.Event()
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield serving
    serving.released.set()
    serving.shutdown()
    serving.server_close()
    thread.join(timeout=10)


@pytest.fixture
def client(server, tmp_path):
    made = make(server.url, tmp_path)
    yield made
    made.close()


def make(url, tmp_path, secrets=None, **fields):
    link = ZerodhaLink(api_key="key", root=url, **fields)
    stored = {"access_token": SecretStr(TOKEN)} if secrets is None else secrets
    return KiteClient(link, "ZE-1", secrets=lambda: stored, cache=tmp_path, timeout_seconds=0.5)


def place(client):
    fields = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 1,
        "product": "MIS",
        "order_type": "MARKET",
        "market_protection": -1,
        "tag": "MT1",
    }
    return client.send(lambda kite: kite.place_order("regular", **fields))


def error(word, message="because"):
    text = f'{{"status": "error", "message": "{message}", "error_type": "{word}", "data": null}}'
    return text.encode()


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<html>cloudflare</html>"),
        (502, "text/html", b"<html>bad gateway</html>"),
        (400, "text/html", b"<html>bad request</html>"),
        (403, "text/html", b"<html>blocked</html>"),
        (200, JSON, b'{"detail": "not what you think"}'),
        (200, JSON, b"[]"),
        (200, JSON, b"null"),
        (200, JSON, b'{"status": "success", "data": '),
        (200, JSON, b'{"status": "success", "data": {}}'),
        (200, JSON, b'{"status": "error", "message": "?", "error_type": "InputException"}'),
        (200, "", b"{}"),
        (500, JSON, error("GeneralException")),
        (504, JSON, error("NetworkException")),
        (
            400,
            JSON,
            error("OrderException", "Order request timed out. Please check the order book"),
        ),
        "reset",
        "silence",
    ],
    ids=str,
)
def test_an_answer_that_says_nothing_leaves_an_order_unknown_and_a_question_unanswered(
    server, client, answer
):
    server.answer = answer
    with pytest.raises(OrderStateUnknown):
        place(client)
    assert len(server.calls) == 1
    with pytest.raises(BrokerUnavailable):
        order_rows(client.ask(lambda kite: kite.orders()))
    assert len(server.calls) == 2


@pytest.mark.parametrize("word", ["MarginException", "HoldingException", "UserException"])
def test_words_that_the_library_does_not_know_are_kept(server, client, word):
    server.answer = (400, JSON, error(word, "Insufficient funds."))
    with pytest.raises(OrderRejected, match="Insufficient funds") as caught:
        place(client)
    assert caught.value.code == word
    assert client.is_connected


def test_a_word_of_the_call_before_is_not_believed(server, client):
    server.answer = (400, JSON, error("MarginException"))
    with pytest.raises(OrderRejected):
        place(client)
    server.answer = "reset"
    with pytest.raises(OrderStateUnknown):
        place(client)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_order_follows_a_redirect(server, client, status):
    server.answer = (status, "text/html", b"")
    server.more_headers = {"Location": f"{server.url}/elsewhere"}
    with pytest.raises(OrderStateUnknown):
        place(client)
    assert [path for _, path, _ in server.calls] == ["/orders/regular"]


def test_a_server_that_is_not_there_was_sent_nothing(tmp_path):
    client = make(f"http://127.0.0.1:{free_port()}", tmp_path)
    with pytest.raises(BrokerUnavailable, match="nothing was sent"):
        place(client)
    assert not client.is_connected


def test_nothing_below_sends_twice_or_another_way(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    session = kite_of(ZerodhaLink(api_key="key"), 1.0).reqsession
    assert not session.trust_env
    for adapter in session.adapters.values():
        assert (adapter.max_retries.total, adapter.max_retries.read) == (0, False)
    assert session.get_adapter("https://api.kite.trade") in session.adapters.values()


def test_no_reactor_runs(client):
    client.ask(lambda kite: kite.profile())
    assert not sys.modules["twisted.internet"].reactor.running


def test_the_token_is_in_no_log_error_or_representation(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    shown = [repr(client), str(vars(client)["_link"])]
    answers = ["reset", (403, JSON, error("TokenException")), (200, "text/html", b"<html>")]
    for answer in answers:
        server.answer = answer
        with pytest.raises((OrderStateUnknown, BrokerUnavailable)) as caught:
            place(client)
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert TOKEN not in caplog.text + "".join(shown)
    headers = [headers for _, _, headers in server.calls]
    assert headers[0]["Authorization"] == f"token key:{TOKEN}"


def test_a_refused_token_is_not_tried_again_and_a_new_one_is_taken_at_once(server, tmp_path):
    secrets = {"access_token": SecretStr(TOKEN)}
    client = make(server.url, tmp_path, secrets, user_id="AB1234")
    server.answer = (403, JSON, error("TokenException", "Token is invalid or has expired."))
    for _ in range(3):
        with pytest.raises(LoginRequired, match=r"AB1234 must log in.*zerodha_login.py ZE-1"):
            place(client)
    assert len(server.calls) == 1
    assert not client.is_connected
    secrets["access_token"] = SecretStr("t0m0rr0w")
    server.answer = (200, JSON, b'{"status": "success", "data": {"order_id": "17"}}')
    assert place(client) == "17"
    assert server.calls[-1][2]["Authorization"] == "token key:t0m0rr0w"
    assert client.is_connected


def test_without_a_token_nothing_is_sent(server, tmp_path):
    client = make(server.url, tmp_path, {})
    with pytest.raises(LoginRequired, match="no access token is stored"):
        place(client)
    assert server.calls == []


def test_the_clock_of_kite_is_compared_with_ours(server, client):
    server.answer = (200, JSON, b'{"status": "success", "data": {}}')
    assert abs(client.clock_skew()).total_seconds() < 60


@pytest.mark.parametrize("date", ["yesterday", "Fri, 20 Nov 2026 10:00:00 -0000"])
def test_a_clock_that_cannot_be_read_makes_no_answer_unknown(server, client, date, monkeypatch):
    monkeypatch.setattr(_Handler, "date_time_string", lambda *_: date)
    assert place(client) == "1"


def test_an_order_whose_call_could_not_be_counted_afterwards_was_sent(server, client, tmp_path):
    """`BrokerUnavailable` would have it sent twice."""

    def and_the_disk_is_full(kite):
        answer = kite.place_order("regular", "NSE", "INFY", "BUY", 1, "MIS", "MARKET")
        for counted in tmp_path.glob("kite-calls-*.orders"):
            counted.unlink()
            counted.mkdir()
        return answer

    assert client.send(and_the_disk_is_full) == "1"
    assert len(server.calls) == 1


@pytest.mark.parametrize("around", ["{}\n", "\r\n{} "])
def test_white_space_around_a_token_is_none_of_it(server, tmp_path, around):
    client = make(server.url, tmp_path, {"access_token": SecretStr(around.format(TOKEN))})
    assert place(client) == "1"
    assert server.calls[0][2]["Authorization"] == f"token key:{TOKEN}"


@pytest.mark.parametrize("inside", ["\n", " ", "é", "\x00"])
def test_what_is_no_token_is_said_and_not_shown(server, tmp_path, caplog, inside):
    caplog.set_level(logging.DEBUG)
    client = make(server.url, tmp_path, {"access_token": SecretStr(f"{TOKEN}{inside}{TOKEN}")})
    with pytest.raises(LoginRequired, match="what is stored is none") as caught:
        place(client)
    assert TOKEN not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert server.calls == []


def test_a_key_that_no_header_can_carry_is_refused_when_it_is_set():
    with pytest.raises(ValueError, match="api_key"):
        ZerodhaLink(api_key="key\n")


def test_a_refused_token_is_told_in_the_same_words_whether_kite_was_asked_again_or_not(
    server, tmp_path, monkeypatch
):
    client = make(server.url, tmp_path)
    server.answer = (403, JSON, error("TokenException", "Token is invalid or has expired."))
    told = set()
    for again in (10, 10, 0):
        monkeypatch.setattr("brokers.zerodha.client._REFUSED_SECONDS", again)
        with pytest.raises(LoginRequired) as caught:
            place(client)
        told.add(str(caught.value))
    assert len(server.calls) == 2
    assert len(told) == 1


def test_secrets_that_cannot_be_read_now_send_nothing_and_say_so(server, tmp_path):
    def away():
        raise RuntimeError(TOKEN)

    link = ZerodhaLink(api_key="key", root=server.url)
    client = KiteClient(link, "ZE-1", secrets=away, cache=tmp_path, timeout_seconds=0.5)
    with pytest.raises(BrokerUnavailable, match=r"nothing was sent: RuntimeError") as caught:
        place(client)
    assert TOKEN not in str(caught.value)
    assert server.calls == []


def test_secrets_of_another_key_are_a_setting_to_mend_and_send_nothing(server, tmp_path):
    def sealed_otherwise():
        raise ConfigurationError("sealed with another key")

    link = ZerodhaLink(api_key="key", root=server.url)
    client = KiteClient(link, "ZE-1", secrets=sealed_otherwise, cache=tmp_path, timeout_seconds=0.5)
    with pytest.raises(ConfigurationError):
        client.fresh_token()
    with pytest.raises(BrokerUnavailable, match="another key; nothing was sent"):
        place(client)
    assert server.calls == []
