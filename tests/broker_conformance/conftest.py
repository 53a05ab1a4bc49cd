"""Adapters that the suite runs over: each with a broker it can start, kill and make fail."""

import pytest
import urllib3

from brokers.mock.adapter import MockBroker
from tests.support.servers import free_port, start_mock_broker

ACCOUNT = "Conformance-1"
_OPTIONS = ()


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

    def stop(self):
        for adapter in self._adapters:
            adapter.close()
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
        """Make the next order go wrong."""
        self._call("POST", "/v1/faults", {"account_id": ACCOUNT, "kind": kind, **more})

    def set_price(self, instrument, price):
        """Move the market."""
        self._call("PUT", f"/v1/prices/{instrument.key}", {"price": price})

    def _call(self, method, path, body):
        url = f"http://127.0.0.1:{self._port}{path}"
        answer = self._http.request(method, url, json=body)
        assert answer.status < 300, answer.data


BENCHES = {"mock": MockBench}


@pytest.fixture(params=sorted(BENCHES))
def bench(request, tmp_path):
    """A running broker."""
    made = BENCHES[request.param](tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def broker(bench):
    """A connected adapter."""
    adapter = bench.adapter()
    adapter.connect()
    return adapter
