"""What is kept of an equity: by hand, then what always holds."""

from datetime import datetime, timedelta
from decimal import Decimal
from math import sqrt

from hypothesis import given
from hypothesis import strategies as st

from services.account_data.fund import fund_of
from services.domain.marks import MINIMUM_DAYS, marked, reset
from tests.support.builders import NOW, make_account


def looked(*equities, days=1, marks=None, start=NOW):
    for number, equity in enumerate(equities):
        marks = marked(marks, Decimal(equity), start + number * timedelta(days=days))
    return marks


def test_the_first_look_begins_everything():
    marks = looked("1000")
    assert (marks.day, marks.day_start, marks.day_low, marks.peak) == (
        "2026-11-20",
        1000,
        1000,
        1000,
    )
    assert (marks.days, marks.volatility_ratio, marks.max_drawdown_ratio) == (0, None, 0)


def test_a_low_of_the_day_stays_and_a_peak_stays_longer():
    marks = looked("1000", "1100", "990", "1050", days=0)
    assert (marks.day_start, marks.day_low, marks.last, marks.peak) == (1000, 990, 1050, 1100)
    assert marks.max_drawdown_ratio == Decimal("0.1")  # 990 of 1100


def test_a_new_day_starts_where_the_last_one_ended():
    marks = looked("1000", "950")
    assert (marks.day, marks.day_start, marks.day_low) == ("2026-11-21", 1000, 950)


def test_a_day_begins_at_midnight_utc():
    late = datetime.fromisoformat("2026-11-20T20:30:00-05:00")  # 01:30 on the 21st
    assert marked(None, Decimal(1), late).day == "2026-11-21"


def test_variance_is_exponentially_weighted():
    # +10 % on the first day, −10 % on the second, the third is under way
    marks = looked("1000", "1100", "990", "990")
    first, second = Decimal("0.1"), Decimal("-0.1")
    assert marks.days == 3  # the first day has no return but 0
    expected = Decimal("0.94") * (Decimal("0.06") * first**2) + Decimal("0.06") * second**2
    assert abs(marks.variance - expected) < Decimal("1E-15")


def test_volatility_is_annual_and_needs_enough_days():
    equities = [str(1000 * (1 + 0.01 * (number % 2))) for number in range(MINIMUM_DAYS + 1)]
    assert looked(*equities[:-1]).volatility_ratio is None
    marks = looked(*equities)
    assert abs(float(marks.volatility_ratio) - sqrt(float(marks.variance) * 252)) < 1e-6


def test_volatility_moves_only_when_it_has_moved_enough():
    marks = looked("1000").model_copy(
        update={"days": 50, "variance": Decimal("0.0001"), "volatility_ratio": Decimal("0.16")}
    )
    calm = marked(marks, Decimal(1000), NOW + timedelta(days=1))  # 0.158 × √0.94: 4 % less
    assert calm.volatility_ratio == Decimal("0.16")
    wild = marks.model_copy(update={"last": Decimal(1050)})  # 5 % in a day
    wild = marked(wild, Decimal(1050), NOW + timedelta(days=1))
    assert wild.volatility_ratio > Decimal("0.2")


def test_a_reset_counts_losses_anew_and_keeps_the_volatility():
    marks = looked("1000", "700", days=0).model_copy(update={"volatility_ratio": Decimal("0.2")})
    marks = reset(marks, Decimal(700), NOW)
    assert (marks.day_start, marks.day_low, marks.peak) == (700, 700, 700)
    assert (marks.max_drawdown_ratio, marks.volatility_ratio) == (0, Decimal("0.2"))


money = st.decimals("-1000", "1000000", places=2)


@given(equities=st.lists(st.tuples(money, st.integers(0, 3)), min_size=1, max_size=40))
def test_marks_are_in_order_whatever_equity_does(equities):
    marks, now = None, NOW
    for equity, days in equities:
        now += timedelta(days=days)
        marks = marked(marks, equity, now)
        assert marks.day_low <= marks.last <= marks.peak
        assert marks.day_low <= marks.day_start
        assert marks.max_drawdown_ratio >= 0
        assert marked(marks, equity, now) == marks


# The fund


def test_a_fund_is_the_sum_in_its_currency_and_as_old_as_its_oldest_account():
    dollars = make_account("1000", age_seconds=1, account_id="A")
    euros = make_account(
        "100", age_seconds=9, account_id="B", currency="EUR", fx_rates={"USD": Decimal("0.8")}
    )
    fund = fund_of([dollars, euros], "USD")
    assert (fund.equity, fund.missing) == (1125, "")  # 100 EUR / 0.8 EUR for a dollar
    assert fund.as_of == NOW - timedelta(seconds=9)
    assert fund.account_ids == ("A", "B")


def test_an_account_or_a_rate_that_is_missing_makes_the_fund_unknown():
    known = make_account("1000", account_id="A")
    unread = make_account(None, age_seconds=None, account_id="B")
    foreign = make_account("1000", account_id="C", currency="EUR")
    assert "B has never been read" in fund_of([known, unread], "USD").missing
    assert "no rate between EUR of C and USD" in fund_of([known, foreign], "USD").missing
    assert fund_of([], "USD").equity is fund_of([known, foreign], "USD").equity is None
