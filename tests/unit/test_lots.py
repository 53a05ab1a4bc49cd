"""Lots: of which entries a position is made, in our units and in the sender's."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.domain.books import apply_execution
from services.domain.lots import Lot, closed, share_of, total
from services.domain.words import Intent, QuantityUnit, Side
from tests.support.builders import make_execution, make_order, make_position

UNITS = QuantityUnit.UNITS
FLAT = make_position("0", "0")


def filled(position, quantity, side=Side.BUY, order_quantity=None, **order):
    """One fill of an order."""
    intent = Intent.ENTRY if side is Side.BUY else Intent.EXIT
    order = make_order(order_quantity or quantity, side=side, intent=intent, **order)
    return apply_execution(position, make_execution(quantity, side=side, order=order), order)


def shown(position):
    return [(lot.entry_signal_id, lot.quantity, lot.sender_quantity) for lot in position.lots]


def ladder():
    """Entries of 10, 7 and 13 of the sender, which are 17, 12 and 23 of ours."""
    position = FLAT
    for name, ours, theirs in (("a", "17", 10), ("b", "12", 7), ("c", "23", 13)):
        position = filled(position, ours, signal_id=name, sender_quantity=theirs)
    return position


def test_each_entry_has_its_lot_and_partial_fills_grow_it():
    position = filled(FLAT, "8", order_quantity="17", signal_id="a", sender_quantity=10)
    position = filled(position, "9", order_quantity="17", signal_id="a", sender_quantity=10)
    ((name, ours, theirs),) = shown(position)
    assert (name, ours) == ("a", 17)
    assert abs(theirs - 10) < Decimal("1E-20")


def test_an_exit_takes_the_oldest_first_and_a_named_entry_before_it():
    position = filled(ladder(), "20", Side.SELL, signal_id="x")
    assert [name for name, *_ in shown(position)] == ["b", "c"]
    assert position.lots[0].quantity == 9
    position = filled(ladder(), "20", Side.SELL, signal_id="x", entry_signal_id="c")
    assert [(lot.entry_signal_id, lot.quantity) for lot in position.lots] == [
        ("a", 17),
        ("b", 12),
        ("c", 3),
    ]


def test_exits_of_5_15_and_10_close_entries_of_10_7_and_13_to_the_last_share():
    position = ladder()
    for asked in (5, 15, 10):
        exact, everything = share_of(position.lots, Decimal(asked), UNITS)
        quantity = abs(position.quantity) if everything else exact // 1
        fill = {"signal_id": f"x{asked}", "sender_quantity": asked}
        position = filled(position, str(quantity), Side.SELL, **fill)
    assert (position.quantity, position.lots) == (0, ())


def test_a_position_that_turns_around_is_one_lot_of_what_turned_it():
    position = filled(ladder(), "60", Side.SELL, signal_id="turn", sender_quantity=30)
    assert position.quantity == -8
    ((name, ours, theirs),) = shown(position)
    assert (name, ours) == ("turn", 8)
    assert theirs == 4  # 30 × 8 / 60


def test_a_position_from_before_lots_closes_its_unknown_part_first():
    old = make_position("10")
    position = filled(old, "5", signal_id="a", sender_quantity=3)
    assert [lot.entry_signal_id for lot in position.all_lots] == [None, "a"]
    assert shown(filled(position, "10", Side.SELL, signal_id="x")) == [("a", 5, 3)]


def test_without_orders_no_lots_are_kept():
    assert apply_execution(FLAT, make_execution("5")).lots == ()


steps = st.lists(
    st.tuples(st.booleans(), st.integers(1, 50), st.sampled_from("abc"), st.integers(1, 30)),
    min_size=1,
    max_size=25,
)


@given(steps=steps)
def test_lots_always_sum_up_to_the_position(steps):
    position = FLAT
    for number, (buys, quantity, name, theirs) in enumerate(steps):
        side = Side.BUY if buys else Side.SELL
        reference = {"entry_signal_id": name} if number % 2 else {}
        position = filled(
            position,
            str(quantity),
            side,
            signal_id=f"{name}{number % 5}",
            sender_quantity=theirs,
            **reference,
        )
        assert abs(total(position.lots) - abs(position.quantity)) < Decimal("1E-15")
        assert all(lot.sender_quantity is None or lot.sender_quantity > 0 for lot in position.lots)


@given(
    lots=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 40)), min_size=1, max_size=6),
    asked=st.decimals("0.1", "300", places=1),
)
def test_a_share_is_never_more_than_there_is_and_grows_with_what_is_asked(lots, asked):
    made = [
        Lot(entry_signal_id=str(number), quantity=ours, sender_quantity=theirs)
        for number, (ours, theirs) in enumerate(lots)
    ]
    quantity, everything = share_of(made, asked, UNITS)
    assert 0 < quantity <= total(made)
    assert everything is (asked >= sum(theirs for _, theirs in lots))
    more, _ = share_of(made, asked * 2, UNITS)
    assert more >= quantity


@given(quantity=st.integers(0, 300), theirs=st.none() | st.integers(0, 300))
def test_closing_takes_exactly_what_was_closed(quantity, theirs):
    lots = ladder().lots
    left = closed(
        lots,
        Decimal(quantity),
        entry_signal_id=None,
        sender_quantity=None if theirs is None else Decimal(theirs),
    )
    assert total(left) == max(Decimal(0), total(lots) - quantity)
