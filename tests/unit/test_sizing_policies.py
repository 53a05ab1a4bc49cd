"""Each sizing policy against values worked out by hand, then what holds for all of them.

Allocated: 1,000,000 equity × 50 % = 500,000; the sender's equity is 500,000, so the ratio is 1.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.decide import decide
from services.domain.sizing import (
    FixedSizing,
    FractionSizing,
    PercentSizing,
    RatioSizing,
    RiskSizing,
    VolatilitySizing,
)
from services.domain.words import EquityBase, Outcome, QuantityUnit, Side
from tests.support.builders import (
    ACCOUNT,
    make_account,
    make_account_context,
    make_context,
    make_fund,
    make_leg,
    make_limits,
    make_signal,
    make_strategy,
)

WIDE = make_limits(position="100", broker="100")


def sized(policy, *legs, equity="1000000", ratio="0.5", sender_equity="500000", **fields):
    account = make_account_context(make_account(equity, **fields.pop("account", {})), ratio=ratio)
    strategy = make_strategy(ACCOUNT, sizing=policy, **fields.pop("strategy", {}))
    context = make_context(account, strategy=strategy, limits=WIDE, **fields)
    return decide(make_signal(*legs, sender_equity=sender_equity), context)


def quantities(decision):
    return [order.quantity for order in decision.orders]


def step(decision, name):
    return next(each for each in decision.steps if each.name == name)


def test_ratio_scales_the_senders_quantity_by_equity():
    decision = sized(RatioSizing(), make_leg(quantity="10"), sender_equity="250000")
    assert quantities(decision) == [20]  # 10 × 500,000 / 250,000


def test_percent_of_allocated_ignores_the_senders_quantity():
    decision = sized(PercentSizing(ratio="0.1"), make_leg(quantity="77", price="150"))
    # 10 % of 500,000 = 50,000; / 150 = 333.33
    assert quantities(decision) == [333]
    assert step(decision, "percent_of_allocated").after == Decimal(50000) / (77 * 150)


def test_percent_of_allocated_shares_it_in_the_ratio_of_the_legs():
    legs = (
        make_leg("AAPL", quantity="20", price="100"),
        make_leg("NVDA", quantity="10", price="300", side=Side.SELL, leg_index=1),
    )
    decision = sized(PercentSizing(ratio="0.2"), *legs)
    # 100,000 / (20 × 100 + 10 × 300) = 20 groups
    assert quantities(decision) == [400, 200]


def test_percent_needs_no_equity_of_the_sender():
    decision = sized(PercentSizing(ratio="0.1"), make_leg(price="100"), sender_equity=None)
    assert quantities(decision) == [500]


def test_fixed_is_the_same_whatever_was_sent_and_whatever_the_equity():
    for equity in ("1000000", "3000000"):
        decision = sized(FixedSizing(quantity="12"), make_leg(quantity="77"), equity=equity)
        assert quantities(decision) == [12]


def test_fixed_counts_the_first_leg_and_the_others_keep_their_ratio():
    legs = (make_leg(quantity="10"), make_leg("NVDA", quantity="5", leg_index=1))
    assert quantities(sized(FixedSizing(quantity="12"), *legs)) == [12, 6]


def test_risk_per_trade_loses_its_share_at_the_stop():
    decision = sized(RiskSizing(ratio="0.005"), make_leg(price="150", stop_loss=Decimal("145")))
    # 0.5 % of 500,000 = 2,500; 5 lost on each share
    assert quantities(decision) == [500]


def test_risk_per_trade_of_a_short_counts_upwards():
    leg = make_leg(price="150", side=Side.SELL, stop_loss=Decimal("160"))
    assert quantities(sized(RiskSizing(ratio="0.01"), leg)) == [500]  # 5,000 / 10


@pytest.mark.parametrize(
    ("side", "stop", "code"),
    [
        (Side.BUY, None, "STOP_LOSS_MISSING"),
        (Side.BUY, "151", "STOP_LOSS_WRONG_SIDE"),
        (Side.BUY, "150", "STOP_LOSS_WRONG_SIDE"),
        (Side.SELL, "149", "STOP_LOSS_WRONG_SIDE"),
    ],
)
def test_risk_per_trade_needs_a_stop_that_loses(side, stop, code):
    leg = make_leg(price="150", side=side, stop_loss=stop and Decimal(stop))
    decision = sized(RiskSizing(ratio="0.005"), leg)
    assert (decision.outcome, decision.code) == (Outcome.DENIED, code)


def test_volatility_target_shrinks_a_wild_strategy():
    policy = VolatilitySizing(target_ratio="0.1")
    decision = sized(policy, make_leg(quantity="100"), strategy_volatility_ratio=Decimal("0.4"))
    assert quantities(decision) == [25]  # 100 × 0.1 / 0.4


def test_volatility_target_enlarges_a_calm_strategy_only_so_far():
    policy = VolatilitySizing(target_ratio="0.1", max_multiple="1.5")
    decision = sized(policy, make_leg(quantity="100"), strategy_volatility_ratio=Decimal("0.05"))
    assert quantities(decision) == [150]


def test_volatility_target_without_a_record_is_denied():
    decision = sized(VolatilitySizing(target_ratio="0.1"))
    assert decision.code == "VOLATILITY_UNKNOWN"


def test_fraction_reads_any_quantity_as_a_share_of_the_capital():
    decision = sized(FractionSizing(), make_leg(quantity="0.3", price="100"))
    assert quantities(decision) == [1500]  # 30 % of 500,000 / 100


def test_a_fund_share_is_of_all_accounts_together_and_shared_by_weight():
    first, second = (
        make_account_context(
            make_account(equity, account_id=name), ratio="0.5", weight_ratio=weight
        )
        for name, equity, weight in (("A-1", "900000", "3"), ("A-2", "100000", "1"))
    )
    strategy = make_strategy(("A-1", "3"), ("A-2", "1"), equity_base=EquityBase.FUND)
    context = make_context(first, second, strategy=strategy, limits=WIDE, fund=make_fund("1000000"))
    decision = decide(make_signal(make_leg(quantity="100")), context)
    # 1,000,000 × 50 % × 3/4 = 375,000 and 125,000, of a sender of 500,000
    assert quantities(decision) == [75, 25]


def test_a_fund_that_is_not_known_denies():
    strategy = make_strategy(ACCOUNT, equity_base=EquityBase.FUND)
    for fund in (None, make_fund(None), make_fund("1000000", age_seconds=61)):
        decision = decide(make_signal(), make_context(strategy=strategy, fund=fund))
        assert decision.code == "FUND_UNKNOWN"


def test_an_account_multiplier_multiplies_its_sizes():
    account = make_account_context(ratio="0.25", multiplier_ratio=Decimal("1.5"))
    context = make_context(account, limits=WIDE)
    decision = decide(make_signal(make_leg(quantity="100")), context)
    assert quantities(decision) == [75]  # 100 × 1,000,000 × 25 % × 1.5 / 500,000


def test_a_foreign_instrument_is_sized_in_the_accounts_currency():
    leg = make_leg(quantity="0.11", price="100", quantity_unit=QuantityUnit.EQUITY_FRACTION)
    euro = leg.instrument.model_copy(update={"currency": "EUR"})
    decision = sized(
        RatioSizing(),
        leg.model_copy(update={"instrument": euro}),
        account={"fx_rates": {"EUR": Decimal("1.1")}},
    )
    # 11 % of 500,000 = 55,000 USD; one costs 100 EUR = 110 USD
    assert quantities(decision) == [500]
    assert decision.reservations[0].capital == 55000


POLICIES = st.one_of(
    st.just(RatioSizing()),
    st.builds(PercentSizing, ratio=st.decimals("0.01", "2", places=2)),
    st.builds(RiskSizing, ratio=st.decimals("0.001", "0.05", places=3)),
    st.builds(VolatilitySizing, target_ratio=st.decimals("0.05", "0.5", places=2)),
    st.just(FractionSizing()),
)


@given(
    policy=POLICIES,
    equity=st.decimals("10000", "5000000", places=2),
    more=st.decimals("0", "5000000", places=2),
    ratio=st.decimals("0.01", "1", places=2),
    quantity=st.decimals("0.01", "500", places=2),
)
def test_no_policy_gives_less_for_more_equity(policy, equity, more, ratio, quantity):
    leg = make_leg(quantity=str(quantity), price="37.5", stop_loss=Decimal("33"))

    def size(money):
        decision = sized(
            policy,
            leg,
            equity=str(money),
            ratio=str(ratio),
            strategy_volatility_ratio=Decimal("0.2"),
        )
        return sum(quantities(decision))

    assert size(equity) <= size(equity + more)
