from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.orders import Algo, child_order_id_for
from services.domain.words import AlgoName, Intent, OrderRole, OrderStatus, OrderType, TimeInForce
from services.execution.algos import (
    ChildView,
    Slice,
    child_order,
    due_slices,
    is_complete,
    planned,
    stopped_by,
)
from tests.support.builders import NOW, make_order

S = OrderStatus


def twap(quantity="100", slices=10, duration="600", **fields):
    algo = Algo(name=AlgoName.TWAP, duration_seconds=Decimal(duration), slices=slices)
    return make_order(quantity, algo=algo, **fields)


def vwap(quantity, profile, duration="3600", **fields):
    shares = tuple(map(Decimal, profile))
    algo = Algo(name=AlgoName.VWAP, duration_seconds=Decimal(duration), profile=shares)
    return make_order(quantity, algo=algo, **fields)


def iceberg(quantity="100", shown="30", **fields):
    algo = Algo(name=AlgoName.ICEBERG, display_quantity=Decimal(shown))
    return make_order(quantity, algo=algo, **fields)


def child(number, status=S.FILLED, quantity="10", filled=None, left=0):
    filled = quantity if filled is None and status is S.FILLED else filled or "0"
    left_at = None if left is None else NOW + timedelta(seconds=left)
    return ChildView(number, status, Decimal(quantity), Decimal(filled), left_at)


def due(order, seconds, *children, **fields):
    now = NOW + timedelta(seconds=seconds)
    return [
        (each.number, str(each.quantity))
        for each in due_slices(order, NOW, now=now, children=children, **fields)
    ]


def complete(order, seconds, *children, **fields):
    now = NOW + timedelta(seconds=seconds)
    return is_complete(order, NOW, now=now, children=children, **fields)


def test_twap_parts_are_equal_whole_lots_and_come_to_the_whole():
    # 103 in 4: 25.75 each, cumulated 25, 51, 77, 103.
    assert planned(twap("103", 4)) == (25, 26, 26, 26)


def test_twap_has_fewer_slices_where_lots_do_not_suffice():
    assert planned(twap("3", 10)) == (1, 1, 1)


def test_what_is_less_than_a_lot_goes_with_the_last_slice():
    assert planned(twap("3.5", 2)) == (1, Decimal("2.5"))
    assert planned(twap("0.5", 2)) == (Decimal("0.5"),)


def test_vwap_follows_its_profile_by_the_largest_remainder():
    # 10 × 3/12 = 2.5, 10 × 2/12 = 1.67, 10 × 1/12 = 0.83, 1.67, 10 × 4/12 = 3.33; whole parts sum
    # to 2+1+0+1+3 = 7, and the 3 left go to 0.83, 1.67 and 1.67.
    assert planned(vwap("10", [3, 2, 1, 2, 4])) == (2, 2, 1, 2, 3)


def test_vwap_without_volume_is_refused():
    with pytest.raises(ValueError, match="must have volume"):
        planned(vwap("10", [0, 0]))


@given(
    st.decimals("0.00000001", "1000000", places=8),
    st.lists(st.decimals("0", "1000", places=3), min_size=1, max_size=30).filter(any),
)
def test_a_plan_is_the_whole_quantity_and_nothing_below_zero(quantity, profile):
    for order in (vwap(quantity, profile), twap(quantity, len(profile))):
        parts = planned(order)
        assert sum(parts) == quantity
        assert min(parts) >= 0


def test_each_interval_has_its_slice():
    # 100 in 10 over 600 s: 10 every 60 s.
    assert due(twap(), 0) == [(0, "10")]
    assert due(twap(), 59, child(0)) == []
    assert due(twap(), 60, child(0)) == [(1, "10")]


def test_what_an_entry_has_missed_is_not_made_up_for():
    children = [child(0)]
    assert due(twap(), 300, *children) == [(5, "10")]
    children.append(child(5, left=300))
    assert due(twap(), 359, *children) == []
    assert due(twap(), 600, *children) == []
    assert complete(twap(), 600, *children)


def test_what_an_exit_has_missed_follows_one_slice_an_interval():
    order = twap("40", 4, "240", intent=Intent.EXIT)
    children = [child(0), child(3, left=180)]
    assert due(order, 239, *children) == []
    assert due(order, 241, *children) == [(1, "10")]
    children.append(child(1, left=241))
    assert due(order, 299, *children) == []
    assert due(order, 300, *children) == [(2, "10")]
    assert not complete(order, 300, *children)
    assert complete(order, 301, *children, child(2, left=300))


def test_a_slice_that_has_not_left_holds_the_next_one_back():
    for status in (S.PENDING, S.SUBMITTING, S.UNKNOWN):
        assert due(twap(), 60, child(0, status, left=None)) == []
    assert due(twap(), 60, child(0, S.UNKNOWN, left=1)) == []


def test_a_slice_that_left_late_has_the_interval_it_left_in():
    late = child(0, S.SUBMITTED, left=130)
    assert due(twap(), 131, late) == []
    assert due(twap(), 180, late) == [(3, "10")]


def test_a_working_slice_does_not_hold_the_next_one_back():
    assert due(twap(), 60, child(0, S.SUBMITTED)) == [(1, "10")]


@pytest.mark.parametrize("status", [S.REJECTED, S.DENIED, S.CANCELED, S.EXPIRED])
def test_a_slice_that_ends_unfilled_stops_the_algo(status):
    ended = child(0, status, filled="4")
    for order in (twap(), twap(intent=Intent.EXIT), iceberg("100", "10")):
        assert due(order, 60, ended) == []
        assert stopped_by([ended]) is ended
        assert complete(order, 60, ended)
        assert not complete(order, 60, ended, child(1, S.SUBMITTED))


def test_a_canceled_parent_makes_no_more_and_ends_when_nothing_works():
    works = child(0, S.CANCEL_PENDING)
    assert due(twap(), 60, works, canceled=True) == []
    assert not complete(twap(), 60, works, canceled=True)
    assert complete(twap(), 60, child(0), canceled=True)


def test_no_slice_begins_at_cancel_at():
    order = twap(cancel_at=NOW + timedelta(seconds=60))
    assert due(order, 59.9) == [(0, "10")]
    assert due(order, 60, child(0)) == []
    assert complete(order, 60, child(0))


def test_an_algo_that_has_not_begun_by_its_expiry_never_does():
    order = twap(expires_at=NOW + timedelta(seconds=30))
    assert due(order, 31) == []
    assert complete(order, 31)
    assert due(order, 60, child(0)) == [(1, "10")]


def test_a_day_order_makes_no_slice_after_a_day():
    order = iceberg(intent=Intent.EXIT)
    day = 24 * 3600
    assert due(order, day - 1) == [(0, "30")]
    assert due(order, day) == []
    assert due(iceberg(time_in_force=TimeInForce.GTC), day) == [(0, "30")]


def test_before_the_start_nothing_is_due():
    assert due(twap(), -1) == []
    assert not complete(twap(), -1)


def test_an_iceberg_shows_the_next_part_when_the_former_is_filled():
    order = iceberg()
    assert due(order, 0) == [(0, "30")]
    assert due(order, 5, child(0, S.PARTIALLY_FILLED, "30", "29")) == []
    filled = [child(number, quantity="30") for number in range(3)]
    assert due(order, 5, *filled[:1]) == [(1, "30")]
    # 100 − 3 × 30 = 10
    assert due(order, 5, *filled) == [(3, "10")]
    assert complete(order, 5, *filled, child(3))


def test_an_iceberg_shows_at_least_a_lot():
    assert due(iceberg("10", "0.4"), 0) == [(0, "1")]


def test_an_overfilled_slice_makes_the_next_one_smaller():
    # 100 − 95 filled
    assert due(twap(), 60, child(0, filled="95")) == [(1, "5")]


def test_a_child_is_its_parent_but_for_quantity_and_guards():
    parent = twap(
        "100",
        stop_loss="140",
        take_profit="160",
        order_type=OrderType.LIMIT,
        limit_price="150",
        sender_quantity="10",
        cancel_at=NOW + timedelta(seconds=900),
    )
    made = child_order(parent, Slice(2, Decimal(10)), NOW)
    assert made.client_order_id == child_order_id_for(parent.client_order_id, OrderRole.SLICE, 2)
    assert (made.role, made.parent_order_id) == (OrderRole.SLICE, parent.client_order_id)
    assert (made.order_type, made.limit_price, made.cancel_at) == (
        OrderType.LIMIT,
        Decimal(150),
        parent.cancel_at,
    )
    assert (made.algo, made.stop_loss, made.take_profit) == (None, None, None)
    assert made.sender_quantity == 1  # 10 × 10/100
    assert made.expires_at == NOW + timedelta(seconds=600)


def test_an_exits_slice_never_expires():
    parent = twap(intent=Intent.EXIT)
    assert child_order(parent, Slice(0, Decimal(10)), NOW).expires_at is None


def test_only_the_first_slice_is_bound_by_the_signals_validity():
    soon = NOW + timedelta(seconds=30)
    first = child_order(twap(expires_at=soon), Slice(0, Decimal(10)), NOW)
    second = child_order(twap(expires_at=soon), Slice(1, Decimal(10)), NOW)
    assert (first.expires_at, second.expires_at) == (soon, NOW + timedelta(seconds=600))


_ORDERS = st.sampled_from(
    [
        make
        for intent in (Intent.ENTRY, Intent.EXIT)
        for make in (
            twap("17", 5, "50", intent=intent),
            vwap("17", [1, 0, 3, 2], "40", intent=intent),
            iceberg("17", "4", intent=intent),
        )
    ]
)
#: What happens next: seconds pass, and a slice moves.
_EVENTS = st.lists(
    st.tuples(
        st.integers(0, 25), st.integers(0, 20), st.sampled_from(list(OrderStatus)), st.booleans()
    ),
    max_size=40,
)


@given(_ORDERS, _EVENTS)
def test_slices_never_exceed_the_parent_nor_crowd_one_interval(order, events):
    children, seconds = {}, 0
    for passed, chosen, status, restart in events:
        seconds += passed
        now = NOW + timedelta(seconds=seconds)
        for _ in range(3 if restart else 1):  # asked again and again, as after a crash
            found = due_slices(order, NOW, now=now, children=list(children.values()))
            assert len(found) <= 1
            for each in found:
                assert each.number not in children
                assert each.quantity > 0
                children[each.number] = ChildView(
                    each.number, S.SUBMITTED, each.quantity, left_at=now
                )
        live = [each for each in children.values() if each.is_live]
        if live:
            moved = live[chosen % len(live)]
            filled = moved.quantity if status is S.FILLED else moved.filled_quantity
            children[moved.number] = moved._replace(status=status, filled_quantity=filled)
        assert sum(each.committed for each in children.values()) <= order.quantity
        if order.algo.duration_seconds:
            length = order.algo.duration_seconds / len(planned(order))
            left = [
                (each.left_at - NOW).total_seconds() // float(length) for each in children.values()
            ]
            assert len(left) == len(set(left))
        if is_complete(order, NOW, now=now, children=list(children.values())):
            assert due_slices(order, NOW, now=now, children=list(children.values())) == ()


@given(_ORDERS.filter(lambda order: order.intent is Intent.EXIT), st.lists(st.integers(1, 40)))
def test_an_exit_is_closed_in_full_whatever_pauses_it(order, pauses):
    children, seconds = [], 0
    for pause in [*pauses[:50], *[10] * 50]:
        now = NOW + timedelta(seconds=seconds)
        for each in due_slices(order, NOW, now=now, children=children):
            children.append(ChildView(each.number, S.FILLED, each.quantity, each.quantity, now))
        seconds += pause
    assert sum(each.filled_quantity for each in children) == order.quantity
