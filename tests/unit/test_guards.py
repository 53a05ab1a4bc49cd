from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.orders import child_order_id_for
from services.domain.values import ZERO
from services.domain.words import Intent, OrderRole, OrderStatus, OrderType, Side, TimeInForce
from services.execution.guards import (
    Closing,
    EntryView,
    GuardPlan,
    GuardView,
    Ways,
    first_guards,
    guard_order,
    guards_due,
    lasting,
    open_of,
)
from tests.support.builders import NOW, make_lot, make_order

S = OrderStatus
PLAIN, MODIFY = Ways(NOW), Ways(NOW, True)
STOP, TARGET = OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT


def entry_order(quantity="10", **fields):
    fields.setdefault("stop_loss", Decimal(140))
    fields.setdefault("take_profit", Decimal(170))
    return make_order(quantity, **fields)


def entry(filled="10", held=None, *, order=None, is_live=False, native=False):
    held = filled if held is None else held
    return EntryView(order or entry_order(), Decimal(filled), Decimal(held), is_live, native)


def guard(role=STOP, number=0, status=S.SUBMITTED, quantity="10", filled="0", **fields):
    return GuardView(role, number, status, Decimal(quantity), Decimal(filled), **fields)


def both(**fields):
    return [guard(STOP, **fields), guard(TARGET, **fields)]


def created(plan):
    return [(each.role, str(each.quantity)) for each in plan.create]


def changed(plan):
    return [(each.client_order_id, str(each.terms.quantity)) for each in plan.change]


def id_of(role, number=0):
    return child_order_id_for(entry_order().client_order_id, role, number)


def test_an_entry_that_has_not_filled_has_no_guards():
    assert guards_due(entry("0", is_live=True), [], PLAIN).is_done


def test_a_filled_entry_has_a_stop_and_a_limit_on_the_other_side_in_one_group():
    stop, target = guards_due(entry(), [], PLAIN).create
    parent = entry_order()
    assert (stop.role, stop.order_type, stop.stop_price) == (STOP, OrderType.STOP, Decimal(140))
    assert (target.role, target.order_type, target.limit_price) == (
        TARGET,
        OrderType.LIMIT,
        Decimal(170),
    )
    for each in (stop, target):
        assert (each.side, each.intent, each.quantity) == (Side.SELL, Intent.EXIT, Decimal(10))
        assert each.time_in_force is TimeInForce.GTC
        assert each.oco_group == each.parent_order_id == parent.client_order_id
        assert each.entry_signal_id == each.signal_id == parent.signal_id
        assert each.client_order_id == id_of(each.role)
        assert (each.stop_loss, each.take_profit, each.expires_at) == (None, None, None)
    assert (stop.limit_price, target.stop_price) == (None, None)


def test_a_short_entry_is_guarded_by_buying():
    order = entry_order(side=Side.SELL, stop_loss=Decimal(160), take_profit=Decimal(130))
    assert {each.side for each in guards_due(entry(order=order), [], PLAIN).create} == {Side.BUY}


def test_only_the_guard_that_was_asked_for_is_made():
    order = entry_order(take_profit=None)
    assert created(guards_due(entry(order=order), [], PLAIN)) == [(STOP, "10")]


def test_guards_grow_by_another_order_where_the_broker_changes_none():
    plan = guards_due(entry("7", is_live=True), both(quantity="4"), PLAIN)
    assert created(plan) == [(STOP, "3"), (TARGET, "3")]
    assert [each.client_order_id for each in plan.create] == [id_of(STOP, 1), id_of(TARGET, 1)]


def test_guards_grow_by_a_change_where_the_broker_can():
    # 4 ordered, 1 of it filled: 7 − 1 − 3 left = 3 more, so 7 in all.
    guards = [guard(STOP, quantity="4", status=S.PARTIALLY_FILLED, filled="1")]
    plan = guards_due(entry("7", held="6", is_live=True), guards, MODIFY)
    assert changed(plan) == [(id_of(STOP), "7")]
    assert created(plan) == [(TARGET, "6")]
    assert plan.change[0].terms.stop_price == 140


def test_a_guard_on_its_way_is_changed_when_it_is_there():
    for waiting in (
        guard(STOP, status=S.PENDING, quantity="4"),
        guard(STOP, quantity="4", asked_quantity=Decimal(5)),
    ):
        order = entry_order(take_profit=None)
        plan = guards_due(entry("7", order=order), [waiting], MODIFY)
        assert plan.is_done


def test_a_guard_that_the_broker_does_not_change_is_added_to_or_made_anew():
    fixed = [guard(STOP, quantity="4", is_fixed=True)]
    order = entry_order(take_profit=None)
    assert created(guards_due(entry("10", order=order), fixed, MODIFY)) == [(STOP, "6")]
    plan = guards_due(entry("10", held="2", order=order), fixed, MODIFY)
    assert (plan.cancel, plan.change) == ((id_of(STOP),), ())


def test_what_one_of_the_pair_has_filled_is_taken_off_the_other():
    guards = [guard(STOP), guard(TARGET, status=S.PARTIALLY_FILLED, filled="4")]
    plan = guards_due(entry("10", held="6"), guards, MODIFY)
    assert changed(plan) == [(id_of(STOP), "6")]
    assert (plan.create, plan.cancel) == ((), ())


def test_a_filled_guard_cancels_the_other():
    guards = [guard(STOP), guard(TARGET, status=S.FILLED, filled="10")]
    # The books may not know of the fill yet: held is still 10.
    for held in ("10", "0"):
        plan = guards_due(entry("10", held=held), guards, PLAIN)
        assert (plan.cancel, plan.create) == ((id_of(STOP),), ())


def test_a_position_closed_by_an_exit_cancels_both():
    assert guards_due(entry("10", held="0"), both(), PLAIN).cancel == (id_of(STOP), id_of(TARGET))


def test_without_changes_a_guard_is_canceled_and_made_anew_once_that_is_certain():
    guards = both()
    plan = guards_due(entry("10", held="4"), guards, PLAIN)
    assert plan.cancel == (id_of(STOP), id_of(TARGET))
    asked = [each._replace(cut=True) for each in guards]
    assert guards_due(entry("10", held="4"), asked, PLAIN).is_done
    ended = [each._replace(status=S.CANCELED) for each in asked]
    plan = guards_due(entry("10", held="4"), ended, PLAIN)
    assert created(plan) == [(STOP, "4"), (TARGET, "4")]
    assert plan.lost == ()


def test_the_newest_guard_goes_first():
    order = entry_order(take_profit=None)
    guards = [guard(number=0, quantity="6"), guard(number=1, quantity="4")]
    assert guards_due(entry("10", held="6", order=order), guards, PLAIN).cancel == (id_of(STOP, 1),)


def test_a_lost_guard_is_told_and_not_made_again():
    for status in (S.REJECTED, S.DENIED, S.CANCELED, S.EXPIRED):
        guards = [guard(STOP, status=status), guard(TARGET)]
        plan = guards_due(entry(), guards, PLAIN)
        assert plan.is_done
        assert plan.lost == (STOP,)


def test_what_was_lost_with_nothing_open_is_no_loss():
    guards = [guard(STOP, status=S.CANCELED), guard(TARGET, status=S.FILLED, filled="10")]
    assert guards_due(entry(held="0"), guards, PLAIN).lost == ()


def test_an_unknown_guard_counts_as_live():
    assert guards_due(entry(), both(status=S.UNKNOWN), PLAIN).is_done


def test_a_native_bracket_rests_for_what_has_not_filled_yet():
    assert [str(each.quantity) for each in first_guards(entry_order())] == ["10", "10"]
    assert guards_due(entry("0", is_live=True, native=True), both(), PLAIN).is_done
    assert guards_due(entry("4", is_live=True, native=True), both(), PLAIN).is_done
    assert guards_due(entry("0", is_live=True, native=True), [], PLAIN).is_done
    # The entry was canceled with 4 filled.
    plan = guards_due(entry("4", native=True), both(), MODIFY)
    assert changed(plan) == [(id_of(STOP), "4"), (id_of(TARGET), "4")]


@pytest.mark.parametrize(
    ("closings", "left"),
    [
        ([], 4),
        ([Closing(Decimal(6))], 4),  # the oldest entry goes first
        ([Closing(Decimal(7))], 3),
        ([Closing(Decimal(3), "sig_1")], 1),
        ([Closing(Decimal(6), "sig_0"), Closing(Decimal(9))], 0),
        ([Closing(Decimal(5), "sig_1")], 0),  # what it names is not enough: then the oldest
    ],
)
def test_an_exit_takes_from_the_entry_that_the_books_will_take_it_from(closings, left):
    lots = [make_lot("sig_0", "6"), make_lot("sig_1", "4")]
    assert open_of("sig_1", lots, closings) == left


def test_the_other_legs_prices_are_not_the_guards():
    order = entry_order(order_type=OrderType.STOP_LIMIT, limit_price="151", stop_price="150")
    stop = guard_order(order, STOP, 0, Decimal(1))
    assert (stop.stop_price, stop.limit_price) == (Decimal(140), None)


_QUANTITIES = st.integers(0, 20).map(Decimal)


@st.composite
def _guards(draw):
    found = []
    for role in (STOP, TARGET):
        for number in range(draw(st.integers(0, 3))):
            quantity = draw(st.integers(1, 20).map(Decimal))
            status = draw(st.sampled_from(list(S)))
            filled = quantity if status is S.FILLED else min(quantity, draw(_QUANTITIES))
            more = draw(st.none() | st.integers(1, 20))
            asked = None if more is None else filled + more
            found.append(
                GuardView(role, number, status, quantity, filled, asked, draw(st.booleans()))
            )
    return found


def _after(guards, plan):
    """The rows once a plan is stored: changes asked for, not answered."""
    made = {(each.role, each.number): each for each in guards}
    ids = {child_order_id_for(entry_order().client_order_id, *key): key for key in made}
    for each in plan.change:
        key = ids[each.client_order_id]
        made[key] = made[key]._replace(asked_quantity=each.terms.quantity)
    for order_id in plan.cancel:
        made[ids[order_id]] = made[ids[order_id]]._replace(cut=True)
    for order in plan.create:
        number = 1 + max((number for role, number in made if role is order.role), default=-1)
        assert order.client_order_id == id_of(order.role, number)
        made[order.role, number] = GuardView(order.role, number, S.PENDING, order.quantity)
    return list(made.values())


_ENTRIES = st.builds(
    lambda filled, held, live, native: EntryView(entry_order("20"), filled, held, live, native),
    _QUANTITIES,
    _QUANTITIES,
    st.booleans(),
    st.booleans(),
)


@given(_ENTRIES, _guards(), st.booleans())
def test_guards_never_exceed_what_is_open_and_a_second_look_finds_nothing(view, guards, modify):
    plan = guards_due(view, guards, Ways(NOW, modify))
    after = _after(guards, plan)
    guarded = sum((each.filled_quantity for each in guards), ZERO)
    open_ = max(ZERO, min(view.held_quantity, view.filled_quantity - guarded))
    most = open_
    if view.native and view.is_live:
        most += 20 - view.filled_quantity
    for role in (STOP, TARGET):
        live = [each for each in after if each.role is role and each.is_live]
        assert sum(each.leaves for each in live) <= most
        if any(each.role is role for each in plan.create):
            assert sum(each.most for each in live) <= open_
    assert guards_due(view, after, Ways(NOW, modify)).is_done


@given(_ENTRIES.filter(lambda view: not view.native), st.booleans())
def test_answered_plans_end_with_all_that_is_open_guarded(view, modify):
    guards = []
    for _ in range(4):
        guards = _after(guards, guards_due(view, guards, Ways(NOW, modify)))
        guards = [_answered(each) for each in guards]
    open_ = min(view.held_quantity, view.filled_quantity)
    for role in (STOP, TARGET):
        assert sum(each.leaves for each in guards if each.role is role and each.is_live) == open_


def _answered(each):
    if each.cut:
        return each._replace(status=S.CANCELED)
    quantity = each.quantity if each.asked_quantity is None else each.asked_quantity
    return each._replace(status=S.SUBMITTED, quantity=quantity, asked_quantity=None)


DAILY = Ways(NOW, time_in_force=TimeInForce.DAY)
EARLIER, LATER = NOW - timedelta(minutes=1), NOW + timedelta(hours=18)


def test_guards_live_as_long_as_the_broker_lets_them():
    assert lasting({TimeInForce.DAY, TimeInForce.GTC}) is TimeInForce.GTC
    assert lasting({TimeInForce.DAY, TimeInForce.IOC}) is TimeInForce.DAY
    made = guards_due(entry(), [], DAILY).create
    assert {each.time_in_force for each in made} == {TimeInForce.DAY}
    attached = first_guards(entry_order(), TimeInForce.DAY)
    assert {each.time_in_force for each in attached} == {TimeInForce.DAY}


@pytest.mark.parametrize("status", [S.EXPIRED, S.CANCELED])
def test_what_ended_with_its_day_waits_for_the_next_one_and_is_not_lost(status):
    plan = guards_due(entry(), both(status=status, again_at=LATER), DAILY)
    assert plan.is_done
    assert (plan.lost, plan.again_at) == ((), LATER)


def test_on_the_next_day_it_is_made_anew_for_what_is_still_held():
    ended = both(status=S.EXPIRED, again_at=EARLIER)
    plan = guards_due(entry(held="6"), ended, DAILY)
    assert created(plan) == [(STOP, "6"), (TARGET, "6")]
    assert {each.client_order_id for each in plan.create} == {id_of(STOP, 1), id_of(TARGET, 1)}
    assert (plan.lost, plan.again_at) == ((), None)
    assert guards_due(entry(held="0"), ended, DAILY) == GuardPlan()


def test_a_renewal_that_is_refused_is_told_and_tried_again_the_day_after():
    first = guard(status=S.EXPIRED, again_at=EARLIER)
    order = entry_order(take_profit=None)
    refused = [first, guard(number=1, status=S.REJECTED, again_at=LATER)]
    plan = guards_due(entry(order=order), refused, DAILY)
    assert (plan.create, plan.lost, plan.again_at) == ((), (STOP,), LATER)
    due = [first, guard(number=1, status=S.REJECTED, again_at=EARLIER)]
    assert [each.client_order_id for each in guards_due(entry(order=order), due, DAILY).create] == [
        id_of(STOP, 2)
    ]
    working = [*refused, guard(number=2)]
    assert guards_due(entry(order=order), working, DAILY) == GuardPlan()


def test_a_guard_that_a_person_has_canceled_stays_lost_beside_one_that_ended_with_its_day():
    ended = [guard(status=S.EXPIRED, again_at=EARLIER), guard(number=1, status=S.CANCELED)]
    plan = guards_due(entry(order=entry_order(take_profit=None)), ended, DAILY)
    assert (plan.create, plan.lost) == ((), (STOP,))
