"""The mock broker's market: what fills, at what price, and what it refuses."""

from decimal import Decimal

import pytest

from brokers.mock.matching import (
    Holding,
    available_funds,
    commission,
    fill_price,
    margin_change,
    may_rest,
    pair_rates,
    refusal,
)
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce
from tests.support.builders import make_instrument, make_order, make_position, make_preview_leg

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


def test_a_preview_nets_the_legs_with_what_is_held():
    coin = make_instrument("BTC", InstrumentType.CRYPTO)
    legs = [make_preview_leg("30", Side.SELL), make_preview_leg("2", instrument=coin)]
    held = {make_instrument().key: Decimal(10)}
    prices = {make_instrument().key: Decimal(100), coin.key: Decimal(1000)}
    # |10 − 30| × 100 × 50 % − 10 × 100 × 50 % + 2 × 1,000; half of it to maintain
    assert margin_change(legs, held, prices) == (Decimal(2500), Decimal(1250))


def test_a_pair_gives_a_rate_either_way_round_and_the_direct_one_first():
    prices = {"FOREX:EURUSD:USD": Decimal("1.08"), "FOREX:USDEUR:EUR": Decimal(2)}
    prices["FOREX:USDJPY:JPY"] = Decimal(160)
    assert pair_rates("USD", prices.get) == {"EUR": Decimal("1.08"), "JPY": Decimal("0.00625")}
