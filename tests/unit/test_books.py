"""Books: fills make positions and P&L, and what they make always adds up."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.books import Position, apply_execution
from services.domain.words import InstrumentType, Side
from tests.support.builders import ACCOUNT, STRATEGY, make_execution, make_instrument, make_order

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
