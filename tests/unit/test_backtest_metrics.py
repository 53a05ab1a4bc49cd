"""Figures of daily returns: as empyrical where definitions agree, by hand where they do not."""

from datetime import date, timedelta

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portfolio_builder.backtest.metrics import (
    cagr,
    drawdowns_of,
    expected_shortfall,
    figures_of,
    moments,
    months_of,
    probabilistic_sharpe,
    rolling_sharpe,
    sharpe,
    sharpe_probability,
    sortino,
    value_at_risk,
    volatility,
    worst_drawdown,
    years_of,
)

CLOSE = 1e-9
START = date(2020, 1, 1)
daily = st.lists(st.floats(-0.3, 0.3).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=30)


def days(count):
    return [START + timedelta(days=each) for each in range(count)]


def noise(count=1500, seed=7):
    return np.random.default_rng(seed).standard_t(4, count) * 0.01 + 0.0004


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_empyrical_where_definitions_agree(seed):
    returns = noise(seed=seed)
    periods = 252
    # empyrical counts a year as 252 returns where we count calendar days.
    ours, theirs = cagr(returns, len(returns) / 252), empyrical.cagr(returns)
    assert ours == pytest.approx(theirs, abs=CLOSE)
    assert volatility(returns, periods) == pytest.approx(
        empyrical.annual_volatility(returns), abs=CLOSE
    )
    assert sharpe(returns, periods) == pytest.approx(empyrical.sharpe_ratio(returns), abs=CLOSE)
    assert sortino(returns, periods) == pytest.approx(empyrical.sortino_ratio(returns), abs=CLOSE)
    assert -drawdowns_of(returns).max() == pytest.approx(empyrical.max_drawdown(returns), abs=CLOSE)
    assert -value_at_risk(returns) == pytest.approx(empyrical.value_at_risk(returns), abs=CLOSE)
    assert cagr(returns, len(returns) / 252) / drawdowns_of(returns).max() == pytest.approx(
        empyrical.calmar_ratio(returns), abs=CLOSE
    )


def test_rolling_sharpe_and_months_equal_empyrical():
    returns = noise(600)
    dates = days(600)
    series = pd.Series(returns, index=pd.DatetimeIndex(dates))
    theirs = empyrical.roll_sharpe_ratio(series, window=126)
    ours = rolling_sharpe(returns, 126, 252)
    assert ours[:125] == (None,) * 125
    assert np.array(ours[125:]) == pytest.approx(theirs.to_numpy(), abs=CLOSE)
    by_month = empyrical.aggregate_returns(series, "monthly")
    assert [each.ratio for each in months_of(returns, dates)] == pytest.approx(
        by_month.to_list(), abs=CLOSE
    )


def test_a_loss_on_the_first_day_is_a_drawdown():
    drawdown = worst_drawdown(np.array([-0.1, 0.05, 0.01]), days(3))
    assert drawdown.ratio == pytest.approx(0.1)
    assert (drawdown.peak_on, drawdown.trough_on) == (START, START)
    assert drawdown.recovered_on is None


def test_a_drawdown_tells_when_it_was_and_how_long():
    # 1.1, .99, .935, 1.1, 1.2: from the first day to the fourth, 15 % down on the third
    equity = np.array([1.1, 0.99, 0.935, 1.1, 1.2])
    returns = equity / np.concatenate([[1.0], equity[:-1]]) - 1
    drawdown = worst_drawdown(returns, days(5))
    assert drawdown.ratio == pytest.approx(0.15)
    assert drawdown.peak_on == START
    assert drawdown.trough_on == START + timedelta(days=2)
    assert drawdown.recovered_on == START + timedelta(days=3)
    assert drawdown.days == 3


def test_expected_shortfall_takes_the_last_day_in_part():
    # 30 days, 5 % are one day and a half: (0.10 + 0.5 × 0.08) ÷ 1.5
    returns = np.zeros(30)
    returns[3], returns[9] = -0.10, -0.08
    assert expected_shortfall(returns) == pytest.approx(0.14 / 1.5)


def test_expected_shortfall_equals_empyrical_where_the_tail_is_whole():
    returns = noise(2000)  # 100 days exactly; empyrical takes int((n − 1) × 5 %) + 1 = 100
    assert -expected_shortfall(returns) == pytest.approx(
        empyrical.conditional_value_at_risk(returns), abs=CLOSE
    )


def test_growth_is_by_calendar_days_not_by_rows():
    # 7-day strategy: 365 rows in a year are one year, not 1.45 years of 252 rows.
    dates = [START + timedelta(days=each) for each in range(366)]
    assert years_of(dates) == pytest.approx(366 / 365.25)
    found = figures_of(np.full(366, 0.001), dates, 365.25)
    assert found.cagr_ratio == pytest.approx(1.001**365.25 - 1)


def test_what_is_not_defined_is_none():
    still = figures_of(np.zeros(40), days(40), 252)
    assert (still.sharpe, still.sortino, still.drawdown, still.calmar) == (None,) * 4
    assert (still.skew, still.hit_ratio, still.psr) == (None,) * 3
    gains = figures_of(np.array([0.01, 0.02]), days(2), 252)
    assert gains.sortino is None
    assert gains.drawdown is None
    one = figures_of(np.array([0.01]), days(1), 252)
    assert one.volatility_ratio is None


def test_the_probability_of_a_sharpe_ratio_needs_days_and_normal_tails():
    # Bailey and Lopez de Prado: the same ratio is worth less with fat, left tails.
    plain = sharpe_probability(0.1, 0.0, 250, (0.0, 3.0))
    assert plain == pytest.approx(0.9421, abs=1e-3)  # Φ(0.1 √(249 ÷ 1.005))
    assert sharpe_probability(0.1, 0.0, 250, (-2.0, 12.0)) < plain
    assert sharpe_probability(0.1, 0.0, 1000, (0.0, 3.0)) > plain


@given(daily)
def test_figures_are_finite_or_none_and_in_their_range(returns):
    found = figures_of(np.array(returns), days(len(returns)), 252)
    # Frozen with allow_inf_nan=False: building it is the test that all are finite.
    assert 0 <= found.max_drawdown_ratio < 1
    assert found.es_95_ratio >= found.var_95_ratio - 1e-12 or len(returns) < 100
    assert found.psr is None or 0 <= found.psr <= 1


@given(daily, st.floats(0.1, 0.9))
def test_ratios_do_not_depend_on_leverage_and_drawdowns_grow_with_it(returns, scale):
    series = np.array(returns)
    before, after = sharpe(series, 252), sharpe(series * scale, 252)
    if before is not None and after is not None:
        assert after == pytest.approx(before, rel=1e-6, abs=1e-9)
    assert drawdowns_of(series * scale).max() <= drawdowns_of(series).max() + 1e-12


@given(daily)
def test_months_compound_to_the_whole(returns):
    series = np.array(returns)
    months = months_of(series, days(len(series)))
    assert np.prod([1 + each.ratio for each in months]) == pytest.approx(np.prod(1 + series))


def test_a_probability_needs_something_that_moves():
    assert probabilistic_sharpe(np.zeros(100), 252) is None
    assert moments(np.full(10, 0.01)) is None
