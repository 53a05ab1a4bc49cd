"""The same problems as elsewhere, the same answers: published numbers, skfolio, cvxpy."""

import cvxpy
import numpy as np
import pytest
from skfolio.datasets import load_sp500_dataset, load_sp500_index
from skfolio.optimization import MeanRisk, ObjectiveFunction, RiskBudgeting

from services.portfolio_builder.constraints import Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.parity import equal_risk
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of


@pytest.fixture(scope="module")
def stocks():
    """20 stocks of the S&P 500, 1990 to 2022."""
    return load_sp500_dataset().pct_change().dropna()


@pytest.mark.parametrize(("cap", "ratio"), [(1.0, 1.15121958), (0.1, 1.12752260)])
def test_max_sharpe_of_20_stocks_is_what_two_solvers_found(stocks, cap, ratio):
    found = solve(problem_of(stocks, max_total_ratio=1, max_weight_ratio=cap), Method.MAX_SHARPE)
    assert found.objective == pytest.approx(ratio, abs=1e-8)
    assert found.weights.sum() == pytest.approx(1)


def test_max_sharpe_and_min_variance_are_those_of_skfolio(stocks):
    limits = {"max_total_ratio": 1, "max_weight_ratio": 0.2}
    problem = problem_of(stocks["2010":], **limits)
    kept = {"min_weights": 0, "max_weights": 0.2}
    theirs = MeanRisk(objective_function=ObjectiveFunction.MAXIMIZE_RATIO, **kept)
    sharp = solve(problem, Method.MAX_SHARPE)
    weights = theirs.fit(stocks["2010":]).weights_
    assert sharp.objective >= measure.sharpe(problem, weights) - 1e-9
    assert sharp.weights == pytest.approx(weights, abs=1e-3)  # theirs is the looser solver

    calm = solve(problem, Method.MIN_VARIANCE)
    weights = MeanRisk(**kept).fit(stocks["2010":]).weights_
    assert -calm.objective <= measure.volatility(problem.covariance, weights) + 1e-9
    assert calm.weights == pytest.approx(weights, abs=1e-3)


def test_least_volatility_for_a_sharpe_ratio_is_on_the_same_frontier_as_theirs(stocks):
    # Largest mean at 15 % volatility: the growth of small returns is nearly that.
    years = stocks["2015":]
    problem = problem_of(years, max_total_ratio=1, max_volatility_ratio=0.15)
    found = solve(problem, Method.MAX_GROWTH)
    theirs = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RETURN,
        max_variance=0.15**2 / 252,
        budget=None,
        min_budget=0,
        max_budget=1,
    )
    weights = theirs.fit(years).weights_
    assert measure.volatility(problem.covariance, found.weights) == pytest.approx(0.15, abs=1e-7)
    assert found.objective >= measure.growth(problem, weights) - 1e-7
    assert problem.mean @ found.weights == pytest.approx(problem.mean @ weights, rel=2e-3)


def test_equal_risk_is_that_of_skfolio(stocks):
    weights = RiskBudgeting().fit(stocks["2015":]).weights_
    assert equal_risk(problem_of(stocks["2015":]).covariance) == pytest.approx(weights, abs=1e-4)


def test_equal_weights_of_20_stocks(stocks):
    problem = problem_of(stocks, max_total_ratio=1)
    weights = solve(problem, Method.EQUAL_WEIGHT).weights
    daily = problem.returns @ weights
    assert daily.mean() / daily.std(ddof=1) * np.sqrt(252) == pytest.approx(0.978002, abs=1e-6)
    assert np.expm1(measure.growth(problem, weights)) == pytest.approx(0.181998, abs=1e-6)
    assert measure.drawdown(daily) == pytest.approx(0.484075, abs=1e-6)


@pytest.mark.parametrize(("total", "growth"), [(1, 0.25601338), (2, 0.43494533)])
def test_max_growth_of_20_stocks(stocks, total, growth):
    found = solve(problem_of(stocks, max_total_ratio=total), Method.MAX_GROWTH)
    assert found.objective == pytest.approx(growth, abs=1e-8)
    assert found.certificate.optimality_gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("drawdown", "cagr", "total"), [(0.20, 0.421841, 1.0562), (0.15, 0.334707, 0.8695)]
)
def test_max_growth_under_a_compounded_drawdown(stocks, drawdown, cagr, total):
    problem = problem_of(stocks["2018":], max_weight_ratio=0.5, max_drawdown_ratio=drawdown)
    found = solve(problem, Method.MAX_GROWTH)
    assert np.expm1(found.objective) == pytest.approx(cagr, abs=1e-6)
    assert measure.drawdown(problem.returns @ found.weights) == pytest.approx(drawdown, abs=1e-8)
    assert found.weights.sum() == pytest.approx(total, abs=1e-4)
    assert f"max_drawdown_ratio {drawdown:g}" in found.binding


def test_full_kelly_of_the_index_is_less_than_mean_by_variance():
    index = load_sp500_index().pct_change().dropna()
    problem = problem_of(index, max_total_ratio=4, max_weight_ratio=4)
    assert problem.mean[0] / problem.covariance[0, 0] == pytest.approx(2.632368, abs=1e-6)
    found = solve(problem, Method.MAX_GROWTH)
    assert found.weights[0] == pytest.approx(2.590902, abs=1e-5)


def test_kelly_bets_two_fifths_on_a_coin_that_wins_three_times_of_five_half_of_the_stake():
    # f = (p − q) / 0.5 for ±50 %, and g = p·log(1.2) + q·log(0.8) = 0.0201355 for each toss.
    tosses = np.array([[0.5]] * 60 + [[-0.5]] * 40)
    problem = problem_of(tosses)
    found = solve(problem, Method.MAX_GROWTH)
    assert found.weights[0] == pytest.approx(0.4, abs=1e-6)
    assert found.objective / 252 == pytest.approx(0.0201355, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_growth_under_a_drawdown_is_that_of_the_exponential_cone_program(seed):
    returns, room = market(8, 250, seed), 0.06
    weights, path = cvxpy.Variable(8), cvxpy.Variable(250)
    depth = cvxpy.Variable(251)
    logs = cvxpy.log1p(returns @ weights)
    rules = [
        weights >= 0, weights <= 0.5, cvxpy.sum(weights) <= 2, path <= logs,
        depth >= 0, depth[1:] >= depth[:-1] - path, depth <= -np.log(1 - room),
    ]  # fmt: skip
    program = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(logs) / 250), rules)
    program.solve(solver="CLARABEL")
    problem = problem_of(returns, max_weight_ratio=0.5, max_drawdown_ratio=room)
    found = solve(problem, Method.MAX_GROWTH)
    assert found.objective == pytest.approx(program.value * 252, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_growth_under_a_cvar_is_that_of_rockafellar_and_uryasev(seed):
    # 250 days, the worst 5 %: 12.5 of them, so half of the thirteenth counts.
    returns, most = market(8, 250, seed), 0.004
    weights, least = cvxpy.Variable(8), cvxpy.Variable()
    daily = returns @ weights
    tail = least + cvxpy.sum(cvxpy.pos(-daily - least)) / 12.5
    rules = [weights >= 0, weights <= 0.5, cvxpy.sum(weights) <= 2, tail <= most]
    program = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(cvxpy.log1p(daily)) / 250), rules)
    program.solve(solver="CLARABEL")
    problem = problem_of(returns, max_weight_ratio=0.5, max_cvar_ratio=most)
    found = solve(problem, Method.MAX_GROWTH)
    assert found.objective == pytest.approx(program.value * 252, abs=1e-6)
    assert measure.tail_mean(returns @ found.weights, 0.95) <= most + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_variance_under_every_constraint_is_that_of_a_general_solver(seed):
    returns, now = market(8, 250, seed), np.full(8, 0.1)
    margins = np.abs(market(8, 250, seed + 50)) * 10
    rows = {"min_total_ratio": 0.8, "max_weight_ratio": 0.3}
    free = solve(problem_of(returns, **rows), Method.MIN_VARIANCE).weights
    # A little less of each than the free optimum uses, so that all are felt.
    margin = 0.98 * float((margins @ free).max())
    tail = 0.99 * measure.tail_mean(returns @ free, 0.95)
    turnover = 0.95 * float(np.abs(free - now).sum())
    problem = problem_of(
        returns,
        current=now,
        margins=margins,
        max_margin_ratio=margin,
        max_cvar_ratio=tail,
        max_turnover_ratio=turnover,
        **rows,
    )
    weights, least = cvxpy.Variable(8), cvxpy.Variable()
    rules = [
        weights >= 0, weights <= 0.3, cvxpy.sum(weights) <= 2, cvxpy.sum(weights) >= 0.8,
        cvxpy.norm1(weights - now) <= turnover, margins @ weights <= margin,
        least + cvxpy.sum(cvxpy.pos(-returns @ weights - least)) / 12.5 <= tail,
    ]  # fmt: skip
    calm = cvxpy.quad_form(weights, cvxpy.psd_wrap(problem.covariance))
    program = cvxpy.Problem(cvxpy.Minimize(calm), rules)
    program.solve(solver="CLARABEL")
    found = solve(problem, Method.MIN_VARIANCE)
    assert -found.objective == pytest.approx(np.sqrt(program.value), abs=1e-7)
    assert found.binding


@pytest.mark.parametrize(
    "limits",
    [
        {"max_weight_ratio": 0.1, "max_drawdown_ratio": 0.05},
        {"max_weight_ratio": 0.012, "min_total_ratio": 1.2, "max_total_ratio": 1.3},
    ],
)
def test_growth_of_many_strategies_is_that_of_the_exponential_cone_program(limits):
    # More than are looked at first; the second needs 100 of 120, or no weights keep it.
    returns = market(120, 200, 11)
    problem = problem_of(returns, **limits)
    kept = problem.constraints
    weights, path, depth = cvxpy.Variable(120), cvxpy.Variable(200), cvxpy.Variable(201)
    rules = [
        weights >= 0, weights <= kept.max_weight_ratio, path <= cvxpy.log1p(returns @ weights),
        cvxpy.sum(weights) <= kept.max_total_ratio, cvxpy.sum(weights) >= kept.min_total_ratio,
        depth >= 0, depth[1:] >= depth[:-1] - path,
    ]  # fmt: skip
    if kept.max_drawdown_ratio is not None:
        rules.append(depth <= -np.log1p(-kept.max_drawdown_ratio))
    program = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(path) / 200), rules)
    program.solve(solver="CLARABEL")
    found = solve(problem, Method.MAX_GROWTH)
    assert found.objective == pytest.approx(program.value * 252, abs=1e-6)
    assert found.certificate.optimality_gap == pytest.approx(0, abs=1e-7)
