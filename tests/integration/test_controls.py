"""Stored kill switches and overrides: what cannot be read halts, and every change is signed."""

from decimal import Decimal

import pytest

from services.common.controls import controls, set_control, trading_state
from services.domain.errors import ConfigurationError
from services.domain.words import Override, Scope, TradingState
from tests.support.builders import ACCOUNT
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
SIGNED = {"by": "olga", "reason": "news"}


def row(**fields):
    named = {"_id": "ACCOUNT|A", "scope": "ACCOUNT", "scope_id": "A", "trading_state": "ACTIVE"}
    return {**named, **fields}


def by_key(store):
    return {control.key: control for control in controls(store)}


def test_without_the_row_of_everything_trading_is_halted(store):
    (control,) = controls(store)
    assert (control.scope, control.trading_state) == (Scope.GLOBAL, TradingState.HALTED)
    assert trading_state(store) is TradingState.HALTED


def test_the_row_that_the_start_makes_is_active(store):
    allow_trading(store)
    assert trading_state(store) is TradingState.ACTIVE


@pytest.mark.parametrize(
    "wrong",
    [
        {"trading_state": "active"},
        {"trading_state": None},
        {"override": "SOME"},
        {"override": None},
        {"scale_ratio": Decimal(2)},
        {"scale_ratio": "half"},
    ],
)
def test_an_unreadable_word_halts_its_scope_alone(store, wrong):
    allow_trading(store)
    store["controls"].insert_one(row(**wrong))
    found = by_key(store)
    assert found["ACCOUNT|A"].state is TradingState.HALTED
    assert found["GLOBAL"].state is TradingState.ACTIVE


@pytest.mark.parametrize("wrong", [{"scope": "PLANET"}, {"scope": None}, {"scope_id": "B"}])
def test_a_row_of_no_known_scope_halts_everything(store, wrong):
    allow_trading(store)
    store["controls"].insert_one(row(**wrong))
    assert trading_state(store) is TradingState.HALTED


def test_what_is_set_holds_and_is_signed(store):
    allow_trading(store)
    add_account(store)
    set_control(store, Scope.ACCOUNT, ACCOUNT, trading_state=TradingState.REDUCING, **SIGNED)
    found = by_key(store)[f"ACCOUNT|{ACCOUNT}"]
    assert found.trading_state is TradingState.REDUCING
    assert (found.set_by, found.reason) == ("olga", "news")
    assert found.set_at is not None
    entry = store["audit_log"].find_one({"what": "CONTROL_SET"})
    assert (entry["by"], entry["facts"]["before"]) == ("olga", None)
    assert entry["facts"]["after"]["trading_state"] == "REDUCING"


def test_releasing_the_switch_leaves_the_override(store):
    allow_trading(store)
    set_control(store, Scope.GLOBAL, override=Override.NO_TRADE, scale_ratio="0.5", **SIGNED)
    set_control(store, Scope.GLOBAL, trading_state=TradingState.HALTED, **SIGNED)
    set_control(store, Scope.GLOBAL, trading_state=TradingState.ACTIVE, **SIGNED)
    (control,) = controls(store)
    assert (control.override, control.scale_ratio) == (Override.NO_TRADE, Decimal("0.5"))
    assert trading_state(store) is TradingState.HALTED


def test_an_override_does_not_release_a_switch_that_is_missing(store):
    set_control(store, Scope.GLOBAL, scale_ratio="0.5", **SIGNED)
    assert trading_state(store) is TradingState.HALTED


def test_an_unreadable_override_stays_strict_when_the_switch_is_released(store):
    allow_trading(store)
    store["controls"].insert_one(row(override="SOME"))
    set_control(store, Scope.ACCOUNT, "A", trading_state=TradingState.ACTIVE, **SIGNED)
    assert by_key(store)["ACCOUNT|A"].override is Override.NO_TRADE
    set_control(store, Scope.ACCOUNT, "A", override=Override.NONE, **SIGNED)
    assert by_key(store)["ACCOUNT|A"].state is TradingState.ACTIVE


def test_instruments_are_stored_in_capitals_as_signals_have_them(store):
    set_control(store, Scope.INSTRUMENT, "aapl", trading_state=TradingState.HALTED, **SIGNED)
    assert "INSTRUMENT|AAPL" in by_key(store)


@pytest.mark.parametrize(
    ("scope", "scope_id", "changes", "sentence"),
    [
        (Scope.ACCOUNT, "Mock-9", {"override": "NONE"}, "no account named 'Mock-9'; there are: Mo"),
        (Scope.STRATEGY, "S", {"override": "NONE"}, "no strategy named 'S'; there are: none"),
        (Scope.ASSET_CLASS, "CHEESE", {"override": "NONE"}, "no asset class 'CHEESE'"),
        (Scope.ACCOUNT, "*", {"override": "NONE"}, "no account named"),
        (Scope.ACCOUNT, " ", {"override": "NONE"}, "takes an id"),
        (Scope.GLOBAL, "X", {"override": "NONE"}, "takes no id"),
        (Scope.GLOBAL, "", {}, "nothing to set"),
        (Scope.GLOBAL, "", {"override": "SOME"}, "override"),
        (Scope.GLOBAL, "", {"scale_ratio": "1.5"}, "scale_ratio"),
        (Scope.GLOBAL, "", {"scale_ratio": "0." + "3" * 40}, "34 digits"),
        (Scope.GLOBAL, "", {"override": "NONE", "by": " "}, "by must name"),
        (Scope.GLOBAL, "", {"override": "NONE", "reason": ""}, "reason must say"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    store, scope, scope_id, changes, sentence
):
    add_account(store)
    with pytest.raises(ConfigurationError, match=sentence.replace("*", r"\*")):
        set_control(store, scope, scope_id, **{**SIGNED, **changes})
    assert store["controls"].count_documents({}) == 0
    assert store["audit_log"].count_documents({}) == 0
