"""Figures of daily returns and trades: by hand, and beside empyrical where definitions agree."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.performance import (
    Day,
    Trades,
    cagr,
    compounded,
    day_return,
    days_of,
    drawdowns,
    known,
    months_of,
    percentile,
    performance_of,
    period_return,
    sharpe,
    value_at_risk,
    volatility,
    working_days,
)

MONDAY = date(2026, 11, 16)
returns = st.lists(st.floats(-0.2, 0.2), min_size=30, max_size=300).map(
    lambda found: [*found, 0.01, -0.01]
)


def days(*ratios, first=MONDAY):
    return [Day(first + timedelta(days=step), ratio) for step, ratio in enumerate(ratios)]


@given(returns)
def test_figures_are_those_of_empyrical(found):
    series = np.array(found)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert sharpe(found) == pytest.approx(empyrical.sharpe_ratio(series), **close)
    assert volatility(found) == pytest.approx(empyrical.annual_volatility(series), **close)
    assert max(drawdowns(found)) == pytest.approx(-empyrical.max_drawdown(series), **close)
    assert compounded(found) == pytest.approx(empyrical.cum_returns_final(series), **close)
    assert value_at_risk(found) == pytest.approx(-empyrical.value_at_risk(series), **close)
    # Its year is 252 returns, ours is the calendar's: the same for as many years.
    years = len(found) / 252
    if years * 365.25 >= 30:
        assert cagr(found, years) == pytest.approx(empyrical.annual_return(series), **close)


def test_an_unknown_figure_is_none_and_never_0():
    assert performance_of([], MONDAY).mtd is None
    assert (sharpe([0.01]), volatility([0.01]), sharpe([0.0, 0.0])) == (None, None, None)
    assert cagr([0.01] * 5, 5 / 365) is None
    assert cagr([-1.0], 2.0) is None
    assert value_at_risk([0.01] * 19) is None
    nothing = Trades()
    figures = (
        nothing.win_rate,
        nothing.profit_factor,
        nothing.average_win,
        nothing.average_loss,
    )
    assert figures == (None, None, None, None)


def test_trades_in_figures():
    found = Trades(won=3, lost=1, gross_won=Decimal(90), gross_lost=Decimal(20))
    assert (found.win_rate, found.profit_factor) == (0.75, 4.5)  # 3 of 4; 90 / 20
    assert (found.average_win, found.average_loss) == (Decimal(30), Decimal(20))


def row(day, close, *, flows=0, start=None, currency="USD"):
    start = {} if start is None else {"start": Decimal(start)}
    amounts = {"close": Decimal(close), "flows": Decimal(flows)}
    return {"date": day, "currency": currency, **amounts, **start}


def test_a_payment_is_no_return():
    before, paid = row("2026-11-16", 100), row("2026-11-17", 160, flows=50)
    assert day_return(before, paid) == Decimal("0.1")  # (160 − 50 − 100) / 100
    assert day_return(before, row("2026-11-17", 165, flows=50, start=150)) == Decimal("0.1")
    assert day_return(None, paid) is None
    assert day_return(before, row("2026-11-17", 110, currency="EUR")) is None
    assert day_return(row("2026-11-16", 0), paid) is None


def test_a_curve_begins_anew_where_a_day_is_unknown():
    rows = [row("2026-11-16", 100), row("2026-11-17", 110), row("2026-11-18", 50, currency="EUR")]
    found = days_of([*rows, row("2026-11-19", 55, currency="EUR")])
    assert [day.ratio for day in found] == [None, pytest.approx(0.1), None, pytest.approx(0.1)]
    assert [on.day for on, _ in known(found)] == [19]
    figures = performance_of(found, date(2026, 11, 19))
    assert figures.total == pytest.approx(0.1)
    assert figures.mtd is None  # the 18th is in the month, and nobody knows it
    assert figures.daily == pytest.approx(0.1)


def test_a_period_begins_with_the_first_day_there_is():
    found = days(None, 0.1, 0.1)
    assert period_return(found, date(2026, 11, 1)) == pytest.approx(0.21)  # 1.1 × 1.1 − 1
    assert period_return(found, date(2026, 11, 18)) == pytest.approx(0.1)
    assert period_return(found, date(2026, 12, 1)) is None
    assert period_return(days(None), date(2026, 11, 1)) is None


def test_yesterdays_return_is_not_todays():
    assert performance_of(days(None, 0.1), MONDAY + timedelta(days=2)).daily is None


def test_a_weekend_is_part_of_monday():
    friday = MONDAY + timedelta(days=4)
    found = working_days([(day.on, day.ratio) for day in days(0.1, 0.1, 0.1, 0.1, first=friday)])
    assert found == [pytest.approx(0.1), pytest.approx(1.1**3 - 1)]
    assert working_days([(friday + timedelta(days=1), 0.1)]) == []


def test_months_compound():
    found = months_of(
        [(date(2026, 1, 30), 0.1), (date(2026, 1, 31), 0.1), (date(2026, 2, 1), -0.5)]
    )
    assert [(each.month, round(each.ratio, 9)) for each in found] == [(1, 0.21), (2, -0.5)]


def test_drawdown_counts_from_the_start():
    assert drawdowns([-0.1, 0.0, 0.2]) == [pytest.approx(0.1), pytest.approx(0.1), 0.0]


def test_percentiles_of_buckets():
    bounds = (10.0, 20.0)
    assert percentile((), bounds, 0.5) is None
    assert percentile((10, 0, 0), bounds, 0.5) == 5.0  # half way into 0 to 10
    assert percentile((5, 5, 0), bounds, 0.75) == 15.0
    assert percentile((0, 0, 1), bounds, 0.5) == 20.0  # above the last bound: at least that


@given(st.lists(st.floats(0, 40), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_the_bucket_of_the_true_one(values, share):
    bounds = tuple(float(each) for each in range(1, 41))
    counts = [0] * 41
    for value in values:
        counts[next((i for i, bound in enumerate(bounds) if value <= bound), 40)] += 1
    found = percentile(counts, bounds, share)
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert found is not None
    assert abs(found - true) <= 1.0 + 1e-9
