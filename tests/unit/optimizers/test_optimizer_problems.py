"""Problems that are none, and problems at the edge of being one."""

from dataclasses import replace

import numpy as np
import pytest

from services.portfolio_builder.constraints import Bounds, Method
from services.portfolio_builder.optimizers.problem import InvalidProblem
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of

RETURNS = market(4, 300, 3)
GOOD = problem_of(RETURNS)


def with_return(value):
    returns = RETURNS.copy()
    returns[10, 2] = value
    return replace(GOOD, returns=returns)


INVALID = {
    "expected at least one strategy": replace(GOOD, strategy_ids=()),
    "each strategy once": replace(GOOD, strategy_ids=("S0", "S1", "S1", "S3")),
    "at least one day": replace(GOOD, returns=np.zeros((0, 4))),
    r"mean must have the shape \(4,\), was \(3,\)": replace(GOOD, mean=np.zeros(3)),
    "returns must be finite": with_return(np.nan),
    "above −100 %, was -100% of S2 on day 11": with_return(-1.0),
    "covariance must be finite": replace(GOOD, covariance=np.full((4, 4), np.inf)),
    "must be symmetric": replace(GOOD, covariance=GOOD.covariance + np.eye(4, k=1)),
    "no eigenvalue below 0": replace(GOOD, covariance=GOOD.covariance - np.eye(4)),
    "periods_per_year must be above 0": replace(GOOD, periods_per_year=0.0),
    "margins must be 0 or more": replace(GOOD, margins=-np.ones_like(RETURNS)),
    "bounds must name strategies that take part, found S9": problem_of(
        RETURNS, bounds={"S9": Bounds()}
    ),
    "max_margin_ratio needs the margin": problem_of(RETURNS, max_margin_ratio=0.5),
}


@pytest.mark.parametrize("sentence", INVALID)
@pytest.mark.parametrize("method", [Method.HYBRID, Method.EQUAL_WEIGHT])
def test_a_problem_that_is_none_is_a_sentence(sentence, method):
    with pytest.raises(InvalidProblem, match=sentence):
        solve(INVALID[sentence], method)


def edges():
    still = RETURNS.copy()
    still[:, 1] = 0.0002
    wild = RETURNS.copy()
    wild[7, 0] = 100.0  # 10,000 % in a day
    worst = RETURNS.copy()
    worst[7] = -0.999999
    return {
        "one strategy": RETURNS[:, :1],
        "fewer days than strategies": RETURNS[:3],
        "one day": RETURNS[:2],
        "a constant series": still,
        "nothing ever moves": np.zeros((50, 3)),
        "all the same": np.repeat(RETURNS[:, :1], 4, axis=1),
        "10,000 % in a day": wild,
        "nearly everything lost in a day": worst,
        "all lose": -np.abs(RETURNS),
    }


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("name", edges())
def test_edges_have_weights_or_a_word(method, name):
    found = solve(problem_of(edges()[name], max_drawdown_ratio=0.2), method)
    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.objective)
    assert found.certificate.max_violation <= 1e-6


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("limits", [{"max_total_ratio": 0}, {"max_weight_ratio": 0}])
def test_where_nothing_may_be_allocated_nothing_is(method, limits):
    assert not solve(problem_of(RETURNS, **limits), method).weights.any()


def test_where_all_lose_the_best_is_cash_and_the_notes_say_so():
    found = solve(problem_of(-np.abs(RETURNS)), Method.MAX_SHARPE)
    assert not found.weights.any()
    assert found.notes == ("no strategy is expected to earn more than cash: nothing is allocated",)
    assert not solve(problem_of(-np.abs(RETURNS)), Method.MAX_GROWTH).weights.any()


def test_where_all_lose_and_something_must_be_given_it_varies_least():
    problem = problem_of(-np.abs(RETURNS), min_total_ratio=0.5)
    found = solve(problem, Method.MAX_SHARPE)
    calm = solve(problem, Method.MIN_VARIANCE)
    assert found.weights == pytest.approx(calm.weights, abs=1e-6)
    assert "least variance" in found.notes[0]


def test_a_strategy_that_never_moved_is_left_out_of_ratios():
    returns = RETURNS.copy()
    returns[:, 1] = 0.0002
    for method in (Method.MAX_SHARPE, Method.HYBRID):
        found = solve(problem_of(returns), method)
        assert found.weights[1] == 0
        assert found.notes[0].startswith("S1 never moved")


def test_two_of_the_same_strategy_share_what_one_would_have():
    twice = np.column_stack((RETURNS, RETURNS[:, 0]))
    once = solve(problem_of(RETURNS, max_weight_ratio=2), Method.MIN_VARIANCE)
    both = solve(problem_of(twice, max_weight_ratio=2), Method.MIN_VARIANCE)
    assert both.weights[0] + both.weights[4] == pytest.approx(once.weights[0], abs=1e-5)
    assert both.objective == pytest.approx(once.objective, abs=1e-9)


def test_growth_never_risks_ruin():
    # Half of the days +60 %, half −60 %, and more weight than equity is allowed.
    returns = np.tile([[0.65], [-0.6]], (100, 1))
    found = solve(problem_of(returns, max_total_ratio=5, max_weight_ratio=5), Method.MAX_GROWTH)
    # g = ½ log(1 + 0.65 f) + ½ log(1 − 0.6 f): f = (0.65 − 0.6) / (2 · 0.65 · 0.6)
    assert found.weights[0] == pytest.approx(0.05 / 0.78, abs=1e-6)
