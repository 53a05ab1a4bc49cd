"""Who goes first in an account, and how fast."""

from datetime import timedelta

import pytest

from brokers.broker import Capabilities
from services.common.budget import Bucket, Budget
from services.domain.words import Intent, Side
from services.execution.agenda import Agenda, Urgency, urgency_of
from services.execution.throttle import Throttle
from tests.support.builders import NOW, STRATEGY, make_order


def row(name, intent="ENTRY", age=0, **fields):
    return {"_id": name, "order": {"intent": intent}, "created_at": NOW - timedelta(age)} | fields


@pytest.mark.parametrize(
    ("stored", "urgency"),
    [
        (row("a", cancel_requested_at=NOW), Urgency.CANCEL),
        (row("a", "EXIT"), Urgency.EXIT),
        (row("a", "SCALE_OUT"), Urgency.REDUCE),
        (row("a", "ENTRY"), Urgency.ENTRY),
        (row("a", "SCALE_IN"), Urgency.ENTRY),
    ],
)
def test_how_urgent(stored, urgency):
    assert urgency_of(stored) is urgency


def test_the_urgent_go_first_and_then_the_old():
    agenda = Agenda()
    rows = (row("new"), row("old", age=1), row("exit", "EXIT"), row("cut", "SCALE_OUT"))
    for each in (*rows, row("cancel", cancel_requested_at=NOW)):
        agenda.put(each)
    taken = [agenda.take(9) for _ in range(4)]
    assert taken == [["cancel"], ["exit"], ["cut"], ["old", "new"]]
    assert len(agenda) == 0


def test_what_is_put_twice_is_taken_once_and_moves_up():
    agenda = Agenda()
    agenda.put(row("a"))
    agenda.put(row("b", "EXIT"))
    agenda.put(row("a", cancel_requested_at=NOW))
    agenda.put(row("a"))
    assert [agenda.take(9) for _ in range(3)] == [["a"], ["b"], []]


def test_no_more_than_asked_are_taken():
    agenda = Agenda()
    for number in range(5):
        agenda.put(row(str(number)))
    assert [len(agenda.take(2)) for _ in range(4)] == [2, 2, 1, 0]
    assert agenda.take(0) == []


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def capabilities(**limits):
    nothing = frozenset()
    return Capabilities(
        order_types=nothing, times_in_force=nothing, instrument_types=nothing, **limits
    )


def test_a_broker_without_limits_takes_whatever_there_is():
    assert Budget(capabilities(), Clock()).orders_now(16) == 16


def test_orders_stay_below_the_brokers_rate():
    clock = Clock()
    budget = Budget(capabilities(messages_per_second=50, orders_per_second=10), clock)
    left = 0
    for _ in range(1000):  # ten seconds
        for _ in range(budget.orders_now(16)):
            budget.order_left()
            left += 1
        clock.now += 0.01
    # 80 % of 10 a second for ten seconds, and one second's worth saved up before
    assert 80 <= left <= 88


def test_queries_leave_room_for_orders():
    budget = Budget(capabilities(messages_per_second=10), Clock())
    asked = 0
    while budget.may_ask():
        budget.asked()
        asked += 1
    assert budget.orders_now(16) >= 1
    assert asked >= 4


def test_a_bucket_says_how_long_its_next_token_takes():
    clock = Clock()
    bucket = Bucket(0.5, clock)
    assert bucket.seconds_until_free() == 0
    bucket.take()
    assert bucket.seconds_until_free() == 2
    clock.now += 1.5
    assert bucket.seconds_until_free() == 0.5


def test_limits_that_change_are_kept_from_then_on_and_others_lose_nothing():
    clock = Clock()
    budget = Budget(capabilities(), clock)
    budget.follow(capabilities(orders_per_second=10))
    assert budget.orders_now(100) == 8
    budget.order_left()
    budget.follow(capabilities(orders_per_second=10))
    assert budget.orders_now(100) == 7


def test_the_throttle_counts_entries_of_a_kind_within_its_window():
    throttle = Throttle(2, 60)
    entry, leaving = make_order(), make_order(side=Side.SELL, intent=Intent.EXIT)
    for seconds in (0, 30):
        throttle.note(entry, NOW + timedelta(seconds=seconds))
        throttle.note(leaving, NOW + timedelta(seconds=seconds))
    at = NOW + timedelta(seconds=59)
    assert "2 orders to BUY AAPL" in throttle.objection(entry, at)
    assert throttle.objection(leaving, at) == ""
    assert throttle.objection(make_order(symbol="MSFT"), at) == ""
    assert throttle.objection(make_order(side=Side.SELL), at) == ""
    assert throttle.objection(entry, NOW + timedelta(seconds=60)) == ""


def test_what_leaves_together_is_counted_together():
    throttle = Throttle(3, 60)
    throttle.note(make_order(), NOW)
    ahead = [make_order(), make_order(symbol="MSFT"), make_order()]
    assert throttle.objection(make_order(), NOW, ahead=ahead[:2]) == ""
    assert "3 orders" in throttle.objection(make_order(), NOW, ahead=ahead)


def test_what_a_person_has_forgiven_does_not_count():
    throttle = Throttle(1, 60)
    throttle.note(make_order(), NOW)
    throttle.forget(STRATEGY, NOW)
    assert throttle.objection(make_order(), NOW) == ""
