"""Exits and the entries they build on, on the real store and books."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.store import from_document
from services.decision.decide import decide
from services.domain.accounts import DecisionContext
from services.domain.orders import Order
from services.domain.signals import Signal
from services.domain.words import OrderStatus
from tests.support.relations import (
    CANCELED,
    FILLED,
    answer,
    entered,
    grow_old,
    leave,
    life,
    open_quantity,
    orders_of,
    quantities,
    report,
    waits,
)
from tests.support.rows import add_signal, add_strategy, allow_trading

pytestmark = pytest.mark.servers


def test_exits_of_5_15_and_10_close_entries_of_10_7_and_13(store, cerebro):
    for name, quantity in (("a", 10), ("b", 7), ("c", 13)):
        # 500,000 of ours / 1,666,666 of theirs: 0.3 of their units. 3, 2.1 → 2, 3.9 → 3
        entered(store, cerebro, name, quantity, account_equity=1666666)
    assert open_quantity(store) == 8
    for name, quantity in (("x", 5), ("y", 15), ("z", 10)):
        leave(store, name, quantity)
        assert waits(cerebro, name) == []
        report(store, name, FILLED)
    assert open_quantity(store) == 0


def test_an_exit_by_the_senders_own_id_closes_that_entry(store, cerebro):
    for name, quantity in (("a", 4), ("b", 6)):
        entered(store, cerebro, name, quantity)
    leave(store, "x", entry_signal_id="a")
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [4]
    report(store, "x", FILLED)
    (position,) = store["positions"].find()
    assert [lot["entry_signal_id"] for lot in position["lots"]] == ["b"]


def test_a_stored_decision_is_repeated_from_what_is_stored(store, cerebro):
    for name, quantity in (("a", 4), ("b", 6)):
        entered(store, cerebro, name, quantity)
    leave(store, "x", 2, entry_signal_id="$PREVIOUS")
    waits(cerebro, "x")
    found = life(store, "x")
    context = DecisionContext.model_validate_json(found["decision"]["context"])
    again = decide(from_document(Signal, found["signal"]), context)
    stored = [from_document(Order, row["order"]) for row in orders_of(store, "x")]
    assert list(again.orders) == stored
    assert again.orders[0].entry_signal_id == "b"


@pytest.mark.parametrize("days", [0, 2, 400])
def test_the_latest_entry_is_found_however_long_ago_it_was(store, cerebro, days):
    for name in ("a", "b"):
        entered(store, cerebro, name, 4)
    for name, age in (("a", days + 1), ("b", days)):
        received = {"received_at": utc_now() - timedelta(days=age)}
        store["signal_store"].update_one({"_id": name}, {"$set": received})
    add_strategy(store, "OTHER")
    add_signal(store, "of another strategy", strategy_id="OTHER")
    leave(store, "part", 1, entry_signal_id="a")
    waits(cerebro, "part")
    leave(store, "x", entry_signal_id="$PREVIOUS")
    assert waits(cerebro, "x") == []
    (order,) = orders_of(store, "x")
    assert order["order"]["entry_signal_id"] == "b"


def test_no_other_strategys_signal_is_the_entry_of_an_exit(store, cerebro):
    entered(store, cerebro, "mine", 4)
    add_strategy(store, "OTHER")
    add_signal(store, "theirs", strategy_id="OTHER")
    waits(cerebro, "theirs")
    leave(store, "x", entry_signal_id="theirs", age_seconds=3600)
    waits(cerebro, "x")
    assert life(store, "x")["decision"]["code"] == "ENTRY_NOT_FOUND"


@pytest.mark.parametrize("reference", [{"entry_signal_id": "entry"}, {}], ids=["named", "all"])
def test_an_exit_cancels_its_unfilled_entry_and_is_done(store, cerebro, publisher, reference):
    add_signal(store, "entry")
    waits(cerebro, "entry")
    leave(store, "x", **reference)
    publisher.rung.clear()
    assert waits(cerebro, "x") == ["x"]
    (order,) = orders_of(store, "entry")
    assert order["cancel_requested_at"]
    assert [fields["client_order_id"] for _, _, fields in publisher.rung] == [order["_id"]]
    assert waits(cerebro, "x") == ["x"]
    assert len(publisher.rung) == 1  # asked once
    report(store, "entry", CANCELED)
    assert waits(cerebro, "x") == []
    assert answer(store, "x") == ("COMPLETED", "APPROVED", "ENTRY_CANCELED")
    assert life(store, "x")["stages"]["completed_at"]
    assert store["incidents"].count_documents({}) == 0


def test_an_exit_closes_what_its_entry_had_filled_when_it_was_canceled(store, cerebro):
    add_signal(store, "entry")
    waits(cerebro, "entry")
    report(store, "entry", OrderStatus.PARTIALLY_FILLED, 4)
    leave(store, "x", 10, entry_signal_id="entry")
    assert waits(cerebro, "x") == ["x"]
    report(store, "entry", CANCELED, 1)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [5]


def test_an_exit_whose_entry_fills_before_its_cancel_closes_all_of_it(store, cerebro):
    add_signal(store, "entry")
    waits(cerebro, "entry")
    leave(store, "x", 10)
    assert waits(cerebro, "x") == ["x"]
    report(store, "entry", FILLED)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [10]


def test_a_full_exit_waits_for_a_working_entry_although_something_is_held(store, cerebro):
    entered(store, cerebro, "a", 4)
    add_signal(store, "b")
    waits(cerebro, "b")
    leave(store, "x", 14)  # 4 open and 10 on their way
    assert waits(cerebro, "x") == ["x"]
    report(store, "b", CANCELED)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [4]


def test_a_partial_exit_leaves_working_entries_alone(store, cerebro):
    entered(store, cerebro, "a", 4)
    add_signal(store, "b")
    waits(cerebro, "b")
    leave(store, "x", 2)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [2]
    (order,) = orders_of(store, "b")
    assert "cancel_requested_at" not in order


def test_an_exit_by_reference_leaves_other_entries_alone(store, cerebro):
    entered(store, cerebro, "a", 4)
    add_signal(store, "b")
    waits(cerebro, "b")
    leave(store, "x", entry_signal_id="a")
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [4]
    assert "cancel_requested_at" not in orders_of(store, "b")[0]


def test_an_exit_past_its_patience_closes_what_is_held_and_tells_of_the_rest(store, cerebro):
    add_signal(store, "entry")
    waits(cerebro, "entry")
    report(store, "entry", OrderStatus.PARTIALLY_FILLED, 4)
    leave(store, "x")
    assert waits(cerebro, "x") == ["x"]
    grow_old(store, "x", 61)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [4]
    incident = store["incidents"].find_one({"kind": "EXIT_ENTRY_WORKING"})
    assert orders_of(store, "entry")[0]["_id"] in incident["sentence"]


@pytest.mark.parametrize("reference", [{"entry_signal_id": "entry"}, {}], ids=["named", "all"])
def test_a_standstill_of_ours_uses_up_no_patience(store, cerebro, reference):
    entered(store, cerebro, "a", 4)
    add_signal(store, "entry", age_seconds=300)
    leave(store, "x", age_seconds=299, **reference)
    assert waits(cerebro, "entry", "x") == ["x"]  # decided in one go, so its order is not stored
    assert waits(cerebro, "x") == ["x"]
    assert orders_of(store, "entry")[0]["cancel_requested_at"]
    report(store, "entry", CANCELED)
    assert waits(cerebro, "x") == []
    if reference:
        assert answer(store, "x")[2] == "ENTRY_CANCELED"
    else:
        assert quantities(store, "x") == [4]


def test_a_halt_touches_no_entry(store, cerebro):
    add_signal(store, "entry")
    waits(cerebro, "entry")
    allow_trading(store, "HALTED")
    leave(store, "x")
    assert waits(cerebro, "x") == []
    assert answer(store, "x")[2] == "TRADING_HALTED"
    assert "cancel_requested_at" not in orders_of(store, "entry")[0]


def test_a_cancel_without_reference_reaches_the_entries_of_its_instrument(store, cerebro):
    for name, symbol in (("a", "AAPL"), ("m", "MSFT")):
        add_signal(store, name, leg={"instrument": symbol})
        waits(cerebro, name)
    add_signal(store, "stop", signal_type="CANCEL")
    assert waits(cerebro, "stop") == []
    requested = store["orders"].find({"cancel_requested_at": {"$exists": True}})
    assert [row["signal_id"] for row in requested] == ["a"]


def test_a_cancel_waits_for_an_entry_that_is_not_decided(store, cerebro):
    add_signal(store, "entry")
    add_signal(store, "stop", signal_type="CANCEL", entry_signal_id="entry")
    assert waits(cerebro, "stop") == ["stop"]
    assert waits(cerebro, "entry") == []
    assert waits(cerebro, "stop") == []
    assert orders_of(store, "entry")[0]["cancel_requested_at"]


def test_an_exit_never_touches_what_another_strategy_holds_in_the_same_account(store, cerebro):
    add_strategy(store, "other")
    entered(store, cerebro, "a", 4)
    theirs = store["positions"].find_one()
    store["positions"].insert_one(
        {**theirs, "_id": "theirs", "strategy_id": "other", "quantity": Decimal(6)}
    )
    add_signal(store, "b")  # another strategy's working entry, too
    store["signal_store"].update_one(
        {"_id": "b"}, {"$set": {"strategy_id": "other", "signal.strategy_id": "other"}}
    )
    waits(cerebro, "b")
    leave(store, "x", 9999)
    assert waits(cerebro, "x") == []
    assert quantities(store, "x") == [4]
    report(store, "x", FILLED)
    assert store["positions"].find_one({"_id": "theirs"})["quantity"] == 6
    assert "cancel_requested_at" not in orders_of(store, "b")[0]
