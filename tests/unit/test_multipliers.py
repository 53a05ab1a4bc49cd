"""Portfolio multipliers: volatility target and drawdown governor, each a visible step."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.decide import decide
from services.domain.words import Scope
from tests.support.builders import (
    STRATEGY,
    make_account,
    make_account_context,
    make_context,
    make_fund,
    make_leg,
    make_limit_set,
    make_limits,
    make_marks,
    make_signal,
)


def entered(*limit_sets, marks=None, **fields):
    """100 AAPL at 100 asked, and as many to be had."""
    account = make_account_context(make_account(marks=marks), ratio="0.5")
    context = make_context(
        account, limit_sets=limit_sets, limits=make_limits(position="100", broker="100"), **fields
    )
    return decide(make_signal(make_leg(quantity="100", price="100")), context)


def quantity(decision):
    return sum(order.quantity for order in decision.orders)


def calm(volatility):
    return make_marks(volatility_ratio=Decimal(volatility), days=100)


def fallen(drawdown):
    last = 1_000_000 * (1 - Decimal(drawdown))
    return make_marks(start=str(last), peak="1000000")


@pytest.mark.parametrize(
    ("volatility", "most", "expected"),
    [
        ("0.2", "1", 50),  # 0.1 / 0.2
        ("0.1", "1", 100),
        ("0.05", "1", 100),  # not enlarged
        ("0.05", "1.5", 150),  # 0.1 / 0.05 = 2, at most 1.5
        ("0", "1.5", 150),
    ],
)
@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.GLOBAL])
def test_volatility_target_by_hand(scope, volatility, most, expected):
    limit = make_limit_set(
        scope,
        "*" if scope is Scope.ACCOUNT else "",
        target_volatility_ratio="0.1",
        max_volatility_multiple=most,
    )
    marks = calm(volatility)
    assert quantity(entered(limit, marks=marks, fund=make_fund(marks=marks))) == expected


def test_a_record_too_short_scales_nothing_and_says_so():
    limit = make_limit_set(target_volatility_ratio="0.1")
    decision = entered(limit, marks=make_marks(days=12))
    (step,) = [each for each in decision.steps if each.name == "volatility"]
    assert (quantity(decision), step.after) == (100, 1)
    assert step.sentence == "12 days of record are too few to scale by"


def test_a_strategys_own_volatility_is_of_its_record():
    limit = make_limit_set(Scope.STRATEGY, STRATEGY, target_volatility_ratio="0.1")
    assert quantity(entered(limit, strategy_volatility_ratio=Decimal("0.4"))) == 25


@pytest.mark.parametrize(
    ("drawdown", "expected"),
    [
        ("0", 100),
        ("0.05", 100),  # d0
        ("0.1", 66),  # (0.2 − 0.1) / (0.2 − 0.05) = 2/3
        ("0.17", 20),  # 0.03 / 0.15
        ("0.19", 10),  # 0.01 / 0.15 = 0.067, but not below a tenth
        ("0.5", 10),  # never 0: there is a way back
    ],
)
@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.GLOBAL])
def test_drawdown_governor_by_hand(scope, drawdown, expected):
    scope_id = "*" if scope is Scope.ACCOUNT else ""
    limit = make_limit_set(scope, scope_id, drawdown_governor_end_ratio="0.2")
    marks = fallen(drawdown)
    assert quantity(entered(limit, marks=marks, fund=make_fund(marks=marks))) == expected


def test_the_governor_lets_in_again_as_equity_recovers():
    limit = make_limit_set(drawdown_governor_end_ratio="0.2")
    sizes = [
        quantity(entered(limit, marks=fallen(each))) for each in ("0.3", "0.15", "0.1", "0.02")
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0


def test_the_governor_needs_to_know_the_drawdown():
    limit = make_limit_set(drawdown_governor_end_ratio="0.2")
    assert entered(limit).code == "DRAWDOWN_UNKNOWN"


def test_all_multipliers_multiply():
    limits = (
        make_limit_set(target_volatility_ratio="0.1", drawdown_governor_end_ratio="0.2"),
        make_limit_set(Scope.GLOBAL, "", drawdown_governor_end_ratio="0.2"),
    )
    marks = fallen("0.1").model_copy(update={"volatility_ratio": Decimal("0.2"), "days": 50})
    decision = entered(*limits, marks=marks, fund=make_fund(marks=fallen("0.125")))
    assert quantity(decision) == 16  # 100 × 1/2 × 2/3 × 1/2 = 16.67


def test_an_accounts_own_target_replaces_the_one_of_every_account():
    limits = (
        make_limit_set(target_volatility_ratio="0.05", drawdown_governor_end_ratio="0.2"),
        make_limit_set(Scope.ACCOUNT, "Mock-1", target_volatility_ratio="0.1"),
    )
    assert quantity(entered(*limits, marks=calm("0.2"))) == 50  # 0.1 / 0.2, and not × 1/4 too


@given(
    small=st.decimals("0", "0.6", places=4),
    more=st.decimals("0", "0.3", places=4),
    end=st.decimals("0.06", "0.5", places=2),
)
def test_a_deeper_drawdown_never_means_more(small, more, end):
    limit = make_limit_set(drawdown_governor_end_ratio=end)
    deep = quantity(entered(limit, marks=fallen(small + more)))
    assert 10 <= deep <= quantity(entered(limit, marks=fallen(small))) <= 100
