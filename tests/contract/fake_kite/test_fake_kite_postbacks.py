"""Postbacks of the fake Kite, as an app receives them."""

import hashlib
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.broker_orders import ACCOUNT
from tests.support.fake_kite import API_SECRET, limit, nse, place, row_of, status_of

pytestmark = pytest.mark.servers
PATIENCE_SECONDS = 30


@pytest.fixture
def posted():
    """An app's own URL, and the postbacks that come there."""
    arrived = queue.Queue()

    class App(BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/postback", arrived
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_app_is_told_of_its_own_orders_and_can_prove_who_tells(fake, kite, posted):
    url, arrived = posted
    fake.command("PUT", "/v1/kite/postback", {"url": url})
    body = {"instrument": nse().model_dump(mode="json"), "side": "BUY", "quantity": "3"}
    fake.command("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)
    order_id = place(kite, "MT1")
    told = arrived.get(timeout=PATIENCE_SECONDS)
    assert (told["order_id"], told["status"], told["tag"]) == (order_id, "COMPLETE", "MT1")
    said = f"{order_id}{told['order_timestamp']}{API_SECRET}"
    assert told["checksum"] == hashlib.sha256(said.encode()).hexdigest()


def test_an_order_that_only_rests_is_not_posted(fake, kite, posted):
    url, arrived = posted
    fake.command("PUT", "/v1/kite/postback", {"url": url})
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    kite.modify_order("regular", order_id, price=148)
    kite.cancel_order("regular", order_id)
    told = [arrived.get(timeout=PATIENCE_SECONDS)["status"] for _ in range(2)]
    assert told == ["UPDATE", "CANCELLED"]


def test_an_app_that_is_down_holds_up_nothing(fake, kite, posted):
    url, arrived = posted
    fake.command("PUT", "/v1/kite/postback", {"url": "http://127.0.0.1:1/"})
    assert row_of(kite, place(kite, "MT1"))["status"] == "COMPLETE"
    fake.command("PUT", "/v1/kite/postback", {"url": url})
    place(kite, "MT2")
    assert "MT2" in iter(lambda: arrived.get(timeout=PATIENCE_SECONDS)["tag"], None)
