"""Cerebro on the real store: one decision a signal, whole or not at all, never over-allocated."""

import threading
from decimal import Decimal

import pytest

from services.common.store import to_document
from services.domain.errors import InvalidMessage, TransientError
from services.domain.lots import Lot
from services.domain.notifications import CRITICAL_INCIDENTS
from services.domain.signals import signal_id_for
from tests.support.builders import make_position
from tests.support.cerebro import make_cerebro
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
    exit_fields,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def cerebro(store, publisher):
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    return make_cerebro(store, publisher)


def test_decision_orders_and_reservation_come_together(store, cerebro, publisher):
    add_signal(store, "s1")
    cerebro.on_signals([{"signal_id": "s1"}])
    found = store["signal_store"].find_one({"_id": "s1"})
    assert found["status"] == "DECIDED"
    assert "undecided" not in found
    (order,) = store["orders"].find()
    # 1,000,000 × 0.5 / 500,000 × 10
    assert order["order"]["quantity"] == Decimal(10)
    assert (order["status"], order["working"]) == ("PENDING", True)
    (held,) = store["reservations"].find()
    assert (held["capital"], held["margin"]) == (Decimal(1500), Decimal(750))
    # Kept with the order, for where it works again after it had ended.
    assert order["reserved"] == {name: held[name] for name in ("capital", "margin", "notional")}
    assert publisher.rung == [
        (
            "trading-orders",
            ACCOUNT,
            {"client_order_id": order["_id"], "account_id": ACCOUNT},
        )
    ]


def test_a_doubled_doorbell_decides_once(store, cerebro):
    add_signal(store, "s1")
    for _ in range(3):
        cerebro.on_signals([{"signal_id": "s1"}])
    assert store["orders"].count_documents({}) == 1


def test_a_doorbell_for_nothing_is_invalid(cerebro):
    with pytest.raises(InvalidMessage):
        cerebro.on_signals([{"signal_id": "nothing"}])


def test_a_denial_says_why_and_holds_nothing(store, cerebro):
    add_signal(
        store, "s1", leg={"instrument_type": "FUTURE", "instrument": "HG", "expiry": "20991229"}
    )
    cerebro.on_signals([{"signal_id": "s1"}])
    found = store["signal_store"].find_one({"_id": "s1"})
    assert (found["status"], found["decision"]["code"]) == ("DENIED", "MARGIN_UNKNOWN")
    assert found["stages"]["completed_at"]
    assert store["orders"].count_documents({}) == store["reservations"].count_documents({}) == 0


def test_missing_kill_switch_counts_as_halted(store, cerebro):
    store["controls"].delete_many({})
    add_signal(store, "s1")
    cerebro.on_signals([{"signal_id": "s1"}])
    decision = store["signal_store"].find_one({"_id": "s1"})["decision"]
    assert decision["code"] == "TRADING_HALTED"


def test_racing_signals_never_reserve_more_than_is_allocated(store, publisher):
    # 0.001 × 1,000,000 = 1,000 allocated; each signal of 1 share asks 150 → 6 fit
    add_strategy(store, ratio="0.001")
    add_account(store)
    allow_trading(store)
    for number in range(24):
        add_signal(store, f"s{number}", account_equity=1000, leg={"quantity": 1})
    replicas = [make_cerebro(store, publisher) for _ in range(4)]

    def work(replica, numbers):
        for number in numbers:
            while True:
                try:
                    replica.on_signals([{"signal_id": f"s{number}"}])
                except TransientError:
                    continue
                break

    threads = [
        threading.Thread(target=work, args=(replica, range(start, 24, 4)))
        for start, replica in enumerate(replicas)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reserved = sum(each["capital"] for each in store["reservations"].find())
    assert reserved == Decimal(900)
    assert store["signal_store"].count_documents({"undecided": True}) == 0


def test_an_exit_waits_for_an_entry_that_is_undecided(store, cerebro):
    add_signal(store, "entry")
    add_signal(store, "leave", entry_signal_id="entry", **exit_fields())
    with pytest.raises(TransientError):
        cerebro.on_signals([{"signal_id": "leave"}])
    assert store["signal_store"].find_one({"_id": "leave"})["undecided"]


def test_an_exit_waits_for_an_entry_that_is_not_filled_yet(store, cerebro):
    add_signal(store, "entry")
    cerebro.on_signals([{"signal_id": "entry"}])
    add_signal(store, "leave", **exit_fields())
    with pytest.raises(TransientError):
        cerebro.on_signals([{"signal_id": "leave"}])


def test_an_exit_does_not_wait_for_ever(store, cerebro):
    add_signal(store, "leave", age_seconds=61, entry_signal_id="never", **exit_fields())
    cerebro.on_signals([{"signal_id": "leave"}])
    found = store["signal_store"].find_one({"_id": "leave"})
    assert (found["status"], found["decision"]["code"]) == ("DENIED", "ENTRY_NOT_FOUND")
    assert store["incidents"].count_documents({"kind": "EXIT_DENIED"}) == 1


def test_exits_that_find_nothing_are_one_incident_of_their_strategy_and_wake_nobody(store, cerebro):
    for name in ("first", "second"):
        add_signal(store, name, age_seconds=61, **exit_fields())
        cerebro.on_signals([{"signal_id": name}])
        assert store["signal_store"].find_one({"_id": name})["decision"]["code"] == "NO_POSITION"
    (told,) = store["incidents"].find()
    assert (told["kind"], told["count"]) == ("EXIT_FOUND_NOTHING", 2)
    assert told["kind"] not in CRITICAL_INCIDENTS


def fill(store, signal_id, quantity):
    """What execution books when the one order of an entry has filled."""
    (order,) = store["orders"].find({"signal_id": signal_id})
    store["orders"].update_one(
        {"_id": order["_id"]},
        {
            "$set": {"status": "FILLED", "filled_quantity": Decimal(quantity)},
            "$unset": {"working": ""},
        },
    )
    store["reservations"].delete_one({"_id": order["_id"]})


def test_two_exits_of_one_entry_in_one_batch_close_it_once(store, cerebro):
    for name in ("one", "two"):
        add_signal(store, name)
        cerebro.on_signals([{"signal_id": name}])
        fill(store, name, 10)
    lots = [Lot(entry_signal_id=name, quantity=10, sender_quantity=10) for name in ("one", "two")]
    held = make_position("20", "150", account_id=ACCOUNT, lots=tuple(lots))
    row = {"_id": "p", "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)
    for name in ("leave-1", "leave-2"):
        add_signal(store, name, entry_signal_id="one", **exit_fields())
    cerebro.on_signals([{"signal_id": "leave-1"}, {"signal_id": "leave-2"}])
    exits = list(store["orders"].find({"order.entry_signal_id": "one"}))
    assert [order["order"]["quantity"] for order in exits] == [Decimal(10)]
    second = store["signal_store"].find_one({"_id": "leave-2"})
    assert second["decision"]["code"] == "ALREADY_CLOSED"


def test_a_part_of_less_than_a_lot_wakes_nobody(store, cerebro):
    lot = Lot(entry_signal_id="one", quantity=1, sender_quantity=10)
    held = make_position("1", "150", account_id=ACCOUNT, lots=(lot,))
    row = {"_id": "p", "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)
    part = exit_fields()
    part["leg"]["quantity"] = 4
    add_signal(store, "less", **part | {"signal_type": "SCALE_OUT"})
    cerebro.on_signals([{"signal_id": "less"}])
    decision = store["signal_store"].find_one({"_id": "less"})["decision"]
    assert decision["code"] == "QUANTITY_BELOW_LOT"
    (told,) = store["incidents"].find()
    assert told["kind"] == "EXIT_FOUND_NOTHING"
    assert "less than one lot" in told["sentence"]


@pytest.mark.parametrize("other_holds", [False, True])
def test_an_account_whose_halt_keeps_a_position_is_told_whatever_the_others_did(
    store, publisher, other_holds
):
    add_strategy(store, accounts=(ACCOUNT, "Mock-2"))
    allow_trading(store)
    for account_id in (ACCOUNT, "Mock-2"):
        add_account(store, account_id)
        if account_id == "Mock-2" or other_holds:
            held = make_position("20", "150", account_id=account_id)
            row = {"open": True, "instrument_key": held.instrument.key, **to_document(held)}
            store["positions"].insert_one({"_id": account_id, **row})
    scope = {"scope": "ACCOUNT", "scope_id": "Mock-2", "trading_state": "HALTED"}
    store["controls"].insert_one({"_id": "ACCOUNT|Mock-2", **scope, "reason": "margin call"})
    add_signal(store, "leave", age_seconds=61, **exit_fields())
    make_cerebro(store, publisher).on_signals([{"signal_id": "leave"}])
    decision = store["signal_store"].find_one({"_id": "leave"})["decision"]
    assert decision["code"] == ("TRADING_STATE_BOUND" if other_holds else "NO_POSITION")
    (told,) = store["incidents"].find({"kind": {"$regex": "EXIT"}})
    assert told["kind"] == "EXIT_DENIED"
    assert "EXIT not in Mock-2: " in told["sentence"]
    assert "margin call" in told["sentence"]


def test_an_account_that_holds_the_other_side_is_told_where_the_first_holds_nothing(
    store, publisher
):
    add_strategy(store, accounts=(ACCOUNT, "Mock-2"))
    allow_trading(store)
    for account_id in (ACCOUNT, "Mock-2"):
        add_account(store, account_id)
    short = make_position("-20", "150", account_id="Mock-2")
    row = {"open": True, "instrument_key": short.instrument.key, **to_document(short)}
    store["positions"].insert_one({"_id": "Mock-2", **row})
    add_signal(store, "leave", age_seconds=61, **exit_fields())
    make_cerebro(store, publisher).on_signals([{"signal_id": "leave"}])
    decision = store["signal_store"].find_one({"_id": "leave"})["decision"]
    assert decision["code"] == "NO_POSITION"
    (told,) = store["incidents"].find({"kind": {"$regex": "EXIT"}})
    assert told["kind"] == "EXIT_DENIED"
    assert "not in Mock-2: SELL does not close -20 AAPL" in told["sentence"]


def test_entries_of_one_batch_share_what_is_allocated(store, publisher):
    add_strategy(store, ratio="0.001")  # 1,000: six shares of 150
    add_account(store)
    allow_trading(store)
    names = [f"s{number}" for number in range(10)]
    for name in names:
        add_signal(store, name, account_equity=1000, leg={"quantity": 1})
    make_cerebro(store, publisher).on_signals([{"signal_id": name} for name in names])
    assert sum(each["capital"] for each in store["reservations"].find()) == Decimal(900)
    assert store["signal_store"].count_documents({"status": "DECIDED"}) == 6


def test_cancel_marks_the_working_entry(store, cerebro, publisher):
    add_signal(store, "entry", leg={"order_type": "LIMIT", "limit_price": 100})
    cerebro.on_signals([{"signal_id": "entry"}])
    add_signal(store, "stop", signal_type="CANCEL", entry_signal_id="$PREVIOUS")
    cerebro.on_signals([{"signal_id": "stop"}])
    (order,) = store["orders"].find()
    assert order["cancel_requested_at"]
    assert store["signal_store"].find_one({"_id": "stop"})["status"] == "COMPLETED"
    assert publisher.rung[-1][2]["client_order_id"] == order["_id"]


def test_an_exit_that_names_a_replayed_entry_closes_the_replay(store, cerebro):
    add_signal(store, "again")
    first = signal_id_for(STRATEGY, "theirs")
    add_signal(store, first)
    store["signal_store"].update_one(
        {"_id": first}, {"$set": {"replays": ["again"]}, "$unset": {"undecided": ""}}
    )
    cerebro.on_signals([{"signal_id": "again"}])
    fill(store, "again", "10")
    held = make_position("10", "150", account_id=ACCOUNT)
    row = {"_id": "p", "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)
    add_signal(store, "leave", entry_signal_id="theirs", **exit_fields())
    cerebro.on_signals([{"signal_id": "leave"}])
    (order,) = store["orders"].find({"signal_id": "leave"})
    assert order["order"]["entry_signal_id"] == "again"
