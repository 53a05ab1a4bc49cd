"""Stored limits, locks and futures margins: what cannot be read stops entries, never lets them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.futures import futures_margins, set_futures_margin
from services.common.limits import limit_sets, set_limits
from services.common.locks import clear_lock, locks
from services.common.store import from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.risk import EquityMarks, RiskLock, TradingHours
from services.domain.words import LockRule, Scope
from tests.support.builders import ACCOUNT
from tests.support.rows import STRATEGY, add_account, add_strategy

pytestmark = pytest.mark.servers
SIGNED = {"by": "olga", "reason": "new mandate"}


def test_what_is_set_is_read_back_exactly(store):
    hours = {"timezone": "America/New_York", "opens": "09:30", "closes": "16:00"}
    changes = {
        "max_position_ratio": Decimal("0.10"),
        "max_open_positions": "5",
        "restricted": True,
        "trading_hours": hours,
    }
    made = set_limits(store, Scope.GLOBAL, "", changes, **SIGNED)
    (found,) = limit_sets(store)
    assert found == made
    assert found.max_position_ratio == Decimal("0.10")
    assert (found.max_open_positions, found.restricted) == (5, True)
    assert found.trading_hours == TradingHours(**hours)
    assert (found.version, found.set_by, found.reason) == (1, "olga", "new mandate")


def test_a_change_keeps_the_rest_counts_a_version_and_leaves_history(store):
    set_limits(store, Scope.GLOBAL, "", {"max_open_positions": 5, "max_pyramiding": 2}, **SIGNED)
    changed = set_limits(
        store, Scope.GLOBAL, "", {"max_open_positions": None, "max_margin_ratio": "0.5"}, **SIGNED
    )
    assert (changed.max_open_positions, changed.max_pyramiding, changed.version) == (None, 2, 2)
    stored = store["risk_limits"].find_one({"_id": "GLOBAL"})
    assert "max_open_positions" not in stored
    last = store["audit_log"].find_one({"what": "LIMITS_SET", "facts.after.version": 2})
    assert last["facts"]["before"]["max_open_positions"] == 5
    assert last["facts"]["after"]["max_margin_ratio"] == Decimal("0.5")


def test_changes_at_the_same_time_are_all_kept_and_counted(store):
    def change(number):
        return set_limits(store, Scope.GLOBAL, "", {"max_pyramiding": number}, **SIGNED).version

    change(0)
    with ThreadPoolExecutor(4) as persons:
        versions = list(persons.map(change, range(1, 9)))
    assert sorted(versions) == list(range(2, 10))
    assert store["audit_log"].count_documents({"what": "LIMITS_SET"}) == 9


def test_limits_of_every_other_account_need_no_account(store):
    assert set_limits(store, Scope.ACCOUNT, "*", {"max_pyramiding": 1}, **SIGNED).key == "ACCOUNT|*"


def test_a_limit_of_strategies_is_taken_for_one(store):
    add_strategy(store)
    made = set_limits(store, Scope.STRATEGY, STRATEGY, {"max_consecutive_losses": 3}, **SIGNED)
    assert made.max_consecutive_losses == 3


@pytest.mark.parametrize(
    ("scope", "scope_id", "changes", "sentence"),
    [
        (Scope.GLOBAL, "", {"max_positon_ratio": 1}, "did you mean max_position_ratio"),
        (Scope.GLOBAL, "", {"version": 7}, "no limit named 'version'"),
        (Scope.GLOBAL, "", {"scope": None}, "no limit named 'scope'"),
        (Scope.GLOBAL, "", {"max_position_ratio": "-1"}, "max_position_ratio.*greater than 0"),
        (Scope.GLOBAL, "", {"max_position_ratio": "NaN"}, "max_position_ratio"),
        (Scope.GLOBAL, "", {"max_position_ratio": "0." + "3" * 40}, "34 digits"),
        (Scope.GLOBAL, "", {"max_open_positions": "1.5"}, "max_open_positions"),
        (Scope.GLOBAL, "", {}, "nothing to set"),
        (Scope.GLOBAL, "", {"max_consecutive_losses": 3}, "a limit of STRATEGY"),
        (Scope.GLOBAL, "", {"drawdown_governor_end_ratio": "0.05"}, "must be above"),
        (Scope.ACCOUNT, "Mock-9", {"max_pyramiding": 1}, "no account named 'Mock-9'"),
        (Scope.ASSET_CLASS, "CHEESE", {"max_pyramiding": 1}, "no asset class"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    store, scope, scope_id, changes, sentence
):
    with pytest.raises(ConfigurationError, match=sentence):
        set_limits(store, scope, scope_id, changes, **SIGNED)
    assert store["risk_limits"].count_documents({}) == 0
    assert store["audit_log"].count_documents({}) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"timezone": "New_York"}, {"timezone": "../x"}, {"opens": "9:30"}, {"days": [0]}],
)
def test_hours_that_no_clock_shows_are_refused(store, wrong):
    hours = {"timezone": "America/New_York", "opens": "09:30", "closes": "16:00"} | wrong
    with pytest.raises(ConfigurationError, match="trading_hours"):
        set_limits(store, Scope.GLOBAL, "", {"trading_hours": hours}, **SIGNED)


def row(**fields):
    return {"_id": "ACCOUNT|A", "scope": "ACCOUNT", "scope_id": "A", "version": 1} | fields


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_position_ratio": "much"},
        {"max_position_ration": Decimal("0.1")},
        {"trading_hours": {"timezone": "X", "opens": "09:30", "closes": "16:00"}},
    ],
)
def test_limits_that_cannot_be_read_restrict_their_scope(store, wrong):
    store["risk_limits"].insert_one(row(**wrong))
    (found,) = limit_sets(store)
    assert (found.key, found.restricted) == ("ACCOUNT|A", True)
    assert found.reason == "the stored limits of ACCOUNT|A cannot be read"


@pytest.mark.parametrize("wrong", [{"scope": "PLANET"}, {"scope_id": "B"}, {"scope_id": ""}])
def test_limits_of_no_known_scope_restrict_everything(store, wrong):
    store["risk_limits"].insert_one(row(**wrong))
    (found,) = limit_sets(store)
    assert (found.key, found.restricted) == ("GLOBAL", True)


def test_removing_what_cannot_be_read_mends_a_row(store):
    store["risk_limits"].insert_one(row(max_position_ration=Decimal("0.1"), max_pyramiding=2))
    with pytest.raises(ConfigurationError, match="max_position_ration"):
        set_limits(store, Scope.ACCOUNT, "A", {"max_pyramiding": 1}, **SIGNED)
    set_limits(store, Scope.ACCOUNT, "A", {"max_position_ration": None}, **SIGNED)
    (found,) = limit_sets(store)
    assert (found.restricted, found.max_pyramiding) == (False, 2)


def add_lock(store, rule=LockRule.DRAWDOWN, scope=Scope.ACCOUNT, scope_id=ACCOUNT, **fields):
    lock = RiskLock(
        scope=scope,
        scope_id=scope_id,
        rule=rule,
        sentence="20 % below the peak",
        locked_at=utc_now(),
        **fields,
    )
    store["risk_locks"].insert_one({"_id": lock.key, **to_document(lock)})
    return lock


def marks():
    figures = dict.fromkeys(("day_start", "peak"), Decimal(100)) | {
        "day_low": Decimal(70),
        "last": Decimal(80),
        "max_drawdown_ratio": Decimal("0.3"),
        "volatility_ratio": Decimal("0.2"),
    }
    return to_document(EquityMarks(day="2026-01-05", days=30, **figures))


def test_a_lock_ends_when_its_time_is_up(store):
    lock = add_lock(store, LockRule.DAILY_LOSS, expires_at=utc_now() + timedelta(hours=1))
    assert locks(store, lock.expires_at - timedelta(seconds=1)) == (lock,)
    assert locks(store, lock.expires_at) == ()


def test_a_lock_that_cannot_be_read_locks_everything(store):
    store["risk_locks"].insert_one({"_id": "X", "scope": "ACCOUNT", "rule": "?"})
    (lock,) = locks(store, utc_now())
    assert (lock.scope, lock.expires_at) == (Scope.GLOBAL, None)
    assert "'X'" in lock.sentence


@pytest.mark.parametrize("rule", [LockRule.DRAWDOWN, LockRule.DAILY_LOSS])
def test_clearing_a_lock_of_equity_counts_losses_anew(store, rule):
    add_account(store, equity="80", marks=marks())
    lock = add_lock(store, rule)
    clear_lock(store, lock.key, **SIGNED)
    assert locks(store, utc_now()) == ()
    stored = store["trading_accounts"].find_one({"_id": ACCOUNT})["marks"]
    found = from_document(EquityMarks, stored)
    here = {found.day_start, found.day_low, found.last, found.peak}
    assert (here, found.max_drawdown_ratio) == ({Decimal(80)}, 0)
    assert (found.days, found.volatility_ratio) == (30, Decimal("0.2"))
    entry = store["audit_log"].find_one({"what": "LOCK_CLEARED"})
    assert (entry["by"], entry["facts"]["lock"]["_id"]) == ("olga", lock.key)


def test_clearing_the_lock_of_everything_counts_the_fund_anew(store):
    store["funds"].insert_one({"_id": "PAPER", "equity": Decimal(80), "marks": marks()})
    store["funds"].insert_one({"_id": "LIVE", "equity": None, "marks": None})
    clear_lock(store, add_lock(store, scope=Scope.GLOBAL, scope_id="").key, **SIGNED)
    assert store["funds"].find_one({"_id": "PAPER"})["marks"]["peak"] == 80
    assert store["funds"].find_one({"_id": "LIVE"})["marks"] is None


def test_clearing_a_lock_of_losing_trades_leaves_the_marks(store):
    add_account(store, equity="80", marks=marks())
    lock = add_lock(store, LockRule.CONSECUTIVE_LOSSES, Scope.STRATEGY, STRATEGY)
    clear_lock(store, lock.key, **SIGNED)
    assert store["trading_accounts"].find_one({"_id": ACCOUNT})["marks"]["peak"] == 100


def test_a_lock_stays_while_equity_is_not_known(store):
    add_account(store, marks=marks())
    store["trading_accounts"].update_one({"_id": ACCOUNT}, {"$set": {"equity": None}})
    lock = add_lock(store)
    with pytest.raises(ConfigurationError, match="equity of Mock-1 is not known"):
        clear_lock(store, lock.key, **SIGNED)
    assert locks(store, utc_now()) == (lock,)


def test_a_lock_that_cannot_be_read_is_cleared_without_touching_marks(store):
    store["funds"].insert_one({"_id": "PAPER", "equity": Decimal(80), "marks": marks()})
    store["risk_locks"].insert_one({"_id": "X"})
    clear_lock(store, "X", **SIGNED)
    assert locks(store, utc_now()) == ()
    assert store["funds"].find_one({"_id": "PAPER"})["marks"]["peak"] == 100


def test_an_unknown_lock_is_refused_with_those_that_are(store):
    lock = add_lock(store)
    with pytest.raises(ConfigurationError, match=f"there are: {lock.key}".replace("|", r"\|")):
        clear_lock(store, "DRAWDOWN|X", **SIGNED)


FIGURES = {
    "initial": "17500.50",
    "maintenance": "15900",
    "as_on": "2026-01-05",
    "source": "cmegroup.com",
}


def test_a_futures_margin_is_stored_exactly(store):
    made = set_futures_margin(store, "es", FIGURES, by="olga")
    assert futures_margins(store) == {"ES": made}
    assert (made.initial, made.price, made.set_by) == (Decimal("17500.50"), None, "olga")
    assert store["audit_log"].find_one({"what": "FUTURES_MARGIN_SET"})["by"] == "olga"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"initial": "0"}, "initial"),
        ({"maintenance": "17501"}, "maintenance must not be above initial"),
        ({"as_on": "soon"}, "as_on"),
        ({"as_on": "2999-01-01"}, "as_on must not be after today"),
        ({"source": ""}, "source must say"),
        ({"note": "x"}, "note"),
    ],
)
def test_a_wrong_futures_margin_is_refused(store, wrong, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        set_futures_margin(store, "ES", {**FIGURES, **wrong}, by="olga")
    assert futures_margins(store) == {}


def test_a_futures_margin_that_cannot_be_read_is_unknown(store):
    store["futures_margins"].insert_one({"_id": "ES", "initial": "much"})
    assert futures_margins(store) == {"ES": None}
