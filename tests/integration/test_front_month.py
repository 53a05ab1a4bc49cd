"""A future without an expiry, at a broker that tells only of contracts: held over a restart.

The gateway is the fake of Interactive Brokers; every test ends flat, in `Trade.settled`.
"""

from collections import Counter
from decimal import Decimal

import pytest

from services.common.kills import KillRequest, kill_run, request_kill
from services.domain.kills import KillStage, RunState
from services.domain.words import InstrumentType, Intent, Scope, Side
from services.execution.reconciler import request_look
from tests.fakes.tws.contracts import Table
from tests.support.builders import make_instrument
from tests.support.execution_process import wait_until
from tests.support.fake_books import running_fake
from tests.support.trade import trade

pytestmark = pytest.mark.servers
FRONT = make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100))


def listed():
    """What the gateway lists of gold, the nearest first."""
    found = (each.instrument for each in Table()._by_id.values())
    return sorted((each for each in found if each.symbol == "GC"), key=lambda each: each.expiry)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_fake("ibkr", tmp_path_factory.mktemp("ibkr"), currency="USD") as books:
        yield books


@pytest.fixture
def books(running, monkeypatch):
    monkeypatch.setattr(running, "instrument", lambda _symbol: FRONT)
    running.begin()
    for contract in listed():
        running.set_price(contract, 150)
    yield running
    assert running.violations() == []


@pytest.fixture
def desk(store, bus_connection, books, tmp_path):
    with trade(store, bus_connection, books, tmp_path, accounts=books.accounts[:1]) as opened:
        yield opened


@pytest.fixture
def held(desk):
    """An entry of two that has filled, and a process that has only the store to know it by."""
    entry = desk.add(quantity="2")
    first = desk.start()
    desk.becomes(entry, "FILLED")
    first.kill()
    desk.start().opens(*desk.accounts)
    return entry


def booked(desk):
    """What our books hold, by name."""
    held = Counter()
    for row in desk.store["positions"].find():
        held[row["instrument_key"]] += row["quantity"]
    return dict(held)


def at_broker(desk, books):
    """What the gateway holds, by contract."""
    rows = books.get(desk.accounts[0], "positions")
    return {row["instrument"]["expiry"]: Decimal(row["quantity"]) for row in rows}


def look(desk, name):
    """Have books and broker compared, until what is found is believed."""
    request_look(desk.store, desk.accounts[0], request_id=name, by="olga")

    def believed():
        row = desk.store["reconciliations"].find_one({"_id": desk.accounts[0]})
        return row.get("answered") == name and not row["unsettled"]

    wait_until(believed, "it is not looked at")


def by_hand(desk, books, contract, side, quantity):
    """A trade past us."""
    wanted = {"instrument": contract.model_dump(mode="json"), "side": side, "quantity": quantity}
    wanted |= {"order_type": "MARKET", "time_in_force": "DAY", "price": "150"}
    books.call("POST", f"/v1/accounts/{desk.accounts[0]}/manual-orders", wanted)
    look(desk, "by hand")
    assert len(desk.incidents(kind="FOREIGN_TRADE")) == 1


def test_what_was_entered_before_is_no_difference_and_its_exit_closes_it(desk, books, held):
    look(desk, "again")
    assert at_broker(desk, books) == {str(listed()[0].expiry): 2}
    assert booked(desk) == {FRONT.key: 2}
    assert desk.incidents() == []
    leaving = desk.add(1, quantity="2", side=Side.SELL, intent=Intent.EXIT)
    desk.ring(leaving)
    desk.becomes(leaving, "FILLED")
    assert desk.settled() == []
    assert booked(desk) == {FRONT.key: 0}
    assert desk.incidents() == []


def test_what_fills_while_we_are_away_is_of_what_was_ordered(desk, books):
    entry = desk.add(quantity="2", order_type="LIMIT", limit_price=140)
    first = desk.start()
    desk.becomes(entry, "SUBMITTED")
    first.kill()
    books.set_price(listed()[0], 139)
    desk.start()
    desk.becomes(entry, "FILLED")
    look(desk, "again")
    assert booked(desk) == {FRONT.key: 2}
    assert desk.incidents() == []


def test_a_kill_closes_what_is_held_and_books_it_on_the_position(desk, held):
    asked = KillRequest(
        scope=Scope.ACCOUNT,
        scope_id=desk.accounts[0],
        stage=KillStage.FLATTEN,
        by="olga",
        reason="drill",
        confirmed=True,
    )
    run_id = request_kill(desk.store, asked, timeout_seconds=60).run_id
    wait_until(
        lambda: kill_run(desk.store, run_id).state is RunState.DONE,
        lambda: str(kill_run(desk.store, run_id)),
    )
    assert booked(desk) == {FRONT.key: 0}
    assert desk.settled() == []


def test_what_is_sold_by_hand_is_taken_off_what_is_held(desk, books, held):
    by_hand(desk, books, listed()[0], "SELL", "2")
    assert at_broker(desk, books) == {}
    assert booked(desk) == {FRONT.key: 0}
    assert desk.incidents(kind="POSITION_MISMATCH") == []


def test_another_month_that_is_bought_by_hand_is_another_and_the_exit_leaves_it(desk, books, held):
    by_hand(desk, books, listed()[1], "BUY", "1")
    assert booked(desk) == {FRONT.key: 2, listed()[1].key: 1}
    assert desk.incidents(kind="POSITION_MISMATCH") == []
    leaving = desk.add(1, quantity="2", side=Side.SELL, intent=Intent.EXIT)
    desk.ring(leaving)
    desk.becomes(leaving, "FILLED")
    assert at_broker(desk, books) == {str(listed()[1].expiry): 1}
