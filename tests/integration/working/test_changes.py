"""Working orders at the mock broker's own process: changed, canceled, timed out, triggered."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.domain.words import OrderStatus, OrderType, TimeInForce
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import make_order
from tests.support.desks import add_order, settle, stored, wait_for
from tests.support.working import AAPL, agrees, held, rested, resting

pytestmark = pytest.mark.servers


def change(store, order_id, **terms):
    wanted = {"terms": {"stop_price": None, **terms}, "by": "olga", "at": utc_now()}
    store["orders"].update_one({"_id": order_id}, {"$set": {"modify_requested": wanted}})


def test_a_working_order_is_changed_at_the_broker_and_in_the_books(store, desk):
    order_id = rested(desk, store, resting())
    change(store, order_id, quantity=Decimal(6), limit_price=Decimal(141))
    wait_for(lambda: "modify_requested" not in stored(store, order_id))
    row = stored(store, order_id)
    assert (row["order"]["quantity"], row["order"]["limit_price"]) == (6, 141)
    assert row["text"] == "changed: quantity 10 → 6, limit price 140 → 141"
    report = desk._counter.broker.find_order(order_id)
    assert (report.terms.quantity, report.terms.limit_price) == (6, 141)


def test_a_change_without_an_answer_is_what_the_broker_says_later(store, bench, desk):
    order_id = rested(desk, store, resting())
    bench.break_next("ACCEPT_THEN_SILENCE", on="MODIFY", seconds=3)
    change(store, order_id, quantity=Decimal(10), limit_price=Decimal(141))
    wait_for(lambda: stored(store, order_id)["order"]["limit_price"] == 141, 30)
    assert stored(store, order_id)["status"] == "SUBMITTED"


@pytest.mark.parametrize("quantity", ["11", "0.5"])
def test_a_change_that_may_not_be_leaves_the_order_as_it_was(store, desk, quantity):
    order_id = rested(desk, store, resting())
    change(store, order_id, quantity=Decimal(quantity), limit_price=Decimal(140))
    wait_for(lambda: "modify_requested" not in stored(store, order_id))
    row = stored(store, order_id)
    assert (row["status"], row["order"]["quantity"]) == ("SUBMITTED", 10)
    assert "not changed" in row["text"] or "nothing" in row["text"]


def test_what_has_not_filled_by_its_time_is_canceled(store, desk):
    order = resting(cancel_at=utc_now() + timedelta(seconds=2))
    (found,) = settle(desk, store, add_order(store, order))
    assert found["status"] == "CANCELED"
    assert [event["status"] for event in found["events"]][-2:] == ["CANCEL_PENDING", "CANCELED"]
    assert found["events"][-2]["text"] == "its time is over"


def test_a_canceled_order_that_fills_is_booked_and_told(store, bench, desk):
    order_id = rested(desk, store, resting())
    bench.break_next("FILL_AFTER_CANCEL", on="CANCEL", seconds=0.5)
    store["orders"].update_one({"_id": order_id}, {"$set": {"cancel_requested_at": utc_now()}})
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert held(store) == 10
    assert store["incidents"].find_one({"kind": "FILL_AFTER_END"})
    assert agrees(store, desk)


def test_a_cancel_without_an_answer_is_resolved_not_guessed(store, bench, desk):
    order_id = rested(desk, store, resting())
    bench.break_next("DROP_BEFORE_ACCEPT", on="CANCEL", seconds=3)
    store["orders"].update_one({"_id": order_id}, {"$set": {"cancel_requested_at": utc_now()}})
    wait_for(lambda: stored(store, order_id)["status"] == "CANCEL_PENDING")
    wait_for(lambda: stored(store, order_id)["status"] == "CANCELED", 30)
    assert desk._counter.broker.find_order(order_id).status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("fields", "price", "at"),
    [
        ({"order_type": OrderType.STOP, "stop_price": Decimal(155)}, "156", 156),
        ({"order_type": OrderType.TRAILING_STOP, "trail_amount": Decimal(5)}, "156", 156),
        (
            {
                "order_type": OrderType.STOP_LIMIT,
                "stop_price": Decimal(155),
                "limit_price": Decimal(157),
            },
            "156",
            156,
        ),
    ],
    ids=["stop", "trailing", "stop limit"],
)
def test_stops_wait_for_their_price(store, bench, desk, fields, price, at):
    order = make_order("10", account_id=ACCOUNT, time_in_force=TimeInForce.GTC, **fields)
    order_id = rested(desk, store, order)
    assert held(store) == 0
    bench.set_price(AAPL, price)
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert stored(store, order_id)["avg_fill_price"] == at


def test_two_orders_of_one_id_are_told_and_the_others_go_on(store, bench, desk):
    order = resting()
    order_id = rested(desk, store, order)
    other = bench.adapter()
    other.connect()
    other.place_order(order)  # past us, under our id
    wait_for(lambda: store["incidents"].find_one({"kind": "ORDER_DOUBLED", "key": order_id}))
    free = make_order("1", symbol="MSFT", account_id=ACCOUNT, signal_id="sig_2")
    (found,) = settle(desk, store, add_order(store, free))
    assert found["status"] == "FILLED"
