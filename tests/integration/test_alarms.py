"""Alarms that nobody answers stop entries, once, and say so; who answers in time keeps trading."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.alarms import UNANSWERED, AlarmWatch
from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.incidents import acknowledge_incident, clear_incident, raise_incident
from services.dashboard_creator.documents import incident
from services.domain.risk import scope_key, state_for
from services.domain.words import Scope, TradingState
from services.execution.troubles import Troubles
from services.telegram.events import of_act
from tests.support.execution_process import wait_until
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_strategy, allow_trading
from tests.support.service_process import ServiceProcess

pytestmark = pytest.mark.servers
AFTER_SECONDS = 300
ID = f"ORDER_UNKNOWN|{ACCOUNT}-1"
OF_ACCOUNT = {"account_id": ACCOUNT}
OF_STRATEGY = {"strategy_id": STRATEGY}


@pytest.fixture
def watch(store):
    add_account(store)
    add_strategy(store)
    allow_trading(store)
    return AlarmWatch(store, after_seconds=AFTER_SECONDS)


def happens(store, kind="ORDER_UNKNOWN", facts=OF_ACCOUNT):
    raise_incident(store, kind=kind, key=f"{ACCOUNT}-1", sentence="no answer", facts=facts)


def grows_old(store, seconds=AFTER_SECONDS):
    """As if every open incident had been opened so long ago."""
    moved = {"open_since": utc_now() - timedelta(seconds=seconds)}
    store["incidents"].update_many({"status": "OPEN"}, {"$set": moved})


def state(store, scope=Scope.ACCOUNT, scope_id=ACCOUNT):
    return state_for(controls(store), {scope_key(scope, scope_id)})[0]


def test_a_critical_incident_that_nobody_acknowledges_stops_entries_of_its_account(store, watch):
    happens(store)
    grows_old(store, AFTER_SECONDS - 60)
    assert (watch.look(), state(store)) == (0, TradingState.ACTIVE)
    grows_old(store)
    assert watch.look() == 1
    # REDUCING: exits, guards and cancels still go.
    assert state(store) is TradingState.REDUCING
    assert state(store, Scope.GLOBAL, "") is TradingState.ACTIVE


def test_the_stop_is_on_record_and_told_with_its_reason(store, watch):
    happens(store)
    grows_old(store)
    watch.look()
    reason = f"nobody has acknowledged {ID} within 300 s: no answer"
    control = next(each for each in controls(store) if each.scope is Scope.ACCOUNT)
    assert (control.set_by, control.reason) == (UNANSWERED, reason)
    line = store["audit_log"].find_one({"what": "CONTROL_SET"})
    assert line["by"] == UNANSWERED
    assert line["facts"]["after"]["reason"] == reason
    (told,) = of_act(line)
    assert told.title == f"account {ACCOUNT} is REDUCING, by {UNANSWERED}"
    assert told.text == reason
    shown = incident(store["incidents"].find_one({"_id": ID})).facts
    assert shown["entries_stopped"].startswith(f"entries are stopped for account {ACCOUNT}: nobody")


@pytest.mark.parametrize(
    ("kind", "facts", "place"),
    [
        ("EXIT_DENIED", OF_STRATEGY, (Scope.STRATEGY, STRATEGY)),
        ("PROCESS_DIES", {"exit_code": 1}, (Scope.GLOBAL, "")),
        ("ORDER_UNKNOWN", {"account_id": "gone"}, (Scope.GLOBAL, "")),
    ],
)
def test_it_stops_what_it_is_about_and_everything_where_that_is_not_known(
    store, watch, kind, facts, place
):
    happens(store, kind, facts)
    grows_old(store)
    watch.look()
    assert state(store, *place) is TradingState.REDUCING


def test_one_that_a_person_has_acknowledged_stops_nothing(store, watch):
    happens(store)
    grows_old(store)
    acknowledge_incident(store, ID, "I am on the telephone with the broker", by="olga")
    happens(store)  # seen again, and known
    assert (watch.look(), state(store)) == (0, TradingState.ACTIVE)


def test_one_that_is_not_critical_or_is_over_stops_nothing(store, watch):
    happens(store, "SIGNAL_GAP")
    happens(store)
    grows_old(store)
    clear_incident(store, kind="ORDER_UNKNOWN", key=f"{ACCOUNT}-1")
    assert (watch.look(), state(store)) == (0, TradingState.ACTIVE)


def test_who_resumes_is_believed_until_it_happens_anew(store, watch):
    happens(store)
    grows_old(store)
    watch.look()
    resumed = {"by": "olga", "reason": "seen", "trading_state": TradingState.ACTIVE}
    set_control(store, Scope.ACCOUNT, ACCOUNT, **resumed)
    happens(store)
    assert (watch.look(), state(store)) == (0, TradingState.ACTIVE)
    clear_incident(store, kind="ORDER_UNKNOWN", key=f"{ACCOUNT}-1")
    happens(store)
    assert watch.look() == 0, "the next opening has its own five minutes"
    grows_old(store)
    assert (watch.look(), state(store)) == (1, TradingState.REDUCING)


def test_a_stricter_switch_and_its_reason_stay(store, watch):
    halted = {"by": "olga", "reason": "typo", "trading_state": TradingState.HALTED}
    set_control(store, Scope.ACCOUNT, ACCOUNT, **halted, scale_ratio=Decimal("0.5"))
    happens(store)
    grows_old(store)
    watch.look()
    control = next(each for each in controls(store) if each.scope is Scope.ACCOUNT)
    assert (control.trading_state, control.reason) == (TradingState.HALTED, "typo")
    assert control.scale_ratio == Decimal("0.5")


def test_any_number_of_watchers_stop_once(store, watch):
    happens(store)
    grows_old(store)
    watchers = [AlarmWatch(store, after_seconds=AFTER_SECONDS) for _ in range(4)]
    looks = []
    threads = [threading.Thread(target=lambda w=w: looks.append(w.look())) for w in watchers]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sum(looks) + watch.look() == 1
    assert store["audit_log"].count_documents({"what": "CONTROL_SET"}) == 1


@pytest.mark.parametrize("name", ["cerebro", "execution", "account_data"])
def test_each_of_three_processes_does_it_alone(store, watch, bus_connection, tmp_path, name):
    happens(store)
    process = ServiceProcess(
        name, bus_connection, tmp_path, INCIDENT_HALT_AFTER_S="0.5", USE_MOCK_BROKER="true"
    )
    try:
        wait_until(lambda: state(store) is TradingState.REDUCING, process.tail)
    finally:
        process.kill()
    assert store["incidents"].find_one({"_id": ID})["halted"]["scope_id"] == ACCOUNT


def test_a_desk_that_works_again_ends_its_alarm(store):
    Troubles(store, ACCOUNT).tell(ValueError("a bug"))
    row = store["incidents"].find_one({"_id": f"DESK_FAILED|{ACCOUNT}"})
    assert (row["status"], row["facts"]) == ("OPEN", OF_ACCOUNT)
    Troubles(store, ACCOUNT).end()  # as the next process does, which has told nothing
    assert store["incidents"].find_one({"_id": row["_id"]})["status"] == "CLEARED"
