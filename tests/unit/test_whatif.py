"""What if: the same decisions, but for what was changed, and a word where that cannot be known."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.decision.decide import decide
from services.decision.whatif import Case, Change, what_if
from services.domain.sizing import PercentSizing
from services.domain.words import Intent, Outcome, Scope, Side, TradingState
from tests.support.builders import (
    NOW,
    STRATEGY,
    make_account_context,
    make_context,
    make_control,
    make_leg,
    make_limit_set,
    make_limits,
    make_position,
    make_signal,
)

WIDE = make_limits(position="1", broker="1")


def case(number=0, context=None, **fields):
    """100 AAPL at 100 for an allocation of 500,000: decided and stored."""
    received_at = NOW + timedelta(seconds=number)
    signal = make_signal(
        fields.pop("leg", make_leg(quantity="100", price="100")),
        signal_id=f"sig_{number}",
        received_at=received_at,
        **fields,
    )
    context = context or make_context(make_account_context(ratio="0.5"), limits=WIDE)
    context = context.model_copy(update={"now": received_at})
    made = decide(signal, context)
    return Case(signal, context, made.outcome, made.code)


def asked(*cases, most=100, **change):
    return what_if(cases, Change(**change), most=most)


def test_no_change_makes_no_difference():
    found = asked(case(0), case(1))
    assert (found.considered, found.changed, found.drifted) == (2, 0, ())


def test_twice_the_allocation_makes_twice_the_size():
    found = asked(case(), allocations={STRATEGY: "1"})
    (difference,) = found.differences
    before, after = difference.before, difference.after
    assert (before.orders[0].quantity, after.orders[0].quantity) == (100, 200)
    assert (before.notional, after.notional) == (10_000, 20_000)
    (totals,) = found.strategies
    assert (totals.entries, totals.notional_before, totals.notional_after) == (1, 10_000, 20_000)


def test_no_allocation_denies_entries_and_lets_exits_go():
    held = make_context(make_account_context(ratio="0.5", positions=(make_position("10"),)))
    leaving = case(1, context=held, leg=make_leg(side=Side.SELL), intent=Intent.EXIT)
    found = asked(case(0), leaving, allocations={STRATEGY: "0"})
    (difference,) = found.differences
    assert difference.signal_id == "sig_0"
    assert difference.after.code == "ALLOCATION_MISSING"


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        ({"limits": (make_limit_set(max_position_ratio="0.006"),)}, 60),
        ({"limits": (make_limit_set(Scope.STRATEGY, STRATEGY, max_margin_ratio="0.002"),)}, 40),
        ({"max_position_ratio": "0.003"}, 30),
        ({"controls": (make_control(Scope.STRATEGY, STRATEGY, scale_ratio="0.5"),)}, 50),
        ({"sizing": {STRATEGY: PercentSizing(ratio="0.05")}}, 250),
    ],
)
def test_limits_controls_and_sizes_may_be_changed(change, quantity):
    (difference,) = asked(case(), **change).differences
    assert difference.after.orders[0].quantity == quantity


def test_a_limit_may_be_taken_away():
    limited = make_context(
        make_account_context(ratio="0.5"),
        limits=WIDE,
        limit_sets=(make_limit_set(max_position_ratio="0.002"),),
    )
    (difference,) = asked(case(context=limited), without_limits=("ACCOUNT|*",)).differences
    assert (difference.before.orders[0].quantity, difference.after.orders[0].quantity) == (20, 100)


def test_a_halt_denies_everything():
    control = make_control(trading_state=TradingState.HALTED)
    (difference,) = asked(case(), controls=(control,)).differences
    assert difference.after.outcome is Outcome.DENIED


@pytest.mark.parametrize(
    "limits",
    [
        make_limit_set(Scope.GLOBAL, "", max_gross_exposure_ratio="3"),
        make_limit_set(Scope.GLOBAL, "", max_drawdown_ratio="0.2"),
        make_limit_set(max_orders_per_minute=9),
        make_limit_set(price_collar_ratio="0.05"),
        make_limit_set(Scope.STRATEGY, STRATEGY, max_entries=9),
        make_limit_set(Scope.STRATEGY, STRATEGY, max_daily_loss_ratio="0.1"),
    ],
)
def test_a_new_limit_whose_figures_were_not_read_is_no_difference_but_said(limits):
    found = asked(case(), limits=(limits,))
    assert (found.considered, found.changed) == (0, 0)
    (unanswered,) = found.unanswered
    assert "was not recorded then" in unanswered.reason


def test_what_todays_rules_decide_otherwise_is_told_apart():
    stored = case()._replace(outcome=Outcome.DENIED, code="OLD_RULE")
    found = asked(stored, allocations={STRATEGY: "0.5"})
    assert (found.changed, found.drifted) == (0, ("sig_0",))


def test_the_newest_differences_are_told_and_all_are_counted():
    found = asked(*(case(number) for number in range(5)), most=2, allocations={STRATEGY: "1"})
    assert found.changed == 5
    assert [each.signal_id for each in found.differences] == ["sig_4", "sig_3"]
    assert found.strategies[0].notional_after == Decimal(100_000)
