"""A desk that compares: hand trades beside ours, and what differs stops entries, never exits."""

from decimal import Decimal

import pytest

from scripts import books as tool
from services.common.settings_file import known_names
from services.domain.orders import UNATTRIBUTED
from services.domain.words import Intent, Side
from tests.fakes.booked import BookedBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_instrument, make_order
from tests.support.desks import add_order, make_desk, settle, wait_for
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
APPLE = make_instrument()


@pytest.fixture
def broker():
    return BookedBroker(ACCOUNT)


@pytest.fixture
def desk(store, broker, connection, monkeypatch):
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    for name, value in connection.items():
        monkeypatch.setenv(name.upper(), str(value))
    allow_trading(store)
    add_account(store)
    opened = make_desk(store, broker, books_seconds=3600)
    opened.start()
    wait_for(lambda: opened._is_open() and broker.handler)
    yield opened
    opened.stop()


def reconcile():
    return tool.main(["reconcile", "--account", ACCOUNT, "--by", "olga"])


def traded(store, desk, order):
    (row,) = settle(desk, store, add_order(store, order))
    return row


def leaving(quantity="17"):
    return make_order(quantity, side=Side.SELL, intent=Intent.EXIT, signal_id="sig_exit")


def quantities(store):
    return {row["strategy_id"]: row["quantity"] for row in store["positions"].find()}


def test_a_trade_by_hand_beside_ours_is_nobodys_when_an_operator_asks(store, broker, desk):
    assert traded(store, desk, make_order())["status"] == "FILLED"
    broker.trade_by_hand(APPLE, -17)
    assert reconcile() == 0
    assert quantities(store) == {STRATEGY: 17, UNATTRIBUTED: -17}
    # The account is flat, the strategy is not: its exit closes what it holds.
    assert traded(store, desk, leaving())["filled_quantity"] == 17
    assert reconcile() == 0
    assert quantities(store) == {STRATEGY: 0, UNATTRIBUTED: -17}


def test_what_differs_stops_entries_until_it_agrees_and_never_exits(store, broker, desk):
    traded(store, desk, make_order())
    broker.held[APPLE] = Decimal(100)
    assert reconcile() == 1
    refused = traded(store, desk, make_order("5", signal_id="sig_2"))
    assert refused["status"] == "DENIED"
    assert "the broker holds 117, our books say 17" in refused["text"]
    other = traded(store, desk, make_order("5", signal_id="sig_3", symbol="MSFT"))
    assert other["status"] == "FILLED"
    assert traded(store, desk, leaving())["status"] == "FILLED"
    del broker.held[APPLE]
    assert reconcile() == 0
    assert traded(store, desk, make_order("5", signal_id="sig_4"))["status"] == "FILLED"


def test_a_busted_fill_reaches_the_books_of_a_running_desk(store, broker, desk):
    order = make_order()
    traded(store, desk, order)
    bust = broker.told[0].model_copy(update={"revision": 1, "busted": True})
    broker.told.append(bust)
    store["orders"].update_one({}, {"$set": {"updated_at": bust.occurred_at.replace(year=2020)}})
    assert reconcile() == 0
    assert quantities(store) == {STRATEGY: 0}
    row = store["orders"].find_one({"_id": order.client_order_id})
    assert (row["status"], row["filled_quantity"]) == ("FILLED", 0)
    assert len(broker.sent) == 1
