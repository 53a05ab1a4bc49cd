"""The websocket of the fake Kite: order updates and prices, told once and never again."""

import json
import struct
import subprocess
import sys
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.broker_orders import ACCOUNT
from tests.support.fake_kite import ACCESS_TOKEN, API_KEY, limit, place
from tests.support.servers import REPOSITORY

pytestmark = pytest.mark.servers
INFY_TOKEN = 408065
PATIENCE_SECONDS = 30


@contextmanager
def listening(fake, access_token=ACCESS_TOKEN):
    """A client of the ticker, as the adapter is one."""
    url = f"{fake.ticker_url}/?api_key={API_KEY}&access_token={access_token}"
    with connect(url, additional_headers={"X-Kite-Version": "3"}) as socket:
        assert socket.recv(timeout=PATIENCE_SECONDS) == b"\x00"  # it is listened to from now on
        yield socket


def next_text(socket):
    """The next frame of text, past prices and heartbeats."""
    while True:
        frame = socket.recv(timeout=PATIENCE_SECONDS)
        if isinstance(frame, str):
            return frame


def next_update(socket):
    told = json.loads(next_text(socket))
    assert (told["type"], told["id"]) == ("order", "")
    return told["data"]


def next_prices(socket):
    """Token, price and length of each packet of the next frame of prices."""
    while len(frame := socket.recv(timeout=PATIENCE_SECONDS)) < 2 or isinstance(frame, str):
        pass
    (count,) = struct.unpack_from(">H", frame)
    found, offset = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from(">H", frame, offset)
        token, price = struct.unpack_from(">II", frame, offset + 2)
        found.append((token, price, length))
        offset += 2 + length
    assert offset == len(frame)
    return found


def test_an_order_is_told_as_it_goes_on(fake, kite):
    fake.command("PUT", "/v1/market", {"depth": "4", "levels": 1})
    with listening(fake) as socket:
        order_id = limit(kite, 149, "MT1")
        opened = next_update(socket)
        kite.modify_order("regular", order_id, price=149.5)
        changed = next_update(socket)
        fake.set_price(149)
        part = next_update(socket)
        kite.cancel_order("regular", order_id)
        ended = next_update(socket)
    statuses = [each["status"] for each in (opened, changed, part, ended)]
    assert statuses == ["OPEN", "UPDATE", "UPDATE", "CANCELLED"]
    assert (opened["order_id"], opened["tag"], opened["user_id"]) == (order_id, "MT1", "AB1234")
    assert (changed["price"], part["filled_quantity"], part["unfilled_quantity"]) == (149.5, 4, 6)
    assert part["average_price"] == 149


def test_what_happened_while_nobody_listened_is_never_told(fake, kite):
    with listening(fake) as socket:
        place(kite, "MT1")
        assert next_update(socket)["tag"] == "MT1"
    with listening(fake) as socket:
        place(kite, "MT2")
        assert next_update(socket)["tag"] == "MT2"


def test_a_rejected_order_is_told(fake, kite):
    with listening(fake) as socket:
        place(kite, "MT1", quantity=1_000_000)
        update = next_update(socket)
    assert update["status"] == "REJECTED"
    assert update["status_message"].startswith("Insufficient funds.")


def test_all_who_listen_are_told(fake, kite):
    with listening(fake) as one, listening(fake) as other:
        place(kite, "MT1")
        assert next_update(one) == next_update(other)


def test_prices_come_in_kites_packets(fake, kite):
    with listening(fake) as socket:
        socket.send(json.dumps({"a": "subscribe", "v": [INFY_TOKEN]}))
        assert next_prices(socket) == [(INFY_TOKEN, 15_000, 44)]
        socket.send(json.dumps({"a": "mode", "v": ["ltp", [INFY_TOKEN]]}))
        assert next_prices(socket) == [(INFY_TOKEN, 15_000, 8)]
        fake.set_price("151.25")
        assert next_prices(socket) == [(INFY_TOKEN, 15_125, 8)]


def test_a_token_that_is_worth_nothing_is_refused_at_the_door(fake, kite):
    with pytest.raises(InvalidStatus) as caught, listening(fake, "another"):
        pass
    assert caught.value.response.status_code == 403


def test_when_the_token_expires_the_websocket_ends(fake, kite):
    with listening(fake) as socket:
        fake.command("POST", "/v1/kite/expire-token")
        with pytest.raises(ConnectionClosed):
            next_text(socket)
    with pytest.raises(InvalidStatus), listening(fake):
        pass


@pytest.mark.parametrize(
    "message",
    [
        "{",
        '{"a": "buy", "v": [408065]}',
        '{"a": "subscribe", "v": [1]}',
        '{"a": "mode", "v": ["all", [408065]]}',
    ],
)
def test_a_message_that_kite_does_not_know_is_noted(lax, message):
    with listening(lax) as socket:
        socket.send(message)
        assert json.loads(next_text(socket))["type"] == "error"
    (noted,) = lax.violations()
    assert noted.startswith("websocket: ")


def test_a_listener_without_version_is_noted(lax):
    url = f"{lax.ticker_url}/?api_key={API_KEY}&access_token={ACCESS_TOKEN}"
    with connect(url):
        pass
    (noted,) = lax.violations()
    assert "X-Kite-Version" in noted


def test_a_cut_websocket_can_be_opened_again(fake, kite):
    with listening(fake) as socket:
        fake.command("POST", "/v1/kite/cut-websockets")
        with pytest.raises(ConnectionClosed):
            next_text(socket)
    with listening(fake) as socket:
        place(kite, "MT1")
        assert next_update(socket)["tag"] == "MT1"


def break_stream(fake, kind, **more):
    fake.break_next(kind, on="STREAM", **more)


def test_an_update_can_be_lost_while_the_next_comes(fake, kite):
    break_stream(fake, "DROP_BEFORE_ACCEPT")
    with listening(fake) as socket:
        place(kite, "MT1")
        place(kite, "MT2")
        assert next_update(socket)["tag"] == "MT2"


def test_a_websocket_can_be_cut_before_an_update_and_after_one(fake, kite):
    break_stream(fake, "DISCONNECT_BEFORE_ACCEPT")
    with listening(fake) as socket:
        place(kite, "MT1")
        with pytest.raises(ConnectionClosed):
            next_text(socket)
    break_stream(fake, "DISCONNECT_AFTER_ACCEPT")
    with listening(fake) as socket:
        place(kite, "MT2")
        assert next_update(socket)["tag"] == "MT2"
        with pytest.raises(ConnectionClosed):
            next_text(socket)


def test_an_update_can_be_unreadable_or_an_error(fake, kite):
    break_stream(fake, "GARBAGE_ANSWER")
    break_stream(fake, "ERROR_BEFORE_ACCEPT")
    with listening(fake) as socket:
        place(kite, "MT1")
        assert next_text(socket) == "<html>"
        place(kite, "MT2")
        assert json.loads(next_text(socket))["type"] == "error"


def test_an_update_can_come_twice(fake, kite):
    fake.break_next("ANSWER_TWICE")
    with listening(fake) as socket:
        place(kite, "MT1")
        assert next_update(socket) == next_update(socket)
    assert len(kite.trades()) == 1


def test_the_last_update_may_come_first(fake, kite):
    fake.command("PUT", "/v1/market", {"depth": "4", "levels": 1})
    fake.break_next("REORDER_REPORTS")
    with listening(fake) as socket:
        place(kite, "MT1")
        told = [next_update(socket)["filled_quantity"] for _ in range(2)]
    assert told == [4, 0]


def test_in_an_outage_nobody_can_listen(fake, kite):
    fake.break_next("OUTAGE", seconds=600)
    with pytest.raises(InvalidStatus), listening(fake):
        pass
    fake.command("DELETE", f"/v1/faults?account_id={ACCOUNT}")
    with listening(fake):
        pass


KITE_TICKER = """
import sys
from kiteconnect import KiteTicker
ticker = KiteTicker(sys.argv[1], sys.argv[2], root=sys.argv[3], reconnect=False)
def told(ws, update):
    print(update["status"], update["tag"], flush=True)
    ws.stop()
ticker.on_order_update = told
ticker.on_connect = lambda ws, _: ws.subscribe([408065])
ticker.on_ticks = lambda ws, ticks: print(ticks[0]["last_price"], flush=True)
ticker.connect()
"""


def test_zerodhas_own_ticker_reads_updates_and_prices(fake, kite):
    # In a process of its own: it starts a reactor that cannot be started again.
    command = [sys.executable, "-c", KITE_TICKER, API_KEY, ACCESS_TOKEN, fake.ticker_url]
    listener = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert listener.stdout.readline() == "150.0\n"
        place(kite, "MT1")
        assert listener.stdout.readline() == "COMPLETE MT1\n"
        assert listener.wait(PATIENCE_SECONDS) == 0
    finally:
        listener.kill()
        listener.wait(PATIENCE_SECONDS)
        listener.stdout.close()
