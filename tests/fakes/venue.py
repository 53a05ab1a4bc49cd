"""What the fakes of real brokers stand on: the mock broker's engine and its commands over HTTP.

A fake is a process: a `Venue` (matching, books on disk, faults, commands on a control port) and in
front of it a server that speaks one broker's own protocol. So every bench of the conformance suite
moves markets, fills orders and breaks calls in the same words, whatever the protocol, and an oracle
reads the broker's own books past it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal

from fastapi import FastAPI

from brokers.broker import Capabilities
from brokers.mock import api, commands
from brokers.mock.abilities import EVERYTHING
from brokers.mock.books import Books
from brokers.mock.calls import Calls
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Faults
from brokers.mock.feeds import FeedRunner
from brokers.mock.journal import Journal
from brokers.mock.rates import Rates
from services.common.http import HttpServer
from services.domain.orders import Order
from services.domain.words import Environment, Intent, TimeInForce

CASH = Decimal(1_000_000)


class Violations:
    """What a client has sent that the real broker's own rules forbid; any of it fails a test."""

    def __init__(self):
        self._lock = threading.Lock()
        self._sentences = []

    def add(self, sentence):
        """Something is wrong with what was sent."""
        with self._lock:
            self._sentences.append(sentence)

    def all(self):
        """Everything so far."""
        with self._lock:
            return list(self._sentences)

    def clear(self):
        """Forget."""
        with self._lock:
            self._sentences.clear()


class Venue:
    """The broker behind a front: books below `path`, which outlive a kill.

    Args:
        path: of the books.
        currency: of all accounts.
        capabilities: what its accounts may do.
        commission_per_unit: of an execution; 1 at least, like the mock's default.
    """

    def __init__(
        self,
        path,
        *,
        currency: str = "INR",
        capabilities: Capabilities = EVERYTHING,
        commission_per_unit: Decimal = Decimal("0.005"),
    ):
        self.journal = Journal(path)
        self.books = Books(
            self.journal,
            initial_cash=CASH,
            commission_per_unit=commission_per_unit,
            commission_minimum=Decimal(1),
            currency=currency,
        )
        self.exchange = Exchange(self.journal, self.books, capabilities=capabilities)
        self.faults = Faults()
        self.violations = Violations()
        self._feeds = FeedRunner(self.exchange.set_price)
        self._forget: list[Callable[[], object]] = [self.violations.clear]
        self._control = None
        #: Of this fake alone: more commands on the control port; add them before `start`.
        self.app = FastAPI(title="a fake broker's commands", lifespan=api.enough_threads)
        self._add_routes()

    def _add_routes(self):
        @self.app.get("/health")
        def health():
            """The fake is up: answered only after its front is."""
            return {"ready": True}

        @self.app.get("/v1/violations")
        def violations():
            """What clients have done wrong."""
            return self.violations.all()

        @self.app.post("/v1/start-over", status_code=204)
        def start_over():
            """As on the first day."""
            self._feeds.stop()
            self.faults.clear()
            self.exchange.start_over()
            for forget in self._forget:
                forget()

        commands.add_routes(self.app, self.exchange, self.faults, self._feeds)
        # The truth, past the protocol and its faults: what an oracle compares our books with.
        calls = Calls(Faults(), Rates(self.exchange.capabilities), lambda: 0)
        api.add_routes(self.app, self.exchange, calls)

    def on_start_over(self, forget: Callable[[], object]):
        """What a front remembers beside the books is forgotten too."""
        self._forget.append(forget)

    def start(self, host: str, control_port: int, *, on_death: Callable[[str], None]):
        """Let time pass and take commands; the front listens already."""
        self.exchange.start()
        self._control = HttpServer(self.app, host, control_port, on_death=on_death)
        self._control.start()

    def stop(self):
        """End in order; after a kill the books are as whole."""
        self.exchange.stop()
        if self._control is not None:
            self._control.stop()
        self.exchange.close()


def order_of(account_id, client_order_id, instrument, side, quantity, *, note="", **fields):
    """An order as the engine keeps it.

    Args:
        account_id: whose.
        client_order_id: what the client wrote on it; empty = none of ours.
        instrument: what.
        side: of it.
        quantity: of it.
        note: what the front must know of it again after a restart (kept as `signal_id`).
        fields: order type, prices, …
    """
    fields.setdefault("time_in_force", TimeInForce.DAY)
    return Order(
        client_order_id=client_order_id,
        signal_id=note,
        strategy_id="",
        account_id=account_id,
        leg_index=0,
        intent=Intent.ENTRY,
        instrument=instrument,
        side=side,
        quantity=quantity,
        environment=Environment.PRODUCTION,
        **fields,
    )
