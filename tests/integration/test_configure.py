"""What a person sets of strategies and accounts: whole or not at all, and signed."""

import pytest

from scripts import configure as tool
from scripts.configure import configure, shown, value_of
from services.cerebro.store import CerebroStore
from services.domain.errors import ConfigurationError
from services.domain.sizing import RiskSizing
from services.domain.square_off import SquareOff
from services.domain.words import GroupPolicy, MarginModel, StrategyMode
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_strategy

pytestmark = pytest.mark.servers
SIGNED = {"by": "olga", "reason": "approved"}


@pytest.fixture
def kept(store):
    add_strategy(store)
    add_account(store)
    return store


def strategy(store):
    return CerebroStore(store, reference_seconds=0).reference.strategy(STRATEGY)


def test_what_is_set_is_what_cerebro_reads(kept):
    sizing = value_of('{"policy": "RISK_PER_TRADE", "ratio": 0.005}')
    configure(kept, "strategy", STRATEGY, {"mode": "LIVE", "sizing": sizing}, **SIGNED)
    assert (strategy(kept).mode, strategy(kept).sizing) == (
        StrategyMode.LIVE,
        RiskSizing(ratio="0.005"),
    )
    configure(kept, "account", ACCOUNT, {"margin_model": "INDIA"}, **SIGNED)
    account = CerebroStore(kept, reference_seconds=0).reference.account(ACCOUNT)
    assert account.margin_model is MarginModel.INDIA


def test_a_square_off_is_typed_as_people_say_it_and_taken_back(kept):
    typed = {"square_off": value_of("Asia/Kolkata 15:20 1-5"), "group_policy": "UNWIND"}
    configure(kept, "strategy", STRATEGY, typed, **SIGNED)
    assert strategy(kept).group_policy is GroupPolicy.UNWIND
    assert strategy(kept).square_off == SquareOff(timezone="Asia/Kolkata", at="15:20")
    configure(kept, "strategy", STRATEGY, {"square_off": None}, **SIGNED)
    assert strategy(kept).square_off is None


def test_null_goes_back_to_the_default_and_the_audit_log_has_both(kept):
    configure(kept, "strategy", STRATEGY, {"mode": "LIVE"}, **SIGNED)
    found = configure(kept, "strategy", STRATEGY, {"mode": None}, **SIGNED)
    assert found["mode"] == "PAPER"
    facts = [row["facts"] for row in kept["audit_log"].find({"what": "CONFIGURED"}).sort("_id")]
    assert [(each["before"], each["after"]) for each in facts] == [
        ({"mode": None}, {"mode": "LIVE"}),
        ({"mode": "LIVE"}, {"mode": None}),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "changes", "sentence"),
    [
        ("strategy", STRATEGY, {"mode": "REAL"}, "mode"),
        ("strategy", STRATEGY, {"priority": 0}, "priority"),
        ("strategy", STRATEGY, {"group_policy": "MAYBE"}, "group_policy"),
        ("strategy", STRATEGY, {"square_off": "15:20"}, "must be like 'Asia/Kolkata 15:20 1-5'"),
        ("strategy", STRATEGY, {"square_off": "Asia/Nowhere 15:20"}, "must be an IANA name"),
        ("strategy", STRATEGY, {"sizing": {"policy": "FIXED"}}, "quantity"),
        ("strategy", STRATEGY, {"accounts": [{"account_id": "nowhere"}]}, "no account named"),
        ("strategy", STRATEGY, {"credentials": []}, "no field 'credentials'"),
        ("strategy", "nobody", {"mode": "LIVE"}, "no strategy named"),
        ("account", ACCOUNT, {"equity": 1}, "no field 'equity'"),
    ],
)
def test_what_would_not_be_valid_changes_nothing(kept, kind, name, changes, sentence):
    before = list(kept["strategies"].find()), list(kept["trading_accounts"].find())
    with pytest.raises(ConfigurationError, match=sentence):
        configure(kept, kind, name, {"status": "INACTIVE", **changes}, **SIGNED)
    assert (list(kept["strategies"].find()), list(kept["trading_accounts"].find())) == before


def test_a_change_needs_a_name_and_a_reason(kept):
    with pytest.raises(ConfigurationError):
        configure(kept, "strategy", STRATEGY, {"mode": "LIVE"}, by="olga", reason=" ")
    assert shown(kept, "strategy", STRATEGY)["mode"] == "PAPER"


def test_changes_may_stand_before_and_behind_the_reason(kept, typed_here, capsys):
    typed = [
        "strategy",
        STRATEGY,
        "mode=LIVE",
        "--by",
        "olga",
        "--reason",
        "approved",
        "priority=7",
    ]
    assert tool.main(typed) == 0
    assert (strategy(kept).mode, strategy(kept).priority) == (StrategyMode.LIVE, 7)
    assert '"priority": 7' in capsys.readouterr().out
