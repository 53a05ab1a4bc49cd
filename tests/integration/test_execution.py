"""Execution on the real store: one order for one decision, and books that say what was filled."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.errors import OrderRejected, OrderStateUnknown
from services.common.clock import utc_now
from services.common.controls import set_control
from services.common.locks import clear_lock
from services.domain.errors import TransientError
from services.domain.words import Intent, Scope, Side, TradingState
from tests.fakes.broker import FakeBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_order
from tests.support.desks import add_order, books, make_desk, settle, stored, wait_for
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
HALT = TradingState.HALTED


@pytest.fixture
def broker():
    return FakeBroker(ACCOUNT)


@pytest.fixture
def desk(store, broker):
    allow_trading(store)
    made = make_desk(store, broker)
    made.start()
    wait_for(lambda: made._is_open() and broker.handler)
    yield made
    made.stop()


def test_an_order_is_placed_and_booked_whole(store, broker, desk):
    order_id = add_order(store, make_order())
    (found,) = settle(desk, store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("FILLED", Decimal(17))
    assert "working" not in found
    assert [event["status"] for event in found["events"]] == ["PENDING", "SUBMITTING", "FILLED"]
    assert books(store) == (Decimal(17), Decimal(0), 0)
    signal = store["signal_store"].find_one({"_id": "sig_1"})
    assert signal["status"] == "COMPLETED"
    assert signal["stages"].keys() >= {"submitted_at", "first_fill_at", "completed_at"}


def test_entry_and_exit_make_the_profit_to_the_cent(store, broker, desk):
    settle(desk, store, add_order(store, make_order()))
    leaving = make_order(side=Side.SELL, intent=Intent.EXIT, signal_id="sig_2")
    leaving = leaving.model_copy(update={"reference_price": Decimal("152.35")})
    settle(desk, store, add_order(store, leaving))
    # (152.35 − 150) × 17
    assert books(store) == (Decimal(0), Decimal("39.95"), 0)


def test_the_same_doorbell_again_sends_nothing(store, broker, desk):
    order_id = add_order(store, make_order())
    settle(desk, store, order_id)
    for _ in range(3):
        desk.wake([order_id])
    settle(desk, store, add_order(store, make_order(signal_id="sig_2")))
    assert len(broker.sent) == 2


def test_an_order_whose_doorbell_was_lost_is_found(store, broker, desk):
    order_id = add_order(store, make_order())
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert len(broker.sent) == 1


def test_the_stream_may_repeat_every_fill(store, broker, desk):
    settle(desk, store, add_order(store, make_order()))
    broker.stream_all()
    broker.stream_all()
    assert books(store)[0] == Decimal(17)
    assert store["execution_confirmations"].count_documents({}) == 1


def test_a_rejection_is_final_and_frees_the_capital(store, broker, desk):
    broker.fail, broker.lose = OrderRejected("INSUFFICIENT_FUNDS", "no money"), True
    (found,) = settle(desk, store, add_order(store, make_order()))
    assert found["status"] == "REJECTED"
    assert store["reservations"].count_documents({}) == 0
    assert store["signal_store"].find_one({"_id": "sig_1"})["status"] == "REJECTED"
    time.sleep(1.5)  # longer than the desk's own look at what waits
    assert broker.sent == []


def test_an_unreachable_broker_leaves_the_order_pending(store, broker, desk):
    broker.down = True
    order_id = add_order(store, make_order())
    desk.wake([order_id])
    wait_for(lambda: not desk._is_open())
    assert stored(store, order_id)["status"] == "PENDING"
    broker.down = False
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert len(broker.sent) == 1


def test_an_entry_whose_time_ends_while_the_broker_is_away_expires(store, broker, desk):
    broker.down = True
    expires_at = utc_now() + timedelta(seconds=1)
    entry = add_order(store, make_order(expires_at=expires_at))
    leaving = make_order(side=Side.SELL, intent=Intent.EXIT, signal_id="sig_2")
    waiting = add_order(store, leaving)
    wait_for(lambda: stored(store, entry)["status"] == "EXPIRED")
    assert stored(store, waiting)["status"] == "PENDING"
    assert broker.sent == []


def test_no_answer_but_it_arrived_is_adopted_not_resent(store, broker, desk):
    broker.fail = OrderStateUnknown("timed out")
    (found,) = settle(desk, store, add_order(store, make_order()))
    assert found["status"] == "FILLED"
    assert len(broker.sent) == 1
    assert books(store)[0] == Decimal(17)


def lost(broker):
    """The next order gets no answer and never arrives."""
    broker.fail, broker.lose = OrderStateUnknown("timed out"), True


def test_an_entry_without_an_answer_that_never_arrived_waits_for_a_person(store, broker, desk):
    lost(broker)
    order_id = add_order(store, make_order())
    desk.wake([order_id])
    wait_for(lambda: "not sent again by itself" in unknown(store).get("sentence", ""))
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert unknown(store)["status"] == "OPEN"
    assert broker.sent == []
    assert store["reservations"].count_documents({}) == 1  # it counts as if it lived
    assert "--resend or --absent" in unknown(store)["sentence"]
    # Once its exit wants it canceled, sending it again would be refused.
    store["orders"].update_one({"_id": order_id}, {"$set": {"cancel_requested_at": utc_now()}})
    wait_for(lambda: "--resend" not in unknown(store)["sentence"])


def unknown(store):
    return store["incidents"].find_one({"kind": "ORDER_UNKNOWN"}) or {}


@pytest.mark.parametrize(
    ("decision", "status", "sent"), [("RESEND", "FILLED", 1), ("ABSENT", "CANCELED", 0)]
)
def test_a_person_decides_what_becomes_of_it(store, broker, desk, decision, status, sent):
    lost(broker)
    order_id = add_order(store, make_order())
    desk.wake([order_id])
    wait_for(lambda: unknown(store))
    wanted = {"decision": decision, "by": "olga", "reason": "not on the screen", "at": utc_now()}
    store["orders"].update_one({"_id": order_id}, {"$set": {"resolution": wanted}})
    wait_for(lambda: stored(store, order_id)["status"] == status)
    assert len(broker.sent) == sent
    wait_for(lambda: unknown(store)["status"] == "CLEARED")


def hold(desk, store, quantity="17"):
    """A position to leave."""
    settle(desk, store, add_order(store, make_order(quantity, signal_id="sig_entry")))


def exit_order(quantity="17", signal_id="sig_exit", **fields):
    return make_order(quantity, side=Side.SELL, intent=Intent.EXIT, signal_id=signal_id, **fields)


def test_an_exit_that_never_arrived_goes_once_more_after_proof(store, broker, desk):
    hold(desk, store)
    lost(broker)
    (found,) = settle(desk, store, add_order(store, exit_order()))
    assert (found["status"], found["resend_count"]) == ("FILLED", 1)
    assert len(broker.sent) == 2
    assert books(store)[0] == 0


def test_an_exit_lost_twice_is_a_persons(store, broker, desk):
    hold(desk, store)
    lost(broker)
    order_id = add_order(store, exit_order())
    desk.wake([order_id])
    wait_for(lambda: broker.fail is None)
    lost(broker)
    wait_for(lambda: broker.fail is None)
    wait_for(lambda: "not sent again by itself" in unknown(store).get("sentence", ""))
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert len(broker.sent) == 1


def test_a_broker_that_does_not_answer_is_not_sent_the_rest(store, broker, desk):
    first = add_order(store, make_order())
    second = add_order(store, make_order("5", signal_id="sig_2", symbol="MSFT"))
    broker.fail = OrderStateUnknown("timed out")
    rows = settle(desk, store, first, second)
    assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
    assert len(broker.sent) == 2


def test_an_entry_waits_where_an_order_of_its_instrument_is_unknown(store, broker, desk):
    lost(broker)
    first = add_order(store, make_order())
    desk.wake([first])
    wait_for(lambda: stored(store, first)["status"] == "UNKNOWN")
    other = add_order(store, make_order(signal_id="sig_2"))
    elsewhere = add_order(store, make_order(signal_id="sig_3", symbol="MSFT"))
    settle(desk, store, elsewhere)
    desk.wake([other])
    time.sleep(0.5)
    assert stored(store, other)["status"] == "PENDING"


def test_many_orders_are_placed_and_booked(store, broker, desk):
    ids = [add_order(store, make_order(signal_id=f"sig_{number}")) for number in range(40)]
    assert {row["status"] for row in settle(desk, store, *ids)} == {"FILLED"}
    assert books(store)[0] == Decimal(17 * 40)
    assert store["execution_confirmations"].count_documents({}) == 40
    assert len(broker.sent) == 40


def test_exits_overtake_entries_that_wait(store, broker, desk):
    hold(desk, store)
    broker.down = True
    wait_for(lambda: not desk._is_open())
    entries = [add_order(store, make_order(signal_id=f"sig_{n}", symbol="MSFT")) for n in range(5)]
    leaving = add_order(store, exit_order())
    broker.down = False
    settle(desk, store, *entries, leaving)
    assert [order.client_order_id for order in broker.sent][1] == leaving


def test_while_the_broker_cannot_be_asked_nothing_is_resent(store, broker, desk):
    hold(desk, store)
    lost(broker)
    order_id = add_order(store, exit_order())
    desk.wake([order_id])
    wait_for(lambda: broker.fail is None)
    broker.down = True
    time.sleep(1.0)
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert len(broker.sent) == 1


@pytest.mark.parametrize("reached", [True, False], ids=["sent", "not sent"])
def test_a_crash_after_the_intent_ends_in_one_order(store, broker, reached):
    allow_trading(store)
    order = make_order()
    order_id = add_order(store, order, status="SUBMITTING", owner_epoch=1)
    if reached:
        broker.sent.append(order)
    desk = make_desk(store, broker)
    desk.start()
    try:
        wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    finally:
        desk.stop()
    assert len(broker.sent) == 1
    assert books(store)[0] == Decimal(17)


def test_halted_sends_nothing(store, broker, desk):
    allow_trading(store, "HALTED")
    (found,) = settle(desk, store, add_order(store, make_order()))
    assert found["status"] == "DENIED"
    assert broker.sent == []
    assert store["reservations"].count_documents({}) == 0


def test_a_halted_account_sends_nothing_and_says_who_halted_it(store, broker, desk):
    add_account(store)
    set_control(store, Scope.ACCOUNT, ACCOUNT, by="olga", reason="margin call", trading_state=HALT)
    (found,) = settle(desk, store, add_order(store, make_order()))
    assert broker.sent == []
    wanted = "TRADING_HALTED: trading is HALTED for account Mock-1, set by olga: margin call"
    assert found["text"] == wanted


def test_what_is_halted_for_others_leaves(store, broker, desk):
    set_control(store, Scope.INSTRUMENT, "MSFT", by="olga", reason="news", trading_state=HALT)
    (found,) = settle(desk, store, add_order(store, make_order()))
    assert found["status"] == "FILLED"


def test_a_halt_does_not_stop_a_cancel(store, broker, desk):
    allow_trading(store, "HALTED")
    order_id = add_order(store, make_order(), status="SUBMITTED", cancel_requested_at=utc_now())
    desk.wake([order_id])
    wait_for(lambda: broker.canceled)
    assert [order.client_order_id for order in broker.canceled] == [order_id]


def test_an_expired_entry_is_not_sent(store, broker, desk):
    order = make_order(expires_at=utc_now().replace(year=2020))
    (found,) = settle(desk, store, add_order(store, order))
    assert found["status"] == "EXPIRED"
    assert broker.sent == []


def test_an_order_canceled_before_it_was_sent_never_leaves(store, broker, desk):
    order_id = add_order(store, make_order(), cancel_requested_at=utc_now())
    (found,) = settle(desk, store, order_id)
    assert found["status"] == "CANCELED"
    assert broker.sent == []


def test_an_exit_is_cut_to_what_is_held(store, broker, desk):
    hold(desk, store, "10")
    (found,) = settle(desk, store, add_order(store, exit_order("17")))
    assert (found["status"], found["filled_quantity"]) == ("FILLED", Decimal(10))
    assert books(store)[0] == 0
    assert "cut from 17 to 10" in found["events"][1]["text"]


def test_a_second_exit_finds_nothing_left_to_close(store, broker, desk):
    hold(desk, store)
    rows = settle(
        desk,
        store,
        add_order(store, exit_order(signal_id="sig_a")),
        add_order(store, exit_order(signal_id="sig_b")),
    )
    assert sorted(row["status"] for row in rows) == ["DENIED", "FILLED"]
    assert books(store)[0] == 0
    # Nothing is left open that a person would have to close.
    (told,) = store["incidents"].find()
    assert (told["kind"], told["key"]) == ("EXIT_FOUND_NOTHING", STRATEGY)


def test_too_many_of_a_kind_lock_the_strategy_until_a_person_resets_it(store, broker):
    allow_trading(store)
    desk = make_desk(store, broker, most_repeated=3)
    desk.start()
    try:
        wait_for(desk._is_open)
        ids = [add_order(store, make_order(signal_id=f"sig_{n}")) for n in range(5)]
        for each in ids:
            settle(desk, store, each)
        (lock,) = store["risk_locks"].find()
        assert (lock["rule"], lock["scope_id"]) == ("REPEATED_EXECUTION", STRATEGY)
        clear_lock(store, lock["_id"], by="olga", reason="the loop is mended")
        time.sleep(0.2)  # locks are read ten times a second
        again = add_order(store, make_order(signal_id="sig_again"))
        (let_go,) = settle(desk, store, again)
        assert let_go["status"] == "FILLED"
    finally:
        desk.stop()
    statuses = [stored(store, each)["status"] for each in ids]
    assert statuses == ["FILLED", "FILLED", "FILLED", "DENIED", "DENIED"]
    assert stored(store, ids[3])["text"].startswith("REPEATED_EXECUTION")
    assert stored(store, ids[4])["text"].startswith(("ENTRIES_LOCKED", "REPEATED"))


def test_a_second_desk_on_the_account_stands_by(store, broker, desk):
    other_broker = FakeBroker(ACCOUNT)
    other = make_desk(store, other_broker)
    other.start()
    try:
        order_id = add_order(store, make_order())
        with pytest.raises(TransientError):
            other.wake([order_id])
        wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    finally:
        other.stop()
    assert other_broker.sent == []


def test_the_desk_opens_only_after_it_has_asked_the_broker(store, broker):
    allow_trading(store)
    broker.down = True
    desk = make_desk(store, broker)
    desk.start()
    try:
        wait_for(desk._counter.lease.held)
        order_id = add_order(store, make_order())
        desk.wake([order_id])
        time.sleep(0.5)
        assert stored(store, order_id)["status"] == "PENDING"
        broker.down = False
        wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    finally:
        desk.stop()
    assert len(broker.sent) == 1


def test_a_stale_owner_can_book_nothing(store, broker, desk):
    order = make_order()
    order_id = add_order(store, order, status="DENIED", owner_epoch=99)
    broker.sent.append(order)
    with pytest.raises(TransientError):
        desk._counter.books.book(
            [(stored(store, order_id), broker.find_order(order_id))], desk._counter.lease
        )
    assert stored(store, order_id)["status"] == "DENIED"


def test_a_stale_owner_can_send_nothing(store, broker, desk):
    store["leases"].update_one({"_id": f"account|{ACCOUNT}"}, {"$set": {"epoch": 99}})
    order_id = add_order(store, make_order())
    time.sleep(1.5)
    assert stored(store, order_id)["status"] == "PENDING"
    assert broker.sent == []


@pytest.mark.parametrize("broken", [{"quantity": "many"}, {"intent": "PERHAPS"}, None])
def test_an_order_nobody_can_read_holds_up_nobody(store, broker, desk, broken):
    poison = add_order(store, make_order(signal_id="sig_poison"))
    change = {f"order.{name}": value for name, value in (broken or {}).items()}
    update = {"$set": change} if broken else {"$unset": {"order": ""}}
    store["orders"].update_one({"_id": poison}, update)
    (found,) = settle(
        desk,
        store,
        add_order(store, make_order()),
        poison and add_order(store, make_order(signal_id="sig_2")),
    )[:1]
    assert found["status"] == "FILLED"
    wait_for(lambda: store["incidents"].find_one({"kind": "ORDER_UNREADABLE", "key": poison}))
    assert desk._is_open()
