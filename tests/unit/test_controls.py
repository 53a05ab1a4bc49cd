"""Kill switches and overrides: the strictest of an order's scopes counts."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.domain.risk import scale_for, scope_in_words, scope_key, state_for, stricter
from services.domain.words import Override, Scope, TradingState
from tests.support.builders import make_control

GLOBAL = scope_key(Scope.GLOBAL)
MINE, OTHERS = scope_key(Scope.ACCOUNT, "A"), scope_key(Scope.ACCOUNT, "B")
controls = st.builds(
    make_control,
    scope=st.just(Scope.ACCOUNT),
    scope_id=st.sampled_from(["A", "B"]),
    trading_state=st.sampled_from(TradingState),
    override=st.sampled_from(Override),
    scale_ratio=st.decimals("0", "1", places=2),
)


def test_nothing_said_is_active():
    assert state_for((), {GLOBAL}) == (TradingState.ACTIVE, None)


def test_the_strictest_control_is_named():
    reducing = make_control(trading_state=TradingState.REDUCING)
    halted = make_control(Scope.ACCOUNT, "A", trading_state=TradingState.HALTED)
    assert state_for((reducing, halted), {GLOBAL, MINE}) == (TradingState.HALTED, halted)


def test_other_scopes_say_nothing():
    halted = make_control(Scope.ACCOUNT, "B", trading_state=TradingState.HALTED)
    assert state_for((halted,), {GLOBAL, MINE}) == (TradingState.ACTIVE, None)


def test_no_trade_is_as_strict_as_a_halt():
    override = make_control(override=Override.NO_TRADE)
    assert state_for((override,), {GLOBAL}) == (TradingState.HALTED, override)


def test_scales_of_several_scopes_multiply():
    half = make_control(scale_ratio=Decimal("0.5"))
    fifth = make_control(Scope.ACCOUNT, "A", scale_ratio=Decimal("0.2"))
    plain = make_control(Scope.ACCOUNT, "B")
    # 0.5 × 0.2
    assert scale_for((half, fifth, plain), {GLOBAL, MINE, OTHERS}) == (
        Decimal("0.1"),
        (half, fifth),
    )


def test_scopes_in_words():
    assert scope_in_words(Scope.GLOBAL) == "everything"
    assert scope_in_words(Scope.ASSET_CLASS, "FUTURE") == "asset class FUTURE"
    assert scope_in_words(Scope.ACCOUNT, "*") == "every account without limits of its own"


@given(st.lists(controls, max_size=5), controls)
def test_one_more_control_never_lets_more_through(those, one_more):
    before, after = state_for(those, {MINE})[0], state_for([*those, one_more], {MINE})[0]
    assert stricter(before, after) is after
    assert scale_for([*those, one_more], {MINE})[0] <= scale_for(those, {MINE})[0]
