"""Adapters that the suite runs over: each with a broker it can start, kill and make fail.

A bench says in a broker's own terms what the tests want to happen there: prices, thin markets,
trades by hand, fills, faults (the names are those of `brokers.mock.faults`). One that cannot make
something happen skips the test.
"""

import pytest
import urllib3

from brokers.mock.adapter import MockBroker
from tests.support.broker_orders import ACCOUNT
from tests.support.servers import free_port, start_mock_broker


class MockBench:
    """The mock broker as a process, and adapters to it."""

    def __init__(self, path):
        self._path = path
        self._port = free_port()
        self._context = None
        self._server = None
        self._adapters = []
        self._http = urllib3.PoolManager(retries=False)

    def start(self):
        self._context = start_mock_broker(self._path, port=self._port)
        self._server = self._context.__enter__()

    def kill(self):
        """As a crash would."""
        self._server.kill()
        self._context.__exit__(None, None, None)
        self._context = None

    def begin(self):
        """A broker that runs and has never traded."""
        if self._context is None:
            self.start()
        self._call("POST", "/v1/start-over", None)

    def end(self):
        """Close what a test has opened."""
        for adapter in self._adapters:
            adapter.close()
        self._adapters = []

    def stop(self):
        self._http.clear()
        if self._context:
            self._context.__exit__(None, None, None)

    def adapter(self, *, timeout_seconds=2.0):
        """A new adapter to the same account."""
        made = MockBroker(
            ACCOUNT,
            base_url=f"http://127.0.0.1:{self._port}",
            timeout_seconds=timeout_seconds,
        )
        self._adapters.append(made)
        return made

    def break_next(self, kind, **more):
        """Make the next placement go wrong, or the next call that `on` names."""
        self._call("POST", "/v1/faults", {"account_id": ACCOUNT, "kind": kind, **more})

    def set_price(self, instrument, price):
        """Move the market."""
        self._call("PUT", f"/v1/prices/{instrument.key}", {"price": price})

    def make_thin(self, units):
        """From now on only so much can be had at each price."""
        self._call("PUT", "/v1/market", {"depth": units, "levels": 1})

    def trade_by_hand(self, instrument, quantity, **fields):
        """Somebody buys (below 0: sells) past us; the broker's id of his order."""
        side = "SELL" if quantity.startswith("-") else "BUY"
        body = {"instrument": instrument.model_dump(mode="json"), "side": side, **fields}
        body["quantity"] = quantity.lstrip("-")
        path = f"/v1/accounts/{ACCOUNT}/manual-orders"
        return self._call("POST", path, body)["broker_order_id"]

    def cancel_by_hand(self, broker_order_id):
        """Somebody cancels an order past us."""
        path = f"/v1/accounts/{ACCOUNT}/manual-orders/{broker_order_id}/cancel"
        self._call("POST", path, {})

    def fill(self, order, quantity, price):
        """The broker fills so much of an order now, whatever it is."""
        body = {"client_order_id": order.client_order_id, "quantity": quantity, "price": price}
        self._call("POST", f"/v1/accounts/{ACCOUNT}/fills", body)

    def revise(self, execution_id, **fields):
        """The broker corrects a fill, or busts it."""
        body = {"execution_id": execution_id, **fields}
        self._call("POST", f"/v1/accounts/{ACCOUNT}/revisions", body)

    def without(self, **abilities):
        """Take abilities from the account; for adapters that connect from now on."""
        self._call("PUT", f"/v1/accounts/{ACCOUNT}/capabilities", abilities)

    def _call(self, method, path, body):
        url = f"http://127.0.0.1:{self._port}{path}"
        answer = self._http.request(method, url, json=body)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None


BENCHES = {"mock": MockBench}


@pytest.fixture(scope="session", params=sorted(BENCHES))
def running(request, tmp_path_factory):
    """A bench for all tests: to start a broker takes longer than most of them."""
    made = BENCHES[request.param](tmp_path_factory.mktemp(request.param))
    yield made
    made.stop()


@pytest.fixture
def bench(running):
    """A running broker that has never traded."""
    running.begin()
    yield running
    running.end()


@pytest.fixture
def broker(bench):
    """A connected adapter."""
    adapter = bench.adapter()
    adapter.connect()
    return adapter
