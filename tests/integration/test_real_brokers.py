"""Execution's own processes at Interactive Brokers and Zerodha: one order of each, and equal books.

The brokers are fakes that speak the real protocols to the real clients, and keep books of their own
past it. Every test ends in `Trade.settled`, the oracle of the fault matrix; what a fake would not
have taken of us fails its test.
"""

import random
import time

import pytest

from services.common.clock import utc_now
from services.common.failpoints import EXIT_CODE, FailPoint
from services.common.store import to_document
from services.domain.orders import OrderTerms
from services.domain.words import Intent, OrderRole, OrderType, Side
from tests.support.execution_process import wait_until
from tests.support.fake_books import FAKES, running_fake
from tests.support.trade import trade

pytestmark = pytest.mark.servers
P = FailPoint
#: Every point of the road is crashed at in test_crash_points; here those where brokers differ.
ROAD = (P.INTENT_STORED, P.ANSWERED, P.STREAM_REPORT)
#: Below the market of 150, where the sender saw it.
RESTING = {"order_type": OrderType.LIMIT, "limit_price": 140}


@pytest.fixture(scope="module", params=sorted(FAKES))
def running(request, tmp_path_factory):
    with running_fake(request.param, tmp_path_factory.mktemp(request.param)) as books:
        yield books


@pytest.fixture
def books(running):
    running.begin()
    running.set_price(running.instrument("INFY"), 150)
    yield running
    assert running.violations() == []


@pytest.fixture
def desk(store, bus_connection, books, tmp_path):
    with trade(store, bus_connection, books, tmp_path, accounts=books.accounts[:1]) as opened:
        yield opened


@pytest.mark.parametrize("point", ROAD)
def test_a_crash_on_the_road_of_a_market_order(desk, point):
    desk.ring(desk.add())
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


def test_a_crash_while_a_cancel_is_under_way(desk):
    order = desk.add(**RESTING)
    desk.ring(order)
    first = desk.start(crash_at=P.CANCEL_SENT)
    desk.becomes(order, "SUBMITTED")
    desk.cancel(order)
    assert first.ends() == EXIT_CODE
    desk.start()
    desk.becomes(order, "CANCELED")
    assert desk.settled() == []


@pytest.mark.parametrize("kind", ["ACCEPT_THEN_SILENCE", "DROP_BEFORE_ACCEPT", "HIDE_ORDER"])
def test_a_crash_while_nobody_knows_what_became_of_an_exit(desk, books, kind):
    """An exit, because it is the one that goes again by itself where the broker never had it."""
    entry = desk.add()
    first = desk.start()
    desk.becomes(entry, "FILLED")
    first.kill()
    books.break_next(desk.accounts[0], kind, seconds=2)
    leaving = desk.add(1, side=Side.SELL, intent=Intent.EXIT)
    desk.ring(leaving)
    assert desk.start(crash_at=P.SENT).ends() == EXIT_CODE
    desk.start()
    desk.becomes(leaving, "FILLED")
    assert desk.settled() == []


def test_what_fills_while_we_are_away_is_booked_once(desk, books):
    order = desk.add(**RESTING)
    first = desk.start()
    desk.becomes(order, "SUBMITTED")
    first.kill()
    books.set_price(order.instrument, 139)
    desk.start()
    assert desk.becomes(order, "FILLED")["avg_fill_price"] == 139
    assert desk.settled() == []


def test_a_broker_that_dies_with_orders_at_work_goes_on_where_it_was(desk, books):
    orders = [desk.add(number, **RESTING) for number in range(3)]
    desk.start()
    for order in orders:
        desk.becomes(order, "SUBMITTED")
    books.kill()
    late = desk.add(9)
    desk.ring(late)
    time.sleep(1)
    books.start()
    desk.becomes(late, "FILLED")
    books.set_price(orders[0].instrument, 139)
    for order in orders:
        desk.becomes(order, "FILLED")
    assert desk.settled() == []


def test_a_burst_while_the_broker_cuts_refuses_and_dies(desk, books):
    """Twenty orders; execution is killed twice, the broker once, at no moment of our choosing."""
    account = desk.accounts[0]
    for kind in ("DISCONNECT_AFTER_ACCEPT", "REJECT_NEXT", "DISCONNECT_BEFORE_ACCEPT"):
        books.break_next(account, kind)
    entry = desk.add(100, quantity="1000")
    running = desk.start()
    desk.becomes(entry, "FILLED", "REJECTED", "UNKNOWN")
    orders = [desk.add(number, quantity="5") for number in range(20)]
    desk.ring(*orders)
    for _ in range(2):
        time.sleep(random.uniform(0.3, 1.5))  # noqa: S311 - not a secret
        running.kill()
        running = desk.start()
    time.sleep(random.uniform(0.3, 1.5))  # noqa: S311 - not a secret
    books.kill()
    books.start()
    books.set_price(entry.instrument, 150)
    wait_until(lambda: _without_doubts(desk), lambda: "\n".join(desk.differences()), seconds=120)
    assert desk.settled() == []


def _without_doubts(desk):
    """Whether all is well; what the broker never had is given up, as a person is asked to."""
    desk.give_up_absent()
    return not desk.differences()


def test_guards_of_an_entry_close_it_and_end_each_other(desk, books):
    order = desk.add(quantity="10", stop_loss=140, take_profit=160)
    running = desk.start()
    desk.becomes(order, "FILLED")
    guards = wait_until(lambda: _guards(desk, order), "the entry is not guarded")
    running.kill()
    books.set_price(order.instrument, 139)
    desk.start()
    wait_until(lambda: _status(desk, guards["STOP_LOSS"]) == "FILLED", "the stop does not fill")
    wait_until(lambda: _status(desk, guards["TAKE_PROFIT"]) == "CANCELED", "the target lives on")
    assert desk.settled() == []


def _guards(desk, order):
    """Ids of both guards by role, once they work at the broker."""
    rows = desk.store["orders"].find(
        {"order.parent_order_id": order.client_order_id, "status": "SUBMITTED"}
    )
    found = {row["order"]["role"]: row["_id"] for row in rows}
    return found if set(found) == {OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT} else None


def _status(desk, order_id):
    return desk.store["orders"].find_one({"_id": order_id})["status"]


def test_a_changed_order_fills_at_its_new_terms_once(desk, books):
    order = desk.add(**RESTING)
    desk.start()
    desk.becomes(order, "SUBMITTED")
    terms = to_document(OrderTerms(quantity=7, limit_price=145))
    wanted = {"terms": terms, "by": "olga", "at": utc_now()}
    request = {"$set": {"modify_requested": wanted}}
    desk.store["orders"].update_one({"_id": order.client_order_id}, request)
    wait_until(lambda: desk.row(order)["order"]["limit_price"] == 145, "it is not changed")
    books.set_price(order.instrument, 144)
    assert desk.becomes(order, "FILLED")["filled_quantity"] == 7
    assert desk.settled() == []
