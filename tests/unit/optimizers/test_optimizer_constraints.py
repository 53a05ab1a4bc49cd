"""Whatever is asked, what comes back keeps every constraint, or is a sentence."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.portfolio_builder.constraints import Bounds, GroupCap, Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.problem import TOLERANCE, Infeasible
from services.portfolio_builder.optimizers.region import region_of
from services.portfolio_builder.optimizers.solve import solve
from tests.support.portfolios import market, problem_of

#: The same cases in every run: a numerical solver is no place for surprises in a build.
steady = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def maybe(low, high):
    return st.none() | st.floats(low, high)


@st.composite
def problems(draw, *, bounded=True):
    count = draw(st.integers(1, 7))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    limits = {
        "max_total_ratio": draw(st.floats(0.3, 3)),
        "max_weight_ratio": draw(st.floats(0.1, 1.5)),
        "max_volatility_ratio": draw(maybe(0.02, 0.4)),
        "max_drawdown_ratio": draw(maybe(0.01, 0.5)),
        "max_cvar_ratio": draw(maybe(0.002, 0.05)),
        "max_margin_ratio": draw(maybe(0.05, 1)),
    }
    if bounded and draw(st.booleans()):
        limits["min_total_ratio"] = draw(st.floats(0, 0.5))
        limits["max_turnover_ratio"] = draw(maybe(0.1, 2))
        limits["bounds"] = {"S0": Bounds(min_ratio=draw(st.floats(0, 0.2)), max_ratio=0.4)}
    if count > 2 and draw(st.booleans()):
        group = GroupCap(name="pair", strategy_ids=("S0", "S1"), max_ratio=draw(st.floats(0.2, 1)))
        limits["groups"] = (group,)
    returns = market(count, draw(st.sampled_from([3, 60, 300])), seed)
    return problem_of(
        returns,
        current=rng.uniform(0, 0.3, count),
        margins=rng.uniform(0, 0.5, returns.shape),
        **limits,
    )


def missed(problem, weights):
    """By how much each constraint is missed, computed from the definitions alone."""
    limits, daily = problem.constraints, problem.returns @ weights
    found = [float(-weights.min()), float(weights.sum()) - limits.max_total_ratio]
    found.append(limits.min_total_ratio - float(weights.sum()))
    for name, weight in zip(problem.strategy_ids, weights, strict=True):
        bounds = limits.bounds.get(name)
        found.append(weight - (bounds.max_ratio if bounds else limits.max_weight_ratio))
        found.append((bounds.min_ratio if bounds else 0) - weight)
    for group in limits.groups:
        members = [problem.strategy_ids.index(each) for each in group.strategy_ids]
        found.append(float(weights[members].sum()) - group.max_ratio)
    if limits.max_volatility_ratio is not None:
        risk = np.sqrt(max(weights @ problem.covariance @ weights, 0))
        found.append(risk - limits.max_volatility_ratio)
    if limits.max_drawdown_ratio is not None:
        equity = np.concatenate(([1.0], np.cumprod(1 + daily)))
        worst = max(1 - low / equity[: at + 1].max() for at, low in enumerate(equity))
        found.append(worst - limits.max_drawdown_ratio)
    if limits.max_cvar_ratio is not None:
        days = len(daily) * (1 - limits.cvar_confidence_ratio)
        whole, losses = int(days + 1e-12), np.sort(-daily)[::-1]
        tail = losses[:whole].sum() + (days - whole) * losses[min(whole, len(losses) - 1)]
        found.append(tail / days - limits.max_cvar_ratio)
    if limits.max_margin_ratio is not None:
        found.append(float((problem.margins @ weights).max()) - limits.max_margin_ratio)
    if limits.max_turnover_ratio is not None:
        found.append(float(np.abs(weights - problem.current).sum()) - limits.max_turnover_ratio)
    return found


@pytest.mark.parametrize("method", Method)
def test_every_method_keeps_every_constraint(method):
    @steady
    @given(problems())
    def check(problem):
        try:
            found = solve(problem, method)
        except Infeasible:
            return
        assert max(missed(problem, found.weights)) <= TOLERANCE
        assert np.isfinite(found.objective)
        assert found.certificate.max_violation <= TOLERANCE

    check()


@steady
@given(problems())
def test_what_is_called_infeasible_is_infeasible_for_all_methods_alike(problem):
    verdicts = set()
    for method in (Method.MAX_GROWTH, Method.EQUAL_WEIGHT, Method.MIN_VARIANCE):
        try:
            solve(problem, method, second_opinion=False)
            verdicts.add("feasible")
        except Infeasible:
            verdicts.add("infeasible")
    assert len(verdicts) == 1


CHANGES = {
    "max_drawdown_ratio": 0.03,
    "max_cvar_ratio": 0.005,
    "max_volatility_ratio": 0.06,
    "max_total_ratio": 0.7,
    "max_weight_ratio": 0.2,
    "groups": (GroupCap(name="pair", strategy_ids=("S0", "S1"), max_ratio=0.1),),
    "max_turnover_ratio": 0.4,
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_another_constraint_never_improves_growth(field, seed):
    returns = market(6, 300, seed)
    free = solve(problem_of(returns), Method.MAX_GROWTH)
    bound = solve(problem_of(returns, **{field: CHANGES[field]}), Method.MAX_GROWTH)
    assert bound.objective <= free.objective + 1e-9


@pytest.mark.parametrize(
    "field", [each for each in CHANGES if each not in ("max_total_ratio", "groups")]
)
@pytest.mark.parametrize("seed", range(3))
def test_another_constraint_never_improves_the_sharpe_ratio(field, seed):
    returns = market(6, 300, seed)
    free = solve(problem_of(returns), Method.MAX_SHARPE)
    bound = solve(problem_of(returns, **{field: CHANGES[field]}), Method.MAX_SHARPE)
    assert bound.objective <= free.objective + 1e-9


# The tree of HRP has no left and right: which half a leaf is in depends on the order it came in.
@pytest.mark.parametrize("method", [each for each in Method if each is not Method.HRP])
def test_the_order_of_strategies_is_of_no_account(method):
    returns = market(6, 300, 7)
    order = np.array([3, 0, 5, 1, 4, 2])
    limits = {"max_weight_ratio": 0.4, "max_drawdown_ratio": 0.05}
    found = solve(problem_of(returns, **limits), method)
    turned = solve(problem_of(returns[:, order], **limits), method)
    # Flat near the optimum: objectives agree to 1e-8, weights to its square root.
    assert turned.objective == pytest.approx(found.objective, abs=1e-8)
    assert turned.weights == pytest.approx(found.weights[order], abs=1e-4)


@pytest.mark.parametrize("scale", [0.1, 3])
def test_returns_of_another_size_give_the_same_direction(scale):
    returns = market(6, 300, 2) * 0.2
    for method in (Method.MAX_SHARPE, Method.MIN_VARIANCE, Method.RISK_PARITY, Method.HRP):
        found = solve(problem_of(returns), method).weights
        scaled = solve(problem_of(returns * scale), method).weights
        assert scaled / scaled.sum() == pytest.approx(found / found.sum(), abs=1e-4)


def test_binding_constraints_are_named():
    returns = market(6, 300, 1)
    found = solve(
        problem_of(
            returns,
            max_weight_ratio=0.25,
            max_total_ratio=0.9,
            bounds={"S5": Bounds(min_ratio=0.05, max_ratio=0.05)},
        ),
        Method.MAX_GROWTH,
    )
    assert "max_total_ratio 0.9" in found.binding
    assert "at most 0.05 of S5" in found.binding


def test_the_second_solver_agrees_and_is_named():
    found = solve(problem_of(market(10, 400, 4), max_weight_ratio=0.3), Method.MAX_GROWTH)
    assert {found.certificate.solver, found.certificate.second_solver} == {"CLARABEL", "SLSQP"}
    assert found.certificate.gap == pytest.approx(0, abs=1e-7)
    assert found.certificate.optimality_gap == pytest.approx(0, abs=1e-7)


def test_the_second_solver_can_be_left_out():
    problem = problem_of(market(10, 400, 4), max_weight_ratio=0.3)
    found = solve(problem, Method.MAX_GROWTH, second_opinion=False)
    assert (found.certificate.second_solver, found.certificate.gap) == ("", None)


def test_no_weights_outside_are_better_than_the_bound_says():
    # 3,000 random portfolios of the region: none is above what the linear program bounds.
    problem = problem_of(market(5, 300, 9), max_weight_ratio=0.5, max_drawdown_ratio=0.08)
    found = solve(problem, Method.MAX_GROWTH)
    region, rng = region_of(problem), np.random.default_rng(0)
    tried = (rng.dirichlet(np.ones(5)) * rng.uniform(0, 2) for _ in range(3000))
    inside = [measure.growth(problem, each) for each in tried if region.excess(each) <= 0]
    assert len(inside) > 100
    assert max(inside) <= found.objective + found.certificate.optimality_gap
