"""Legs of one signal go together, or the group's policy runs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.words import GroupPolicy, Intent, OrderRole, OrderStatus, Side
from services.execution.groups import LegView, tend_group
from tests.support.builders import make_order

S = OrderStatus
LIVE = [S.PENDING, S.SUBMITTING, S.SUBMITTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING, S.UNKNOWN]


def leg(status, filled=0, symbol="AAPL", policy=GroupPolicy.UNWIND, **fields):
    order = make_order(
        "10", symbol=symbol, group_policy=policy, signal_id=f"sig_{symbol}", **fields
    )
    return LegView(order, status, Decimal(filled))


def test_all_filled_is_settled():
    plan = tend_group([leg(S.FILLED, 10), leg(S.FILLED, 10, "MSFT")])
    assert plan == (True, (), (), "")


@pytest.mark.parametrize("status", LIVE)
def test_while_all_may_still_fill_nothing_is_done(status):
    assert tend_group([leg(S.FILLED, 10), leg(status, 0, "MSFT")]) == (False, (), (), "")


@pytest.mark.parametrize("failed", [S.REJECTED, S.DENIED, S.CANCELED, S.EXPIRED])
def test_a_failed_leg_cancels_the_entries_that_work(failed):
    rest = leg(S.SUBMITTED, 0, "MSFT")
    plan = tend_group([leg(failed), rest])
    assert (plan.cancel, plan.settled, plan.broken) == ((rest.order.client_order_id,), False, "")


def test_what_has_filled_is_closed_again_once_all_have_ended():
    filled = leg(S.CANCELED, 4, "MSFT", side=Side.SELL)
    plan = tend_group([leg(S.REJECTED), filled])
    (closing,) = plan.unwind
    assert (closing.side, closing.quantity, closing.role) == (
        Side.BUY,
        Decimal(4),
        OrderRole.UNWIND,
    )
    assert closing.entry_signal_id == filled.order.signal_id
    assert "4 MSFT filled, AAPL REJECTED with 0 of 10" in plan.broken
    assert plan.settled


def test_under_hold_it_stays_and_a_person_is_told():
    plan = tend_group([leg(S.REJECTED, policy=GroupPolicy.HOLD), leg(S.FILLED, 10, "MSFT")])
    assert (plan.unwind, plan.settled) == ((), True)
    assert "it is held" in plan.broken


def test_exits_are_neither_canceled_nor_undone_for_each_other():
    fields = {"intent": Intent.EXIT, "side": Side.SELL}
    working = tend_group([leg(S.REJECTED, **fields), leg(S.SUBMITTED, 0, "MSFT", **fields)])
    assert working.cancel == ()
    ended = tend_group([leg(S.REJECTED, **fields), leg(S.FILLED, 10, "MSFT", **fields)])
    assert (ended.unwind, ended.settled) == ((), True)


states = st.tuples(st.sampled_from(list(S)), st.integers(0, 10)).filter(
    lambda each: (each[0] is S.FILLED) == (each[1] == 10)
)


@given(st.lists(states, min_size=2, max_size=4), st.sampled_from(list(GroupPolicy)))
def test_nothing_is_closed_while_a_leg_may_still_fill_and_never_more_than_filled(found, policy):
    legs = [leg(status, filled, f"S{n}", policy) for n, (status, filled) in enumerate(found)]
    plan = tend_group(legs)
    if any(each.is_live for each in legs):
        assert not plan.unwind
        assert not plan.settled
    else:
        assert plan.settled
        assert not plan.cancel
    for closing in plan.unwind:
        (own,) = [each for each in legs if each.order.client_order_id == closing.parent_order_id]
        assert closing.quantity == own.filled_quantity
