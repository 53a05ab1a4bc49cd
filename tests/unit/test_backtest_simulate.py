"""What weights would have made: drift, costs, financing, overlays; arithmetic by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portfolio_builder.backtest.overlay import (
    Governor,
    forecast_volatility,
    volatility_scales,
)
from services.portfolio_builder.backtest.simulate import Target, Terms, simulate

HALVES = np.array([0.5, 0.5])
FREE = Terms()


def noise(days=200, count=3, seed=0):
    return np.random.default_rng(seed).standard_normal((days, count)) * 0.01


def test_weights_rebalanced_each_day_make_the_weighted_return():
    returns = noise()
    weights = np.array([0.2, 0.3, 0.9])
    path = simulate(returns, [Target(0, weights)], FREE)
    assert path.returns == pytest.approx(returns @ weights)
    assert path.exposure == pytest.approx(np.full(200, 1.4))


def test_weights_that_are_never_rebalanced_drift_like_money_left_alone():
    returns = noise()
    weights = np.array([0.2, 0.3, 0.4])
    path = simulate(returns, [Target(0, weights)], Terms(rebalance_days=1000))
    grown = 0.1 + np.cumprod(1 + returns, axis=0) @ weights  # 10 % stay in cash
    assert path.equity == pytest.approx(grown)
    assert path.turnover[1:] == pytest.approx(np.zeros(199), abs=1e-12)


def test_costs_are_of_what_is_traded():
    # Day 1 buys 100 %: 1. Then 0.5 × 1.10 ÷ 1.05 and 0.5 ÷ 1.05 go back to halves: 2 × 0.0238.
    returns = np.array([[0.10, 0.0], [0.0, 0.0]])
    free = simulate(returns, [Target(0, HALVES)], FREE)
    assert free.turnover == pytest.approx([1.0, 2 * (0.55 / 1.05 - 0.5)])
    dear = simulate(returns, [Target(0, HALVES)], Terms(cost_ratio=0.001))
    assert dear.costs[0] == pytest.approx(0.001)
    assert dear.returns[0] == pytest.approx(0.05 - 0.001)


def test_only_what_is_above_equity_is_financed():
    returns = np.zeros((3, 2))
    terms = Terms(financing_ratio=0.0001)
    assert simulate(returns, [Target(0, HALVES)], terms).costs.sum() == 0
    double = simulate(returns, [Target(0, HALVES * 4)], terms)
    assert double.costs == pytest.approx(np.full(3, 0.0003), rel=1e-3)


def test_margin_is_that_of_each_day():
    margins = np.array([[0.1, 0.2], [0.3, 0.0]])
    path = simulate(np.zeros((2, 2)), [Target(0, HALVES)], FREE, margins=margins)
    assert path.margin_ratio == pytest.approx([0.15, 0.15])


def test_a_day_that_loses_everything_ends_the_path():
    returns = np.array([[-0.6], [0.5], [0.5]])
    path = simulate(returns, [Target(0, np.array([2.0]))], FREE)
    assert path.ruined_at == 0
    assert path.equity.tolist() == [0.0, 0.0, 0.0]
    assert path.returns.tolist() == [-1.0, 0.0, 0.0]


def test_before_the_first_target_there_is_cash():
    path = simulate(np.full((4, 2), 0.01), [Target(2, HALVES)], FREE)
    assert path.returns == pytest.approx([0, 0, 0.01, 0.01])


def test_a_governor_cuts_by_yesterdays_drawdown_and_lets_exposure_back():
    governor = Governor(start=0.05, stop=0.20)
    returns = np.array([[-0.125], [-0.05], [0.30], [0.30], [0.0]])
    path = simulate(returns, [Target(0, np.array([1.0]))], FREE, governor=governor)
    # (0.20 − 0.125) ÷ 0.15 = a half on the second day
    assert path.exposure[:2] == pytest.approx([1.0, 0.5])
    assert path.exposure[4] > path.exposure[2]
    deep = simulate(
        np.array([[-0.5], [0.1]]), [Target(0, np.array([1.0]))], FREE, governor=governor
    )
    assert deep.exposure[1] == pytest.approx(0.1)  # never nothing


def test_volatility_is_known_the_day_before():
    returns = np.array([0.01, 0.03, -0.02, 0.05])
    forecast = forecast_volatility(returns, 252)
    variance = 0.94 * 0.01**2 + 0.06 * 0.03**2
    assert forecast[2] == pytest.approx(np.sqrt(variance * 252))
    changed = returns.copy()
    changed[2:] = 9.0
    assert np.array_equal(forecast_volatility(changed, 252)[:3], forecast[:3])


def test_a_scale_only_makes_smaller_and_stays_within_its_buffer():
    forecast = np.array([0.06, 0.12, 0.13, 0.24, 0.25, 0.12])
    # 1, 1, .923 is within a tenth, .5, .48 is within a tenth, 1
    assert volatility_scales(forecast, 0.12).tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 1.0]
    assert volatility_scales(np.array([0.125]), 0.12, 1.0).tolist() == [1.0]


def test_a_change_of_scale_between_rebalancings_trades_all_alike():
    returns = np.array([[0.10, 0.0], [0.0, 0.0]])
    target = Target(0, HALVES, np.array([1.0, 0.5]))
    path = simulate(returns, [target], Terms(rebalance_days=63))
    assert path.exposure == pytest.approx([1.0, 0.5])
    assert path.turnover[1] == pytest.approx(0.5)


@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0, 0.002))
def test_costs_never_help_and_equity_is_the_product_of_its_days(seed, rebalance, cost):
    returns = noise(60, 3, seed)
    target = [Target(0, np.array([0.5, 0.4, 0.6]))]
    free = simulate(returns, target, Terms(rebalance_days=rebalance))
    dear = simulate(returns, target, Terms(rebalance_days=rebalance, cost_ratio=cost))
    assert dear.equity[-1] <= free.equity[-1] + 1e-12
    assert dear.equity[-1] == pytest.approx(np.prod(1 + dear.returns))


@given(st.integers(0, 10_000), st.integers(1, 59))
def test_no_day_depends_on_a_later_one(seed, row):
    returns = noise(60, 3, seed)
    other = returns.copy()
    other[row:] = noise(60 - row, 3, seed + 1)
    governor = Governor(start=0.01, stop=0.05)
    terms = Terms(rebalance_days=5, cost_ratio=0.0002)
    one, two = (
        simulate(each, [Target(0, np.array([0.5, 0.4, 0.6]))], terms, governor=governor)
        for each in (returns, other)
    )
    assert np.array_equal(one.returns[:row], two.returns[:row])
    assert np.array_equal(one.exposure[: row + 1], two.exposure[: row + 1])
