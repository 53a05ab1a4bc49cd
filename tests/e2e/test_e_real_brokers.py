"""The whole system at IB Gateway and at Kite, while processes and connections die.

Both are fakes as processes of their own. Signals go in by HTTP; at the end each decision has one
order at its broker, and positions and fills equal the broker's own books.
"""

import json
import random
import threading
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal

import pytest

from tests.e2e.instance import Instance
from tests.support.builders import make_instrument
from tests.support.fake_books import running_fake
from tests.support.oracle import booked_fills
from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers
SIGNED = ("--by", "e2e", "--reason", "test")
OTHER_STRATEGY = "Forex"
#: What each strategy trades.
LEGS = {
    STRATEGY: {"instrument": "AAPL"},
    OTHER_STRATEGY: {"instrument": "INFY", "currency": "INR", "exchange": "NSE"},
}
#: Of each strategy, while things break; small enough to be within every limit.
ENTRIES = 12


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running_fake("ibkr", tmp_path_factory.mktemp("gateway"), currency="USD") as books:
        books.set_price(make_instrument("AAPL"), 150)
        yield books


@pytest.fixture(scope="module")
def kite(tmp_path_factory):
    with running_fake("zerodha", tmp_path_factory.mktemp("kite")) as books:
        books.set_price(books.instrument("INFY"), 150)
        yield books


@pytest.fixture(scope="module")
def instance(tmp_path_factory, gateway, kite):
    """A demo instance whose two strategies trade at the two brokers, set up as operators do."""
    made = Instance(tmp_path_factory.mktemp("real-brokers"))
    (made.home / ".env").write_text("ABSENCE_PROOF_S=4\n")
    made.start("--demo")
    for strategy, books in ((STRATEGY, gateway), (OTHER_STRATEGY, kite)):
        account_id = books.accounts[0]
        fields = [f"{name}={value}" for name, value in books.connection(account_id).items()]
        run(made, "accounts.py", "add", account_id, "--broker", books.broker, *fields, *SIGNED,
            "--currency", books.currency)  # fmt: skip
        for name in ("api_secret", "access_token") if books is kite else ():
            secret = books.environment(account_id)[f"BROKER_{account_id}_{name.upper()}"]
            run(made, "accounts.py", "secret", account_id, name, "--by", "e2e", typed=secret)
        shares = json.dumps([{"account_id": account_id, "weight_ratio": "1"}])
        run(made, "configure.py", "strategy", strategy, f"accounts={shares}", *SIGNED)
    made.wait_well()
    yield made
    made.stop()


def run(instance, *command, typed=None):
    ended = instance.run(*command, typed=typed)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def post(instance, number, side, strategy):
    """Send one and wait a moment; its id and whose it is."""
    quantity = 10 if side == "BUY" else 10 * ENTRIES  # all, whatever of it is held
    leg = {"instrument_type": "STOCK", "action": side, "quantity": quantity}
    body = {
        "signalID": f"real-{strategy}-{number}",
        "signal_type": "ENTRY" if side == "BUY" else "EXIT",
        "account_equity": 500000,
        "signal_legs": [leg | {"order_type": "MARKET", "price": 150} | LEGS[strategy]],
    }
    time.sleep(0.3)
    return instance.post(body, strategy), strategy


def ends_of(instance, sent):
    """How often each way to end: a status, or why there was no order."""
    lives = [instance.ended(signal_id, name, patience=120) for signal_id, name in sent]
    return Counter(
        life["decision"]["code"] if life["status"] == "DENIED" else life["status"] for life in lives
    )


def break_things(instance, gateway, kite):
    """Kill processes, brokers and connections, one after the other."""
    accounts = gateway.accounts[0], kite.accounts[0]

    def restart(books):
        books.kill()
        books.start()

    acts = [
        lambda: instance.kill("execution"),
        lambda: gateway.call("POST", "/v1/tws/link", {"action": "RST"}),
        lambda: kite.call("POST", "/v1/kite/cut-websockets"),
        lambda: gateway.break_next(accounts[0], "ACCEPT_THEN_SILENCE", seconds=1),
        lambda: kite.break_next(accounts[1], "DISCONNECT_AFTER_ACCEPT"),
        lambda: restart(gateway),
        lambda: instance.kill("cerebro"),
        lambda: restart(kite),
        lambda: instance.kill("account_data"),
    ]
    for act in acts:
        time.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        act()


def test_one_order_for_each_decision_and_equal_books(instance, gateway, kite):
    breaking = threading.Thread(target=break_things, args=(instance, gateway, kite))
    breaking.start()
    sent = [
        post(instance, number, "BUY", strategy) for number in range(ENTRIES) for strategy in LEGS
    ]
    breaking.join()
    ends = ends_of(instance, sent)
    # Nobody adds to a position while it is not known how large it is.
    assert set(ends) <= {"COMPLETED", "ORDER_UNRESOLVED"}, ends
    assert ends["COMPLETED"] > ENTRIES
    leaving = [post(instance, ENTRIES, "SELL", strategy) for strategy in LEGS]
    assert ends_of(instance, leaving) == {"COMPLETED": len(LEGS)}
    instance.wait_well()
    with closing(instance.store()) as store:
        for books in (gateway, kite):
            compare(store, books)


def compare(store, books):
    """One order of each of ours at a broker, and books that equal its own."""
    account_id = books.accounts[0]
    rows = {row["_id"]: row for row in store["orders"].find({"account_id": account_id})}
    theirs = Counter(each["client_order_id"] for each in books.get(account_id, "orders"))
    assert set(theirs.values()) == {1}
    assert set(theirs) == set(rows)
    booked = booked_fills(store, account_id)
    assert Counter(map(fill, booked)) == Counter(map(fill, books.get(account_id, "executions")))
    assert books.get(account_id, "positions") == []
    held = {"account_id": account_id, "quantity": {"$ne": 0}}
    assert store["positions"].find_one(held) is None
    assert books.violations() == []


def fill(row):
    return row["client_order_id"], Decimal(str(row["quantity"])), Decimal(str(row["price"]))
