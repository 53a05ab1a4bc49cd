"""Real execution processes on a real store and bus, before a mock broker with books of its own.

A `Trade` is everything around them for one test: orders are put into the store as Cerebro does,
its sweeper rings the doorbell for what nobody has taken up, and `settled` is the oracle of the
fault matrix: one order at the broker for one of ours, and books that equal the broker's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import urllib3
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from services.cerebro.__main__ import UNTAKEN
from services.common.bus import Publisher, Ring, create_topology, insecure_channel
from services.common.clock import utc_now
from services.common.orders import order_document
from services.common.settings import CommonSettings
from services.common.store import to_document
from services.common.sweeper import Sweeper
from services.common.topology import TRADING_ORDERS
from services.domain.orders import TERMINAL, Reservation
from tests.support.builders import make_order
from tests.support.rows import add_account, allow_trading
from tests.support.servers import REPOSITORY, free_port, start_mock_broker

PATIENCE = 60.0
LEASE_SECONDS = 1
ORDER_TIMEOUT_SECONDS = 1
CASH = Decimal(1_000_000)
_LOOK_EVERY_SECONDS = "0.3"
_SEVERAL_LOOKS_SECONDS = 1.0
#: Longer than execution needs to prove an absence and act on it (twice the time-out and a second).
_PERSON_SECONDS = 8
#: Fields of rows that a look at the broker may touch without telling anything new.
_STAMPS = {"updated_at", "recorded_at", "owner_epoch", "last_seen_at", "count", "checked_at"}
_BOOKS = ("orders", "execution_confirmations", "positions", "reservations", "signal_store")


def wait_until(condition, why, *, seconds=PATIENCE):
    """Until it is true; `why` is a sentence, or makes one."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, why() if callable(why) else why
        time.sleep(0.03)
    return found


_ON_PORTS = (
    "import runpy; from services.common.settings import PORTS; PORTS.update({ports}); "
    "runpy.run_module('services.execution', run_name='__main__', alter_sys=True)"
)


class ExecutionProcess:
    """One `python -m services.execution`; its ops listen on a port of their own."""

    def __init__(self, home, environment, broker_port):
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self.log = home / "execution.out"
        self._health = f"http://127.0.0.1:{(port := free_port())}/health"
        ports = {"execution": port, "mock_broker": broker_port}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_PORTS.format(ports=ports)],
                cwd=REPOSITORY,
                env={**environment, "MT_HOME": str(home)},
                stdout=output,
                stderr=output,
            )

    def opens(self, *account_ids):
        """Until it trades in these accounts."""

        def trades():
            assert self.process.poll() is None, self.tail()
            said = self.state()
            return all(f"{account_id}: trading" in said for account_id in account_ids)

        wait_until(trades, lambda: f"{account_ids} do not open: {self.state()}\n{self.tail()}")

    def state(self):
        """What /health says of its accounts; empty while it says nothing."""
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            try:
                return pool.request("GET", self._health).json()["dependencies"]["accounts"][
                    "detail"
                ]
            except urllib3.exceptions.HTTPError:
                return ""

    def ends(self):
        """Its exit code once it has ended."""
        wait_until(lambda: self.process.poll() is not None, lambda: f"it lives on:\n{self.tail()}")
        return self.process.returncode

    def pauses(self):
        """Until it stands still at the point where it was told to."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.tail()

    def holds(self):
        """Until one of its threads stands still at the point where it was told to."""
        wait_until(lambda: "HOLD_AT: " in self.tail(), lambda: f"it never came:\n{self.tail()}")

    def go_on(self):
        """Let that thread go."""
        (self._home / "go_on").touch()

    def signal(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self):
        """As a crash would; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)

    def tail(self):
        """What it said last."""
        return self.log.read_text(errors="replace")[-3000:]


class MockBrokerBooks:
    """The mock broker's process, and what it says by itself: the other side of the oracle."""

    def __init__(self, path):
        self._path = path
        self.port = free_port()
        self._context = None
        self._server = None
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    def start(self):
        """Start it, on the books it had."""
        self._context = start_mock_broker(self._path, port=self.port)
        self._server = self._context.__enter__()

    def kill(self):
        """As a crash would."""
        self._server.kill()
        self.stop()

    def stop(self):
        """End it."""
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    def get(self, account_id, what):
        """One of its lists of an account."""
        return self.call("GET", f"/v1/accounts/{account_id}/{what}").json()

    def set_price(self, instrument, price):
        """Move the market: what rests there fills."""
        self.call("PUT", f"/v1/prices/{instrument.key}", {"price": str(price)})

    def break_next(self, account_id, kind, **more):
        """Make the next order go wrong; False where it knows no such fault."""
        body = {"account_id": account_id, "kind": kind, **more}
        return self.call("POST", "/v1/faults", body, expect=None).status < 300

    def call(self, method, path, body=None, *, expect=300):
        """One request."""
        answer = self._http.request(method, self._server.address + path, json=body)
        assert expect is None or answer.status < expect, answer.data
        return answer


class Trade:
    """One test's corner: a database, a bus project, accounts, and the processes it started."""

    def __init__(self, store, connection, broker, home, *, accounts=("Crash-1",)):
        self.store = store
        self.broker = broker
        self.accounts = accounts
        self._home = home
        self._settings = CommonSettings(**connection)
        self._started = []
        self._publisher = Publisher(self._settings)
        self._sweeper = Sweeper(store, self._publisher, UNTAKEN, patience_seconds=1.0)
        create_topology(self._settings)
        allow_trading(store)
        for account_id in accounts:
            add_account(store, account_id)
            broker.call("PUT", f"/v1/accounts/{account_id}", {"cash": str(CASH)})

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
            "USE_MOCK_BROKER": "true",
            "LEASE_TTL_S": str(LEASE_SECONDS),
            "ORDER_TIMEOUT_S": str(ORDER_TIMEOUT_SECONDS),
            "RECONCILE_INTERVAL_S": _LOOK_EVERY_SECONDS,
            "CRASH_AT": crash_at,
            "PAUSE_AT": pause_at,
            "HOLD_AT": hold_at,
        }
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
        order = make_order(signal_id=f"sig_{number}", account_id=account_id, **fields)
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

    def sent(self, order):
        """How many orders of this id the broker has."""
        listed = self.broker.get(order.account_id, "orders")
        return sum(1 for each in listed if each["client_order_id"] == order.client_order_id)

    def settled(self, *, resting=(), unresolved=False):
        """The oracle: all orders have ended, each is at the broker once, and all books agree.

        Then execution is started anew, and a second reconciliation changes nothing.

        Args:
            resting: ids of orders that go on working at the broker.
            unresolved: whether orders may be left to a person: UNKNOWN, not at the broker, told.
        """
        wait_until(
            lambda: not self.differences(resting=resting, unresolved=unresolved),
            lambda: self._disagreement(resting=resting, unresolved=unresolved),
        )
        before = self.snapshot()
        self.kill_all()
        self.start().opens(*self.accounts)
        time.sleep(_SEVERAL_LOOKS_SECONDS)
        assert self.snapshot() == before
        assert not self.differences(resting=resting, unresolved=unresolved)

    def differences(self, *, resting=(), unresolved=False):
        """What does not agree with the broker now; empty = all does."""
        wrong, working = [], set(resting)
        sent = Counter(
            each["client_order_id"]
            for account_id in self.accounts
            for each in self.broker.get(account_id, "orders")
        )
        for row in self.store["orders"].find():
            name, status, count = row["_id"], row["status"], sent.pop(row["_id"], 0)
            if unresolved and status == "UNKNOWN" and not count and self._told(name):
                working.add(name)
                continue
            wanted = 0 if row["order"]["algo"] else 1
            stayed_here = status in {"DENIED", "EXPIRED", "CANCELED"} and not count
            if count != wanted and not stayed_here:
                wrong.append(f"{name}: {status}, {count} at the broker")
            if (status in TERMINAL) is (name in working):
                wrong.append(f"{name}: {status}: {row['text']}")
        if sent:
            wrong.append(f"orders at the broker that we do not know: {sent}")
        return (
            wrong
            + self._left(working)
            + [
                each
                for account_id in self.accounts
                for each in self._account_differences(account_id)
            ]
        )

    def _told(self, name):
        """Whether a person was asked about this order, and not only a moment ago."""
        asked = self.store["incidents"].find_one({"_id": f"ORDER_UNKNOWN|{name}", "status": "OPEN"})
        return asked and utc_now() - asked["opened_at"] > timedelta(seconds=_PERSON_SECONDS)

    def _left(self, working):
        """What ended orders left behind."""
        wrong = []
        held = {row["_id"] for row in self.store["reservations"].find()} - working
        if held:
            wrong.append(f"reservations of orders that have ended: {held}")
        marked = {row["_id"] for row in self.store["orders"].find({"working": True})}
        if marked != working:
            wrong.append(f"marked as working: {marked}, expected {working}")
        undone = self.store["signal_store"].count_documents(
            {"status": {"$in": ["DECIDED", "WORKING"]}}
        )
        if undone != len(working):
            wrong.append(f"{undone} signals without an end, expected {len(working)}")
        return wrong

    def _account_differences(self, account_id):
        fills = {
            each["execution_id"]: (Decimal(each["quantity"]), Decimal(each["price"]))
            for each in self.broker.get(account_id, "executions")
        }
        booked_rows = list(self.store["execution_confirmations"].find({"account_id": account_id}))
        booked = {row["execution_id"]: (row["quantity"], row["price"]) for row in booked_rows}
        theirs = Counter(
            {
                each["instrument"]["symbol"]: Decimal(each["quantity"])
                for each in self.broker.get(account_id, "positions")
            }
        )
        ours = Counter()
        for row in self.store["positions"].find({"account_id": account_id}):
            ours[row["instrument"]["symbol"]] += row["quantity"]
        # Every instrument of these tests is a USD stock with multiplier 1.
        paid = sum(
            (
                row["quantity"] * row["price"] * (1 if row["side"] == "BUY" else -1)
                + row["commission"]
                for row in booked_rows
            ),
            Decimal(0),
        )
        cash = Decimal(self.broker.get(account_id, "state")["cash"])
        compared = {
            "fills": (booked, fills),
            "positions": (_held(ours), _held(theirs)),
            "cash": (CASH - paid, cash),
        }
        return [
            f"{account_id} {name}: booked {mine}, the broker's {yours}"
            for name, (mine, yours) in compared.items()
            if mine != yours
        ]

    def snapshot(self):
        """All books but for the time stamps."""
        return {
            name: sorted((_bare(row) for row in self.store[name].find()), key=str)
            for name in _BOOKS
        }

    def _disagreement(self, **more):
        rows = self.store["orders"].find({"working": True}, {"events": 1, "status": 1})
        lines = [*self.differences(**more), *map(str, rows), *map(str, self.incidents())]
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


def _held(quantities):
    return {symbol: quantity for symbol, quantity in quantities.items() if quantity}


def _bare(value):
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in _STAMPS}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value
