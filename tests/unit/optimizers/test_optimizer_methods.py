"""What each method is."""

from itertools import pairwise

import numpy as np
import pytest

from services.portfolio_builder.constraints import Bounds, GroupCap, Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.hrp import hierarchical
from services.portfolio_builder.optimizers.parity import risk_shares
from services.portfolio_builder.optimizers.problem import Infeasible
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of

RETURNS = market(6, 500, 5)


def test_max_sharpe_is_as_large_as_the_total_lets_it_be():
    for total in (0.5, 1):
        found = solve(problem_of(RETURNS, max_total_ratio=total), Method.MAX_SHARPE)
        assert found.weights.sum() == pytest.approx(total)
        assert f"max_total_ratio {total:g}" in found.binding


def test_a_cap_holds_as_a_share_of_what_is_allocated_too():
    # The seed shrank everything until no cap of equity was touched: the cap meant nothing.
    found = solve(problem_of(RETURNS, max_weight_ratio=0.25), Method.MAX_SHARPE)
    assert found.weights.max() / found.weights.sum() <= 0.25 + 1e-9
    free = solve(problem_of(RETURNS), Method.MAX_SHARPE)
    assert free.weights.max() / free.weights.sum() > 0.25


@pytest.mark.parametrize("seed", [259, 267, 329, 336])
def test_caps_that_leave_one_portfolio_are_that_portfolio(seed):
    # A solver that walks through the interior had none here, and gave up on one strategy alone.
    for count, cap in ((1, 0.5236), (4, 0.25), (5, 0.1)):
        returns = market(count, 300, seed) + 0.001
        found = solve(problem_of(returns, max_weight_ratio=cap), Method.MAX_SHARPE)
        assert found.weights == pytest.approx(cap, rel=1e-5)


def test_a_total_changes_the_size_of_the_best_sharpe_and_not_its_direction():
    whole = solve(problem_of(RETURNS, max_weight_ratio=0.25, max_total_ratio=1), Method.MAX_SHARPE)
    half = solve(problem_of(RETURNS, max_weight_ratio=0.25, max_total_ratio=0.5), Method.MAX_SHARPE)
    assert half.weights == pytest.approx(whole.weights / 2, abs=1e-7)


def test_a_least_weight_of_next_to_nothing_is_none():
    bounds = {"S0": Bounds(min_ratio=1e-300, max_ratio=0.25)}
    free = solve(problem_of(RETURNS, max_weight_ratio=0.25), Method.MAX_SHARPE)
    found = solve(problem_of(RETURNS, max_weight_ratio=0.25, bounds=bounds), Method.MAX_SHARPE)
    assert found.weights == pytest.approx(free.weights, abs=1e-9)


def test_a_drawdown_changes_the_size_of_the_best_sharpe_and_not_its_direction():
    free = solve(problem_of(RETURNS), Method.MAX_SHARPE).weights
    problem = problem_of(RETURNS, max_drawdown_ratio=0.03)
    found = solve(problem, Method.MAX_SHARPE)
    assert found.weights / found.weights.sum() == pytest.approx(free / free.sum(), abs=1e-6)
    assert measure.drawdown(RETURNS @ found.weights) == pytest.approx(0.03, abs=1e-9)
    assert "max_drawdown_ratio 0.03" in found.binding


def test_least_variance_is_asked_of_a_total_of_one():
    found = solve(problem_of(RETURNS), Method.MIN_VARIANCE)
    assert found.weights.sum() == pytest.approx(1)
    half = solve(problem_of(RETURNS, min_total_ratio=0.5), Method.MIN_VARIANCE)
    assert half.weights == pytest.approx(found.weights / 2, abs=1e-5)


def test_least_variance_says_where_no_total_of_one_is_allowed():
    found = solve(problem_of(RETURNS, max_drawdown_ratio=0.01), Method.MIN_VARIANCE)
    assert found.weights.sum() < 1
    assert found.notes == (
        f"the constraints let no more than {found.weights.sum():.4f} of equity be allocated",
    )


def test_risk_parity_gives_every_strategy_the_same_risk():
    problem = problem_of(RETURNS)
    found = solve(problem, Method.RISK_PARITY)
    assert risk_shares(problem.covariance, found.weights) == pytest.approx(1 / 6, abs=1e-8)
    assert found.weights.sum() == pytest.approx(1)


def test_risk_parity_becomes_smaller_before_it_becomes_unequal():
    problem = problem_of(RETURNS, max_drawdown_ratio=0.03)
    found = solve(problem, Method.RISK_PARITY)
    assert risk_shares(problem.covariance, found.weights) == pytest.approx(1 / 6, abs=1e-8)
    assert measure.drawdown(RETURNS @ found.weights) == pytest.approx(0.03, abs=1e-9)
    assert "made smaller" in found.notes[0]


def test_risk_parity_says_how_unequal_a_cap_makes_it():
    problem = problem_of(RETURNS, bounds={"S0": Bounds(max_ratio=0.02)})
    found = solve(problem, Method.RISK_PARITY)
    shares = risk_shares(problem.covariance, found.weights)
    assert found.notes == (
        f"equal risk shares break constraints: shares are from {shares.min():.4f} "
        f"to {shares.max():.4f} instead of {1 / 6:.4f}",
    )
    # Those that are free keep shares in the proportion of the budgets: all equal.
    assert shares[1:] == pytest.approx(shares[1], abs=1e-5)


def test_hierarchical_weights_of_two_pairs():
    # Variances 1, 1, 4, 4; 0.5 within a pair, 0 between. Of a pair with equal variances v:
    # 0.75 v. Halves: 0.75 and 3, so 0.8 and 0.2; within a pair half each.
    spread = np.array([1.0, 1.0, 2.0, 2.0])
    correlation = np.eye(4)
    correlation[0, 1] = correlation[1, 0] = correlation[2, 3] = correlation[3, 2] = 0.5
    found = hierarchical(correlation * np.outer(spread, spread))
    assert found == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_hierarchical_weights_find_pairs_that_do_not_stand_together():
    order = [0, 2, 1, 3]
    spread = np.array([1.0, 1.0, 2.0, 2.0])
    correlation = np.eye(4)
    correlation[0, 1] = correlation[1, 0] = correlation[2, 3] = correlation[3, 2] = 0.5
    covariance = (correlation * np.outer(spread, spread))[np.ix_(order, order)]
    assert hierarchical(covariance) == pytest.approx([0.4, 0.1, 0.4, 0.1])


@pytest.mark.parametrize("method", [Method.HRP, Method.EQUAL_WEIGHT])
def test_weights_that_break_a_cap_are_moved_to_the_nearest_and_the_notes_say_so(method):
    found = solve(problem_of(RETURNS, bounds={"S2": Bounds(max_ratio=0.05)}), method)
    assert found.weights[2] == pytest.approx(0.05)
    assert "the nearest that do not" in found.notes[0]


def test_equal_weights_are_made_smaller_for_a_drawdown():
    found = solve(problem_of(RETURNS, max_drawdown_ratio=0.02), Method.EQUAL_WEIGHT)
    assert found.weights == pytest.approx(found.weights[0])
    assert 0 < found.weights[0] < 1 / 6
    assert "made smaller" in found.notes[0]


LIMITS = {"max_weight_ratio": 0.5, "max_drawdown_ratio": 0.1}


@pytest.fixture(scope="module")
def frontier():
    return solve(problem_of(RETURNS, **LIMITS), Method.HYBRID).frontier


def test_the_frontier_goes_from_most_growth_to_most_sharpe(frontier):
    problem = problem_of(RETURNS, **LIMITS)
    growth = solve(problem, Method.MAX_GROWTH).objective
    assert frontier[0].growth == pytest.approx(growth, abs=1e-9)
    # No cap relative to the total here: the one of equity alone leaves the direction free.
    best = solve(problem_of(RETURNS), Method.MAX_SHARPE).objective
    assert frontier[-1].sharpe == pytest.approx(best, abs=1e-6)
    assert len(frontier) == 10  # nine, and the one that was chosen


def test_every_point_of_the_frontier_keeps_the_constraints(frontier):
    for point in frontier:
        assert measure.drawdown(RETURNS @ point.weights) <= 0.1 + 1e-6
        assert point.weights.max() <= 0.5 + 1e-6
        assert point.weights.sum() <= 2 + 1e-6


def test_along_the_frontier_sharpe_rises_and_growth_falls(frontier):
    sharpes, growths = [each.sharpe for each in frontier], [each.growth for each in frontier]
    assert sharpes == sorted(sharpes)
    assert growths == sorted(growths, reverse=True)


def test_the_ends_of_the_hybrid_are_its_two_parents(frontier):
    problem = problem_of(RETURNS, **LIMITS)
    for alpha, end in ((0.0, frontier[0]), (1.0, frontier[-1])):
        found = solve(problem, Method.HYBRID, alpha_ratio=alpha)
        assert found.weights == pytest.approx(end.weights, abs=1e-6)
        assert found.objective == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.85])
def test_the_hybrid_is_as_good_as_all_of_its_frontier(alpha, frontier):
    def score(point):
        return (
            alpha * point.sharpe / frontier[-1].sharpe
            + (1 - alpha) * point.growth / frontier[0].growth
        )

    found = solve(problem_of(RETURNS, **LIMITS), Method.HYBRID, alpha_ratio=alpha)
    assert found.objective >= max(score(point) for point in frontier) - 1e-9
    assert found.certificate.gap == pytest.approx(0, abs=1e-6)


def test_more_weight_on_the_sharpe_ratio_never_lowers_it():
    ratios = []
    problem = problem_of(RETURNS, **LIMITS)
    for alpha in (0.1, 0.4, 0.7, 0.95):
        found = solve(problem, Method.HYBRID, alpha_ratio=alpha)
        ratios.append(measure.sharpe(problem, found.weights))
    assert ratios == sorted(ratios)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("method", [Method.MAX_SHARPE, Method.HYBRID])
def test_a_strategy_that_may_have_nothing_does_not_take_everything_from_the_others(method, seed):
    # What the solver left of its 0 was above its cap at any size: all weights were 0 by that.
    returns = market(6, 300, seed) + 0.001
    group = GroupCap(name="shut", strategy_ids=("S1", "S2"), max_ratio=0)
    shut = problem_of(returns, bounds={"S0": Bounds(max_ratio=0)}, groups=[group])
    without = problem_of(returns[:, 3:])
    found, rest = solve(shut, method), solve(without, method)
    assert found.weights[:3] == pytest.approx(0, abs=1e-9)
    assert found.objective == pytest.approx(rest.objective, abs=1e-6)
    assert found.weights.sum() == pytest.approx(rest.weights.sum(), abs=1e-3)


def test_a_frontier_rises_in_sharpe_where_its_beginning_earns_less_than_cash():
    # What grows most here has a Sharpe ratio below 0: a least one below 0 is no cone.
    grown = np.tile([0.021, -0.019], 200)
    calm = np.tile([0.0011, 0.0012, -0.0015, 0.0001], 100)
    found = solve(
        problem_of(np.column_stack((grown, calm)), mean=[-0.02, 0.005], max_total_ratio=1),
        Method.HYBRID,
    )
    ratios = [point.sharpe for point in found.frontier]
    assert ratios[0] < 0 < ratios[1]
    assert all(below < above for below, above in pairwise(ratios))
    growths = [point.growth for point in found.frontier]
    assert all(above > below for above, below in pairwise(growths))


def test_a_least_weight_above_a_total_of_nothing_is_impossible():
    # Equal risk shares of a total of 0 were divided by.
    problem = problem_of(RETURNS, bounds={"S0": Bounds(min_ratio=0.1)}, max_total_ratio=0)
    with pytest.raises(Infeasible, match="of S0 and max_total_ratio 0 tog"):
        solve(problem, Method.RISK_PARITY)


def test_the_point_that_was_chosen_is_on_the_frontier():
    problem = problem_of(RETURNS, max_weight_ratio=0.5, max_drawdown_ratio=0.1)
    found = solve(problem, Method.HYBRID, alpha_ratio=0.6)
    nearest = min(np.abs(found.weights - each.weights).max() for each in found.frontier)
    assert nearest <= 1e-6
    assert [each.sharpe for each in found.frontier] == sorted(
        each.sharpe for each in found.frontier
    )
