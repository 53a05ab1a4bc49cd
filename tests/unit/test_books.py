"""Books: fills make positions and P&L, and what they make always adds up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.books import Fill, Position, apply_execution, is_behind, opening_of, rebuilt
from services.domain.words import InstrumentType, Side
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_execution,
    make_instrument,
    make_order,
    make_position,
)

BUY, SELL = Side.BUY, Side.SELL


def book(*fills, multiplier="1"):
    """Position after (side, quantity, price) fills."""
    instrument = make_instrument(multiplier=Decimal(multiplier))
    position = Position(strategy_id=STRATEGY, account_id=ACCOUNT, instrument=instrument)
    for side, quantity, price in fills:
        position = apply_execution(
            position,
            make_execution(str(quantity), str(price), side=side, commission=Decimal("1")),
        )
    return position


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "pnl"),
    [
        ([(BUY, 10, 100)], 10, 100, 0),
        ([(BUY, 10, 100), (BUY, 30, 104)], 40, 103, 0),  # (1,000 + 3,120) / 40
        ([(BUY, 10, 100), (SELL, 4, 110)], 6, 100, 40),
        ([(BUY, 10, 100), (SELL, 10, 90)], 0, 0, -100),
        ([(SELL, 10, 100), (BUY, 10, 90)], 0, 0, 100),  # a short gains when the price falls
        ([(SELL, 10, 100), (BUY, 4, 105)], -6, 100, -20),
        ([(BUY, 10, 100), (SELL, 15, 110)], -5, 110, 100),  # closed 10, opened a short of 5
    ],
)
def test_positions_and_profit(fills, quantity, average, pnl):
    after = book(*fills)
    assert (after.quantity, after.average_price, after.realized_pnl) == (quantity, average, pnl)
    assert after.commissions == len(fills)


def test_the_multiplier_counts():
    assert book((BUY, 1, 4029), (SELL, 1, 4041), multiplier="100").realized_pnl == 1200


def test_deployed_is_money():
    position = Position(
        strategy_id=STRATEGY,
        account_id=ACCOUNT,
        instrument=make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100)),
        quantity=Decimal(-2),
        average_price=Decimal(4000),
    )
    assert position.deployed == 800_000
    assert position.closing_side is BUY


fills = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 50), st.integers(1, 500)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(fills=fills, mark=st.integers(1, 500))
def test_realized_and_unrealized_are_cash_flow_and_market_value(fills, mark):
    after = book(*fills)
    signed = sum(side.sign * quantity for side, quantity, _ in fills)
    cash = -sum(side.sign * quantity * price for side, quantity, price in fills)
    assert after.quantity == signed
    unrealized = (mark - after.average_price) * after.quantity
    total = after.realized_pnl + unrealized
    assert abs(total - (cash + signed * mark)) < Decimal("1e-15")


def test_an_order_of_fills_changes_nothing_about_the_quantity():
    one = book((BUY, 10, 100), (SELL, 3, 120), (BUY, 5, 90))
    two = book((BUY, 5, 90), (BUY, 10, 100), (SELL, 3, 120))
    assert one.quantity == two.quantity == 12


def test_executions_name_their_order():
    order = make_order()
    assert make_execution(order=order).client_order_id == order.client_order_id


FLAT = make_position("0", "0")


def at(seconds, side, quantity, price, name):
    order = make_order("100", side=side, signal_id=f"sig_{side}", sender_quantity=Decimal(50))
    moment = NOW + timedelta(seconds=seconds)
    told = make_execution(
        str(quantity), str(price), side=side, execution_id=name, order=order, occurred_at=moment
    )
    return Fill(told, order)


@st.composite
def shuffled(draw):
    """Fills, each with its own id, and the same in another order."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.sampled_from([BUY, SELL]),
                st.integers(1, 50),
                st.integers(1, 500),
            ),
            min_size=1,
            max_size=10,
        )
    )
    told = [at(*row, name=f"X{number}") for number, row in enumerate(rows)]
    return told, draw(st.permutations(told))


@settings(max_examples=200, deadline=None)
@given(pair=shuffled())
def test_a_book_is_the_same_in_whatever_order_its_fills_come(pair):
    one, two = pair
    assert rebuilt(FLAT, one) == rebuilt(FLAT, two)


@settings(max_examples=200, deadline=None)
@given(pair=shuffled(), cut=st.integers(0, 10))
def test_what_was_before_some_fills_is_found_again(pair, cut):
    told = sorted(
        pair[0], key=lambda fill: (fill.execution.occurred_at, fill.execution.execution_id)
    )
    first, last = told[:cut], told[cut:]
    before, _ = rebuilt(FLAT, first)
    after, steps = rebuilt(before, last)
    opening = opening_of(after, last, steps)
    assert (opening.quantity, opening.commissions) == (before.quantity, before.commissions)
    assert abs(opening.realized_pnl - before.realized_pnl) < Decimal("1e-15")


def test_a_fill_is_behind_what_happened_before_it_only():
    position, _ = rebuilt(FLAT, [at(5, BUY, 1, 100, "X9")])
    assert is_behind(position, at(4, BUY, 1, 100, "X99").execution)
    assert is_behind(position, at(5, BUY, 1, 100, "X8").execution)
    assert not is_behind(position, at(5, BUY, 1, 100, "X10").execution)  # the tenth comes later


@pytest.mark.parametrize(
    ("quantity", "average", "price", "pnl"),
    [("10", "100", "103.5", "35.0"), ("-10", "100", "103.5", "-35.0"), ("0", "0", "103.5", "0")],
)
def test_unrealized_profit_is_signed_like_the_position(quantity, average, price, pnl):
    assert make_position(quantity, average).unrealized_pnl(Decimal(price)) == Decimal(pnl)
    contract = make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100))
    future = make_position(quantity, average, instrument=contract)
    assert future.unrealized_pnl(Decimal(price)) == 100 * Decimal(pnl)


def test_a_fill_of_no_order_leaves_the_lots_of_others_and_closes_the_oldest():
    position, _ = rebuilt(FLAT, [at(0, BUY, 10, 100, "X1")])
    position = apply_execution(position, make_execution("5"))
    assert [(lot.entry_signal_id, lot.quantity) for lot in position.all_lots] == [
        (None, 5),
        ("sig_BUY", 10),
    ]
    position = apply_execution(position, make_execution("7", side=SELL))
    assert [(lot.entry_signal_id, lot.quantity) for lot in position.all_lots] == [("sig_BUY", 8)]
