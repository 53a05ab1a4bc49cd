"""Margin of options: published values, each strategy that covers itself, what must always hold.

Unless a test says otherwise: AAPL at 100, contracts of 100, expiry in December, 10 contracts are
1,000 units.
"""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.margin import MarginRules, MarginUnknown, added, requirement
from services.domain.words import InstrumentType, MarginModel
from tests.support.builders import make_line

NOVEMBER, DECEMBER = date(2026, 11, 27), date(2026, 12, 18)
AT_100 = MarginRules(underlying_prices={"AAPL": Decimal(100)})
UNPRICED = MarginRules()


def option(what, quantity, premium, symbol="AAPL", expiry=DECEMBER, **fields):
    """`what` is the right and the strike, as in C105."""
    return make_line(
        str(quantity),
        str(premium),
        symbol,
        kind=InstrumentType.OPTION,
        right=what[0],
        strike=Decimal(what[1:]),
        expiry=expiry,
        **{"multiplier": 100, **fields},
    )


def shares(quantity, price="100"):
    return make_line(str(quantity), price)


def initial(*lines, rules=AT_100):
    return requirement(lines, rules).initial


def test_bought_option_needs_its_premium():
    # 2 × 100 × 3.50; no loan value, so to keep as well
    found = requirement([option("C105", 2, "3.50")], UNPRICED)
    assert found[:3] == (700, 700, 700)
    assert found.sentence == "AAPL options: premium 700.00"


@pytest.mark.parametrize(
    ("what", "premium", "underlying", "symbol", "published", "formula"),
    [
        ("C300", "115.75", "415", "GOOG", "19837", "19875"),  # 115.75 + 83
        ("P300", "0.45", "415", "GOOG", "3044", "3045"),  # 0.45 + 30: 10 % of the strike
        ("C390", "27.5", "415", "GOOG", "11022", "11050"),  # 27.5 + 83
        ("P390", "1.85", "415", "GOOG", "6042", "5985"),  # 1.85 + 83 − 25
        ("C430", "0.85", "415", "GOOG", "6803", "6885"),  # 0.85 + 83 − 15
        ("P430", "16.8", "415", "GOOG", "9929", "9980"),  # 16.8 + 83
        ("C3800", "750", "4550", "SPX", "143275", "143250"),  # 750 + 682.5
        ("P3800", "0.05", "4550", "SPX", "38000", "38005"),  # 0.05 + 380
        ("C5000", "0.05", "4550", "SPX", "45537", "45505"),  # 0.05 + 455: 10 % of the index
        ("P5000", "445", "4550", "SPX", "112876", "112750"),  # 445 + 682.5
    ],
)
def test_uncovered_option_agrees_with_interactive_brokers(
    what, premium, underlying, symbol, published, formula
):
    rules = MarginRules(underlying_prices={symbol: Decimal(underlying)})
    found = initial(option(what, -1, premium, symbol), rules=rules)
    assert found == Decimal(formula)
    difference = round(found / Decimal(published) - 1, 3)
    assert Decimal("-0.009") <= difference <= Decimal("0.012")


def test_uncovered_option_needs_250_dollars_a_contract_at_least():
    # 0.05 + max(0.60 − 0.50, 0.25) = 0.30 a unit, below 2.50
    rules = MarginRules(underlying_prices={"AAPL": Decimal(3)})
    assert initial(option("P2.5", -1, "0.05"), rules=rules) == 250


def test_uncovered_option_without_the_price_of_the_underlying_is_not_guessed():
    with pytest.raises(MarginUnknown, match="needs the price of AAPL, which is not known"):
        requirement([option("P90", -1, "1")], UNPRICED)


def test_uncovered_option_on_a_future_is_not_guessed():
    rules = MarginRules(underlying_prices={"ES": Decimal(5000)})
    with pytest.raises(MarginUnknown, match="SPAN of a future, which only the broker knows"):
        requirement([option("P4900", -1, 20, "ES", multiplier=50)], rules)


def test_option_on_a_share_named_like_a_future_is_known():
    # Colgate at 80: 1 + max(16 − 5, 7.5) = 12 a unit
    rules = MarginRules(underlying_prices={"CL": Decimal(80)})
    assert initial(option("P75", -1, 1, "CL"), rules=rules) == 1200


def test_option_without_strike_is_not_guessed():
    line = make_line("1", "1", kind=InstrumentType.OPTION, right="C", expiry=DECEMBER)
    with pytest.raises(MarginUnknown, match="strike, expiry and right"):
        requirement([line], AT_100)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # debit: nothing beyond what is paid, (5 − 2) × 100; (4 − 1) × 100
        ((option("C100", 1, 5), option("C110", -1, 2)), 300),
        ((option("P100", 1, 4), option("P90", -1, 1)), 300),
        # credit: the width, 10 × 100
        ((option("C100", -1, 5), option("C110", 1, 2)), 1000),
        ((option("P100", -1, 4), option("P90", 1, 1)), 1000),
    ],
)
def test_vertical_needs_its_debit_or_its_width(lines, expected):
    assert initial(*lines, rules=UNPRICED) == expected


def test_spread_wider_than_the_uncovered_margin_is_not_set_off():
    # uncovered P100: 2 + 20 = 22; with the P10 beside it at 0.01: 22.01, not the width of 90
    assert initial(option("P100", -1, 2), option("P10", 1, "0.01")) == 2201


def condor(quantity=10, high=190, **fields):
    return (
        option("P160", quantity, 1, **fields),
        option("P170", -quantity, 3, **fields),
        option("C180", -quantity, 3, **fields),
        option(f"C{high}", quantity, 1, **fields),
    )


def test_iron_condor_needs_one_width():
    assert initial(*condor(), rules=UNPRICED) == 10_000  # 10 × 100 × 10: IBKR's own example


def test_iron_condor_of_unequal_widths_needs_both():
    assert initial(*condor(high=195), rules=UNPRICED) == 25_000  # 1,000 × (10 + 15)


def test_iron_condor_over_two_expiries_needs_both_widths():
    puts, calls = condor()[:2], condor(expiry=NOVEMBER)[2:]
    assert initial(*puts, *calls, rules=UNPRICED) == 20_000


def test_condors_that_share_an_expiry_need_one_width_each():
    other = [
        line._replace(
            instrument=line.instrument.model_copy(update={"strike": line.instrument.strike + 3})
        )
        for line in condor(5)
    ]
    assert initial(*condor(), *other, rules=UNPRICED) == 15_000


def test_more_call_spreads_than_put_spreads_need_the_rest_too():
    # 10 condors and 4 call spreads more: (10 + 4) × 1,000
    more = (option("C180", -4, 3), option("C190", 4, 1))
    assert initial(*condor(), *more, rules=UNPRICED) == 14_000


def test_iron_butterfly_needs_one_width():
    lines = (
        option("P90", 1, 1),
        option("P100", -1, 4),
        option("C100", -1, 4),
        option("C110", 1, 1),
    )
    assert initial(*lines, rules=UNPRICED) == 1000


def test_overlapping_spreads_that_can_both_lose_need_both_widths():
    # at 105 the calls lose 5 and the puts 10: more than one width, so it is no condor
    lines = (
        option("C100", -1, 9),
        option("C110", 1, 3),
        option("P115", -1, 9),
        option("P105", 1, 3),
    )
    assert initial(*lines, rules=UNPRICED) == 2000


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # bought wings: only the premium, (11 + 2 − 2 × 5) × 100
        ((option("C90", 1, 11), option("C100", -2, 5), option("C110", 1, 2)), 300),
        ((option("P90", 1, 2), option("P100", -2, 5), option("P110", 1, 11)), 300),
        # sold wings: the width
        ((option("C90", -1, 11), option("C100", 2, 5), option("C110", -1, 2)), 1000),
        # broken wing: 90/100/120 loses 20 − 10 above 120; premium 11 + 1 − 10 = 2
        ((option("C90", 1, 11), option("C100", -2, 5), option("C120", 1, 1)), 1200),
    ],
)
def test_butterfly_needs_what_it_can_lose(lines, expected):
    assert initial(*lines, rules=UNPRICED) == expected


def test_butterfly_beside_a_condor_needs_its_premium_only():
    # 1,000 × 10, and (21 + 1 − 2 × 10) × 100 of the butterfly
    fly = (option("C170", 1, 21), option("C175", -2, 10), option("C180", 1, 1))
    calls = (option("C190", -10, 3), option("C200", 10, 1))
    assert initial(*condor()[:2], *calls, *fly, rules=UNPRICED) == 10_200


def test_calendar_needs_its_debit():
    # bought December at 6, sold November at 4, same strike
    lines = (option("C100", 1, 6), option("C100", -1, 4, expiry=NOVEMBER))
    assert initial(*lines, rules=UNPRICED) == 200


def test_diagonal_needs_its_width_and_its_debit():
    # sold November C100 at 4, bought December C105 at 5: 5 + 1
    lines = (option("C105", 1, 5), option("C100", -1, 4, expiry=NOVEMBER))
    assert initial(*lines, rules=UNPRICED) == 600


def test_option_that_expires_first_protects_nothing():
    # sold December C100 uncovered: 6 + 20 = 26; bought November: its premium of 4
    lines = (option("C100", -1, 6), option("C100", 1, 4, expiry=NOVEMBER))
    assert initial(*lines) == 3000


def test_option_of_another_multiplier_protects_nothing():
    # uncovered: (4 + 20) × 100; bought: 2 × 10
    lines = (option("C100", -1, 4), option("C110", 1, 2, multiplier=10))
    assert initial(*lines) == 2420


def test_option_of_another_underlying_protects_nothing():
    lines = (option("C100", -1, 4), option("C110", 1, 2, "MSFT"))
    assert initial(*lines) == 2600  # (4 + 20) × 100 + 2 × 100


def test_ratio_spread_leaves_the_excess_uncovered():
    # 1 × C100 at 5 against 2 × C110 at 2: one pair costs 3; one C110: 2 + max(20 − 10, 10) = 12
    assert initial(option("C100", 1, 5), option("C110", -2, 2)) == 1500


def test_short_straddle_needs_the_larger_side_and_the_other_premium():
    # call 5 + 20 = 25, put 4 + 20 = 24: 25 + 4
    assert initial(option("C100", -1, 5), option("P100", -1, 4)) == 2900


def test_short_strangle_needs_the_larger_side_and_the_other_premium():
    # C110: 2 + 10 = 12; P95: 3 + max(20 − 5, 9.5) = 18: 18 + 2
    assert initial(option("C110", -1, 2), option("P95", -1, 3)) == 2000


def test_strangle_over_two_expiries_needs_both_sides():
    lines = (option("C110", -1, 2), option("P95", -1, 3, expiry=NOVEMBER))
    assert initial(*lines) == 3000  # 12 + 18


def test_short_box_needs_its_width_or_what_closes_it():
    # C100/C110 and P110/P100 sold for 6 + 5 = 11: 102 % of it is more than 10: 1,122
    dear = (
        option("C100", -1, 8),
        option("C110", 1, 2),
        option("P110", -1, 9),
        option("P100", 1, 4),
    )
    assert initial(*dear, rules=UNPRICED) == 1122
    # sold for 6 + 3 = 9: the width
    cheap = (*dear[:2], option("P110", -1, 7), dear[3])
    assert initial(*cheap, rules=UNPRICED) == 1000


def test_covered_call_needs_the_margin_of_the_shares():
    # 100 × 100 × 50 % and × 25 %; the capital is that of the shares
    found = requirement([shares(100), option("C105", -1, 3)], UNPRICED)
    assert found[:3] == (5000, 2500, 10_000)


def test_covered_call_worth_more_than_the_margin_of_the_shares_needs_its_worth():
    # call at 60: 6,000 to open and to keep instead of 5,000 and 2,500
    found = requirement([shares(100), option("C40", -1, 60)], UNPRICED)
    assert found[:3] == (6000, 6000, 10_000)


def test_covered_put_needs_what_it_is_in_the_money():
    # short 100 × 100: 5,000 and 3,000; put 110: 10 × 100 more, tied up as well
    found = requirement([shares(-100), option("P110", -1, 12)], UNPRICED)
    assert found[:3] == (6000, 4000, 11_000)


def test_shares_cover_only_as_many_calls_as_they_can_deliver():
    # 2 calls 105 at 3, 100 shares: one uncovered at 3 + 15 = 18
    assert initial(shares(100), option("C105", -2, 3)) == 5000 + 1800


def test_long_shares_do_not_cover_a_short_put():
    assert initial(shares(100), option("P95", -1, 3)) == 5000 + 1800  # 3 + 15


def test_spread_beside_shares_keeps_the_cheaper_of_both_ways():
    # shares cover C100; C110 costs its premium of 2, not the width of 10
    lines = (shares(100), option("C100", -1, 5), option("C110", 1, 2))
    assert initial(*lines, rules=UNPRICED) == 5000 + 200


def test_options_are_converted_to_account_currency():
    # 1,000 EUR at 1.25
    lines = [
        option(*each, currency="EUR", fx_rate="1.25") for each in (("C100", -1, 5), ("C110", 1, 2))
    ]
    assert initial(*lines, rules=UNPRICED) == 1250


def test_portfolio_margin_is_bounded_by_reg_t_spreads():
    rules = MarginRules(model=MarginModel.PORTFOLIO)
    found = requirement(condor(), rules)
    assert found.initial == 10_000
    assert found.sentence.startswith("upper bound, by Reg T")


def test_call_added_to_held_shares_ties_up_nothing():
    found = added([shares(100)], [option("C105", -1, 3)], UNPRICED)
    assert found[:3] == (0, 0, 0)


def test_protection_added_to_a_sold_put_ties_up_its_premium():
    # before: P100 at 4: 24 × 100; after: the width of 10 × 100; 1 × 100 goes out
    found = added([option("P100", -1, 4)], [option("P90", 1, 1)], AT_100)
    assert found[:3] == (0, 0, 100)


def test_second_side_of_a_condor_adds_nothing():
    puts, calls = condor()[:2], condor()[2:]
    assert added(puts, calls, UNPRICED)[:3] == (0, 0, 0)


sold = st.builds(
    option,
    st.sampled_from(["C95", "C100", "C110", "P90", "P100", "P105"]),
    st.integers(-9, -1),
    st.decimals("0.01", "15", places=2),
    expiry=st.sampled_from([NOVEMBER, DECEMBER]),
)
bought = st.builds(
    option,
    st.sampled_from(["C90", "C105", "C120", "P80", "P95", "P110"]),
    st.integers(1, 9),
    st.decimals("0.01", "15", places=2),
    expiry=st.sampled_from([NOVEMBER, DECEMBER]),
)
stock = st.builds(shares, st.integers(-500, 500), st.just("100"))
mixed = st.lists(sold | bought | stock, max_size=7)


@given(mixed)
def test_margin_is_never_negative(lines):
    assert min(requirement(lines, AT_100)[:3]) >= 0


@given(mixed, st.sampled_from([2, 3, 7]))
def test_margin_is_proportional_to_the_quantity(lines, factor):
    more = [line._replace(quantity=line.quantity * factor) for line in lines]
    expected = [each * factor for each in requirement(lines, AT_100)[:3]]
    assert list(requirement(more, AT_100)[:3]) == expected


@given(st.lists(sold, max_size=5), bought)
def test_bought_option_never_raises_margin_by_more_than_its_premium(shorts, long):
    assert initial(*shorts, long) <= initial(*shorts) + long.notional


@given(mixed)
def test_options_never_need_more_than_each_by_itself(lines):
    # one price each, as lines of one instrument count at the highest
    single = {line.instrument.key: line for line in lines}.values()
    assert initial(*single) <= sum(initial(line) for line in single)


@given(mixed, st.lists(sold | bought, min_size=1, max_size=4))
def test_added_margin_is_never_negative(held, wanted):
    assert min(added(held, wanted, AT_100)[:3]) >= 0


@given(st.lists(bought | sold, min_size=1, max_size=4))
def test_margin_with_bought_cover_is_at_least_the_largest_loss(lines):
    # of one expiry, premiums excluded, where nothing sold stays uncovered
    wings = {"C": "C200", "P": "P1"}
    lines = [
        line._replace(instrument=line.instrument.model_copy(update={"expiry": DECEMBER}))
        for line in lines
    ]
    lines += [
        option(wings[line.instrument.right], -line.quantity, "0.01")
        for line in lines
        if line.quantity < 0
    ]

    def worth(line, price):
        gain = price - line.instrument.strike
        return line.quantity * 100 * max(0, gain if line.instrument.right == "C" else -gain)

    loss = -min(sum(worth(line, price) for line in lines) for price in range(0, 401, 5))
    assert initial(*lines, rules=UNPRICED) >= loss
