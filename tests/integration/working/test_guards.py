"""Guards of positions at the mock broker's own process: made, enlarged, taken away, missed."""

import time
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.orders import order_document
from services.domain.words import OrderType
from services.execution.guards import first_guards
from tests.support.desks import add_order, settle, stored, wait_for
from tests.support.working import AAPL, EMULATED, agrees, guarded, guards, held, leave, live, rested

pytestmark = pytest.mark.servers


def test_an_entry_is_guarded_by_what_it_has_filled(store, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    found = wait_for(lambda: len(guards(store, order)) == 2 and guards(store, order))
    assert {role: row["order"]["quantity"] for role, row in found.items()} == {
        "STOP_LOSS": 10,
        "TAKE_PROFIT": 10,
    }
    assert store["signal_store"].find_one({"_id": order.signal_id})["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("price", "filled", "gain"),
    [("161", "TAKE_PROFIT", 110), ("139", "STOP_LOSS", -110)],  # 10 × (161 − 150), (139 − 150)
)
def test_one_guard_fills_and_the_other_ends(store, bench, desk, price, filled, gain):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    bench.set_price(AAPL, price)
    wait_for(lambda: filled in guards(store, order, "FILLED"))
    wait_for(lambda: len(guards(store, order, "CANCELED")) == 1)
    assert held(store) == 0
    (position,) = store["positions"].find()
    assert position["realized_pnl"] == gain
    assert agrees(store, desk)
    wait_for(lambda: "tended" not in stored(store, order.client_order_id))


def test_a_partial_fill_is_guarded_and_the_rest_when_it_fills(store, bench, desk):
    bench.make_thin("4")
    order = guarded(order_type=OrderType.LIMIT, limit_price=Decimal(150))
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 4)
    covered = wait_for(lambda: "STOP_LOSS" in guards(store, order) and live(store, order))
    assert covered >= 4
    bench.fill(order, "6", "150")
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    wait_for(lambda: live(store, order) == 10)


@pytest.fixture
def half_guarded(store, bench, open_desk):
    """A desk that makes guards itself, and an entry of 10 of which 4 are filled and guarded."""
    bench.without(brackets=False)
    desk = open_desk()
    bench.make_thin("4")
    order = guarded(order_type=OrderType.LIMIT, limit_price=Decimal(150))
    desk.wake([add_order(store, order)])
    wait_for(lambda: live(store, order) == 4 == live(store, order, "TAKE_PROFIT"))
    wait_for(lambda: len(guards(store, order)) == 2)
    return desk, order


def test_guards_left_by_an_attempt_that_was_taken_back_stop_nothing(store, open_desk):
    order = guarded()
    order_id = add_order(store, order)
    left = order_document(first_guards(order)[0], at=utc_now())
    store["orders"].insert_one(left | {"status": "SUBMITTING", "attached": True})
    desk = open_desk()
    (found,) = settle(desk, store, order_id)
    wait_for(lambda: live(store, order) == 10 == live(store, order, "TAKE_PROFIT"))
    assert (found["status"], found["filled_quantity"]) == ("FILLED", 10)
    assert agrees(store, desk)


@pytest.mark.parametrize("kind", ["DROP_BEFORE_ACCEPT", "DISCONNECT_BEFORE_ACCEPT", "REJECT_NEXT"])
def test_a_guard_that_could_not_be_enlarged_covers_everything_all_the_same(
    store, bench, half_guarded, kind
):
    desk, order = half_guarded
    bench.break_next(kind, on="MODIFY", seconds=3)
    bench.fill(order, "6", "150")
    wait_for(lambda: live(store, order) == 10 == live(store, order, "TAKE_PROFIT"), 30)
    assert agrees(store, desk)


def test_what_fills_while_a_guard_is_being_enlarged_is_covered_after_it(store, bench, half_guarded):
    desk, order = half_guarded
    bench.break_next("ACCEPT_THEN_SILENCE", on="MODIFY", seconds=3)
    bench.fill(order, "3", "150")
    wait_for(lambda: stored(store, order.client_order_id)["filled_quantity"] == 7)
    bench.fill(order, "3", "150")
    wait_for(lambda: live(store, order) == 10 == live(store, order, "TAKE_PROFIT"), 30)
    assert agrees(store, desk)


def test_an_exit_takes_the_guards_away_and_closes_all(store, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    (found,) = settle(desk, store, add_order(store, leave()))
    assert found["status"] == "FILLED"
    assert held(store) == 0
    wait_for(lambda: not live(store, order) and not live(store, order, "TAKE_PROFIT"))
    assert agrees(store, desk)


def test_after_a_partial_exit_the_rest_is_guarded(store, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    (found,) = settle(desk, store, add_order(store, leave("4")))
    assert (found["status"], found["filled_quantity"]) == ("FILLED", 4)
    wait_for(lambda: live(store, order) == 6 == live(store, order, "TAKE_PROFIT"))
    assert agrees(store, desk)


def test_guards_are_made_by_the_next_owner_where_the_first_died(store, bench, open_desk):
    bench.without(**EMULATED)
    first = open_desk()
    order = guarded()
    order_id = add_order(store, order)
    first._tending.run = list  # dies after the fill, before the guards
    settle(first, store, order_id)
    first.stop()
    assert guards(store, order) == {}
    open_desk()
    wait_for(lambda: len(guards(store, order)) == 2)


def test_a_fill_that_told_nobody_is_guarded_and_then_left_alone(
    store, bench, open_desk, monkeypatch
):
    bench.without(**EMULATED)
    desk = open_desk()
    tending, tended = desk._tending, []
    # As where the owner before has booked the fill, after this one had opened.
    monkeypatch.setattr(tending, "note", lambda booking: None)
    monkeypatch.setattr(tending, "add", lambda rows: None)
    order = guarded()
    (row,) = settle(desk, store, add_order(store, order))
    assert (row["status"], guards(store, order)) == ("FILLED", {})
    monkeypatch.setattr("services.execution.desk._TENDING_SECONDS", 0.05)
    desk._times.soon("tending")
    assert wait_for(lambda: len(guards(store, order)) == 2)
    # Nothing moves any more: it is seen that nothing has, and that is all.
    time.sleep(0.5)
    look = tending._tend
    monkeypatch.setattr(tending, "_tend", lambda each: tended.append(each) or look(each))
    time.sleep(0.5)
    assert tended == []
    assert order.client_order_id in tending._places


def test_what_a_broker_can_neither_hold_nor_take_is_denied(store, bench, open_desk):
    bench.without(brackets=False, order_types=["MARKET", "LIMIT"])
    desk = open_desk()
    (found,) = settle(desk, store, add_order(store, guarded()))
    assert found["status"] == "DENIED"
    assert "STOP orders to guard a position with stop_loss 140" in found["text"]
    assert held(store) == 0


def test_an_exit_that_rests_goes_beside_the_guards_and_ends_with_them(store, bench, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    far = leave(order_type=OrderType.LIMIT, limit_price=Decimal(170))
    order_id = rested(desk, store, far)
    assert live(store, order) == 10  # still protected
    bench.set_price(AAPL, "139")
    wait_for(lambda: "STOP_LOSS" in guards(store, order, "FILLED"))
    wait_for(lambda: stored(store, order_id)["status"] == "CANCELED")
    assert held(store) == 0
    assert agrees(store, desk)


def test_a_position_whose_guard_is_gone_is_told_until_it_is_closed(store, desk):
    order = guarded(take_profit=None)
    settle(desk, store, add_order(store, order))
    guard = wait_for(lambda: guards(store, order).get("STOP_LOSS"))
    gone = {"cancel_requested_at": utc_now()}
    store["orders"].update_one({"_id": guard["_id"]}, {"$set": gone})
    lost = {"kind": "GUARD_LOST"}
    wait_for(lambda: (store["incidents"].find_one(lost) or {}).get("status") == "OPEN")
    settle(desk, store, add_order(store, leave()))
    assert wait_for(lambda: store["incidents"].find_one(lost)["status"] == "CLEARED")
