"""How many calls in a second the mock broker takes."""

from brokers.mock.abilities import EVERYTHING
from brokers.mock.faults import Step
from brokers.mock.rates import Rates


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def rates(clock, **limits):
    able = EVERYTHING.model_copy(update=limits)
    return Rates(lambda _account: able, clock)


def taken(found, step, count, account_id="A"):
    return sum(found.takes(account_id, step) for _ in range(count))


def test_orders_and_all_calls_have_a_limit_each():
    found = rates(Clock(), messages_per_second=5, orders_per_second=2)
    assert taken(found, Step.PLACE, 3) == 2
    assert taken(found, Step.CANCEL, 1) == 0
    assert taken(found, Step.QUERY, 9) == 3  # five calls, of which two were orders


def test_a_second_later_there_is_room_again_and_what_was_refused_counts_for_nothing():
    clock = Clock()
    found = rates(clock, messages_per_second=2)
    assert taken(found, Step.QUERY, 5) == 2
    clock.now += 0.5
    assert taken(found, Step.QUERY, 5) == 0
    clock.now += 0.5
    assert taken(found, Step.QUERY, 5) == 2


def test_accounts_do_not_share_and_the_stream_is_free():
    found = rates(Clock(), messages_per_second=1)
    assert taken(found, Step.QUERY, 2, "A") == taken(found, Step.QUERY, 2, "B") == 1
    assert taken(found, Step.STREAM, 9) == 9


def test_without_limits_everything_is_taken():
    assert taken(rates(Clock()), Step.PLACE, 1000) == 1000
