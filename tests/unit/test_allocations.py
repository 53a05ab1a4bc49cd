"""Which allocations may be approved, and what speaks against them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.portfolio_builder.allocation_rules import (
    Caps,
    Group,
    Known,
    StrategyCap,
    judge,
    left_out,
    objections_to,
    shares_of_accounts,
)
from services.portfolio_builder.allocations import (
    Allocation,
    AllocationRow,
    Evidence,
    ratios_of_weights,
)

KNOWN = {
    "A": Known("ACTIVE", {"Mock-1": Decimal(1)}),
    "B": Known("ACTIVE", {"Mock-1": Decimal("0.5"), "Mock-2": Decimal("0.5")}),
    "Idle": Known("INACTIVE", {"Mock-1": Decimal(1)}),
    "Gone": Known("ARCHIVED", {"Mock-1": Decimal(1)}),
    "Homeless": Known("ACTIVE", {}),
    "Lost": Known("ACTIVE", {"Nowhere": Decimal(1)}),
}
ratio = st.decimals(0, 2, places=6)


def judged(ratios, caps=None, total="2"):
    return judge(
        {name: Decimal(each) for name, each in ratios.items()},
        strategies=KNOWN,
        accounts={"Mock-1", "Mock-2"},
        caps=caps or Caps(),
        max_total_ratio=Decimal(total),
    )


def test_an_allocation_within_every_cap_has_no_fault():
    assert judged({"A": "0.4", "B": "0.6"}) == ((), ())


@pytest.mark.parametrize(
    ("ratios", "sentence"),
    [
        ({"Nobody": "0.1"}, "there is no strategy named 'Nobody'"),
        ({"Nobody": "0"}, "there is no strategy named 'Nobody'"),
        ({"Gone": "0.1"}, "Gone is archived: it can be given nothing, was given 10 %"),
        ({"Lost": "0.1"}, "account 'Nowhere', which does not exist"),
        (
            {"A": "1.2", "B": "0.9"},
            "may be given 200 % (MAX_TOTAL_ALLOCATION_PCT), were given 210 %",
        ),
    ],
)
def test_a_fault_names_what_is_wrong_with_numbers(ratios, sentence):
    assert sentence in "; ".join(judged(ratios).faults)


def test_an_archived_strategy_may_stand_at_zero():
    assert judged({"A": "0.1", "Gone": "0"}).faults == ()


def test_a_cap_of_its_own_stands_before_the_one_of_all():
    caps = Caps(
        max_ratio=Decimal("0.3"), strategies=(StrategyCap(strategy_id="A", max_ratio="0.5"),)
    )
    assert judged({"A": "0.5", "B": "0.3"}, caps).faults == ()
    faults = judged({"A": "0.51", "B": "0.31"}, caps).faults
    assert faults == (
        "A may be given 50 % at most, was given 51 %",
        "B may be given 30 % at most, was given 31 %",
    )


def test_a_group_is_capped_together_and_counts_a_name_once():
    group = Group(name="indices", strategy_ids=("A", "B", "A"), max_ratio=Decimal("0.5"))
    assert judged({"A": "0.25", "B": "0.25"}, Caps(groups=(group,))).faults == ()
    faults = judged({"A": "0.25", "B": "0.26"}, Caps(groups=(group,))).faults
    assert faults == ("the group indices may be given 50 % at most, was given 51 %",)


@pytest.mark.parametrize(
    ("ratios", "sentence"),
    [
        ({}, "nothing will be entered, exits go on"),
        ({"A": "0"}, "nothing will be entered, exits go on"),
        ({"Homeless": "0.1"}, "has no account to trade in"),
        ({"Idle": "0.1"}, "is INACTIVE: it enters nothing"),
        ({"A": "0.9", "B": "0.4"}, "account Mock-1 are given 110 % of its equity"),
    ],
)
def test_what_is_odd_but_allowed_is_told(ratios, sentence):
    verdict = judged(ratios)
    assert verdict.faults == ()
    assert sentence in "; ".join(verdict.warnings)


def test_who_is_forgotten_is_told_and_who_is_set_to_zero_is_not():
    before = {"A": Decimal("0.2"), "B": Decimal("0.1"), "Idle": Decimal(0)}
    after = {"B": Decimal(0)}
    assert left_out(before, after) == ("A has 20 % now, is not named, and gets nothing",)


def test_shares_of_accounts_follow_the_weights():
    ratios = {"A": Decimal("0.4"), "B": Decimal("0.6"), "Nobody": Decimal(1)}
    # Mock-1: 0.4 + 0.6 × 0.5, Mock-2: 0.6 × 0.5.
    assert shares_of_accounts(ratios, KNOWN) == {
        "Mock-1": Decimal("0.70"),
        "Mock-2": Decimal("0.30"),
    }


@given(st.dictionaries(st.sampled_from(["A", "B", "Idle", "Homeless"]), ratio))
def test_what_has_no_fault_keeps_every_cap(ratios):
    caps = Caps(
        max_ratio=Decimal("0.8"),
        groups=(Group(name="g", strategy_ids=("A", "B"), max_ratio=Decimal(1)),),
    )
    verdict = judged(ratios, caps, total="1.5")
    keeps = (
        sum(ratios.values()) <= Decimal("1.5")
        and all(each <= Decimal("0.8") for each in ratios.values())
        and ratios.get("A", 0) + ratios.get("B", 0) <= 1
    )
    assert (not verdict.faults) == keeps


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0, 3), max_size=20))
def test_ratios_of_a_study_are_rounded_up_by_an_error_of_solvers_at_most(weights):
    exact = ratios_of_weights(weights)
    error = Decimal("0.00000002")
    for name, weight in weights.items():
        assert -error <= Decimal(repr(weight)) - exact[name] < Decimal("0.000001")
    total = sum(map(Decimal, map(repr, weights.values())), Decimal(0))
    assert sum(exact.values()) <= total + error


def test_weights_at_their_caps_are_what_a_person_expects():
    weights = {"A": 0.17499999, "B": 0.3500000001, "C": 1.4749999999}
    assert ratios_of_weights(weights) == {
        "A": Decimal("0.175"),
        "B": Decimal("0.35"),
        "C": Decimal("1.475"),
    }


def test_a_total_at_its_cap_is_never_exceeded():
    # Each is short of a step by an error; together the errors are more than one.
    weights = {f"S{n:03}": 0.02 - 2e-8 for n in range(100)}
    exact = ratios_of_weights(weights)
    assert sum(exact.values()) == Decimal("1.999998")


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -0.01, 101.0])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match="the weight of A must be 0 to 100"):
        ratios_of_weights({"A": weight})


def test_rounding_errors_below_zero_count_as_zero():
    assert ratios_of_weights({"A": -1e-9}) == {"A": 0}


@pytest.mark.parametrize("value", ["-0.1", "NaN", "Infinity", "1e40", "0.1234567890123", "abc"])
def test_a_ratio_is_finite_and_not_negative(value):
    with pytest.raises(ValidationError):
        AllocationRow(strategy_id="A", ratio=value)


def evidence(**figures):
    known = {
        "sharpe": 1.2,
        "equal_weight_sharpe": 1.0,
        "max_drawdown_ratio": 0.1,
        "max_drawdown_limit_ratio": 0.15,
    }
    return Evidence(test_id="t", **(known | figures))


def test_a_study_that_beat_equal_weight_and_kept_its_limit_has_no_objection():
    assert objections_to(evidence()) == ()
    assert objections_to(evidence(max_drawdown_limit_ratio=None, max_drawdown_ratio=0.9)) == ()
    assert objections_to(None) == ()


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"sharpe": 0.9}, "Sharpe ratio was 0.90, that of equal weight 1.00"),
        (
            {"max_drawdown_ratio": 0.151},
            "lost 15.10% from its peak, and was to lose 15.00% at most",
        ),
        ({"sharpe": None}, "did not compare it with equal weight"),
        ({"equal_weight_sharpe": None}, "did not compare it with equal weight"),
    ],
)
def test_what_a_study_did_not_show_wants_an_override(figures, sentence):
    assert sentence in "; ".join(objections_to(evidence(**figures)))


def test_the_sum_of_an_allocation_is_exact():
    rows = tuple(AllocationRow(strategy_id=str(each), ratio="0.1") for each in range(3))
    assert Allocation(allocations=rows).total_ratio == Decimal("0.3")
