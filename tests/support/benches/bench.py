"""A broker as a process, and adapters to it; what is the same whatever its protocol."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import pytest
import urllib3

from brokers.errors import BrokerUnavailable
from tests.support.broker_orders import ACCOUNT
from tests.support.servers import ONCE

_PATIENCE_SECONDS = 20


class Bench(ABC):
    """One broker that the tests can move.

    It says in the words of `brokers.mock.faults` and of the mock broker's commands what the tests
    want to happen: fakes of real brokers take the same on their control port. What a broker cannot
    be made to do skips the test.
    """

    #: Whether it says what other currencies are worth.
    names_rates = True
    #: Whether a stream goes on exactly after a cursor; else it may tell again what was told.
    resumes_exactly = True
    #: Whether it says for certain, while it is down, that it takes nothing.
    refuses_when_down = True
    #: Whether its protocol tells that a fill was corrected or taken back.
    revises_fills = True
    #: Whether reports are passed on as they come; else they are made of what the broker shows.
    passes_reports_on = True

    def __init__(self, path):
        self._path = path
        self._context = None
        self._server = None
        self._adapters = []
        self._http = urllib3.PoolManager(retries=False, headers=ONCE)

    @abstractmethod
    def process(self):
        """A context manager that runs the broker; the same books and ports each time."""

    @abstractmethod
    def make_adapter(self, timeout_seconds):
        """A new adapter to the one account."""

    def start(self):
        """Also again, after a kill."""
        self._context = self.process()
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
        self.call("POST", "/v1/start-over")

    def end(self):
        """Close what a test has opened."""
        for adapter in self._adapters:
            adapter.close()
        self._adapters = []

    def stop(self):
        """After the last test."""
        if self._context is not None:
            self._context.__exit__(None, None, None)

    def adapter(self, *, timeout_seconds=2.0):
        """A new adapter to the same account, not connected."""
        made = self.make_adapter(timeout_seconds)
        self._adapters.append(made)
        return made

    def connected(self, *, timeout_seconds=2.0):
        """A new adapter to the same account; on a full machine a broker may answer too late."""
        made = self.adapter(timeout_seconds=timeout_seconds)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                made.connect()
            except BrokerUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return made

    def reopened(self, broker):
        """What trades in the place of an adapter whose process has died."""
        broker.close()
        return self.connected()

    def break_next(self, kind, **more):
        """Make the next placement go wrong, or the next call that `on` names."""
        self.call("POST", "/v1/faults", {"account_id": self.account, "kind": kind, **more})

    @property
    def account(self):
        """The broker's own name of the account."""
        return ACCOUNT

    def set_price(self, instrument, price):
        """Move the market."""
        self.call("PUT", f"/v1/prices/{instrument.key}", {"price": price})

    def make_thin(self, units):
        """From now on only so much can be had at each price."""
        self.call("PUT", "/v1/market", {"depth": units, "levels": 1})

    def trade_by_hand(self, instrument, quantity, **fields):
        """Somebody buys (below 0: sells) past us; the broker's id of his order."""
        side = "SELL" if quantity.startswith("-") else "BUY"
        body = {"instrument": instrument.model_dump(mode="json"), "side": side, **fields}
        body["quantity"] = quantity.lstrip("-")
        return self.call("POST", self._of_account("manual-orders"), body)["broker_order_id"]

    def cancel_by_hand(self, broker_order_id):
        """Somebody cancels an order past us."""
        self.call("POST", self._of_account(f"manual-orders/{broker_order_id}/cancel"), {})

    def fill(self, order, quantity, price):
        """The broker fills so much of an order now, whatever it is."""
        body = {"client_order_id": order.client_order_id, "quantity": quantity, "price": price}
        self.call("POST", self._of_account("fills"), body)

    def revise(self, execution_id, **fields):
        """The broker corrects a fill, or busts it."""
        self.call("POST", self._of_account("revisions"), {"execution_id": execution_id, **fields})

    def without(self, **abilities):
        """Take abilities from the account; for adapters that connect from now on."""
        pytest.skip(f"this broker cannot be told to do without {', '.join(abilities)}")

    def call(self, method, path, body=None):
        """A command on the control port."""
        answer = self._http.request(method, self.control_url + path, json=body)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    @property
    @abstractmethod
    def control_url(self):
        """Where it takes commands."""

    def _of_account(self, path):
        return f"/v1/accounts/{self.account}/{path}"


class FakeBench(Bench):
    """A fake of a real broker: strict, so whatever it has to complain of fails the test."""

    def end(self):
        """Nothing was sent that the real broker would not have taken."""
        super().end()
        if self._context is not None:
            violations = self.call("GET", "/v1/violations")
            assert violations == [], violations
