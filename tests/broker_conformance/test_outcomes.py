"""Outcomes are never guessed: what a call says when something goes wrong at any step of it."""

from contextlib import suppress

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, Side
from tests.support.broker_orders import (
    INFY,
    TCS,
    collect,
    eventually,
    filled_in_turn,
    held,
    limit,
    need,
    order,
    status_of,
    stop,
    until,
)

pytestmark = pytest.mark.servers
S = OrderStatus
RESTING = limit(1, "149")
ENTRY, GUARD = limit(2, "149"), stop(3, "140")
LEGS = [limit(4, "149"), limit(5, "290").model_copy(update={"instrument": TCS})]
CHANGED = OrderTerms(quantity=7, limit_price=148)

#: What each call does, and how one sees that it was done.
CALLS = {
    "PLACE": (
        None,
        lambda broker: broker.place_order(limit(6, "149")),
        lambda broker: status_of(broker, limit(6, "149")) is S.SUBMITTED,
    ),
    "BRACKET": (
        "brackets",
        lambda broker: broker.place_bracket(ENTRY, [GUARD]),
        lambda broker: status_of(broker, ENTRY) is status_of(broker, GUARD) is S.SUBMITTED,
    ),
    "COMBO": (
        "combos",
        lambda broker: broker.place_combo(LEGS),
        lambda broker: all(status_of(broker, leg) is S.SUBMITTED for leg in LEGS),
    ),
    "MODIFY": (
        "modify",
        lambda broker: broker.modify_order(RESTING, CHANGED),
        lambda broker: broker.find_order(RESTING.client_order_id).terms == CHANGED,
    ),
    "CANCEL": (
        None,
        lambda broker: broker.cancel_order(RESTING),
        lambda broker: status_of(broker, RESTING) is S.CANCELED,
    ),
}


@pytest.fixture(params=sorted(CALLS))
def call(request, bench):
    """Name of a call, an adapter with an order that rests, the call and its check."""
    ability, act, done = CALLS[request.param]
    broker = bench.connected(timeout_seconds=0.5)
    need(broker, *([ability] if ability else []))
    bench.set_price(INFY, "150")
    broker.place_order(RESTING)
    return request.param, broker, act, done


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("DROP_BEFORE_ACCEPT", False),
        ("DISCONNECT_BEFORE_ACCEPT", False),
        ("ERROR_BEFORE_ACCEPT", False),
        ("ACCEPT_THEN_SILENCE", True),
        ("DISCONNECT_AFTER_ACCEPT", True),
        ("ERROR_AFTER_ACCEPT", True),
        ("GARBAGE_ANSWER", True),
        ("DELAY_ANSWER", True),
    ],
)
def test_without_an_answer_nobody_knows_and_the_broker_can_be_asked(bench, call, kind, taken):
    name, broker, act, done = call
    bench.break_next(kind, on=name, seconds=1)
    with pytest.raises(OrderStateUnknown):
        act(broker)
    assert bool(done(broker)) is taken
    assert broker.is_connected()


def test_what_was_throttled_has_definitely_not_happened_and_can_be_sent_again(bench, call):
    name, broker, act, done = call
    bench.break_next("THROTTLE", on=name)
    with pytest.raises(BrokerUnavailable):
        act(broker)
    assert not done(broker)
    act(broker)
    assert done(broker)


def test_calls_above_the_rate_of_the_account_have_definitely_not_happened(bench):
    bench.without(orders_per_second=2)
    broker = bench.adapter()
    broker.connect()
    assert broker.capabilities.orders_per_second == 2
    taken, refused = place_until_refused(broker)
    assert taken >= 2
    assert broker.find_order(refused.client_order_id) is None
    assert len(broker.executions()) == taken


def place_until_refused(broker):
    """How many were taken, and the first that was not."""
    for taken in range(1000):
        try:
            broker.place_order(order(taken))
        except BrokerUnavailable:
            return taken, order(taken)
    pytest.fail("a thousand orders at two a second")


def test_in_an_outage_nothing_happens_and_afterwards_everything_does(bench, call):
    name, broker, act, done = call
    bench.break_next("OUTAGE", seconds=1)
    certain = bench.refuses_when_down or name in {"CANCEL", "MODIFY"}  # these ask first
    with pytest.raises(BrokerUnavailable if certain else OrderStateUnknown):
        act(broker)
    with pytest.raises(BrokerUnavailable):
        broker.open_orders()
    assert not broker.is_connected()
    eventually(lambda: reachable(broker))
    assert not done(broker)
    act(broker)
    assert done(broker)


def reachable(broker):
    try:
        broker.open_orders()
    except BrokerUnavailable:
        return False
    return True


@pytest.mark.parametrize("name", ["PLACE", "BRACKET", "COMBO", "MODIFY"])
def test_a_refusal_is_one_and_leaves_nothing(bench, broker, name):
    ability, act, done = CALLS[name]
    need(broker, *([ability] if ability else []))
    broker.place_order(RESTING)
    bench.break_next("REJECT_NEXT", on=name)
    with pytest.raises(OrderRejected):
        act(broker)
    assert not done(broker)
    assert len(broker.open_orders()) == 1


QUESTIONS = {
    "find_order": lambda broker: broker.find_order("MTX"),
    "find_orders": lambda broker: broker.find_orders(["MTX"]),
    "open_orders": lambda broker: broker.open_orders(),
    "executions": lambda broker: broker.executions(),
    "positions": lambda broker: broker.positions(),
    "account_state": lambda broker: broker.account_state(),
    "last_price": lambda broker: broker.last_price(INFY),
    "connect": lambda broker: broker.connect(),
}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
@pytest.mark.parametrize(
    "kind",
    [
        "ERROR_BEFORE_ACCEPT",
        "DISCONNECT_BEFORE_ACCEPT",
        "DROP_BEFORE_ACCEPT",
        "GARBAGE_ANSWER",
        "THROTTLE",
    ],
)
def test_a_question_that_failed_raises_and_is_never_empty(bench, question, kind):
    broker = bench.connected(timeout_seconds=0.5)
    bench.break_next(kind, on="QUERY", seconds=1)
    with pytest.raises(BrokerUnavailable):
        QUESTIONS[question](broker)
    QUESTIONS[question](broker)


def test_an_order_that_is_shown_late_is_not_another_order(bench, broker):
    arrived = collect(broker)
    bench.break_next("HIDE_ORDER", seconds=1)
    with pytest.raises(OrderStateUnknown):
        broker.place_order(order(1))
    assert broker.find_order(order(1).client_order_id) is None
    assert broker.find_orders([order(1).client_order_id]) == {}
    assert list(broker.executions()) == []
    found = eventually(lambda: broker.find_order(order(1).client_order_id))
    assert found.status is S.FILLED
    assert len(broker.executions()) == 1
    assert until(arrived, lambda report: report.status is S.FILLED).executions == found.executions


def test_a_fill_that_crosses_a_cancel_is_told(bench, broker):
    arrived = collect(broker)
    broker.place_order(RESTING)
    bench.break_next("FILL_AFTER_CANCEL")
    assert broker.cancel_order(RESTING).status in {S.SUBMITTED, S.CANCELED, S.FILLED}
    assert until(arrived, lambda report: report.filled_quantity).filled_quantity == 10
    assert broker.find_order(RESTING.client_order_id).filled_quantity == 10
    assert held(broker) == {"INFY": 10}


def test_a_cancel_that_was_only_answered_leaves_an_order_that_works(bench, broker):
    broker.place_order(RESTING)
    bench.break_next("CANCEL_IGNORED")
    # An adapter that looks how the order stands is not taken in.
    assert broker.cancel_order(RESTING).status in {S.CANCELED, S.SUBMITTED}
    assert status_of(broker, RESTING) is S.SUBMITTED
    bench.set_price(INFY, "149")
    assert held(broker) == {"INFY": 10}


def test_a_cancel_may_be_taken_now_and_done_later(bench, broker):
    broker.place_order(RESTING)
    bench.break_next("CANCEL_LATE", seconds=3)  # longer than an adapter looks
    assert broker.cancel_order(RESTING).status is S.SUBMITTED
    eventually(lambda: status_of(broker, RESTING) is S.CANCELED)
    assert list(broker.open_orders()) == []


def test_a_fill_after_a_reject_is_told(bench, broker):
    arrived = collect(broker)
    bench.break_next("FILL_AFTER_REJECT")
    with suppress(OrderRejected):  # an adapter that looks how the order stands sees the fill
        assert broker.place_order(order(1)).status in {S.SUBMITTED, S.FILLED}
    report = until(arrived, lambda each: each.filled_quantity)
    assert report.client_order_id == order(1).client_order_id
    assert held(broker) == {"INFY": 10}


def test_an_overfill_is_told_as_it_is(bench, broker):
    bench.break_next("OVERFILL")
    broker.place_order(order(1))
    assert broker.find_order(order(1).client_order_id).filled_quantity == 11
    assert held(broker) == {"INFY": 11}


@pytest.mark.parametrize(("kind", "quantity"), [("CORRECT_FILL", 10), ("BUST_FILL", 0)])
def test_a_fill_may_be_told_anew_right_after_it(bench, broker, kind, quantity):
    if not bench.revises_fills:
        pytest.skip("this broker does not tell that a fill was corrected")
    arrived = collect(broker)
    bench.break_next(kind)
    (fill,) = broker.place_order(order(1)).executions
    report = until(arrived, lambda each: any(found.revision for found in each.executions))
    assert report.executions[0].execution_id == fill.execution_id
    assert sum(held(broker).values()) == quantity


def test_reports_may_come_twice_with_the_same_fills(bench, broker):
    if not bench.passes_reports_on:
        pytest.skip("this adapter tells each state once, however often the broker does")
    arrived = collect(broker)
    bench.break_next("ANSWER_TWICE")
    broker.place_order(order(1))
    first, second = (arrived.get(timeout=10) for _ in range(2))
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert len(broker.executions()) == 1


def test_reports_may_come_in_another_order_than_things_happened(bench, broker):
    if not bench.passes_reports_on:
        pytest.skip("this adapter tells what the broker shows, in whichever order it was told")
    bench.set_price(INFY, "150")
    bench.make_thin("4")
    arrived = collect(broker)
    bench.break_next("REORDER_REPORTS")
    broker.place_order(order(1, side=Side.SELL))
    statuses = [arrived.get(timeout=10)[0].status for _ in range(2)]
    assert statuses == [S.PARTIALLY_FILLED, S.SUBMITTED]


def test_a_stream_that_is_cut_loses_no_report(bench, broker):
    arrived = collect(broker)
    for number in range(6):
        bench.break_next("DISCONNECT_AFTER_ACCEPT", on="STREAM")
        broker.place_order(order(number))
    told = filled_in_turn(arrived, order(5))
    assert told == [order(number).client_order_id for number in range(6)]


def test_a_stream_that_resumes_exactly_is_cut_without_a_gap(bench, broker):
    if not bench.resumes_exactly:
        pytest.skip("this broker's stream may tell again what was told")
    arrived = collect(broker)
    for number in range(6):
        bench.break_next("DISCONNECT_AFTER_ACCEPT", on="STREAM")
        broker.place_order(order(number))
    got = [arrived.get(timeout=20) for _ in range(6)]
    assert [report.client_order_id for report, _ in got] == [
        order(number).client_order_id for number in range(6)
    ]
    cursors = [int(cursor) for _, cursor in got]
    assert cursors == sorted(set(cursors))
