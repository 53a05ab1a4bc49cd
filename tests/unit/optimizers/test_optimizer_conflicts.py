"""What cannot be is said with the names of what stands against it."""

import numpy as np
import pytest

from services.portfolio_builder.constraints import Bounds, GroupCap, Method
from services.portfolio_builder.optimizers.problem import Infeasible
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of

RETURNS = market(5, 300, 1)


def refused(method=Method.MAX_GROWTH, *, returns=RETURNS, current=None, **limits):
    with pytest.raises(Infeasible) as found:
        solve(problem_of(returns, current=current, **limits), method)
    return str(found.value)


@pytest.mark.parametrize("method", Method)
def test_no_method_answers_what_cannot_be(method):
    sentence = refused(method, min_total_ratio=1, max_drawdown_ratio=0.001)
    assert sentence == "no weights keep max_drawdown_ratio 0.001 and min_total_ratio 1 together"


def test_caps_that_do_not_add_up_to_the_least_total():
    sentence = refused(min_total_ratio=1.5, max_weight_ratio=0.2)
    assert "min_total_ratio 1.5" in sentence
    assert "the most of each strategy (0.2)" in sentence


def test_a_group_that_holds_back_what_must_be_given():
    group = GroupCap(name="metals", strategy_ids=("S1", "S2"), max_ratio=0.3)
    bounds = {"S1": Bounds(min_ratio=0.2), "S2": Bounds(min_ratio=0.2)}
    sentence = refused(groups=(group,), bounds=bounds, max_drawdown_ratio=0.9)
    assert sentence == (
        "no weights keep group metals 0.3, at least 0.2 of S1 and at least 0.2 of S2 together"
    )


def test_a_turnover_too_small_to_leave_what_is_too_much():
    sentence = refused(
        current=np.full(5, 0.4), max_turnover_ratio=0.1, max_total_ratio=1, max_weight_ratio=0.5
    )
    assert sentence == "no weights keep max_turnover_ratio 0.1 and max_total_ratio 1 together"


def test_a_least_weight_above_what_a_short_record_allows():
    problem = problem_of(
        RETURNS, caps=np.array([0.1, 1, 1, 1, 1]), bounds={"S0": Bounds(min_ratio=0.2)}
    )
    with pytest.raises(Infeasible, match=r"S0 must be given at least 0\.2, but may be given"):
        solve(problem, Method.MIN_VARIANCE)


def test_many_least_weights_are_named_as_one():
    returns = market(30, 100, 1)
    bounds = {f"S{number}": Bounds(min_ratio=0.1) for number in range(30)}
    sentence = refused(returns=returns, bounds=bounds, max_total_ratio=2)
    assert sentence == ("no weights keep the least of 30 strategies and max_total_ratio 2 together")
