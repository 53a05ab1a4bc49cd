"""Shadow mode: entries are decided and recorded, never ordered; exits close what is held."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.decide import decide
from services.domain.words import AccountType, Environment, Intent, Outcome, Side, StrategyMode
from tests.support.builders import (
    make_account,
    make_account_context,
    make_context,
    make_leg,
    make_position,
    make_signal,
    make_strategy,
)


def shadow(*accounts, **fields):
    context = make_context(*accounts, **fields)
    strategy = context.strategy.model_copy(update={"mode": StrategyMode.SHADOW})
    return context.model_copy(update={"strategy": strategy})


@given(quantity=st.integers(1, 10_000))
def test_an_entry_in_shadow_mode_makes_no_order_and_holds_nothing(quantity):
    decision = decide(make_signal(make_leg(quantity=str(quantity))), shadow())
    assert (decision.outcome, decision.orders, decision.reservations) == (Outcome.DENIED, (), ())


@pytest.mark.parametrize("kind", list(AccountType))
def test_what_would_have_been_ordered_is_recorded_for_any_account(kind):
    account = make_account_context(make_account(account_type=kind))
    as_ordered = decide(make_signal(), make_context())
    decision = decide(make_signal(environment=Environment.PRODUCTION), shadow(account))
    assert decision.code == "STRATEGY_SHADOW"
    assert [each.quantity for each in decision.passable] == [as_ordered.orders[0].quantity]
    assert "17 AAPL in" in decision.reason
    assert "shadow" in [step.name for step in decision.steps]


def test_a_rule_that_would_have_stopped_it_is_told_before_the_mode():
    account = make_account_context(make_account(equity="0"))
    assert decide(make_signal(), shadow(account)).code == "EQUITY_NOT_POSITIVE"


def test_an_exit_closes_what_was_held_before_the_strategy_went_to_shadow():
    held = make_account_context(positions=(make_position("18"),))
    signal = make_signal(make_leg(quantity="10", side=Side.SELL), intent=Intent.EXIT)
    decision = decide(signal, shadow(held))
    assert decision.outcome is not Outcome.DENIED
    assert [(order.side, order.quantity) for order in decision.orders] == [(Side.SELL, Decimal(18))]


def test_a_paper_strategy_still_never_reaches_a_live_account():
    account = make_account_context(make_account(account_type=AccountType.LIVE))
    context = make_context(account, strategy=make_strategy("Mock-1"))
    signal = make_signal(environment=Environment.PRODUCTION)
    assert decide(signal, context).code == "ROUTING_PAPER_TO_LIVE"
