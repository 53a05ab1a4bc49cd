"""How much may be luck: the worked example of the paper, a thousand worthless strategies."""

from datetime import date, timedelta

import numpy as np
import pytest

from services.portfolio_builder.backtest.metrics import drawdowns_of, figures_of, sharpe
from services.portfolio_builder.backtest.overfitting import (
    bootstrap_drawdowns,
    deflated_sharpe,
    expected_max_sharpe,
    overfitting_of,
)
from services.portfolio_builder.study_result import Portfolio, Track


@pytest.mark.parametrize(("trials", "probability"), [(100, 0.9004), (46, 0.9505)])
def test_the_worked_example_of_bailey_and_lopez_de_prado(trials, probability):
    # Annual figures of the paper, of 250 days: Sharpe 2.5, variance of the trials 0.5.
    found = deflated_sharpe(2.5 / np.sqrt(250), 0.5 / 250, trials, 1250, (-3.0, 10.0))
    assert found == pytest.approx(probability, abs=5e-5)


def test_the_best_of_a_hundred_is_expected_where_the_paper_says():
    assert expected_max_sharpe(0.5 / 250, 100) == pytest.approx(0.1132, abs=5e-5)


def test_the_best_of_a_thousand_worthless_strategies_looks_good():
    # Bailey and others' example of overfitting: 1,000 strategies, five years, no skill.
    returns = np.random.default_rng(42).standard_normal((1260, 1000)) * 0.01
    best = max(sharpe(each, 252) for each in returns.T)
    assert best == pytest.approx(1.764, abs=5e-4)
    expected = expected_max_sharpe(1.0 / 1259, 1000) * np.sqrt(252)
    assert expected == pytest.approx(best, rel=0.25)


def track(returns):
    start = date(2020, 1, 1)
    dates = [start + timedelta(days=each) for each in range(len(returns))]
    series = tuple(returns.tolist())
    return Track(
        portfolio=Portfolio.METHOD,
        figures=figures_of(returns, dates, 252),
        returns=series,
        equity=series,
        exposure=series,
        margin_ratio=None,
        turnover=series,
        costs=series,
        turnover_ratio=0,
        ruined_on=None,
    )


def test_one_trial_deflates_nothing_and_each_more_does():
    made = track(np.random.default_rng(1).standard_normal(1000) * 0.01 + 0.0005)
    one, ten, many = (overfitting_of(made, trials=each, risk_free=0) for each in (1, 10, 1000))
    assert one.dsr == one.psr
    assert one.dsr > ten.dsr > many.dsr


def test_what_cash_earns_is_no_skill():
    made = track(np.random.default_rng(1).standard_normal(1000) * 0.001 + 0.03 / 252)
    free = overfitting_of(made, trials=1, risk_free=0)
    assert overfitting_of(made, trials=1, risk_free=0.03).psr < free.psr


def test_a_day_that_lost_everything_is_the_worst_drawdown():
    returns = np.full(50, 0.01)
    returns[10] = -1.0
    assert bootstrap_drawdowns(returns, seed=1, paths=50).max() == pytest.approx(1.0)


def test_a_seed_gives_the_same_paths_and_another_seed_others():
    returns = np.random.default_rng(3).standard_normal(500) * 0.01
    one = bootstrap_drawdowns(returns, seed=1, paths=50)
    assert np.array_equal(one, bootstrap_drawdowns(returns, seed=1, paths=50))
    assert not np.array_equal(one, bootstrap_drawdowns(returns, seed=2, paths=50))


def test_resampled_drawdowns_lie_around_the_one_that_was():
    returns = np.random.default_rng(5).standard_normal(2000) * 0.01 + 0.0003
    found = bootstrap_drawdowns(returns, seed=1, paths=300)
    assert np.quantile(found, 0.02) < drawdowns_of(returns).max() < np.quantile(found, 0.98)


def test_returns_that_only_gain_have_no_drawdown_in_any_order():
    assert bootstrap_drawdowns(np.full(100, 0.01), seed=1, paths=20).max() == 0.0
