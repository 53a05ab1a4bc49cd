"""Guards, groups, algos, changes and times: worked by a desk at the mock broker's own process."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.errors import UnsupportedOrder
from services.common.clock import utc_now
from services.common.orders import order_document
from services.domain.orders import Algo, child_order_id_for
from services.domain.words import (
    AlgoName,
    GroupPolicy,
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from services.execution import squaring
from services.execution.guards import first_guards
from tests.support.benches.mock import MockBench
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import STRATEGY, make_instrument, make_order
from tests.support.desks import add_order, make_desk, settle, stored, wait_for
from tests.support.rows import allow_trading

pytestmark = pytest.mark.servers
AAPL, MSFT = make_instrument(), make_instrument("MSFT")
EMULATED = {"brackets": False, "oco": False, "combos": False}
NATIVE = {}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = MockBench(tmp_path_factory.mktemp("mock"))
    yield made
    made.stop()


@pytest.fixture
def bench(running):
    running.begin()
    running.set_price(AAPL, "150")
    running.set_price(MSFT, "300")
    yield running
    running.end()


@pytest.fixture
def open_desk(store, bench):
    """Opens desks, one after the other, on the same account."""
    allow_trading(store)
    opened = []

    def start():
        desk = make_desk(store, bench.adapter())
        desk.start()
        opened.append(desk)
        wait_for(desk._is_open)
        return desk

    yield start
    for desk in opened:
        desk.stop()


@pytest.fixture(params=[NATIVE, EMULATED], ids=["native", "emulated"])
def desk(request, bench, open_desk):
    bench.without(**request.param)
    return open_desk()


def guarded(quantity="10", **fields):
    fields.setdefault("stop_loss", Decimal(140))
    fields.setdefault("take_profit", Decimal(160))
    return make_order(quantity, account_id=ACCOUNT, **fields)


def guards(store, order, status="SUBMITTED"):
    """Ids of an order's guards that stand so, by role."""
    query = {"order.parent_order_id": order.client_order_id, "status": status}
    rows = store["orders"].find(query)
    roles = ("STOP_LOSS", "TAKE_PROFIT")
    return {r["order"]["role"]: r for r in rows if r["order"]["role"] in roles}


def held(store, instrument=AAPL):
    found = store["positions"].find_one({"instrument_key": instrument.key})
    return found["quantity"] if found else Decimal(0)


def agrees(store, desk):
    """Our books are the broker's."""
    ours = {
        row["instrument_key"]: row["quantity"] for row in store["positions"].find({"open": True})
    }
    broker = {each.instrument.key: each.quantity for each in desk._counter.broker.positions()}
    return ours == broker


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


def live(store, order, role="STOP_LOSS"):
    """What guards of one role still cover."""
    query = {"order.parent_order_id": order.client_order_id, "order.role": role, "working": True}
    rows = store["orders"].find(query)
    return sum(row["order"]["quantity"] - row["filled_quantity"] for row in rows)


def leave(quantity="10", **fields):
    fields.setdefault("signal_id", "sig_exit")
    return make_order(quantity, side=Side.SELL, intent=Intent.EXIT, account_id=ACCOUNT, **fields)


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


def legs(policy, second_quantity="5"):
    common = {"account_id": ACCOUNT, "group_policy": policy, "signal_id": "sig_pair"}
    one = make_order("10", **common)
    two = make_order(second_quantity, symbol="MSFT", side=Side.SELL, **common)
    other_id = child_order_id_for(one.client_order_id, OrderRole.LEG, 1)
    return one, two.model_copy(update={"client_order_id": other_id, "leg_index": 1})


def test_legs_go_together(store, desk):
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD)]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
    assert store["signal_store"].find_one({"_id": "sig_pair"})["status"] == "COMPLETED"
    assert store["incidents"].count_documents({}) == 0


def test_legs_that_the_broker_cannot_combine_go_one_by_one(store, bench):
    def refuse(legs):
        raise UnsupportedOrder(f"no BAG of {len(legs)} such legs")

    allow_trading(store)
    adapter = bench.adapter()
    adapter.place_combo = refuse
    desk = make_desk(store, adapter)
    desk.start()
    wait_for(desk._is_open)
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD)]
    rows = settle(desk, store, *ids)
    desk.stop()
    assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
    other = bench.connected()
    assert sorted(each.client_order_id for each in other.executions()) == sorted(ids)


def test_a_leg_that_may_not_go_holds_back_all(store, desk):
    one, two = legs(GroupPolicy.HOLD)
    two = two.model_copy(update={"expires_at": utc_now() - timedelta(minutes=1)})
    rows = settle(desk, store, *[add_order(store, leg, sibling_count=2) for leg in (one, two)])
    assert [row["status"] for row in rows] == ["DENIED", "EXPIRED"]
    assert rows[0]["text"].startswith("GROUP_REFUSED: another leg may not go: SIGNAL_EXPIRED")


@pytest.mark.parametrize(("policy", "left"), [(GroupPolicy.UNWIND, 0), (GroupPolicy.HOLD, 10)])
def test_a_broken_group_is_unwound_or_held(store, bench, open_desk, policy, left):
    bench.without(**EMULATED)
    desk = open_desk()
    # 5,000 × 300 × 50 % is more than the account has
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(policy, "50000")]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["FILLED", "REJECTED"]
    wait_for(lambda: held(store) == left)
    wait_for(lambda: store["incidents"].find_one({"kind": "GROUP_BROKEN"}))
    wait_for(lambda: not store["orders"].count_documents({"tended": True}))
    assert agrees(store, desk)


def test_a_combo_is_had_whole_or_not_at_all(store, bench, open_desk):
    desk = open_desk()
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD, "50000")]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["REJECTED", "REJECTED"]
    assert held(store) == 0


def algo(**fields):
    return make_order("10", account_id=ACCOUNT, algo=Algo(**fields))


TWAP = {"name": AlgoName.TWAP, "duration_seconds": Decimal(3), "slices": 3}


def children(store, order):
    rows = store["orders"].find({"order.parent_order_id": order.client_order_id})
    return sorted(rows, key=lambda row: row["child_number"])


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        (TWAP, [3, 3, 4]),
        ({"name": AlgoName.VWAP, "duration_seconds": Decimal(3), "profile": (1, 3, 1)}, [2, 6, 2]),
        ({"name": AlgoName.ICEBERG, "display_quantity": Decimal(4)}, [4, 4, 2]),
    ],
    ids=lambda each: str(each["name"]) if isinstance(each, dict) else "",
)
def test_an_algo_fills_its_order_in_parts(store, desk, how, parts):
    order = algo(**how)
    (found,) = settle(desk, store, add_order(store, order), seconds=30)
    assert (found["status"], found["filled_quantity"]) == ("FILLED", 10)
    assert found["avg_fill_price"] == 150
    assert [row["filled_quantity"] for row in children(store, order)] == parts
    assert held(store) == 10
    assert store["reservations"].count_documents({}) == 0
    assert store["signal_store"].find_one({"_id": order.signal_id})["status"] == "COMPLETED"
    assert agrees(store, desk)


def test_an_algo_goes_on_under_the_next_owner(store, open_desk):
    first = open_desk()
    order = algo(**TWAP)
    order_id = add_order(store, order)
    first.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 3)
    first.stop()
    second = open_desk()
    wait_for(lambda: stored(store, order_id)["status"] in {"FILLED", "EXPIRED"}, 30)
    made = children(store, order)
    assert sum(row["filled_quantity"] for row in made) == stored(store, order_id)["filled_quantity"]
    assert agrees(store, second)


def test_an_algo_whose_owner_died_before_it_was_recorded_goes_on(store, open_desk):
    order = algo(**TWAP)
    # As if it had begun when the desk is open: on a busy machine that takes seconds.
    begun = {"tended": True, "algo_started_at": utc_now() + timedelta(seconds=5)}
    order_id = add_order(store, order, status="SUBMITTING", owner_epoch=1, **begun)
    desk = open_desk()
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED", 30)
    assert [row["filled_quantity"] for row in children(store, order)] == [3, 3, 4]
    assert agrees(store, desk)


def test_an_algo_that_is_canceled_keeps_what_it_has(store, desk):
    order = algo(**(TWAP | {"duration_seconds": Decimal(60)}))
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 3)
    store["orders"].update_one({"_id": order_id}, {"$set": {"cancel_requested_at": utc_now()}})
    (found,) = settle(desk, store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("CANCELED", 3)
    assert held(store) == 3


def test_a_rejected_slice_stops_the_algo_and_a_person_is_told(store, bench, desk):
    order = algo(**(TWAP | {"slices": 2}))
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 5)
    bench.break_next("REJECT_NEXT")
    (found,) = settle(desk, store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("CANCELED", 5)
    assert store["incidents"].find_one({"kind": "ALGO_STOPPED"})


def resting(**fields):
    fields.setdefault("limit_price", Decimal(140))
    return make_order("10", account_id=ACCOUNT, order_type=OrderType.LIMIT, **fields)


def change(store, order_id, **terms):
    wanted = {"terms": {"stop_price": None, **terms}, "by": "olga", "at": utc_now()}
    store["orders"].update_one({"_id": order_id}, {"$set": {"modify_requested": wanted}})


def rested(desk, store, order):
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["status"] == "SUBMITTED")
    return order_id


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


def square_off(store):
    """Let the time of the day at which the strategy is closed have come two minutes ago."""
    at = datetime.now(UTC) - timedelta(minutes=2)
    store["strategies"].insert_one(
        {
            "_id": STRATEGY,
            "accounts": [{"account_id": ACCOUNT}],
            "square_off": {"timezone": "UTC", "at": f"{at:%H:%M}", "days": [1, 2, 3, 4, 5, 6, 7]},
        }
    )
    store["square_offs"].insert_one(
        {"_id": f"{STRATEGY}|{ACCOUNT}", "last_done": at - timedelta(days=1)}
    )


def test_a_strategy_is_flat_after_its_time_of_the_day(store, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    entry = rested(desk, store, resting(signal_id="sig_late"))
    leaving = rested(desk, store, leave("4", order_type=OrderType.LIMIT, limit_price=Decimal(170)))
    square_off(store)
    wait_for(lambda: held(store) == 0, 40)
    assert [stored(store, each)["status"] for each in (entry, leaving)] == ["CANCELED"] * 2
    wait_for(lambda: not store["orders"].count_documents({"working": True}))
    assert agrees(store, desk)
    assert not store["incidents"].count_documents({"kind": "SQUARE_OFF_INCOMPLETE"})


def test_a_strategy_that_is_not_flat_in_time_is_told_of(store, bench, desk, monkeypatch):
    monkeypatch.setattr(squaring, "_PATIENCE", timedelta(0))
    settle(desk, store, add_order(store, make_order("10", account_id=ACCOUNT)))
    never = {"timezone": "UTC", "opens": "09:30", "closes": "16:00"}
    never["days"] = [(datetime.now(UTC) + timedelta(days=3)).isoweekday()]
    bench.call("PUT", "/v1/market", {"hours": {"STOCK": never}})
    square_off(store)
    told = wait_for(lambda: store["incidents"].find_one({"kind": "SQUARE_OFF_INCOMPLETE"}), 40)
    (closing,) = store["orders"].find({"order.role": "SQUARE_OFF"})
    assert told["sentence"].endswith(f"but orders of it still work: {closing['_id']}")
    assert closing["working"]


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
