"""The mock broker's clearing house: margin, commissions, rates."""

from decimal import Decimal

from brokers.mock.margin import (
    Holding,
    available_funds,
    commission,
    margin_change,
    needed_for,
    pair_rates,
    short_of_funds,
)
from services.domain.words import InstrumentType, Side
from tests.support.builders import make_instrument, make_position, make_preview_leg

FEE = Decimal(1)


def test_commission_has_a_minimum():
    assert commission(Decimal(10), per_unit=Decimal("0.005"), minimum=FEE) == 1
    assert commission(Decimal(1000), per_unit=Decimal("0.005"), minimum=FEE) == 5


def test_margin_is_half_of_the_notional_and_the_fee():
    # 10 × 150 × 50 % + 1 = 751
    needed = needed_for(make_preview_leg("10"), Decimal(150), held=Decimal(0), fee=FEE)
    assert needed == 751
    assert short_of_funds(needed, Decimal(751)) is None
    assert short_of_funds(needed, Decimal("750.99")).code == "INSUFFICIENT_FUNDS"


def test_what_reduces_a_position_needs_nothing():
    sell = make_preview_leg("10", Side.SELL)
    assert needed_for(sell, Decimal(150), held=Decimal(10), fee=FEE) == 0
    # a flip from 10 long to 15 short: 5 more × 150 × 50 % + 1
    sell = make_preview_leg("25", Side.SELL)
    assert needed_for(sell, Decimal(150), held=Decimal(10), fee=FEE) == 376


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
