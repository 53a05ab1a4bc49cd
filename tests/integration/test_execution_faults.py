"""Rows of the fault matrix that need whole processes: stale owners, a dying broker, halts, poison.

Every test ends in `Trade.settled`, its oracle.
"""

import json
import signal
import time
import uuid

import pytest

from services.common.controls import set_control
from services.common.failpoints import FailPoint
from services.domain.words import OrderType, Scope, TradingState
from tests.support.execution_process import BrokerBooks, wait_until
from tests.support.trade import PROOF_SECONDS

pytestmark = pytest.mark.servers
P = FailPoint
#: Fewer than a strategy may send in a minute, with some that go again.
BURST = 45


@pytest.fixture
def desk(open_trade):
    return open_trade()


@pytest.fixture
def mortal(open_trade, tmp_path):
    """A trade before a mock broker of its own, which may be killed."""
    books = BrokerBooks(tmp_path / "mortal")
    books.start()
    yield open_trade(broker=books)
    books.stop()


@pytest.fixture
def symbol():
    return f"F{uuid.uuid4().hex[:8].upper()}"


def resting(symbol):
    """Fields of a buy order that rests below the market of 150, where its sender saw it."""
    return {"order_type": OrderType.LIMIT, "limit_price": 140, "symbol": symbol}


def taken_over(desk):
    """A second process has the account of the first, which stands still; the second."""
    heir = desk.start()
    heir.opens(*desk.accounts)
    return heir


# Row 14: two owners.


@pytest.mark.parametrize(
    "point", [P.ORDER_RECEIVED, P.INTENT_STORED, P.ANSWERED, P.BEFORE_BOOKING, P.BOOKED]
)
def test_an_owner_that_was_paused_past_its_lease_sends_and_writes_nothing(desk, point):
    order = desk.add()
    desk.ring(order)
    stale = desk.start(pause_at=point)
    stale.pauses()
    taken_over(desk)
    desk.becomes(order, "FILLED")
    before = desk.row(order)
    stale.signal(signal.SIGCONT)
    more = [desk.add(number) for number in range(1, 6)]
    desk.ring(*more)
    for each in more:
        desk.becomes(each, "FILLED")
    wait_until(lambda: "standing by" in stale.state(), stale.state)
    assert desk.row(order) == before
    assert desk.settled() == []


def test_an_owner_that_lost_the_account_and_has_it_again_does_not_send_what_it_had_begun(desk):
    """Its lease is valid again, but of another epoch: in between somebody else sent the order."""
    order = desk.add()
    desk.ring(order)
    stale = desk.start(hold_at=P.INTENT_STORED)
    stale.holds()
    stale.signal(signal.SIGSTOP)
    heir = taken_over(desk)
    desk.becomes(order, "FILLED")
    heir.kill()
    stale.signal(signal.SIGCONT)
    lease = {"_id": f"account|{order.account_id}"}
    wait_until(lambda: desk.store["leases"].find_one(lease)["epoch"] == 3, "it is not taken again")
    stale.go_on()
    late = desk.add(1)
    desk.ring(late)
    desk.becomes(late, "FILLED")
    assert desk.settled() == []


def test_an_owner_that_wakes_while_the_next_one_sends_does_not_make_it_send_twice(desk):
    order = desk.add()
    desk.ring(order)
    stale = desk.start(pause_at=P.INTENT_STORED)
    stale.pauses()
    desk.broker.break_next(order.account_id, "ACCEPT_THEN_SILENCE", seconds=3)
    desk.start()
    wait_until(lambda: desk.sent(order), "the next owner did not send it")
    stale.signal(signal.SIGCONT)  # the next owner is waiting for its answer
    assert desk.settled() == []


def test_an_owner_paused_in_a_burst_is_replaced_and_nothing_comes_twice(desk):
    orders = [desk.add(number) for number in range(BURST)]
    stale = desk.start()
    desk.ring(*orders)
    desk.becomes(orders[20], "FILLED")
    stale.signal(signal.SIGSTOP)
    taken_over(desk)
    stale.signal(signal.SIGCONT)
    for order in orders:
        desk.becomes(order, "FILLED")
    assert desk.settled() == []


# Rows 6 and 7: the broker goes away, and things happen meanwhile.


def test_what_rests_at_a_broker_that_dies_fills_once_when_it_is_back(mortal, symbol):
    desk = mortal
    orders = [desk.add(number, **resting(symbol)) for number in range(3)]
    desk.start()
    for order in orders:
        desk.becomes(order, "SUBMITTED")
    desk.broker.kill()
    desk.broker.start()
    desk.broker.set_price(orders[0].instrument, 139)
    for order in orders:
        desk.becomes(order, "FILLED")
    assert desk.settled() == []


def test_orders_wait_for_a_broker_that_is_down_and_none_is_refused(mortal):
    desk = mortal
    desk.start().opens(*desk.accounts)
    desk.broker.kill()
    orders = [desk.add(number) for number in range(5)]
    desk.ring(*orders)
    time.sleep(2)
    assert {desk.row(order)["status"] for order in orders} <= {"PENDING", "SUBMITTING"}
    desk.broker.start()
    for order in orders:
        desk.becomes(order, "FILLED")
    assert desk.settled() == []


def test_a_broker_that_dies_in_a_burst_gets_no_order_twice(mortal):
    desk = mortal
    desk.start().opens(*desk.accounts)
    desk.ring(*[desk.add(number) for number in range(BURST)])
    for wanted in (10, 30):
        wait_until(lambda: count(desk, status="FILLED") >= wanted, f"not {wanted} filled")  # noqa: B023
        desk.broker.kill()
        desk.broker.start()
    wait_until(lambda: count(desk, working=True) == 0, "some have not ended")
    assert desk.settled() == []


def count(desk, **query):
    """Orders of the account; an entry without an answer holds the others until a person decides."""
    desk.give_up_absent()
    return desk.store["orders"].count_documents({"account_id": desk.accounts[0], **query})


# Row 4: the broker shows an order late.


def test_an_order_that_the_broker_shows_late_is_not_sent_again(desk):
    order = desk.add()
    assert desk.broker.break_next(order.account_id, "HIDE_ORDER", seconds=PROOF_SECONDS - 1)
    desk.ring(order)
    desk.start()
    time.sleep(PROOF_SECONDS + 1)
    assert desk.settled() == []


# Row 24: the switch.


def test_no_order_leaves_after_the_switch_nor_after_a_restart_under_it(desk):
    execution = desk.start()
    burst = [desk.add(number) for number in range(BURST)]
    desk.ring(*burst)
    desk.becomes(burst[10], "FILLED")
    halt = {"trading_state": TradingState.HALTED}
    set_control(desk.store, Scope.GLOBAL, "", by="olga", reason="stop", **halt)
    time.sleep(1)  # the switch acts within a second
    late = [desk.add(number) for number in range(60, 70)]
    desk.ring(*late)
    for order in [*burst, *late]:
        desk.becomes(order, "FILLED", "DENIED")
    execution.kill()
    after = [desk.add(number) for number in range(70, 80)]
    desk.start()
    for order in after:
        desk.becomes(order, "DENIED")
    assert {desk.sent(order) for order in [*late, *after]} == {0}
    assert desk.settled() == []


# Row 10: the bus doubles, reorders, delays and loses.


def test_doorbells_may_come_doubled_out_of_order_and_long_after(desk):
    desk.start()
    orders = [desk.add(number) for number in range(10)]
    for _ in range(3):
        desk.ring(*reversed(orders))
        desk.ring(*orders)
    for order in orders:
        desk.becomes(order, "FILLED")
    desk.ring(*orders)
    assert desk.settled() == []


def test_the_bus_may_lose_every_message(desk):
    """Nothing is rung: the sweeper finds what nobody has taken up."""
    desk.start()
    for number in range(5):
        desk.add(number)
    assert desk.settled() == []


# Row 27: poison among good messages.


def test_poison_is_parked_and_the_others_flow(desk):
    execution = desk.start()
    execution.opens(*desk.accounts)
    orders = [desk.add(number) for number in range(10)]
    poison = [
        b"not json at all \xff\x00",
        json.dumps(["a", "list"]).encode(),
        json.dumps({"schema": "99", "account_id": "A", "client_order_id": "B"}).encode(),
        json.dumps({"schema": "1", "account_id": desk.accounts[0]}).encode(),
    ]
    for number, order in enumerate(orders):
        desk.ring(order)
        desk.publish(poison[number % len(poison)], key=desk.accounts[0])
    desk.ring(orders[0], client_order_id="MTNOSUCHORDER")
    for order in orders:
        desk.becomes(order, "FILLED")
    letters = desk.store["dead_letters"]
    wait_until(lambda: letters.count_documents({"status": "DEAD"}) == 10, "poison was not parked")
    assert len(desk.incidents(kind="DEAD_LETTER")) == 10
    assert execution.process.poll() is None
    assert desk.settled() == []
