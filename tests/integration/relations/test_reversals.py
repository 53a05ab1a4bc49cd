"""Reversals: the exit and the entry of one message."""

import pytest

from services.domain.words import OrderStatus
from tests.support.relations import (
    CANCELED,
    FILLED,
    answer,
    entered,
    grow_old,
    leave,
    life,
    orders_of,
    quantities,
    report,
    reverse,
    waits,
)
from tests.support.rows import add_signal

pytestmark = pytest.mark.servers


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
