"""What equity has been: days roll at midnight UTC, peaks stay, and a volatility needs days."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.marks import (
    Seen,
    daily_pnl,
    day_open,
    drawdown_ratio,
    marked,
    rebased,
    replayed,
    reset,
)
from services.domain.risk import EquityMarks

#: A Monday.
MONDAY = datetime(2026, 11, 16, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def seen(*equities, marks=None, at=MONDAY):
    """Marks once these equities have been seen within one day."""
    for equity in equities:
        marks = marked(marks, Decimal(equity), at)
    return marks


def daily(*equities, marks=None, start=MONDAY):
    """Marks once each working day from `start` has ended with one of these."""
    day = start
    for equity in equities:
        marks = marked(marks, Decimal(equity), day)
        day += DAY if day.isoweekday() < 5 else 3 * DAY
    return marks, day


def test_the_first_equity_is_every_mark():
    assert seen("100") == EquityMarks(
        day="2026-11-16", day_start=100, day_low=100, last=100, peak=100
    )


def test_a_day_keeps_its_start_and_its_low():
    marks = seen("100", "90", "95")
    assert (marks.day_start, marks.day_low, marks.last) == (100, 90, 95)
    assert daily_pnl(marks, MONDAY) == -5


def test_the_day_starts_from_the_last_equity_of_the_day_before():
    marks = seen("97", marks=seen("100", "95"), at=MONDAY + DAY)
    assert (marks.day, marks.day_start, marks.day_low) == ("2026-11-17", 95, 97)


def test_the_day_rolls_at_midnight_utc():
    before = datetime(2026, 11, 16, 23, 59, 59, tzinfo=UTC)
    marks = seen("100", at=before)
    assert seen("99", marks=marks, at=before + timedelta(seconds=1)).day_start == 100
    elsewhere = before.astimezone(tz=None) + timedelta(seconds=1)
    assert seen("99", marks=marks, at=elsewhere).day == "2026-11-17"


def test_a_clock_that_was_set_back_makes_no_second_day():
    marks = seen("100", "90")
    assert seen("95", marks=marks, at=MONDAY - DAY) == seen("95", marks=marks)


def test_the_pnl_of_a_day_nobody_looked_is_unknown_not_zero():
    assert daily_pnl(seen("100"), MONDAY + DAY) is None


def test_the_drawdown_is_from_the_peak_and_its_largest_stays():
    marks = seen("100", "80", "90")
    # (100 − 90) / 100, and 20 of 100 at the worst
    assert (drawdown_ratio(marks), marks.max_drawdown_ratio) == (Decimal("0.1"), Decimal("0.2"))


def test_debt_is_a_drawdown_of_more_than_all():
    assert drawdown_ratio(seen("100", "-50")) == Decimal("1.5")


def test_without_a_peak_above_zero_the_drawdown_is_unknown():
    assert drawdown_ratio(seen("-5", "-10")) is None


def test_the_first_return_makes_the_variance_and_later_ones_decay_it():
    first, _ = daily("100", "110", "110")
    # Monday has no day before it; Tuesday 110 / 100 − 1 = 0.1, squared 0.01
    assert (first.days, first.variance) == (1, Decimal("0.01"))
    second, _ = daily("100", "110", "99", "99")
    # Wednesday 99 / 110 − 1 = −0.1: 0.94 · 0.01 + 0.06 · 0.01
    assert second.days == 2
    assert second.variance == pytest.approx(Decimal("0.01"), abs=Decimal("1e-20"))


def test_a_gap_of_days_is_one_return():
    friday = MONDAY + 4 * DAY
    marks = seen("121", marks=seen("100", at=MONDAY), at=friday)
    marks = seen("121", marks=marks, at=friday + 3 * DAY)
    # 121 / 100 − 1 = 0.21, squared
    assert (marks.days, marks.variance) == (1, Decimal("0.0441"))


def test_a_weekend_is_part_of_mondays_return():
    friday = MONDAY + 4 * DAY
    marks = None
    for number, equity in enumerate(("100", "105", "108", "110", "110")):
        marks = seen(equity, marks=marks, at=friday + number * DAY)
    # Friday, Saturday, Sunday, Monday, Tuesday: one return, 110 / 100 − 1
    assert (marks.days, marks.variance) == (1, Decimal("0.01"))


def test_nothing_is_a_return_on_debt():
    marks, _ = daily("-100", "50", "100", "100")
    # Tuesday on −100 is none, Wednesday 100 / 50 − 1 = 1 is one
    assert (marks.days, marks.variance) == (1, Decimal(1))


def test_a_volatility_needs_twenty_returns():
    equities = ["100", *["101", "100"] * 10]
    marks, day = daily(*equities)
    assert (marks.days, marks.volatility_ratio) == (19, None)
    marks = seen("100", marks=marks, at=day)
    assert marks.days == 20
    # about 1 % a day: 0.01 · √252 = 0.1587
    assert marks.volatility_ratio == pytest.approx(Decimal("0.158"), abs=Decimal("0.002"))


def volatile(volatility):
    # today's return is 1 %: 0.94 · 0.0001 + 0.06 · 0.0001 = 0.0001, and √(0.0001 · 252) = 0.158745
    return EquityMarks(
        day="2026-11-16",
        day_start=100,
        day_low=100,
        last=101,
        peak=101,
        return_base=100,
        days=30,
        variance=Decimal("0.0001"),
        volatility_ratio=Decimal(volatility),
    )


@pytest.mark.parametrize("former", ["0.1444", "0.1763"])
def test_a_volatility_within_a_tenth_of_the_former_leaves_it(former):
    # 0.1444 · 1.1 = 0.15884, 0.1763 · 0.9 = 0.15867
    marks = marked(volatile(former), Decimal(101), MONDAY + DAY)
    assert marks.volatility_ratio == Decimal(former)


@pytest.mark.parametrize("former", ["0.1443", "0.1764", "0"])
def test_a_volatility_further_away_replaces_it(former):
    # 0.1443 · 1.1 = 0.15873, 0.1764 · 0.9 = 0.15876
    marks = marked(volatile(former), Decimal(101), MONDAY + DAY)
    assert marks.volatility_ratio == pytest.approx(Decimal("0.158745"), abs=Decimal("1e-6"))


def test_a_person_accepts_a_loss_but_not_the_volatility():
    lost = marked(volatile("0.15"), Decimal(50), MONDAY)
    marks = reset(lost, Decimal(50), MONDAY)
    assert (marks.day_start, marks.day_low, marks.peak) == (50, 50, 50)
    assert marks.max_drawdown_ratio == 0
    assert (marks.return_base, marks.days, marks.volatility_ratio) == (100, 30, Decimal("0.15"))


def test_a_fund_that_grows_by_an_account_keeps_its_ratios():
    marks = rebased(seen("100", "80"), Decimal(160))
    assert (marks.day_start, marks.day_low, marks.last, marks.peak) == (200, 160, 160, 200)
    assert drawdown_ratio(marks) == Decimal("0.2")


@pytest.mark.parametrize(("last", "equity"), [("-5", "100"), ("100", "-5"), ("0", "0")])
def test_where_no_ratio_can_be_kept_the_marks_begin_again(last, equity):
    marks = rebased(seen(last), Decimal(equity))
    assert marks.day_start == marks.day_low == marks.last == marks.peak == Decimal(equity)


amounts = st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2)
moments = st.integers(0, 40 * 24).map(lambda hours: MONDAY + timedelta(hours=hours))
histories = st.lists(st.tuples(amounts, moments), min_size=1, max_size=30)


def lived(history):
    marks = None
    for equity, moment in history:
        marks = marked(marks, equity, moment)
    return marks


def sound(marks):
    return marks.day_low <= marks.last <= marks.peak and marks.max_drawdown_ratio >= 0


@given(histories)
def test_whatever_comes_the_last_lies_between_low_and_peak(history):
    assert sound(lived(history))


@given(histories)
def test_the_same_equity_again_changes_nothing(history):
    marks = lived(history)
    equity, moment = history[-1]
    assert marked(marks, equity, moment) == marks


@given(histories, amounts, moments)
def test_a_reset_forgives_all_and_nothing_forgives_by_itself(history, equity, moment):
    marks = lived(history)
    assert marked(marks, equity, moment).max_drawdown_ratio >= marks.max_drawdown_ratio
    assert sound(reset(marks, equity, moment))
    assert reset(marks, equity, moment).max_drawdown_ratio == 0


@given(histories, amounts)
def test_a_fund_of_other_accounts_is_as_sound_as_before(history, equity):
    marks = rebased(lived(history), equity)
    assert sound(marks)
    assert marks.last == equity


# What is paid in and out


def test_a_deposit_keeps_the_ratios_and_the_days_gain_in_money():
    lost = marked(seen("100"), Decimal(90), MONDAY)
    paid = marked(lost, Decimal(190), MONDAY, flow=Decimal(100))
    assert daily_pnl(paid, MONDAY) == -10
    assert drawdown_ratio(paid) == pytest.approx(Decimal("0.1"))
    # the day's start grows with the account, so that its loss in percent stays 10 of 100
    assert 1 - paid.day_low / paid.day_start == pytest.approx(Decimal("0.1"))
    after = marked(paid, Decimal(171), MONDAY)
    assert daily_pnl(after, MONDAY) == -29
    assert drawdown_ratio(after) == pytest.approx(Decimal("0.19"))


def test_a_payment_of_a_new_day_belongs_to_the_new_day():
    marks = marked(seen("100"), Decimal(155), MONDAY + DAY, flow=Decimal(50))
    assert (daily_pnl(marks, MONDAY + DAY), marks.peak) == (5, 155)
    assert marks.return_base == 150


def test_a_payment_is_no_part_of_the_days_return():
    before = volatile("0.15")  # 101 after 100
    paid = marked(before, Decimal(202), MONDAY, flow=Decimal(101))
    assert paid.return_base == 200
    without = marked(before, Decimal(101), MONDAY + DAY)
    assert marked(paid, Decimal(202), MONDAY + DAY).variance == without.variance


def test_an_account_that_is_emptied_begins_again():
    empty = marked(seen("100"), Decimal(0), MONDAY, flow=Decimal(-100))
    assert (daily_pnl(empty, MONDAY), drawdown_ratio(empty)) == (0, None)
    filled = marked(empty, Decimal(50), MONDAY, flow=Decimal(50))
    assert (daily_pnl(filled, MONDAY), drawdown_ratio(filled), filled.peak) == (0, 0, 50)


@given(histories, st.decimals(min_value=-500, max_value=10_000, places=2).filter(bool))
def test_a_payment_alone_moves_neither_gain_nor_drawdown(history, flow):
    marks = lived(history)
    paid = marked(marks, marks.last + flow, history[-1][1], flow=flow)
    day = datetime.fromisoformat(marks.day).replace(tzinfo=UTC)
    assert daily_pnl(paid, day) == daily_pnl(marks, day)
    assert paid.max_drawdown_ratio >= marks.max_drawdown_ratio
    if marks.last > 0 and marks.last + flow > 0:
        assert drawdown_ratio(paid) == pytest.approx(drawdown_ratio(marks), abs=Decimal("1e-12"))


def test_looks_gone_through_again_make_the_marks_that_would_have_been():
    minute = timedelta(minutes=1)
    looks = [
        Seen(MONDAY + minute, Decimal(95)),
        Seen(MONDAY + 2 * minute, Decimal(145), flow=Decimal(50)),
        Seen(MONDAY + 3 * minute, Decimal(130), accepted=True),
        Seen(MONDAY + 4 * minute, Decimal(260), rebased=True),
    ]
    *_, marks = replayed(seen("100"), looks)
    # accepted at 145, then 15 of it lost, then twice as large without a gain
    assert (marks.peak, marks.last) == (290, 260)
    assert drawdown_ratio(marks) == pytest.approx(Decimal(15) / 145)


def test_a_loss_that_a_person_accepts_stays_part_of_the_days_return():
    lost = reset(marked(seen("100"), Decimal(80), MONDAY), Decimal(80), MONDAY)
    assert (lost.day_start, day_open(lost)) == (80, 100)
    paid = marked(lost, Decimal(160), MONDAY, flow=Decimal(80))
    assert paid.last / day_open(paid) == Decimal("0.8")
    assert day_open(marked(paid, Decimal(170), MONDAY + DAY)) == 160
