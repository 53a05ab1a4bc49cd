"""Execution under test as whole processes.

A `Trade` is everything around them for one test: orders are put into the store as Cerebro does,
its sweeper rings the doorbell for what nobody has taken up, and `settled` is the oracle of the
fault matrix: one order at the broker for one of ours, and books that equal the broker's.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from decimal import Decimal

from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from services.cerebro.__main__ import UNTAKEN
from services.common.bus import Publisher, Ring, create_topology, insecure_channel
from services.common.clock import utc_now
from services.common.order_requests import Resolution, resolve
from services.common.orders import order_document
from services.common.settings import CommonSettings
from services.common.signed import Signed
from services.common.store import to_document
from services.common.sweeper import Sweeper
from services.common.topology import TRADING_ORDERS
from services.domain.errors import ConfigurationError
from services.domain.orders import Reservation
from tests.support.builders import make_order
from tests.support.execution_process import CASH, ExecutionProcess, wait_until
from tests.support.oracle import Oracle
from tests.support.rows import add_account, allow_trading

LEASE_SECONDS = 1
ORDER_TIMEOUT_SECONDS = 1
#: How long an order must stay away from the broker's answers to count as never received.
PROOF_SECONDS = 3
_LOOK_EVERY_SECONDS = "0.3"
_SEVERAL_LOOKS_SECONDS = 1.0


class Trade:
    """One test's corner: a database, a bus project, accounts, and the processes it started."""

    def __init__(self, store, connection, broker, home, *, accounts=("Crash-1",)):
        self.store = store
        self.broker = broker
        self.accounts = accounts
        self._home = home
        self._settings = CommonSettings(**connection)
        self._started = []
        self._oracle = Oracle(store, broker, accounts, cash=CASH)
        self._publisher = Publisher(self._settings)
        self._sweeper = Sweeper(store, self._publisher, UNTAKEN, patience_seconds=1.0)
        create_topology(self._settings)
        allow_trading(store)
        for account_id in accounts:
            add_account(store, account_id, **broker.account_row(account_id))

    def open(self):
        """Begin to ring for what nobody takes up."""
        self._sweeper.start()

    def close(self):
        """End every process of it."""
        self._sweeper.stop()
        self.kill_all()

    def start(self, *, crash_at="", pause_at="", hold_at=""):
        """One more execution process, beside those that run."""
        settings = self._settings
        environment = dict(os.environ) | {
            "MT_PORT_OFFSET": "0",
            "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
            "PUBSUB_EMULATOR_HOST": settings.pubsub_emulator_host,
            "PUBSUB_PROJECT_ID": settings.pubsub_project_id,
            "LEASE_TTL_S": str(LEASE_SECONDS),
            "ORDER_TIMEOUT_S": str(ORDER_TIMEOUT_SECONDS),
            "RECONCILE_INTERVAL_S": _LOOK_EVERY_SECONDS,
            "ABSENCE_PROOF_S": str(PROOF_SECONDS),
            "CRASH_AT": crash_at,
            "PAUSE_AT": pause_at,
            "HOLD_AT": hold_at,
        }
        for account_id in self.accounts:
            environment |= self.broker.environment(account_id)
        name = f"execution-{len(self._started) + 1}"
        started = ExecutionProcess(self._home / name, environment, self.broker.port)
        self._started.append(started)
        return started

    def kill_all(self):
        """Kill every execution process of it."""
        for each in self._started:
            each.kill()

    def add(self, number=0, *, account_id=None, **fields):
        """Put one order into the store as Cerebro does; its domain value."""
        account_id = account_id or self.accounts[0]
        instrument = self.broker.instrument(fields.pop("symbol", "AAPL"))
        order = make_order(signal_id=f"sig_{number}", account_id=account_id, **fields)
        order = order.model_copy(update={"instrument": instrument})
        exits = order.intent.reduces_risk
        held = Reservation(
            client_order_id=order.client_order_id,
            account_id=account_id,
            strategy_id=order.strategy_id,
            instrument_key=order.instrument.key,
            capital=Decimal(0) if exits else Decimal(2550),
            closing_quantity=order.quantity if exits else Decimal(0),
            quantity=order.quantity,
        )
        now = utc_now()
        self.store["signal_store"].insert_one(
            {"_id": order.signal_id, "status": "DECIDED", "stages": {"received_at": now}}
        )
        self.store["reservations"].insert_one({"_id": order.client_order_id, **to_document(held)})
        self.store["orders"].insert_one(order_document(order, at=now))
        return order

    def ring(self, *orders, **fields):
        """Ring the doorbell of orders, as Cerebro does; `fields` instead of the right ones."""
        rings = [
            Ring(
                order.account_id,
                {"account_id": order.account_id, "client_order_id": order.client_order_id} | fields,
            )
            for order in orders
        ]
        assert self._publisher.ring(TRADING_ORDERS, rings)

    def publish(self, data, *, key):
        """Put bytes on the orders' topic as they are."""
        path = PublisherClient.topic_path(self._settings.project_id, TRADING_ORDERS)
        messages = [{"data": data, "attributes": {"key": key}}]
        channel = insecure_channel(self._settings.pubsub_host)
        with PublisherClient(transport=PublisherGrpcTransport(channel=channel)) as client:
            client.publish(request={"topic": path, "messages": messages}, timeout=10)

    def cancel(self, order):
        """Ask for a cancel, as whoever decides does."""
        self.store["orders"].update_one(
            {"_id": order.client_order_id}, {"$set": {"cancel_requested_at": utc_now()}}
        )
        self.ring(order)

    def row(self, order):
        """An order as it is stored."""
        return self.store["orders"].find_one({"_id": order.client_order_id})

    def becomes(self, order, *statuses):
        """Until an order has one of these statuses; its row."""

        def there():
            found = self.row(order)
            return found if found["status"] in statuses else None

        return wait_until(
            there, lambda: f"not {statuses}: {self.row(order)}\n{self.incidents()}\n{self._said()}"
        )

    def incidents(self, **query):
        """Incidents, open or not."""
        return list(self.store["incidents"].find(query))

    def give_up_absent(self):
        """Answer as a person who is asked: what the broker never had is given up."""
        asked = {"$regex": "orders.py resolve"}
        for incident in self.incidents(kind="ORDER_UNKNOWN", status="OPEN", sentence=asked):
            with suppress(ConfigurationError):  # it has answered, or somebody was faster
                resolve(self.store, incident["key"], Resolution.ABSENT, Signed("olga", "drill"))

    def sent(self, order):
        """How many orders of this id the broker has."""
        listed = self.broker.get(order.account_id, "orders")
        return sum(1 for each in listed if each["client_order_id"] == order.client_order_id)

    def settled(self, *, resting=()):
        """The oracle: what differs once all orders have ended and each is at the broker once.

        Then execution is started anew, and a second reconciliation changes nothing.

        Args:
            resting: ids of orders that go on working at the broker.

        Returns: as `differences`: empty = all agrees.
        """
        wait_until(
            lambda: not self.differences(resting=resting),
            lambda: self._disagreement(resting=resting),
        )
        before = self._quiet()
        self.kill_all()
        self.start().opens(*self.accounts)
        time.sleep(_SEVERAL_LOOKS_SECONDS)
        changed = _changes(before, self._oracle.snapshot())
        assert not changed, f"the new start has changed {changed}"
        return self.differences(resting=resting)

    def _quiet(self):
        """The books once nothing has moved in them for several looks at the broker."""
        seen = [self._oracle.snapshot()]

        def still():
            time.sleep(_SEVERAL_LOOKS_SECONDS)
            seen.append(self._oracle.snapshot())
            return seen[-2] == seen[-1]

        wait_until(still, "the books do not come to rest")
        return seen[-1]

    def differences(self, *, resting=()):
        """What does not agree with the broker now; empty = all does."""
        return self._oracle.differences(resting=resting)

    def _disagreement(self, *, resting):
        rows = self.store["orders"].find({"working": True}, {"events": 1, "status": 1})
        lines = [*self.differences(resting=resting), *map(str, rows), *map(str, self.incidents())]
        return "\n".join(lines) + f"\n{self._said()}"

    def _said(self):
        return "\n".join(each.tail() for each in self._started)


@contextmanager
def trade(store, connection, broker, home, **options):
    """A `Trade` that is closed in the end, whatever became of it."""
    made = Trade(store, connection, broker, home, **options)
    made.open()
    try:
        yield made
    finally:
        made.close()


def _changes(before, after):
    """Rows that are not as they were."""
    names = [(name, key) for name in after for key in before[name] | after[name]]
    pairs = [(key, before[name].get(key), after[name].get(key)) for name, key in names]
    return [
        (key, {field for field in old or new if (old or {}).get(field) != (new or {}).get(field)})
        for key, old, new in pairs
        if old != new
    ]
