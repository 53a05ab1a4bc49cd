"""What a look at the broker says: believed when seen twice, and a second pass says nothing more."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.broker import BrokerPosition
from services.domain.comparison import compare, judged
from services.domain.orders import client_order_id_for, has_our_form
from services.execution.reconcile import adoptable, cash_base, cash_judged, told, told_since
from tests.support.builders import NOW, make_execution, make_instrument, make_position

SETTLE = timedelta(seconds=3)
SYMBOLS = ("AAPL", "IBM", "MSFT")


def theirs(**quantities):
    return [
        BrokerPosition(
            instrument=make_instrument(symbol), quantity=quantity, average_price=Decimal(1)
        )
        for symbol, quantity in quantities.items()
    ]


def look(before, broker, books, *, at=0, moving=()):
    now = NOW + timedelta(seconds=at)
    found = compare(theirs(**broker), [make_position(q, "1", s) for s, q in books.items()], now)
    return judged(before, found, moving=moving, now=now, settle=SETTLE)


def shown(differences):
    return [(each.instrument.symbol, each.gap, each.confirmed) for each in differences]


def test_all_strategies_together_are_compared():
    ours = [
        make_position("10", "1"),
        make_position("-4", "1", strategy_id="other"),
        make_position("2", "1", strategy_id="UNATTRIBUTED"),
    ]
    assert compare(theirs(AAPL=8), ours, NOW) == []
    (found,) = compare(theirs(AAPL=9), ours, NOW)
    assert (found.broker, found.books) == (9, 8)


def test_what_only_one_of_both_has_differs():
    assert [
        (each.broker, each.books) for each in compare(theirs(IBM=3), [make_position("2")], NOW)
    ] == [
        (0, 2),
        (3, 0),
    ]


def test_a_gap_is_confirmed_when_it_stays_the_same_for_long_enough():
    first = look([], {"AAPL": 5}, {})
    assert shown(look(first, {"AAPL": 5}, {}, at=2)) == [("AAPL", 5, False)]
    assert shown(look(first, {"AAPL": 5}, {}, at=3)) == [("AAPL", 5, True)]
    # Both moved by the same: the gap is the same.
    assert shown(look(first, {"AAPL": 9}, {"AAPL": 4}, at=3)) == [("AAPL", 5, True)]


def test_a_gap_that_changes_is_looked_at_anew_unless_it_was_confirmed():
    first = look([], {"AAPL": 5}, {})
    changed = look(first, {"AAPL": 6}, {}, at=3)
    assert shown(changed) == [("AAPL", 6, False)]
    assert shown(look(changed, {"AAPL": 6}, {}, at=5)) == [("AAPL", 6, False)]
    confirmed = look(changed, {"AAPL": 6}, {}, at=6)
    assert shown(look(confirmed, {"AAPL": 7}, {}, at=7)) == [("AAPL", 7, True)]
    assert look(confirmed, {"AAPL": 7}, {"AAPL": 7}, at=8) == []


def test_what_was_traded_meanwhile_is_as_it_was_known():
    first = look([], {"AAPL": 5}, {})
    moving = {make_instrument().key}
    assert look(first, {"AAPL": 9}, {}, at=9, moving=moving) == first
    assert look([], {"AAPL": 9}, {}, at=9, moving=moving) == []


quantities = st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-5, 5).filter(bool))


@given(one=quantities, two=quantities, broker=quantities, books=quantities, at=st.integers(0, 9))
def test_a_second_pass_over_the_same_look_changes_nothing(one, two, broker, books, at):
    before = look([], one, two)
    after = look(before, broker, books, at=at)
    assert look(after, broker, books, at=at) == after


def test_executions_are_told_apart():
    known, stray = client_order_id_for("a", 0, "A", 1), client_order_id_for("b", 0, "A", 1)
    fills = [
        make_execution(execution_id=name).model_copy(update={"client_order_id": order_id})
        for name, order_id in (("X1", known), ("X2", ""), ("X3", "by hand"), ("X4", stray))
    ]
    found = told(fills, {known})
    assert [each.execution_id for each in found.ours[known]] == ["X1"]
    assert [each.execution_id for each in found.foreign] == ["X2", "X3", "X4"]
    assert [each.execution_id for each in found.strays] == ["X4"]


@pytest.mark.parametrize(
    ("order_id", "is_ours"),
    [
        (client_order_id_for("s", 0, "A", 1), True),
        ("", False),
        ("MT", False),
        ("MT" + "A" * 17 + "1", False),  # 1 is no letter of ours
        ("xMT" + "A" * 18, False),
        ("MT" + "A" * 18 + "\n", False),
    ],
)
def test_the_form_of_our_ids(order_id, is_ours):
    assert has_our_form(order_id) is is_ours


def test_what_a_later_answer_tells_anew():
    one, two = make_execution(execution_id="X1"), make_execution(execution_id="X2")
    again = one.model_copy(update={"revision": 1})
    assert told_since([one], [one]) == []
    assert told_since([one], [two]) == [two]
    assert told_since([one], [one, again]) == [again]


def cash(before, broker, flows, *, at=0, base=None):
    base = base or cash_base("USD", Decimal(1000), {}, NOW)
    now = NOW + timedelta(seconds=at)
    flows = {name: Decimal(amount) for name, amount in flows.items()}
    return cash_judged(base, before, broker=Decimal(broker), flows=flows, now=now, settle=SETTLE)


def test_cash_is_what_was_there_and_what_fills_have_moved():
    same = cash(None, "874.95", {"USD": "-125.05"})
    assert (same.expected, same.gap, same.since) == (Decimal("874.95"), 0, None)
    gap = cash(None, "900", {})
    assert (gap.gap, gap.confirmed) == (-100, False)
    assert cash(gap, "900", {}, at=3).confirmed
    assert not cash(gap, "901", {}, at=3).confirmed
    # 1,000 was there when fills had moved −200 and EUR 5 already
    base = cash_base("USD", Decimal(1000), {"USD": Decimal(-200), "EUR": Decimal(5)}, NOW)
    assert cash(None, "990", {"USD": "-210", "EUR": "5"}, base=base).gap == 0


def test_less_than_a_cent_is_no_difference():
    assert cash(None, "1000.009", {}).since is None
    assert cash(None, "999.99", {}).since == NOW


def test_cash_is_not_compared_where_other_currencies_moved():
    found = cash(None, "1000", {"EUR": "-5"})
    assert (found.expected, found.gap) == (None, 0)
    assert "EUR" in found.note


@pytest.mark.parametrize(
    ("gap", "quantity", "may"),
    [("100", "100", True), ("100", "40", True), ("100", "101", False), ("100", "-1", False),
     ("-5", "-5", True), ("0", "1", False)],
)  # fmt: skip
def test_only_what_brings_books_and_broker_together_is_adopted(gap, quantity, may):
    assert adoptable(Decimal(gap), Decimal(quantity)) is may
