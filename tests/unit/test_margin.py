"""Margin of shares, futures, currencies and coins: each rule, then what must always hold."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.margin import (
    BUILT_IN_FUTURES,
    MarginRules,
    MarginUnknown,
    added,
    requirement,
)
from services.domain.risk import FuturesMargin
from services.domain.words import InstrumentType, MarginModel
from tests.support.builders import make_line

REG_T = MarginRules()
INDIA = MarginRules(model=MarginModel.INDIA)
FUTURE, FOREX = InstrumentType.FUTURE, InstrumentType.FOREX


def figures(lines, rules=REG_T):
    found = requirement(lines, rules)
    return [found.initial, found.maintenance, found.capital]


def decimals(*texts):
    return [Decimal(each) for each in texts]


def test_nothing_needs_nothing():
    assert figures([]) == decimals("0", "0", "0")


def test_long_stock_needs_half_to_open_and_a_quarter_to_keep():
    # 17 × 150 = 2,550; × 0.5 = 1,275; × 0.25 = 637.5
    assert figures([make_line("17", "150")]) == decimals("1275", "637.5", "2550")


def test_sentence_has_the_figures():
    assert requirement([make_line("17", "150")], REG_T).sentence == "AAPL: Reg T 50 % of 2,550.00"


def test_etf_counts_as_stock():
    line = make_line("17", "150", "SPY", kind=InstrumentType.ETF)
    assert figures([line]) == decimals("1275", "637.5", "2550")


@pytest.mark.parametrize(
    ("price", "initial", "maintenance"),
    [
        ("150", "7500", "4500"),  # 100 × 150 × 50 %, × 30 %
        ("20", "1000", "600"),  # 30 % of 20 = 6 a share
        ("16", "800", "500"),  # 5 a share is more than 30 % of 16 = 4.80
        ("8", "500", "500"),  # 5 a share is more than half of it, too
        ("4", "400", "400"),  # between 2.50 and 5: all of it
        ("1", "250", "250"),  # 2.50 a share
    ],
)
def test_short_stock_needs_more_the_cheaper_it_is(price, initial, maintenance):
    assert figures([make_line("-100", price)])[:2] == decimals(initial, maintenance)


def test_tiers_of_cheap_stock_are_in_dollars_only():
    # 100 × 4 × 50 % and × 30 %: in yen 4 is no tier
    line = make_line("-100", "4", currency="JPY")
    assert figures([line])[:2] == decimals("200", "120")


def test_amounts_are_in_account_currency():
    # 100 × 80 = 8,000 EUR at 1.25 = 10,000 USD
    line = make_line("100", "80", currency="EUR", fx_rate="1.25")
    assert figures([line]) == decimals("5000", "2500", "10000")


def test_buying_and_selling_the_same_leaves_what_is_left():
    # 100 − 40 = 60 at the higher price: 60 × 12 × 50 % = 360
    assert figures([make_line("100", "10"), make_line("-40", "12")])[0] == Decimal(360)


def test_one_instrument_with_two_multipliers_is_not_known():
    with pytest.raises(MarginUnknown, match="two multipliers, 1 and 100"):
        requirement([make_line("1", "10"), make_line("1", "10", multiplier=100)], REG_T)


def test_future_needs_so_much_a_contract_whatever_it_is_worth():
    # 3 × 11,880 and 3 × 10,800, long or short; the multiplier of 50 plays no part
    for quantity, price in (("3", "4400"), ("-3", "6000")):
        line = make_line(quantity, price, "ES", kind=FUTURE, multiplier=50)
        assert figures([line]) == decimals("35640", "32400", "35640")


@pytest.mark.parametrize(
    ("symbol", "initial", "maintenance"),
    [
        ("ES", "11880", "10800"),
        ("NQ", "16500", "15000"),
        ("CL", "7480", "6800"),
        ("GC", "6600", "6000"),
        ("ZN", "1650", "1500"),
    ],
)
def test_built_in_figures_are_the_dated_ones(symbol, initial, maintenance):
    figure = BUILT_IN_FUTURES[symbol]
    assert (figure.initial, figure.maintenance) == (Decimal(initial), Decimal(maintenance))
    assert figure.source == "QuantConnect Lean, 2022-01-21"
    assert figure.initial == figure.maintenance * Decimal("1.1")


def test_unknown_future_is_not_guessed():
    with pytest.raises(MarginUnknown, match="one contract of the future MES is not known"):
        requirement([make_line("1", "5000", "MES", kind=FUTURE)], REG_T)


@pytest.mark.parametrize(
    ("price", "initial"),
    [
        ("6000", "15000"),  # 10,000 × 6,000 / 4,000
        ("4000", "10000"),
        ("2000", "10000"),  # never scaled down
    ],
)
def test_figure_of_a_future_grows_with_its_price_but_never_shrinks(price, initial):
    figure = FuturesMargin(
        symbol="ES",
        initial=Decimal(10000),
        maintenance=Decimal(9000),
        price=Decimal(4000),
        as_on=date(2026, 11, 2),
        source="CME",
    )
    rules = MarginRules(futures={"ES": figure})
    found = requirement([make_line("1", price, "ES", kind=FUTURE)], rules)
    assert found.initial == Decimal(initial)
    assert ("scaled up" in found.sentence) == (price == "6000")


def test_future_in_another_currency_is_converted():
    # 2 × 11,880 × 0.9
    line = make_line("2", "4400", "ES", kind=FUTURE, fx_rate="0.9")
    assert figures([line])[0] == Decimal("21384")


@pytest.mark.parametrize(
    ("pair", "currency", "ratio"),
    [("EURUSD", "USD", "0.025"), ("NZDUSD", "USD", "0.0333"), ("USDMXN", "MXN", "0.05")],
)
def test_forex_takes_the_higher_rate_of_the_two_currencies(pair, currency, ratio):
    # 100,000 × 1.1 × rate; initial = maintenance = capital
    line = make_line("-100000", "1.1", pair, kind=FOREX, currency=currency)
    assert figures([line]) == [Decimal(110000) * Decimal(ratio)] * 3


@pytest.mark.parametrize(
    ("pair", "currency", "missing"), [("USDTRY", "TRY", "TRY"), ("ZARUSD", "USD", "ZAR")]
)
def test_forex_with_an_unlisted_currency_is_not_guessed(pair, currency, missing):
    with pytest.raises(MarginUnknown, match=f"margin rate of {missing}"):
        requirement([make_line("1000", "20", pair, kind=FOREX, currency=currency)], REG_T)


@pytest.mark.parametrize("rules", [REG_T, INDIA])
def test_coins_are_paid_in_full(rules):
    line = make_line("0.5", "60000", "BTC", kind=InstrumentType.CRYPTO)
    assert figures([line], rules) == decimals("30000", "30000", "30000")


def test_india_pays_shares_in_full():
    line = make_line("10", "1498", "INFY", currency="INR")
    assert figures([line], INDIA) == decimals("14980", "14980", "14980")


@pytest.mark.parametrize(
    "line",
    [
        make_line("1", "24000", "NIFTY", kind=FUTURE, currency="INR"),
        make_line("1000", "84", "USDINR", kind=FOREX, currency="INR"),
        make_line(
            "1",
            "100",
            "NIFTY",
            kind=InstrumentType.OPTION,
            currency="INR",
            strike=24000,
            right="C",
            expiry=date(2026, 12, 31),
        ),
    ],
)
def test_india_derivatives_are_known_to_the_broker_only(line):
    with pytest.raises(MarginUnknown, match="only the broker knows"):
        requirement([line], INDIA)


def test_portfolio_margin_is_bounded_by_reg_t_and_says_so():
    found = requirement([make_line("17", "150")], MarginRules(model=MarginModel.PORTFOLIO))
    assert found.initial == Decimal(1275)
    assert found.sentence.startswith("upper bound, by Reg T")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (make_line("1", "0"), "price of STOCK:AAPL:USD must be above 0, was 0"),
        (make_line("1", "NaN"), "must be a finite number, was NaN"),
        (make_line("Infinity", "1"), "the quantity of STOCK:AAPL:USD must be a finite"),
        (make_line("1", "1", fx_rate="0"), "exchange rate of STOCK:AAPL:USD must be above 0"),
    ],
)
def test_figures_that_are_none_make_no_margin(line, sentence):
    with pytest.raises(MarginUnknown, match=sentence):
        requirement([line], REG_T)


def test_added_is_the_difference():
    # 20 × 150 × 50 % of another stock: what is held of AAPL is no part of it
    found = added([make_line("100", "150")], [make_line("20", "150", "MSFT")], REG_T)
    assert found[:3] == (Decimal(1500), Decimal(750), Decimal(3000))


def test_added_values_what_is_held_at_the_price_of_today():
    # bought 100 at 150, 100 more at 100: 100 × 100 × 50 %, not (200 × 150 − 100 × 150) × 50 %
    found = added([make_line("100", "150")], [make_line("100", "100")], REG_T)
    assert found.initial == Decimal(5000)
    assert found.sentence == "AAPL: Reg T 50 % of 20,000.00; less 5,000.00 for what is held" + (
        " of it already"
    )


def test_added_margin_of_what_closes_is_zero_but_its_capital_is_not():
    # the short may be another strategy's: 100 × 150 is tied up all the same
    found = added([make_line("-100", "150")], [make_line("100", "150")], REG_T)
    assert found[:3] == (0, 0, Decimal(15000))


def test_added_is_not_stopped_by_an_unknown_holding_of_another_symbol():
    held = [make_line("1", "5000", "MES", kind=FUTURE)]
    assert added(held, [make_line("17", "150")], REG_T).initial == Decimal(1275)


lines = st.builds(
    make_line,
    st.decimals("-1000", "1000", places=1).map(str),
    st.decimals("0.5", "500", places=2).map(str),
    st.sampled_from(["AAPL", "MSFT"]),
    fx_rate=st.sampled_from(["1", "0.9"]),
) | st.builds(
    make_line,
    st.integers(-20, 20).map(str),
    st.decimals("1000", "6000", places=2).map(str),
    st.sampled_from(["ES", "ZN"]),
    kind=st.just(FUTURE),
)


@given(st.lists(lines, max_size=5))
def test_margin_is_never_negative(held):
    assert min(figures(held)) >= 0


@given(st.lists(lines, max_size=5), st.sampled_from([2, 3, 10]))
def test_margin_is_proportional_to_the_quantity(held, factor):
    more = [line._replace(quantity=line.quantity * factor) for line in held]
    assert figures(more) == [each * factor for each in figures(held)]


@given(st.lists(lines, max_size=4), st.lists(lines, min_size=1, max_size=3))
def test_added_margin_is_never_negative(held, wanted):
    assert min(added(held, wanted, REG_T)[:3]) >= 0
