"""The mock broker itself."""

from __future__ import annotations

from brokers.mock.adapter import MockBroker
from tests.support.benches.bench import Bench
from tests.support.broker_orders import ACCOUNT, CURRENCY
from tests.support.servers import free_port, start_mock_broker


class MockBench(Bench):
    """Its commands are on the port that its adapters use."""

    def __init__(self, path):
        super().__init__(path)
        self._port = free_port()

    def process(self):
        """With accounts in the suite's currency."""
        settings = {"MOCK_CURRENCY": CURRENCY}
        return start_mock_broker(self._path, port=self._port, settings=settings)

    @property
    def control_url(self):
        """The same port."""
        return f"http://127.0.0.1:{self._port}"

    def make_adapter(self, timeout_seconds):
        """By HTTP."""
        return MockBroker(ACCOUNT, base_url=self.control_url, timeout_seconds=timeout_seconds)

    def without(self, **abilities):
        """An account of the mock broker does without anything."""
        self.call("PUT", self._of_account("capabilities"), abilities)
