"""Margin by asset class, against published and hand-computed values."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.margin import Line, MarginRules, MarginUnknown, added, requirement
from services.domain.instruments import Instrument
from services.domain.risk import FuturesMargin
from services.domain.words import InstrumentType, MarginModel
from tests.support.builders import make_instrument

RULES = MarginRules()
NEAR, FAR = date(2026, 12, 18), date(2027, 1, 15)


def line(quantity, price, instrument=None, fx_rate="1"):
    instrument = instrument or make_instrument()
    return Line(instrument, Decimal(quantity), Decimal(price), Decimal(fx_rate))


def option(quantity, strike, right, price="0", symbol="AAPL", expiry=NEAR):
    instrument = Instrument(
        instrument_type=InstrumentType.OPTION,
        symbol=symbol,
        strike=Decimal(strike),
        right=right,
        expiry=expiry,
        multiplier=Decimal(100),
    )
    return line(quantity, price, instrument)


def priced(price, symbol="AAPL"):
    return MarginRules(underlying_prices={symbol: Decimal(price)})


# Stocks


def test_a_long_stock_needs_half_to_open_and_a_quarter_to_keep():
    found = requirement([line(10, 150)], RULES)
    assert found[:3] == (750, 375, 1500)


@pytest.mark.parametrize(
    ("price", "keep"),
    [
        ("100", "300"),  # 30 %
        ("16.67", "50"),  # 5 dollars a share
        ("10", "50"),
        ("5", "50"),  # all of it
        ("3", "30"),
        ("2.5", "25"),  # 2.50 a share
        ("1", "25"),
    ],
)
def test_a_short_stock_is_kept_by_its_price(price, keep):
    found = requirement([line(-10, price)], RULES)
    assert found.maintenance == Decimal(keep)
    assert found.initial == max(Decimal(price) * 5, Decimal(keep))


def test_in_india_a_stock_is_paid_in_full_and_derivatives_are_the_brokers():
    india = MarginRules(model=MarginModel.INDIA)
    infy = make_instrument("INFY", currency="INR")
    assert requirement([line(1, 1498, infy)], india)[:3] == (1498, 1498, 1498)
    nifty = make_instrument("NIFTY", InstrumentType.FUTURE)
    with pytest.raises(MarginUnknown, match="NIFTY"):
        requirement([line(1, 25000, nifty)], india)


def test_portfolio_margin_is_regulation_t_at_most():
    found = requirement([line(10, 150)], MarginRules(model=MarginModel.PORTFOLIO))
    assert (found.initial, "at most" in found.sentence) == (750, True)


def test_another_currency_is_converted():
    assert requirement([line(10, 100, fx_rate="1.1")], RULES)[:3] == (550, 275, 1100)


# Futures, forex, crypto


def test_a_future_needs_an_amount_for_each_contract_whatever_its_notional():
    gold = make_instrument("GC", InstrumentType.FUTURE, multiplier=100)
    found = requirement([line(-5, 1800, gold)], RULES)
    assert found[:3] == (33_000, 30_000, 33_000)  # 5 × 6,600 and 5 × 6,000


def test_a_futures_figure_grows_with_the_price_and_never_shrinks():
    gold = make_instrument("GC", InstrumentType.FUTURE, multiplier=100)
    figures = FuturesMargin(
        symbol="GC", initial=6600, maintenance=6000, price=2000, as_on=NEAR, source="x"
    )
    rules = RULES.with_futures({"GC": figures})
    assert requirement([line(1, 4000, gold)], rules).initial == 13_200
    assert requirement([line(1, 1000, gold)], rules).initial == 6600


def test_a_future_that_nobody_knows_or_whose_figure_is_unreadable_is_unknown():
    copper = make_instrument("HG", InstrumentType.FUTURE, multiplier=25_000)
    gold = make_instrument("GC", InstrumentType.FUTURE, multiplier=100)
    with pytest.raises(MarginUnknown, match="HG"):
        requirement([line(1, 4, copper)], RULES)
    with pytest.raises(MarginUnknown, match="GC"):
        requirement([line(1, 1800, gold)], RULES.with_futures({"GC": None}))


@pytest.mark.parametrize(
    ("pair", "ratio"),
    [("EURUSD", "0.025"), ("AUDCAD", "0.025"), ("EURSEK", "0.0333"), ("USDMXN", "0.05")],
)
def test_forex_takes_the_larger_of_two_currencies(pair, ratio):
    instrument = make_instrument(pair, InstrumentType.FOREX, currency=pair[3:])
    found = requirement([line(-100_000, "1.1", instrument)], RULES)
    assert found.initial == found.capital == 110_000 * Decimal(ratio)


def test_a_currency_without_a_rate_is_unknown():
    lira = make_instrument("USDTRY", InstrumentType.FOREX, currency="TRY")
    with pytest.raises(MarginUnknown, match="TRY"):
        requirement([line(1000, 34, lira)], RULES)


def test_crypto_is_paid_in_full():
    bitcoin = make_instrument("BTC", InstrumentType.CRYPTO)
    assert requirement([line("0.5", 95_000, bitcoin)], RULES)[:3] == (47_500, 47_500, 47_500)


# Options


@pytest.mark.parametrize(
    ("symbol", "right", "strike", "premium", "price", "by_ib"),
    [
        # Interactive Brokers' values as LEAN's tests quote them
        ("X", "C", "300", "115.75", "415", 19_837),
        ("X", "P", "300", "0.45", "415", 3_044),
        ("X", "C", "390", "27.5", "415", 11_022),
        ("X", "P", "390", "1.85", "415", 6_042),
        ("X", "C", "430", "0.85", "415", 6_803),
        ("X", "P", "430", "16.8", "415", 9_929),
        ("SPX", "C", "3800", "750", "4550", 143_275),
        ("SPX", "P", "3800", "0.05", "4550", 38_000),
        ("SPX", "C", "5000", "0.05", "4550", 45_537),
        ("SPX", "P", "5000", "445", "4550", 112_876),
    ],
)
def test_uncovered_options_come_to_what_a_broker_asks(symbol, right, strike, premium, price, by_ib):
    sold = option(-1, strike, right, premium, symbol)
    found = requirement([sold], priced(price, symbol)).initial
    assert Decimal("-0.01") < found / by_ib - 1 < Decimal("0.013")


def test_an_uncovered_option_without_the_underlyings_price_is_unknown():
    with pytest.raises(MarginUnknown, match="price of AAPL"):
        requirement([option(-1, 100, "C", 5)], RULES)


def test_a_long_option_costs_its_premium():
    assert requirement([option(2, 100, "C", 5)], RULES)[:3] == (1000, 1000, 1000)


def test_a_debit_spread_costs_what_is_paid():
    legs = [option(1, 100, "C", 7), option(-1, 110, "C", 3)]
    assert requirement(legs, RULES).initial == 400


@pytest.mark.parametrize("right", ["C", "P"])
def test_a_credit_spread_risks_its_width(right):
    sold, bought = (100, 110) if right == "C" else (110, 100)
    legs = [option(-3, sold, right, 7), option(3, bought, right, 3)]
    assert requirement(legs, RULES).initial == 3000


def condor(*strikes, count=10):
    a, b, c, d = strikes
    return [
        option(count, a, "P", 1),
        option(-count, b, "P", 2),
        option(-count, c, "C", 2),
        option(count, d, "C", 1),
    ]


def test_an_iron_condor_of_equal_wings_risks_one_of_them():
    # Interactive Brokers' example: 160/170/180/190 × 10 = 10,000
    assert requirement(condor(160, 170, 180, 190), RULES).initial == 10_000


def test_an_iron_condor_of_unequal_wings_risks_both():
    assert requirement(condor(160, 170, 180, 195), RULES).initial == 25_000


def test_an_iron_butterfly_and_a_short_butterfly_risk_one_wing():
    assert requirement(condor(160, 170, 170, 180), RULES).initial == 10_000
    short = [option(-1, 100, "C", 9), option(2, 110, "C", 4), option(-1, 120, "C", 2)]
    assert requirement(short, RULES).initial == 1000


def test_a_short_straddle_is_its_larger_side_and_the_others_premium():
    legs = [option(-1, 100, "C", 6), option(-1, 100, "P", 5)]
    # call 100 × (6 + 20) = 2,600; put 100 × (5 + 20) = 2,500; the put's premium is 500
    assert requirement(legs, priced(100)).initial == 3100


def test_a_ratio_spread_leaves_the_rest_uncovered():
    legs = [option(1, 100, "C", 7), option(-2, 110, "C", 3)]
    # one pair: 400 net debit; one call: 100 × (3 + max(20 − 10, 10)) = 1,300
    assert requirement(legs, priced(100)).initial == 1700


def test_a_covered_call_needs_no_more_than_the_stock():
    shares, call = line(100, 150), option(-1, 160, "C", 4)
    assert requirement([shares, call], RULES).initial == 7500
    assert added([shares], [call], RULES)[:3] == (0, 0, 0)


def test_a_call_beyond_the_shares_is_not_covered():
    found = added([line(100, 150)], [option(-2, 160, "C", 4)], priced(150))
    assert found.initial == 100 * (4 + 20)  # 20 % of 150 less 10 out of the money


def test_a_put_against_a_short_stock_is_covered():
    assert added([line(-100, 150)], [option(-1, 140, "P", 4)], RULES).initial == 0


def test_what_expires_earlier_insures_nothing_that_expires_later():
    later = [option(-1, 100, "C", 7, expiry=FAR), option(1, 110, "C", 3)]
    with pytest.raises(MarginUnknown):
        requirement(later, RULES)
    earlier = [option(-1, 100, "C", 7), option(1, 110, "C", 3, expiry=FAR)]
    assert requirement(earlier, RULES).initial == 1000


legs = st.lists(
    st.builds(
        option,
        st.integers(-5, 5).filter(bool),
        st.sampled_from([90, 95, 100, 105, 110]),
        st.sampled_from("CP"),
        st.integers(1, 12),
        expiry=st.sampled_from([NEAR, FAR]),
    ),
    min_size=1,
    max_size=6,
)


@given(legs=legs, times=st.integers(2, 9))
def test_twice_as_much_needs_twice_as_much(legs, times):
    one = requirement(legs, priced(100))
    many = requirement(
        [each._replace(quantity=each.quantity * times) for each in legs], priced(100)
    )
    assert one.initial >= 0
    assert abs(many.initial - times * one.initial) < Decimal("1E-15")


@given(sold=legs, strike=st.sampled_from([90, 100, 110]), right=st.sampled_from("CP"))
def test_insurance_of_one_short_costs_its_premium_at_most(sold, strike, right):
    short = sold[0]._replace(quantity=Decimal(-1))
    bought = option(1, strike, right, 3, expiry=FAR)
    before = requirement([short], priced(100)).initial
    assert requirement([short, bought], priced(100)).initial <= before + 300


@given(held=legs, wanted=legs)
def test_what_is_added_never_needs_less_than_nothing(held, wanted):
    assert min(added(held, wanted, priced(100))[:3]) >= 0
