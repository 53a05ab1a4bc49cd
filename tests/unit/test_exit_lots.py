"""Partial exits: what the sender closes of theirs is what goes of ours, never more than is held."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.decision.decide import decide
from services.domain.books import Position, apply_execution
from services.domain.signals import PreviousPosition
from services.domain.words import Intent, Outcome, QuantityUnit, Side
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_account,
    make_account_context,
    make_context,
    make_execution,
    make_instrument,
    make_leg,
    make_lot,
    make_order,
    make_position,
    make_reservation,
    make_signal,
)


def leave(quantity, *, intent=Intent.EXIT, side=Side.SELL, unit=QuantityUnit.UNITS, **fields):
    leg = make_leg(side=side, quantity=quantity or "1", quantity_unit=unit)
    if quantity is None:
        leg = leg.model_copy(update={"quantity": None})
    return make_signal(leg, intent=intent, **fields)


def percent(number, **fields):
    return leave(str(Decimal(number) / 100), unit=QuantityUnit.POSITION_FRACTION, **fields)


def holding(*lots, reservations=(), **fields):
    quantity = sum(lot.quantity for lot in lots)
    return make_account_context(
        positions=(make_position(str(quantity), lots=lots),), reservations=reservations, **fields
    )


def closed(signal, account, **fields):
    """What the one order of an exit closes; the code where there is none."""
    decision = decide(signal, make_context(account, **fields))
    return decision.orders[0].quantity if decision.orders else decision.code


THREE = (make_lot("a", "3", "10"), make_lot("b", "2", "7"), make_lot("c", "4", "13"))


def test_a_partial_exit_closes_ours_in_proportion_the_oldest_first():
    # 12 of theirs are 10 of a (all 3 of ours) and 2 of 7 of b (2 × 2 / 7 = 0.57 → 0): 3
    assert closed(leave("12"), holding(*THREE)) == 3
    # 20: 3 + 2 + 4 × 3 / 13 = 5.92 → 5
    assert closed(leave("20", intent=Intent.SCALE_OUT), holding(*THREE)) == 5


def test_an_order_says_what_it_closes_of_the_sender():
    (order,) = decide(leave("20"), make_context(holding(*THREE))).orders
    assert (order.sender_quantity, order.sender_unit) == (Decimal(20), QuantityUnit.UNITS)


def test_exits_of_everything_the_sender_has_leave_nothing_whatever_our_sizes():
    # The sender enters 10, 7, 13 and leaves 5, 15, 10; we hold 3, 2, 4.
    position = make_position("9", lots=THREE)
    for number, quantity in enumerate(["5", "15", "10"]):
        signal = leave(quantity, signal_id=f"x{number}")
        context = make_context(make_account_context(positions=(position,)))
        (order,) = decide(signal, context).orders
        execution = make_execution(str(order.quantity), side=order.side, order=order)
        position = apply_execution(position, execution, order)
    assert position.quantity == 0


def test_thirds_do_not_leave_dust():
    # 10 × ⅓ of a lot of 30 is 9.999… by division; it is 10
    third = make_lot("a", "30", Decimal(10) / 3 * 3)
    assert closed(leave(str(Decimal(10) / 3)), holding(third)) == 10


def test_more_than_is_open_closes_what_is_open_and_says_so():
    decision = decide(leave("40"), make_context(holding(*THREE)))
    assert (decision.outcome, decision.orders[0].quantity) == (Outcome.APPROVED, 9)
    assert "10 more than they have open" in decision.steps[-1].sentence


def test_an_exit_by_reference_is_measured_against_that_entry():
    # 5 of its 13: 4 × 5 / 13 = 1.54 → 1
    signal = leave("5", entry_reference="c")
    assert closed(signal, holding(*THREE), entry_found=True, entry_signal_id="c") == 1
    signal = leave("13", entry_reference="c")
    assert closed(signal, holding(*THREE), entry_found=True, entry_signal_id="c") == 4


def test_an_entry_that_is_closed_is_not_closed_from_another():
    signal = leave(None, entry_reference="d")
    account = holding(*THREE)
    assert closed(signal, account, entry_found=True, entry_signal_id="d") == "ALREADY_CLOSED"


def test_an_exit_under_way_takes_from_the_entry_it_names():
    closing = make_reservation(
        quantity="4", closing_quantity=Decimal(4), entry_signal_id="c", sender_quantity=Decimal(13)
    )
    account = holding(*THREE, reservations=(closing,))
    assert closed(leave(None), account) == 5
    of_c = {"entry_found": True, "entry_signal_id": "c"}
    assert closed(leave(None, entry_reference="c"), account, **of_c) == "ALREADY_CLOSED"
    of_a = {"entry_found": True, "entry_signal_id": "a"}
    assert closed(leave(None, entry_reference="a"), account, **of_a) == 3


def test_an_exit_under_way_counts_in_the_senders_units_too():
    # They have 30 open and are closing 5 with 1 of ours; 25 more is all they have: 8
    closing = make_reservation(closing_quantity=Decimal(1), sender_quantity=Decimal(5))
    assert closed(leave("25"), holding(*THREE, reservations=(closing,))) == 8


@pytest.mark.parametrize(("number", "quantity"), [(50, 4), (100, 9), ("12", 1)])
def test_a_percentage_is_of_what_is_held(number, quantity):
    # 50 % of 9 = 4.5 → 4; 12 % = 1.08 → 1
    assert closed(percent(number, intent=Intent.SCALE_OUT), holding(*THREE)) == quantity


def test_a_percentage_by_reference_is_of_that_entry():
    signal = percent(50, entry_reference="c")
    assert closed(signal, holding(*THREE), entry_found=True, entry_signal_id="c") == 2


def test_a_part_below_one_lot_is_denied_by_name():
    assert closed(percent(10), holding(*THREE)) == "QUANTITY_BELOW_LOT"
    assert closed(leave("1"), holding(*THREE)) == "QUANTITY_BELOW_LOT"


def test_the_last_part_takes_all_even_below_one_lot():
    # 0.5 of theirs is all they have; 1 of ours goes
    assert closed(leave("0.5"), holding(make_lot("a", "1", "0.5"))) == 1


def test_what_closes_all_that_the_sender_says_they_held_closes_all_of_ours():
    before = PreviousPosition(sign=1, size=Decimal(4))
    assert closed(leave("4", previous_position=before), holding(*THREE)) == 9


def test_fractions_of_equity_are_measured_the_same_way():
    unit = QuantityUnit.EQUITY_FRACTION
    lot = make_lot("a", "100", "0.2", sender_unit=unit)
    # half of 0.2
    assert closed(leave("0.1", unit=unit), holding(lot)) == 50


def test_an_exit_whose_unit_is_not_the_entrys_closes_all():
    assert closed(leave("0.1", unit=QuantityUnit.EQUITY_FRACTION), holding(*THREE)) == 9


def test_two_legs_of_one_exit_close_nothing_twice():
    legs = [make_leg(side=Side.SELL, quantity="20", leg_index=index) for index in (0, 1)]
    signal = make_signal(*legs, intent=Intent.EXIT)
    decision = decide(signal, make_context(holding(*THREE)))
    # 20 of 30: 5.92 → 5; then 20 is more than the 10 that are left: 4
    assert [order.quantity for order in decision.orders] == [5, 4]


def test_an_exit_never_touches_what_another_strategy_holds():
    theirs = make_position("7", strategy_id="other", lots=(make_lot("x", "7"),))
    mine = make_position("9", lots=THREE)
    account = make_account_context(positions=(theirs, mine))
    (order,) = decide(leave(None), make_context(account)).orders
    assert (order.strategy_id, order.quantity) == (STRATEGY, 9)
    assert closed(leave(None), make_account_context(positions=(theirs,))) == "NO_POSITION"


def test_every_account_closes_by_its_own_lots():
    accounts = [
        make_account_context(
            make_account(account_id=name),
            positions=(
                make_position(quantity, account_id=name, lots=(make_lot("a", quantity, "10"),)),
            ),
        )
        for name, quantity in (("one", "4"), ("two", "20"))
    ]
    decision = decide(leave("5"), make_context(*accounts))
    assert [(each.account_id, each.quantity) for each in decision.orders] == [
        ("one", 2),
        ("two", 10),
    ]


def test_a_stored_decision_is_repeated_from_the_stored_signal():
    signal = leave("5", entry_reference="$PREVIOUS")
    context = make_context(holding(*THREE), entry_found=True, entry_signal_id="c")
    decision = decide(signal, context)
    stored = type(context).model_validate_json(context.model_dump_json())
    assert decide(signal, stored) == decision


lots = st.lists(
    st.tuples(st.integers(1, 40), st.one_of(st.none(), st.decimals("0.1", "90", places=1))),
    min_size=1,
    max_size=4,
)
exits = st.lists(
    st.tuples(
        st.one_of(st.none(), st.decimals("0.1", "90", places=1)),
        st.sampled_from([Intent.EXIT, Intent.SCALE_OUT]),
        st.sampled_from([None, "0", "1", "2"]),
        st.sampled_from(list(QuantityUnit)),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(lots=lots, exits=exits, short=st.booleans())
def test_exits_never_close_more_than_is_held_and_never_flip(lots, exits, short):
    sign, side = (-1, Side.BUY) if short else (1, Side.SELL)
    opening = side.opposite
    position = Position(strategy_id=STRATEGY, account_id=ACCOUNT, instrument=make_instrument())
    for number, (quantity, sender) in enumerate(lots):
        order = make_order(
            str(quantity), side=opening, signal_id=str(number), sender_quantity=sender
        )
        fill = make_execution(str(quantity), side=opening, order=order)
        position = apply_execution(position, fill, order)
    reservations = []
    for number, (quantity, intent, entry, unit) in enumerate(exits):
        signal = leave(
            quantity and str(quantity),
            intent=intent,
            side=side,
            unit=unit,
            signal_id=f"x{number}",
            entry_reference=entry,
        )
        account = make_account_context(positions=(position,), reservations=tuple(reservations))
        found = None if entry is None else True
        decision = decide(signal, make_context(account, entry_found=found, entry_signal_id=entry))
        reservations += decision.reservations
        for order in decision.orders:
            if number % 2:  # every other one fills at once, the rest stay under way
                reservations.pop()
                fill = make_execution(str(order.quantity), side=order.side, order=order)
                position = apply_execution(position, fill, order)
        closing = sum(each.closing_quantity for each in reservations)
        assert position.quantity * sign >= closing
        assert all(order.quantity % 1 == 0 for order in decision.orders)
    assert decision.decided_at == NOW
