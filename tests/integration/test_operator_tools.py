"""kill.py and limits.py as an operator types them, on a real store."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from scripts import kill, limits
from services.common.clock import utc_now
from services.common.controls import controls, trading_state
from services.common.limits import limit_sets
from services.common.store import to_document
from services.domain.risk import RiskLock, TradingHours
from services.domain.words import LockRule, Override, Scope, TradingState
from tests.support.builders import ACCOUNT
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "news")


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here):
    allow_trading(store)
    add_account(store)


class Terminal:
    """A person who types one line."""

    def __init__(self, line):
        self.line = line

    def isatty(self):
        return True

    def readline(self):
        return self.line


def by_key(store):
    return {control.key: control for control in controls(store)}


@pytest.mark.parametrize(
    ("word", "state"), [("halt", TradingState.HALTED), ("reduce", TradingState.REDUCING)]
)
def test_without_a_scope_everything_stops(store, word, state):
    assert kill.main([word, *SIGNED]) == 0
    assert trading_state(store) is state


@pytest.mark.parametrize(
    ("option", "typed", "key"),
    [
        ("--account", ACCOUNT, "ACCOUNT|Mock-1"),
        ("--instrument", "aapl", "INSTRUMENT|AAPL"),
        ("--asset-class", "future", "ASSET_CLASS|FUTURE"),
    ],
)
def test_one_scope_stops_alone(store, option, typed, key):
    assert kill.main(["halt", option, typed, *SIGNED]) == 0
    assert by_key(store)[key].trading_state is TradingState.HALTED
    assert trading_state(store) is TradingState.ACTIVE


def test_a_mistyped_account_is_refused_with_those_that_are(store, capsys):
    assert kill.main(["halt", "--account", "Mock-9", *SIGNED]) == 1
    assert "there are: Mock-1" in capsys.readouterr().err


def test_an_empty_account_is_not_everything(store, capsys):
    assert kill.main(["resume", "--account", "", "--yes", *SIGNED]) == 1
    assert "takes an id" in capsys.readouterr().err


def test_everything_resumes_only_with_a_yes(store, monkeypatch):
    kill.main(["halt", *SIGNED])
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert kill.main(["resume", *SIGNED]) == 1
    assert trading_state(store) is TradingState.HALTED
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert kill.main(["resume", *SIGNED]) == 0
    assert trading_state(store) is TradingState.ACTIVE


def test_a_machine_resumes_everything_with_an_option(store):
    kill.main(["halt", *SIGNED])
    assert kill.main(["resume", "--yes", *SIGNED]) == 0
    assert trading_state(store) is TradingState.ACTIVE


def test_a_resume_says_what_is_still_held_back(store, capsys):
    limits.main(["override", "GLOBAL", "--no-trade", *SIGNED])
    capsys.readouterr()
    assert kill.main(["resume", "--account", ACCOUNT, *SIGNED]) == 0
    told = capsys.readouterr().out
    assert "still held back:\n  ACTIVE    everything  override NO_TRADE  by olga" in told


def test_status_says_who_and_why(store, capsys):
    kill.main(["halt", "--account", ACCOUNT, *SIGNED])
    capsys.readouterr()
    assert kill.main(["status"]) == 0
    everything, account = capsys.readouterr().out.splitlines()
    assert everything == "ACTIVE    everything"
    assert account.startswith("HALTED    account Mock-1  by olga  ")
    assert account.endswith("  news")


def test_status_for_machines(store, capsys):
    assert kill.main(["status", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["scope"], found["trading_state"], found["scale_ratio"]) == (
        "GLOBAL",
        "ACTIVE",
        "1",
    )


@pytest.mark.parametrize("tool", [kill, limits])
def test_without_arguments_a_tool_shows_its_help(tool, capsys):
    assert tool.main([]) == 0
    assert "usage:" in capsys.readouterr().out


def test_a_percentage_is_a_share(store, capsys):
    typed = ["max_position_ratio=10%", "max_open_positions=5", "max_margin_ratio=0.5"]
    assert limits.main(["set", "account", ACCOUNT, *typed, *SIGNED]) == 0
    (found,) = limit_sets(store)
    assert (found.max_position_ratio, found.max_margin_ratio) == (Decimal("0.1"), Decimal("0.5"))
    assert "max_position_ratio = 0.1 (10 %)" in capsys.readouterr().out


def test_trading_hours_are_typed_on_one_line(store):
    typed = "trading_hours=America/New_York 09:30-16:00 1-3,5"
    assert limits.main(["set", "GLOBAL", typed, *SIGNED]) == 0
    assert limit_sets(store)[0].trading_hours == TradingHours(
        timezone="America/New_York", opens="09:30", closes="16:00", days=(1, 2, 3, 5)
    )


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("max_position_ratio", "name=value"),
        ("max_position_ratio=", "has no value"),
        ("max_position_ratio=much", "a share must be a number"),
        ("max_order_notional=10%", "is no share"),
        ("max_positon_ratio=10%", "did you mean max_position_ratio"),
        ("trading_hours=nine to five", "trading_hours must be like"),
        ("trading_hours=UTC 09:00-17:00 Mo", "days must be like"),
    ],
)
def test_what_cannot_be_understood_is_said_and_changes_nothing(store, capsys, typed, sentence):
    assert limits.main(["set", "GLOBAL", typed, *SIGNED]) == 1
    assert sentence in capsys.readouterr().err
    assert limit_sets(store) == ()


def test_a_cleared_limit_is_gone(store):
    limits.main(["set", "GLOBAL", "max_pyramiding=1", "max_open_positions=2", *SIGNED])
    assert limits.main(["clear", "GLOBAL", "max_pyramiding", *SIGNED]) == 0
    (found,) = limit_sets(store)
    assert (found.max_pyramiding, found.max_open_positions) == (None, 2)


def test_show_is_of_one_scope_where_asked(store, capsys):
    limits.main(["set", "GLOBAL", "max_pyramiding=1", *SIGNED])
    limits.main(["set", "INSTRUMENT", "AAPL", "restricted=true", *SIGNED])
    capsys.readouterr()
    assert limits.main(["show", "--scope", "instrument", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["scope_id"], found["restricted"]) == ("AAPL", True)


@pytest.mark.parametrize(
    ("option", "override", "scale"),
    [
        (("--scale", "50%"), Override.NO_TRADE, "0.5"),
        (("--reduce-only",), Override.REDUCE_ONLY, "1"),
        (("--none",), Override.NONE, "1"),
    ],
)
def test_an_override_changes_what_it_names(store, option, override, scale):
    limits.main(["override", "ACCOUNT", ACCOUNT, "--no-trade", *SIGNED])
    assert limits.main(["override", "ACCOUNT", ACCOUNT, *option, *SIGNED]) == 0
    found = by_key(store)["ACCOUNT|Mock-1"]
    assert (found.override, found.scale_ratio) == (override, Decimal(scale))


def test_an_override_may_have_an_end_in_a_named_zone(store, capsys):
    words = ["override", "ACCOUNT", ACCOUNT, "--reduce-only", *SIGNED]
    assert limits.main([*words, "--until", "2099-01-02T14:30Z"]) == 0
    assert "until 2099-01-02 14:30 UTC" in capsys.readouterr().out
    for wrong in ("2099-01-02T14:30", "tomorrow"):
        with pytest.raises(SystemExit):
            limits.main([*words, "--until", wrong])
    assert limits.main([*words, "--until", "2020-01-02T14:30Z"]) == 1
    assert "must be later than now" in capsys.readouterr().err


def test_a_lock_is_shown_and_reset(store, capsys):
    lock = RiskLock(
        scope=Scope.ACCOUNT,
        scope_id=ACCOUNT,
        rule=LockRule.DAILY_LOSS,
        sentence="lost 5 % today",
        locked_at=utc_now(),
        expires_at=utc_now() + timedelta(hours=1),
    )
    store["risk_locks"].insert_one({"_id": lock.key, **to_document(lock)})
    assert limits.main(["locks"]) == 0
    assert capsys.readouterr().out.startswith("DAILY_LOSS|ACCOUNT|Mock-1  ")
    assert limits.main(["reset", lock.key, *SIGNED]) == 0
    capsys.readouterr()
    limits.main(["locks"])
    assert capsys.readouterr().out == "nothing is locked\n"


def test_futures_margins_are_entered_and_shown(capsys):
    figures = ("--initial", "17500.50", "--maintenance", "15900", "--as-on", "2026-01-05")
    assert limits.main(["futures", "ES", *figures, "--source", "CME", "--by", "olga"]) == 0
    wanted = "ES  initial 17500.50, maintenance 15900, as on 2026-01-05, CME (by olga)\n"
    assert capsys.readouterr().out == wanted
    assert limits.main(["futures", "ES", "--initial", "1"]) == 1


def test_a_reason_is_asked_for(store):
    with pytest.raises(SystemExit):
        kill.main(["halt"])
    assert trading_state(store) is TradingState.ACTIVE
