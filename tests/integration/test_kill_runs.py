"""A kill on the real store: the switch first, then cancels, then closing orders, then the proof."""

import time
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.kills import (
    ConfirmationMissing,
    KillRequest,
    abandon,
    kill_run,
    request_kill,
)
from services.common.orders import order_document
from services.common.store import to_document
from services.domain.books import Position, position_id
from services.domain.errors import ConfigurationError
from services.domain.kills import KillStage, RunState
from services.domain.orders import UNATTRIBUTED
from services.domain.words import (
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    Scope,
    Side,
    TradingState,
)
from tests.fakes.account import AccountBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_instrument, make_order
from tests.support.clerk import Clerk, another
from tests.support.rows import add_account, add_strategy, allow_trading

pytestmark = pytest.mark.servers
AAPL = make_instrument()
OTHER = "Other"


@pytest.fixture
def broker():
    return AccountBroker(ACCOUNT)


@pytest.fixture
def clerk(store, broker):
    allow_trading(store)
    add_account(store)
    add_strategy(store)
    made = Clerk(store, broker)
    yield made
    made.stop()


def ask(store, stage=KillStage.FLATTEN, scope=Scope.ACCOUNT, scope_id=ACCOUNT, **fields):
    known = {"by": "olga", "reason": "drill", "confirmed": True}
    timeout = fields.pop("timeout", 60)
    asked = KillRequest(scope=scope, scope_id=scope_id, stage=stage, **{**known, **fields})
    return request_kill(store, asked, timeout_seconds=timeout).run_id


def add_order(clerk, signal_id, *, at_broker=True, **fields):
    """A limit order that works at the broker, or waits to be sent."""
    fields.setdefault("order_type", OrderType.LIMIT)
    strategy = fields.pop("strategy_id", STRATEGY)
    order = make_order(signal_id=signal_id, **fields).model_copy(update={"strategy_id": strategy})
    if order.order_type is OrderType.LIMIT:
        order = order.model_copy(update={"limit_price": Decimal(100)})
    clerk.store["orders"].insert_one(order_document(order, at=utc_now()))
    if at_broker:
        clerk.settle(order.client_order_id)
    return order.client_order_id


def hold(clerk, quantity, strategy_id=STRATEGY, instrument=AAPL, *, at_broker=True):
    """A strategy's position in our books, and the same at the broker."""
    position = Position(
        strategy_id=strategy_id,
        account_id=ACCOUNT,
        instrument=instrument,
        quantity=Decimal(quantity),
        average_price=Decimal(100),
    )
    key = position_id(strategy_id, ACCOUNT, instrument)
    row = {"_id": key, "open": True, "instrument_key": instrument.key, **to_document(position)}
    clerk.store["positions"].insert_one(row)
    if at_broker:
        before = clerk.broker.held.get(instrument.key, Decimal(0))
        clerk.broker.hold(instrument, before + Decimal(quantity))


def run_until(clerk, run_id, *states, seconds=15):
    """Turn until the run is there."""
    until = time.monotonic() + seconds
    while (run := kill_run(clerk.store, run_id)).state not in (states or (RunState.DONE,)):
        assert time.monotonic() < until, run
        clerk.turn()
        time.sleep(0.02)
    return run


def turns(clerk, seconds=1.5):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        clerk.turn()
        time.sleep(0.05)


def mine(store, run_id):
    return kill_run(store, run_id).account(ACCOUNT)


def row(store, order_id):
    return store["orders"].find_one({"_id": order_id})


def held(store, strategy_id=STRATEGY, instrument=AAPL):
    return store["positions"].find_one({"_id": position_id(strategy_id, ACCOUNT, instrument)})[
        "quantity"
    ]


def reasons(store, run_id):
    return "; ".join(f"{each.what}: {each.why}" for each in mine(store, run_id).remaining)


def test_the_switch_is_set_with_the_run_and_before_any_cancel(store, clerk):
    order_id = add_order(clerk, "s1")
    run_id = ask(store, KillStage.CANCEL)
    (control,) = [each for each in controls(store) if each.scope is Scope.ACCOUNT]
    assert (control.trading_state, control.set_by) == (TradingState.REDUCING, "olga")
    assert "cancel_requested_at" not in row(store, order_id)
    what = [entry["what"] for entry in store["audit_log"].find({"by": "olga"}).sort("_id")]
    assert what == ["CONTROL_SET", "KILL_REQUESTED"]
    assert kill_run(store, run_id).state is RunState.RUNNING


def test_cancel_is_done_when_the_broker_shows_no_order(store, clerk):
    working, waiting = add_order(clerk, "s1"), add_order(clerk, "s2", at_broker=False)
    run = run_until(clerk, ask(store, KillStage.CANCEL))
    (proof,) = run.accounts
    assert {each.client_order_id: each.status for each in proof.orders} == {
        working: OrderStatus.CANCELED,
        waiting: OrderStatus.CANCELED,
    }
    assert (proof.orders_left, proof.remaining, proof.trouble) == (0, (), "")
    assert proof.broker_asked_at >= run.requested_at
    assert run.took_seconds > 0
    assert [order.signal_id for order in clerk.broker.placed] == ["s1"]


def test_flatten_cancels_then_closes_what_each_strategy_holds(store, clerk):
    add_order(clerk, "s1")
    hold(clerk, 100)
    hold(clerk, 30, OTHER)
    hold(clerk, -7, instrument=make_instrument("MSFT"))
    run = run_until(clerk, ask(store))
    (proof,) = run.accounts
    assert (proof.orders_left, proof.positions_left) == (0, 0)
    closed = {(each.strategy_id, each.symbol): each for each in proof.closings}
    assert {key: (each.side, each.filled_quantity) for key, each in closed.items()} == {
        (STRATEGY, "AAPL"): (Side.SELL, Decimal(100)),
        (OTHER, "AAPL"): (Side.SELL, Decimal(30)),
        (STRATEGY, "MSFT"): (Side.BUY, Decimal(7)),
    }
    assert {each.price for each in closed.values()} == {Decimal(150)}
    assert clerk.broker.positions() == []
    assert (held(store), held(store, OTHER)) == (0, 0)
    assert store["reservations"].count_documents({}) == 0
    (first, *closing) = clerk.broker.placed
    assert {order.role for order in closing} == {OrderRole.FLATTEN}
    assert first.role is OrderRole.LEG


def test_nothing_is_closed_while_an_order_for_it_may_still_fill(store, clerk):
    order_id = add_order(clerk, "s1")
    hold(clerk, 100)
    clerk.broker.deaf = True
    run_id = ask(store)
    turns(clerk)
    assert len(clerk.broker.placed) == 1
    assert f"waits for order {order_id}, which is CANCEL_PENDING" in reasons(store, run_id)
    clerk.broker.deaf = False
    run_until(clerk, run_id)


def test_what_fills_before_its_cancel_is_closed_too_and_told(store, clerk):
    order_id = add_order(clerk, "s1")
    clerk.broker.deaf = True
    run_id = ask(store)
    clerk.turn()
    clerk.broker.fill(order_id)
    run = run_until(clerk, run_id)
    (proof,) = run.accounts
    assert [(each.status, each.filled_quantity) for each in proof.orders] == [
        (OrderStatus.FILLED, Decimal(17))
    ]
    assert [(each.side, each.filled_quantity) for each in proof.closings] == [
        (Side.SELL, Decimal(17))
    ]


def test_a_kill_in_a_burst_of_entries_leaves_none_working(store, clerk):
    ids = [add_order(clerk, f"s{number}", at_broker=False) for number in range(40)]
    clerk.desk.wake(ids)
    run = run_until(clerk, ask(store, KillStage.CANCEL))
    placed = len(clerk.broker.placed)
    late = add_order(clerk, "late", at_broker=False)
    clerk.settle(late)
    assert (clerk.broker.open_orders(), len(clerk.broker.placed)) == ([], placed)
    assert row(store, late)["status"] == "DENIED"
    assert {row(store, each)["status"] for each in ids} <= {"CANCELED", "DENIED"}
    assert {each.status for each in run.accounts[0].orders} <= {"CANCELED", "DENIED"}


def test_a_restart_in_the_middle_goes_on_and_sends_nothing_twice(store, clerk):
    add_order(clerk, "s1")
    hold(clerk, 100)
    run_id = ask(store)
    for _ in range(100):
        clerk.restart()
        clerk.look()
        clerk.restart()
        clerk.turn()
        if len(clerk.broker.placed) > 1:
            break
        time.sleep(0.05)
    clerk.restart()
    run_until(clerk, run_id)
    assert [order.quantity for order in clerk.broker.placed[1:]] == [Decimal(100)]
    assert clerk.broker.positions() == []


def test_two_desks_at_once_make_one_closing_order(store, clerk):
    hold(clerk, 100)
    run_id = ask(store)
    twin = another(store, clerk.broker)
    clerk.look()
    twin.step(clerk.broker, utc_now())
    assert store["orders"].count_documents({"signal_id": run_id}) == 1


@pytest.mark.parametrize(("books", "broker_has"), [("100", "60"), ("60", "100")])
def test_never_more_is_closed_than_books_and_broker_both_hold(store, clerk, books, broker_has):
    hold(clerk, books)
    clerk.broker.hold(AAPL, broker_has)
    run = run_until(
        clerk,
        ask(store, scope=Scope.STRATEGY, scope_id=STRATEGY, timeout=2),
        RunState.DONE,
        RunState.INCOMPLETE,
    )
    sold = sum(order.quantity for order in clerk.broker.placed)
    assert sold == 60
    assert clerk.broker.held[AAPL.key] == Decimal(broker_has) - 60
    assert run.accounts


def test_what_the_broker_holds_beyond_our_books_is_closed_as_nobodys(store, clerk):
    hold(clerk, 100)
    clerk.broker.hold(AAPL, 140)
    run = run_until(clerk, ask(store))
    closed = {each.strategy_id: each.filled_quantity for each in run.accounts[0].closings}
    assert closed == {STRATEGY: Decimal(100), UNATTRIBUTED: Decimal(40)}
    assert clerk.broker.positions() == []


def test_a_fill_that_is_on_its_way_is_not_closed_as_nobodys(store, clerk):
    clerk.broker.hold(AAPL, 17)  # the broker has filled, our books do not know yet
    add_order(clerk, "s1")
    clerk.broker.deaf = True
    run_id = ask(store)
    turns(clerk, 1)
    assert len(clerk.broker.placed) == 1
    assert "the broker holds 17, our books say 0" in reasons(store, run_id)


def test_a_strategy_alone_is_flattened_and_the_others_keep_theirs(store, clerk):
    hold(clerk, 100)
    hold(clerk, 30, OTHER)
    theirs = add_order(clerk, "s2", strategy_id=OTHER)
    run = run_until(clerk, ask(store, scope=Scope.STRATEGY, scope_id=STRATEGY))
    assert (held(store), held(store, OTHER)) == (0, 30)
    assert clerk.broker.held[AAPL.key] == 30
    assert row(store, theirs)["status"] == "SUBMITTED"
    assert run.accounts[0].orders_left == 0


def test_an_instrument_alone_is_flattened(store, clerk):
    hold(clerk, 100)
    hold(clerk, 5, instrument=make_instrument("MSFT"))
    run_until(clerk, ask(store, scope=Scope.INSTRUMENT, scope_id="AAPL"))
    assert {each.instrument.symbol for each in clerk.broker.positions()} == {"MSFT"}


def test_a_rejected_closing_order_is_told_and_not_sent_again(store, clerk):
    hold(clerk, 100)
    clerk.broker.refusal = "market closed"
    run_id = ask(store, timeout=4)
    run = run_until(clerk, run_id, RunState.INCOMPLETE)
    assert "ended REJECTED: REFUSED: market closed" in reasons(store, run_id)
    clerk.broker.refusal = None
    turns(clerk, 1)
    assert clerk.broker.placed == []
    incident = store["incidents"].find_one({"_id": f"KILL_INCOMPLETE|{run_id}"})
    assert "position 100 AAPL" in incident["sentence"]
    assert run.account(ACCOUNT).positions_left == 1
    run = run_until(clerk, ask(store))  # a person asks again, and the run before ends
    assert kill_run(store, run_id).state is RunState.SUPERSEDED
    assert store["incidents"].find_one({"key": run_id})["status"] == "CLEARED"


def test_a_closing_order_without_an_answer_is_not_sent_again(store, clerk):
    hold(clerk, 100)
    clerk.broker.silent = True
    run_id = ask(store, timeout=1)
    run_until(clerk, run_id, RunState.INCOMPLETE)
    clerk.broker.silent = False
    assert "UNKNOWN, no answer of the broker" in reasons(store, run_id)
    again = ask(store)  # by a person, and it may still have arrived
    turns(clerk, 1)
    assert len(clerk.broker.placed) == 1
    assert "UNKNOWN, no answer of the broker" in reasons(store, again)


def test_an_unknown_exit_is_counted_as_if_it_filled(store, clerk):
    hold(clerk, 100)
    clerk.broker.silent = True
    lost = add_order(
        clerk, "s1", quantity="40", side=Side.SELL, intent=Intent.EXIT, order_type=OrderType.LIMIT
    )
    clerk.broker.silent = False
    run_id = ask(store, timeout=1)
    run_until(clerk, run_id, RunState.INCOMPLETE)
    assert [order.quantity for order in clerk.broker.placed[1:]] == [Decimal(60)]
    assert f"scripts/orders.py resolve {lost}" in reasons(store, run_id)
    assert row(store, lost)["cancel_requested_at"] is not None


def test_a_broker_that_cannot_be_asked_never_counts_as_zero(store, clerk):
    clerk.broker.down = True
    run_id = ask(store, timeout=1)
    run = run_until(clerk, run_id, RunState.INCOMPLETE)
    proof = run.account(ACCOUNT)
    assert (proof.orders_left, proof.positions_left, proof.broker_asked_at) == (None, None, None)
    assert "not proven: broker not reached since" in reasons(store, run_id)
    clerk.broker.down = False
    run_until(clerk, run_id)
    assert store["incidents"].find_one({"key": run_id})["status"] == "CLEARED"


def test_a_desk_that_is_closed_marks_what_has_to_go_and_says_why(store, clerk):
    working, waiting = add_order(clerk, "s1"), add_order(clerk, "s2", at_broker=False)
    run_id = ask(store, KillStage.CANCEL, timeout=1)
    for _ in range(2):  # cancels are marked first, what is known is told next
        clerk.runs.wait("BrokerUnavailable: connection refused", utc_now())
    assert {bool(row(store, each).get("cancel_requested_at")) for each in (working, waiting)} == {
        True
    }
    proof = mine(store, run_id)
    assert (proof.orders_left, proof.trouble) == (None, "BrokerUnavailable: connection refused")
    assert "not proven: broker not reached since" in reasons(store, run_id)
    assert f"order {working}: BUY 17 AAPL" in reasons(store, run_id)


def test_a_foreign_order_is_told_and_not_touched(store, clerk):
    clerk.broker.add_foreign(AAPL)
    run_id = ask(store, KillStage.CANCEL, timeout=1)
    run_until(clerk, run_id, RunState.INCOMPLETE)
    assert "order B-BY-HAND: BUY AAPL: is none of ours, and is not touched" in reasons(
        store, run_id
    )
    assert mine(store, run_id).orders_left == 1


def test_an_exit_made_after_a_cancel_goes_on_working(store, clerk):
    hold(clerk, 100)
    clerk.broker.add_foreign(AAPL)  # keeps the run open
    run_id = ask(store, KillStage.CANCEL)
    clerk.turn()
    exit_id = add_order(clerk, "s9", side=Side.SELL, intent=Intent.EXIT)
    turns(clerk, 0.8)
    assert row(store, exit_id)["status"] == "SUBMITTED"
    assert mine(store, run_id).late_exits == 1


def test_an_entry_that_slipped_through_is_canceled_whenever_it_comes(store, clerk):
    clerk.broker.add_foreign(AAPL)
    ask(store, KillStage.CANCEL)
    clerk.turn()
    order_id = add_order(clerk, "s9", at_broker=False)
    turns(clerk, 0.3)
    assert row(store, order_id)["status"] in {"CANCELED", "DENIED"}


def test_a_halt_stays_and_stops_no_closing_order(store, clerk):
    hold(clerk, 100)
    signed = {"by": "bob", "reason": "news"}
    set_control(store, Scope.GLOBAL, trading_state=TradingState.HALTED, **signed)
    run_until(clerk, ask(store, KillStage.CANCEL, Scope.GLOBAL, ""))
    run_until(clerk, ask(store, KillStage.FLATTEN, Scope.GLOBAL, ""))
    assert clerk.broker.positions() == []
    (control,) = controls(store)
    assert (control.trading_state, control.set_by) == (TradingState.HALTED, "bob")


def test_a_released_switch_ends_the_run(store, clerk):
    clerk.broker.add_foreign(AAPL)
    run_id = ask(store, KillStage.CANCEL)
    clerk.turn()
    set_control(
        store, Scope.ACCOUNT, ACCOUNT, trading_state=TradingState.ACTIVE, by="olga", reason="over"
    )
    order_id = add_order(clerk, "s9")
    turns(clerk, 0.3)
    assert row(store, order_id)["status"] == "SUBMITTED"
    ended = kill_run(store, run_id)
    assert (ended.state, "olga: over" in ended.why) == (RunState.ABANDONED, True)


def test_an_account_that_no_desk_works_on_is_not_proven(store, clerk):
    add_account(store, "Mock-2")
    run_id = ask(store, KillStage.CANCEL, Scope.GLOBAL, "", timeout=1)
    run = run_until(clerk, run_id, RunState.INCOMPLETE)
    assert run.account(ACCOUNT).state is RunState.DONE
    (left,) = run.account("Mock-2").remaining
    assert "no desk has worked on it" in left.why


def test_opposite_books_are_told_and_the_account_is_only_made_smaller(store, clerk):
    hold(clerk, 100)
    hold(clerk, -40, OTHER)
    run = run_until(clerk, ask(store))
    # the broker nets 100 − 40 = 60: selling 60 makes it flat, more would turn it around
    assert [(o.side, o.quantity) for o in clerk.broker.placed] == [(Side.SELL, Decimal(60))]
    assert "the books of strategies offset each other" in run.accounts[0].notes[0]


def test_abandon_ends_a_run_and_leaves_the_switch(store, clerk):
    run_id = ask(store, KillStage.CANCEL)
    abandon(store, run_id, by="olga", reason="seen")
    assert clerk.look() == []
    assert kill_run(store, run_id).state is RunState.ABANDONED
    with pytest.raises(ConfigurationError, match="has ended: it is ABANDONED"):
        abandon(store, run_id, by="olga", reason="seen")
    assert any(each.trading_state is TradingState.REDUCING for each in controls(store))


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"confirmed": False}, ConfirmationMissing, "second yes"),
        ({"scope_id": "Mock-9"}, ConfigurationError, "no account named 'Mock-9'"),
        ({"reason": " "}, ConfigurationError, "reason must say"),
        ({"scope": Scope.GLOBAL}, ConfigurationError, "takes no id"),
    ],
)
def test_what_cannot_be_asked_for_changes_nothing(store, clerk, fields, error, sentence):
    with pytest.raises(error, match=sentence):
        ask(store, **fields)
    assert store["kill_runs"].count_documents({}) == 0
    assert len(controls(store)) == 1


def test_a_desk_that_was_paused_overwrites_nothing(store, clerk):
    clerk.broker.add_foreign(AAPL)
    run_id = ask(store, KillStage.CANCEL)
    clerk.turn()

    class Paused(AccountBroker):
        """While it is asked, the desk that took over works on; it sees no foreign order."""

        def open_orders(self):
            time.sleep(0.6)
            clerk.turn()
            return []

    paused = another(store, clerk.broker)
    paused.step(Paused(ACCOUNT), utc_now())
    assert mine(store, run_id).orders_left == 1
    assert "is none of ours" in reasons(store, run_id)
