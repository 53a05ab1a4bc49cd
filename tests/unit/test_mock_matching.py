"""The mock broker's market: what fills, at what price, and what it refuses."""

from decimal import Decimal

import pytest

from brokers.mock.matching import (
    Holding,
    available_funds,
    commission,
    fill_price,
    may_rest,
    refusal,
)
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce
from tests.support.builders import make_instrument, make_order, make_position

RICH = Decimal(10**9)
FEE = Decimal(1)


def limit(price, side=Side.BUY, **fields):
    return make_order(
        "10", side=side, order_type=OrderType.LIMIT, limit_price=Decimal(price), **fields
    )


@pytest.mark.parametrize(
    ("order", "market", "price"),
    [
        (make_order(), None, 150),  # nobody set a price: where the sender saw it
        (make_order(), Decimal(152), 152),
        (limit(149), Decimal(150), None),
        (limit(149), Decimal(148), 148),  # better than asked
        (limit(151, Side.SELL), Decimal(150), None),
        (limit(151, Side.SELL), Decimal(152), 152),
        (limit(149), None, None),
    ],
)
def test_fill_prices(order, market, price):
    assert fill_price(order, market) == price


def test_immediate_orders_do_not_rest():
    assert may_rest(limit(149))
    assert not may_rest(limit(149, time_in_force=TimeInForce.IOC))
    assert not may_rest(make_order())


def test_commission_has_a_minimum():
    assert commission(Decimal(10), per_unit=Decimal("0.005"), minimum=FEE) == 1
    assert commission(Decimal(1000), per_unit=Decimal("0.005"), minimum=FEE) == 5


def test_a_stop_is_refused_not_turned_into_a_market_order():
    stop = make_order(order_type=OrderType.STOP, stop_price=Decimal(140))
    assert refusal(stop, Decimal(150), Decimal(0), RICH, FEE).code == "UNSUPPORTED_ORDER_TYPE"


def test_part_of_a_lot_is_refused():
    assert refusal(make_order("0.5"), Decimal(150), Decimal(0), RICH, FEE).code == "BAD_QUANTITY"


def test_margin_is_half_of_the_notional_and_the_fee():
    # 10 × 150 × 50 % + 1 = 751
    order = make_order("10")
    assert refusal(order, Decimal(150), Decimal(0), Decimal(751), FEE) is None
    short = refusal(order, Decimal(150), Decimal(0), Decimal("750.99"), FEE)
    assert short.code == "INSUFFICIENT_FUNDS"


def test_what_reduces_a_position_always_passes():
    sell = make_order("10", side=Side.SELL)
    assert refusal(sell, Decimal(150), Decimal(10), Decimal(-5), FEE) is None


def test_available_funds_are_equity_less_margin():
    stock = Holding(make_position("10", "150"), Decimal(160))
    coin = make_instrument("BTC", InstrumentType.CRYPTO)
    crypto = Holding(make_position("1", "900", instrument=coin), Decimal(1000))
    # cash 100 + 1,600 + 1,000 − 800 − 1,000
    assert available_funds(Decimal(100), [stock, crypto]) == 900
