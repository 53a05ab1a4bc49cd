"""Exits and what they build on, on the real store and books: entries on their way, reversals."""

import itertools
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.bus import Publisher, Ring, create_topology
from services.common.clock import utc_now
from services.common.settings import CommonSettings
from services.common.store import from_document, to_document
from services.common.subscriber import Subscriber
from services.common.topology import CEREBRO_CONFIRMATIONS, EXECUTION_CONFIRMATIONS
from services.decision.decide import decide
from services.domain.accounts import DecisionContext
from services.domain.errors import PartlyDone
from services.domain.intake import take_in
from services.domain.orders import Execution, Order, OrderReport
from services.domain.signals import Signal
from services.domain.words import OrderStatus
from services.execution.posting import Posting
from tests.support.builders import make_limits
from tests.support.cerebro import make_cerebro
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    SilentPublisher,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
    envelope,
    exit_fields,
)

pytestmark = pytest.mark.servers

FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
_numbers = itertools.count()


@pytest.fixture
def publisher():
    return SilentPublisher()


@pytest.fixture
def cerebro(store, publisher):
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    return make_cerebro(store, publisher, limits=make_limits(), reversal=30)


def waits(cerebro, *names):
    """Which of these signals wait after they were looked at."""
    try:
        cerebro.on_signals([{"signal_id": name} for name in names])
    except PartlyDone as error:
        return [names[place] for place in sorted(error.waiting)]
    return []


def orders_of(store, signal_id):
    return list(store["orders"].find({"signal_id": signal_id}))


def report(store, signal_id, status, quantity=None):
    """Have the broker of the one order of a signal say this; a quantity is what filled."""
    (stored,) = orders_of(store, signal_id)
    order = from_document(Order, stored["order"])
    quantity = order.quantity if quantity is None and status is FILLED else quantity
    executions = ()
    if quantity:
        fill = Execution(
            execution_id=f"X{next(_numbers)}",
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            side=order.side,
            quantity=Decimal(quantity),
            price=Decimal(150),
            occurred_at=utc_now(),
        )
        executions = (fill,)
    said = OrderReport(
        client_order_id=order.client_order_id,
        status=status,
        executions=executions,
        occurred_at=utc_now(),
    )
    Posting(store).book([(stored, said)], epoch=1)


def entered(store, cerebro, name, quantity=10, **changes):
    """An entry that is decided and filled."""
    leg = {"quantity": quantity} | changes.pop("leg", {})
    add_signal(store, name, leg=leg, **changes)
    assert waits(cerebro, name) == []
    report(store, name, FILLED)


def leave(store, name, quantity=None, **changes):
    """A standardised exit: SELL `quantity`, or all."""
    fields = exit_fields()
    fields["leg"] = {**fields["leg"], "quantity": quantity, **changes.pop("leg", {})}
    add_signal(store, name, **(fields | changes))


def life(store, name):
    return store["signal_store"].find_one({"_id": name})


def answer(store, name):
    found = life(store, name)
    return found["status"], found["decision"]["outcome"], found["decision"]["code"]


def quantities(store, name):
    return [row["order"]["quantity"] for row in orders_of(store, name)]


def open_quantity(store):
    return sum(row["quantity"] for row in store["positions"].find({"strategy_id": STRATEGY}))


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


def grow_old(store, name, seconds):
    """As if the signal had come that much earlier."""
    found = life(store, name)
    moment = found["received_at"] - timedelta(seconds=seconds)
    times = dict.fromkeys(("received_at", "signal.received_at", "waiting_since"), moment)
    store["signal_store"].update_one({"_id": name}, {"$set": times})


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


# Reversals: the exit and the entry of one message


def reverse(store, name="r"):
    """A sender long 10 turns short 4: stored as ingestion stores it; ids of exit and entry."""
    sent = envelope(
        name,
        prev_market_position="long",
        prev_market_position_size=10,
        market_position="short",
        market_position_size=4,
        leg={"action": "SELL", "direction": None},
    )
    del sent["signal_type"]
    taken = take_in(sent, strategy_id=STRATEGY, received_at=utc_now())
    for signal in taken.signals:
        store["signal_store"].insert_one(
            {
                "_id": signal.signal_id,
                "signal_id": signal.signal_id,
                "strategy_id": STRATEGY,
                "status": "STANDARDIZED",
                "undecided": True,
                "intent": signal.intent,
                "signal": to_document(signal),
                "received_at": signal.received_at,
                "stages": {},
            }
        )
    return [signal.signal_id for signal in taken.signals]


@pytest.mark.parametrize("swap", [False, True], ids=["in order", "entry first"])
def test_a_reversal_enters_only_when_its_exit_has_filled(store, cerebro, swap):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    names = (entering, leaving) if swap else (leaving, entering)
    assert waits(cerebro, *names) == [entering]
    assert quantities(store, leaving) == [10]
    report(store, leaving, OrderStatus.PARTIALLY_FILLED, 9)
    assert waits(cerebro, entering) == [entering]
    assert orders_of(store, entering) == []
    report(store, leaving, FILLED, 1)
    assert waits(cerebro, entering) == []
    (order,) = orders_of(store, entering)
    assert (order["order"]["side"], order["order"]["quantity"]) == ("SELL", 4)


@pytest.mark.parametrize("end", [CANCELED, OrderStatus.REJECTED])
def test_a_reversal_whose_exit_did_not_close_does_not_enter(store, cerebro, end):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    assert waits(cerebro, leaving, entering) == [entering]
    report(store, leaving, OrderStatus.SUBMITTED)
    report(store, leaving, end, 3 if end is CANCELED else None)
    assert waits(cerebro, entering) == []
    assert answer(store, entering)[1:] == ("DENIED", "REVERSAL_EXIT_OPEN")
    assert "still held" in life(store, entering)["decision"]["reason"]


def test_a_reversal_does_not_wait_for_its_exit_for_ever(store, cerebro):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    assert waits(cerebro, leaving, entering) == [entering]
    grow_old(store, entering, 31)
    assert waits(cerebro, entering) == []
    assert answer(store, entering)[2] == "REVERSAL_EXIT_OPEN"


def test_a_reversal_enters_where_there_was_nothing_to_close(store, cerebro):
    leaving, entering = reverse(store)
    assert waits(cerebro, leaving, entering) == [entering]
    assert answer(store, leaving)[2] == "NO_POSITION"
    assert waits(cerebro, entering) == []
    assert quantities(store, entering) == [4]


def test_a_reversal_does_not_enter_while_the_entry_before_it_still_works(store, cerebro):
    add_signal(store, "a")
    waits(cerebro, "a")
    leaving, entering = reverse(store)
    assert waits(cerebro, leaving, entering) == [leaving, entering]
    grow_old(store, leaving, 61)
    assert waits(cerebro, leaving, entering) == [entering]
    assert waits(cerebro, entering) == []
    assert answer(store, entering)[2] == "REVERSAL_EXIT_OPEN"
    assert "still enters" in life(store, entering)["decision"]["reason"]


def test_a_reversal_whose_exit_is_not_known_enters_only_an_empty_book(store, cerebro):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    store["signal_store"].delete_one({"_id": leaving})
    assert waits(cerebro, entering) == []
    assert answer(store, entering)[2] == "REVERSAL_EXIT_OPEN"


def test_a_reversal_follows_the_last_replay_of_its_exit(store, cerebro):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    waits(cerebro, leaving)
    for status in (OrderStatus.SUBMITTED, OrderStatus.REJECTED):
        report(store, leaving, status)
    leave(store, "again")
    store["signal_store"].update_one({"_id": leaving}, {"$set": {"replays": ["again"]}})
    assert waits(cerebro, entering) == [entering]
    assert waits(cerebro, "again") == []
    report(store, "again", FILLED)
    assert waits(cerebro, entering) == []
    assert quantities(store, entering) == [4]


# Waking up


def confirm(cerebro, account_id=ACCOUNT):
    cerebro.on_confirmations([{"account_id": account_id, "client_order_id": "any"}])


def test_a_confirmation_decides_what_waited_for_it(store, cerebro):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    waits(cerebro, leaving, entering)
    confirm(cerebro)
    assert orders_of(store, entering) == []
    report(store, leaving, FILLED)
    confirm(cerebro, "another account")
    assert orders_of(store, entering) == []
    confirm(cerebro)
    assert quantities(store, entering) == [4]
    assert "waiting_since" not in life(store, entering)


def test_a_confirmation_does_not_touch_what_has_not_been_looked_at(store, cerebro):
    add_signal(store, "fresh")
    confirm(cerebro)
    assert life(store, "fresh")["undecided"]


def test_a_confirmation_on_the_bus_decides_what_waits(store, cerebro, bus_connection):
    settings = CommonSettings(**bus_connection)
    create_topology(settings)
    handler = cerebro.on_confirmations
    subscriber = Subscriber(settings, store, CEREBRO_CONFIRMATIONS, handler, on_death=pytest.fail)
    add_signal(store, "entry")
    waits(cerebro, "entry")
    leave(store, "x")
    assert waits(cerebro, "x") == ["x"]
    report(store, "entry", FILLED)
    subscriber.start()
    try:
        fields = {"account_id": ACCOUNT, "client_order_id": "any"}
        Publisher(settings).ring(EXECUTION_CONFIRMATIONS, [Ring(ACCOUNT, fields)])
        until = time.monotonic() + 30
        while not orders_of(store, "x"):
            assert time.monotonic() < until, "nothing woke the exit"
            time.sleep(0.02)
    finally:
        subscriber.stop()
    assert quantities(store, "x") == [10]
