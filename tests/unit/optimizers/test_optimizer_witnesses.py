"""Where one solver gives up, the other one answers or nobody does."""

from types import SimpleNamespace

import clarabel
import pytest

from services.portfolio_builder.constraints import Method
from services.portfolio_builder.optimizers.problem import NotSolved
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of


class GivesUp:
    """CLARABEL on a day on which nothing succeeds."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def solve(self):
        return SimpleNamespace(status="NumericalError")


LIMITS = {"max_weight_ratio": 0.4, "max_total_ratio": 1}


@pytest.mark.parametrize("method", [Method.MAX_GROWTH, Method.MIN_VARIANCE])
def test_weights_of_slsqp_alone_are_taken_and_said_to_be_that(method, monkeypatch):
    limits = LIMITS | {"min_total_ratio": 1}
    problem = problem_of(market(6, 300, 2), **limits)
    usual = solve(problem, method)
    monkeypatch.setattr(clarabel, "DefaultSolver", GivesUp)
    found = solve(problem, method)
    assert found.objective == pytest.approx(usual.objective, abs=1e-6)
    assert found.certificate.solver == "SLSQP"
    assert found.notes == ("only SLSQP found weights: CLARABEL found no weights: NumericalError",)


def test_where_nobody_finds_weights_there_are_none(monkeypatch):
    monkeypatch.setattr(clarabel, "DefaultSolver", GivesUp)
    with pytest.raises(NotSolved, match="CLARABEL found no weights: NumericalError"):
        solve(problem_of(market(6, 300, 2)), Method.MAX_GROWTH, second_opinion=False)
    with pytest.raises(NotSolved, match="CLARABEL"):
        solve(problem_of(market(61, 100, 2)), Method.MAX_GROWTH)  # too many for SLSQP


def test_what_breaks_a_constraint_is_never_taken(monkeypatch):
    # SLSQP ends 1e-6 beyond this drawdown or farther; nothing is better than that.
    problem = problem_of(market(30, 600, 3), max_drawdown_ratio=0.004, min_total_ratio=0.3)
    assert solve(problem, Method.MAX_GROWTH).certificate.max_violation < 1e-8
    monkeypatch.setattr(clarabel, "DefaultSolver", GivesUp)
    with pytest.raises(NotSolved, match="miss a constraint by"):
        solve(problem, Method.MAX_GROWTH)
