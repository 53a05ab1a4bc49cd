"""What people do over HTTP: once, by name, on the figures they saw, and told to the audit log."""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest

from services.cerebro.approvals import Watch
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.common.controls import controls, end_expired
from services.common.incidents import raise_incident
from services.common.locks import cleared_at
from services.common.store import to_document
from services.domain.risk import RiskLock
from services.domain.words import LockRule, OrderStatus, OrderType, Override, Scope, TradingState
from tests.support.acts import acts_client, code_of
from tests.support.cerebro import make_cerebro
from tests.support.documents import make_order_document
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_operator,
    add_signal,
    add_strategy,
    ready_to_trade,
)

pytestmark = pytest.mark.servers
GLOBAL = "/api/v1/controls/GLOBAL/*"
LIMITS = f"/api/v1/limits/STRATEGY/{STRATEGY}"


@pytest.fixture
def http(store):
    ready_to_trade(store)
    with acts_client(store) as client:
        yield client


def add_order(store, status="SUBMITTED"):
    """BUY 17 AAPL with a limit of 150; the path of it."""
    made = make_order_document(status=OrderStatus(status))
    made["order"] |= {"order_type": OrderType.LIMIT, "limit_price": Decimal(150)}
    store["orders"].insert_one(made)
    return made["_id"], f"/api/v1/orders/{made['_id']}"


def audited(store, *names):
    lines = store["audit_log"].find({"by": "olga"}).sort("recorded_at")
    return [each for each in lines if not names or each["what"] in names]


def test_a_double_click_cancels_and_changes_an_order_once(store, http):
    order_id, path = add_order(store)
    headers = {"Idempotency-Key": "click-1"}
    asked = {"quantity": "10", "limit_price": "149.5", "reason": "smaller"}
    first = http.post(f"{path}/modify", json=asked, headers=headers)
    assert first.status_code == 202, first.text
    assert (first.json()["quantity"], first.json()["limit_price"]) == ("10", "149.5")
    row = store["orders"].find_one({"_id": order_id})
    again = http.post(f"{path}/modify", json=asked, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert store["orders"].find_one({"_id": order_id}) == row
    # The key is of that request; without one the rule of the row refuses the second.
    other = http.post(f"{path}/cancel", json={"reason": "no"}, headers=headers)
    assert code_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert code_of(http.post(f"{path}/modify", json=asked)) == (409, "ORDER_NOT_CHANGEABLE")
    assert http.post(f"{path}/cancel", json={"reason": "typing error"}).status_code == 202
    second = http.post(f"{path}/cancel", json={"reason": "typing error"})
    assert code_of(second) == (409, "ORDER_NOT_CANCELABLE")
    modified, canceled = audited(store)
    assert (modified["what"], canceled["what"]) == (
        "ORDER_MODIFY_REQUESTED",
        "ORDER_CANCEL_REQUESTED",
    )
    assert modified["address"] == "127.0.0.1"
    assert modified["facts"]["before"]["quantity"] == Decimal(17)
    assert modified["facts"]["after"]["quantity"] == Decimal(10)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": "smaller"}, (409, "ORDER_NOT_CHANGEABLE")),
        ({"quantity": "18", "reason": "larger"}, (409, "ORDER_NOT_CHANGEABLE")),
        ({"quantity": "-1", "reason": "x"}, (422, "INVALID_PARAMETER")),
        ({"quantity": "NaN", "reason": "x"}, (422, "INVALID_PARAMETER")),
        ({"quantity": "10", "reason": "  "}, (422, "INVALID_PARAMETER")),
        ({"quantity": "10", "limit": "1", "reason": "x"}, (422, "INVALID_PARAMETER")),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(store, http, body, code):
    order_id, path = add_order(store)
    before = store["orders"].find_one({"_id": order_id})
    assert code_of(http.post(f"{path}/modify", json=body)) == code
    assert store["orders"].find_one({"_id": order_id}) == before
    unknown = http.post("/api/v1/orders/none/cancel", json={"reason": "x"})
    assert code_of(unknown) == (404, "UNKNOWN_ORDER")


def test_an_unknown_order_is_resolved_on_repeated_figures(store, http):
    order_id, path = add_order(store, "UNKNOWN")
    body = {"decision": "ABSENT", "reason": "not on their screen"}
    wrong = body | {"confirm": {"side": "BUY", "quantity": "16"}}
    assert code_of(http.post(f"{path}/resolve", json=wrong)) == (409, "FIGURES_CHANGED")
    assert code_of(http.post(f"{path}/resolve", json=body)) == (422, "INVALID_PARAMETER")
    right = body | {"confirm": {"side": "BUY", "quantity": "17"}}
    assert http.post(f"{path}/resolve", json=right).status_code == 202
    assert store["orders"].find_one({"_id": order_id})["resolution"]["by"] == "olga"
    assert code_of(http.post(f"{path}/resolve", json=right)) == (409, "ORDER_NOT_RESOLVABLE")


def test_a_halt_is_released_with_the_typed_word_only(store, http):
    halt = http.put(GLOBAL, json={"trading_state": "HALTED", "reason": "drill"})
    assert (halt.status_code, halt.json()["effective_state"]) == (200, "HALTED")
    for state in ("ACTIVE", "REDUCING"):
        released = http.put(GLOBAL, json={"trading_state": state, "reason": "over"})
        assert code_of(released) == (409, "CONFIRMATION_MISSING")
    released = {"trading_state": "ACTIVE", "reason": "over", "confirm": "resume"}
    assert http.put(GLOBAL, json=released).json()["effective_state"] == "ACTIVE"
    paused = http.put(
        f"/api/v1/controls/STRATEGY/{STRATEGY}",
        json={"trading_state": "REDUCING", "reason": "news"},
    )
    assert (paused.status_code, paused.json()["where"]) == (200, f"strategy {STRATEGY}")
    unknown = http.put(
        "/api/v1/controls/STRATEGY/none", json={"trading_state": "REDUCING", "reason": "x"}
    )
    assert code_of(unknown) == (422, "CONTROL_REFUSED")
    listed = http.get("/api/v1/controls").json()
    assert [each["trading_state"] for each in listed] == ["ACTIVE", "REDUCING"]
    assert [line["facts"]["after"]["trading_state"] for line in audited(store)] == [
        "HALTED",
        "ACTIVE",
        "REDUCING",
    ]


def test_an_override_ends_by_the_clock_and_a_switch_does_not(store, http):
    path = f"/api/v1/controls/ACCOUNT/{ACCOUNT}"
    later = (utc_now() + timedelta(hours=1)).isoformat()
    body = {"override": "NO_TRADE", "scale_ratio": "0.5", "expires_at": later, "reason": "news"}
    assert http.put(path, json=body).json()["effective_state"] == "HALTED"
    assert code_of(http.put(path, json=body | {"expires_at": utc_now().isoformat()})) == (
        422,
        "CONTROL_REFUSED",
    )
    only_end = {"expires_at": later, "trading_state": "REDUCING", "reason": "x"}
    assert code_of(http.put(path, json=only_end)) == (422, "CONTROL_REFUSED")
    # The switch is set beside it, and the end of the override stays.
    http.put(path, json={"trading_state": "REDUCING", "reason": "careful"})
    past = utc_now() - timedelta(seconds=1)
    assert store["controls"].find_one({"scope": "ACCOUNT"})["expires_at"] > past
    store["controls"].update_one({"scope": "ACCOUNT"}, {"$set": {"expires_at": past}})

    def held():
        return next(each for each in controls(store) if each.scope is Scope.ACCOUNT)

    # Whoever reads it knows at once; the watch only puts it on record, once.
    ended = (held().override, held().scale_ratio, held().trading_state)
    assert ended == (Override.NONE, Decimal(1), TradingState.REDUCING)
    Watch(store, CerebroStore(store, reference_seconds=0), lambda _: None).look()
    assert end_expired(store, utc_now()) == []
    (line,) = store["audit_log"].find({"what": "CONTROL_EXPIRED"})
    assert line["by"] == "the clock"
    assert (line["facts"]["before"]["override"], line["facts"]["after"]["override"]) == (
        "NO_TRADE",
        "NONE",
    )
    row = store["controls"].find_one({"scope": "ACCOUNT"})
    assert (row["override"], row["trading_state"]) == ("NONE", "REDUCING")


def test_limits_are_set_on_the_version_that_was_looked_at_and_show_their_use(store, http):
    body = {"limits": {"max_margin_ratio": "0.2", "max_entries": 5}, "version": 0, "reason": "new"}
    made = http.put(LIMITS, json=body)
    assert (made.status_code, made.json()["version"]) == (200, 1)
    assert code_of(http.put(LIMITS, json=body)) == (409, "VERSION_CONFLICT")
    wrong = {"limits": {"max_margin": "1"}, "version": 1, "reason": "x"}
    answer = http.put(LIMITS, json=wrong)
    assert code_of(answer) == (422, "LIMITS_REFUSED")
    assert "did you mean max_margin_ratio" in answer.json()["message"]
    # An entry under way: 1,500 capital, half of it margin, of 1,000,000.
    add_signal(store, "s1")
    make_cerebro(store).on_signals([{"signal_id": "s1"}])
    http.put(
        "/api/v1/limits/ACCOUNT/*",
        json={"limits": {"max_open_positions": 4}, "version": 0, "reason": "few"},
    )
    rows = {each["where"]: each for each in http.get("/api/v1/limits").json()["limits"]}
    (margin,) = rows[f"strategy {STRATEGY}"]["uses"]
    assert (margin["account_id"], Decimal(margin["used"])) == (ACCOUNT, Decimal("0.00075"))
    assert Decimal(margin["ratio"]) == Decimal("0.00375")
    (count,) = rows["every account without limits of its own"]["uses"]
    assert Decimal(count["ratio"]) == Decimal("0.25")
    removed = {"limits": {"max_margin_ratio": None}, "version": 1, "reason": "done"}
    assert http.put(LIMITS, json=removed).json()["max_margin_ratio"] is None


def lock(store, **fields):
    """Entries of the strategy are locked since a minute ago."""
    held = RiskLock(
        scope=Scope.STRATEGY,
        scope_id=STRATEGY,
        rule=LockRule.CONSECUTIVE_LOSSES,
        sentence="5 losses in a row",
        locked_at=utc_now() - timedelta(minutes=1),
    ).model_copy(update=fields)
    store["risk_locks"].replace_one({"_id": held.key}, to_document(held), upsert=True)
    return held


def test_a_lock_is_reset_as_it_was_seen_once_and_told(store, http):
    held = lock(store)
    (shown,) = http.get("/api/v1/limits").json()["locks"]
    assert (shown["lock_id"], shown["until"], shown["resettable"]) == (
        held.key,
        "until reset",
        True,
    )
    path = f"/api/v1/risk-locks/{quote(held.key, safe='')}/reset"
    asked = {"locked_at": shown["locked_at"], "reason": "looked at it"}
    lock(store, sentence="6 losses in a row", locked_at=utc_now())  # meanwhile it has lost more
    changed = http.post(path, json=asked)
    assert code_of(changed) == (409, "FIGURES_CHANGED")
    assert "6 losses" in changed.json()["message"]
    asked["locked_at"] = http.get("/api/v1/limits").json()["locks"][0]["locked_at"]
    assert code_of(http.post(path, json=asked | {"reason": " "})) == (422, "INVALID_PARAMETER")
    headers = {"Idempotency-Key": "click"}
    answers = [http.post(path, json=asked, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert http.get("/api/v1/limits").json()["locks"] == []
    assert code_of(http.post(path, json=asked)) == (404, "UNKNOWN_LOCK")
    (line,) = audited(store, "LOCK_CLEARED")
    assert line["facts"]["before"]["sentence"] == "6 losses in a row"
    assert cleared_at(store, held.key) is not None


def test_a_lock_that_only_its_cause_ends_is_not_reset(store, http):
    held = lock(store, rule=LockRule.EQUITY_JUMP, scope=Scope.ACCOUNT, scope_id=ACCOUNT)
    (shown,) = http.get("/api/v1/limits").json()["locks"]
    assert not shown["resettable"]
    path = f"/api/v1/risk-locks/{quote(held.key, safe='')}/reset"
    asked = {"locked_at": shown["locked_at"], "reason": "x"}
    assert code_of(http.post(path, json=asked)) == (409, "LOCK_NOT_RESET")
    key = add_operator(store, "piet")
    store["users"].update_one({"_id": "piet"}, {"$set": {"role": "OPERATOR"}})
    refused = http.post(path, json=asked, headers={"Authorization": f"Bearer {key}"})
    assert code_of(refused) == (403, "NOT_ALLOWED")
    assert store["risk_locks"].count_documents({}) == 1


def test_a_preview_decides_real_signals_again_and_changes_nothing(store, http):
    add_strategy(store, "Other")
    cerebro = make_cerebro(store)
    for number, strategy in enumerate([STRATEGY, STRATEGY, "Other"]):
        add_signal(store, f"s{number}", strategy_id=strategy, leg={"quantity": 10 + number})
        cerebro.on_signals([{"signal_id": f"s{number}"}])
    add_signal(store, "undecided")
    before = list(store["signal_store"].find())
    question = {"scope": "STRATEGY", "scope_id": STRATEGY, "changes": {"max_order_quantity": "10"}}
    answer = http.post("/api/v1/limits/preview", json=question)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["sentence"] == (
        "1 of 2 signals of the last 30 days would have been decided differently"
    )
    (difference,) = found["differences"]
    assert (difference["signal_id"], difference["after"]["code"]) == ("s1", "ORDER_TOO_LARGE")
    assert (found["considered"], found["complete"]) == (2, True)
    everything = {"scope": "GLOBAL", "changes": {"restricted": True}, "days": 1}
    assert http.post("/api/v1/limits/preview", json=everything).json()["changed"] == 3
    # What a new limit is measured on was not recorded then: said, not guessed.
    rated = question | {"changes": {"max_orders_per_minute": 1}}
    unanswered = http.post("/api/v1/limits/preview", json=rated).json()
    assert (unanswered["changed"], len(unanswered["unanswered"])) == (0, 2)
    wrong = question | {"changes": {"max_order_quantity": "-1"}}
    assert code_of(http.post("/api/v1/limits/preview", json=wrong)) == (422, "LIMITS_REFUSED")
    assert list(store["signal_store"].find()) == before
    assert store["risk_limits"].count_documents({}) == 0


def test_approvals_are_listed_by_page_and_answered_once(store, http):
    terms = {"required": True, "timeout_s": Decimal(300), "on_timeout": "REJECT"}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"approval": terms}})
    names = [{"signal_id": f"s{number}"} for number in range(3)]
    for each in names:
        add_signal(store, each["signal_id"])
    make_cerebro(store).on_signals(names)  # all in one millisecond
    seen, cursor = [], None
    while cursor is not None or not seen:
        more = {"before": cursor} if cursor else {}
        page = http.get("/api/v1/approvals", params={"status": "WAITING", "limit": 2, **more})
        assert page.status_code == 200, page.text
        seen += [row["signal_id"] for row in page.json()["rows"]]
        cursor = page.json()["next"]
    assert sorted(seen) == ["s0", "s1", "s2"]
    body = {"answer": "HALF", "reason": "thin market"}
    headers = {"Idempotency-Key": "click"}
    answers = [
        http.post("/api/v1/approvals/s0", json=body, headers=headers).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert (answers[0]["status"], answers[0]["answered_by"]) == ("HALVED", "olga")
    assert answers[0]["preview"]["steps"]
    late = http.post("/api/v1/approvals/s0", json=body)
    assert code_of(late) == (409, "ALREADY_ANSWERED")
    assert "halved by olga: thin market" in late.json()["message"]
    unknown = http.post("/api/v1/approvals/none", json=body)
    assert code_of(unknown) == (404, "UNKNOWN_APPROVAL")


def test_troubles_are_seen_closed_and_discarded_by_name(store, http):
    for kind in ("EXIT_DENIED", "ORDER_UNKNOWN"):
        raise_incident(store, kind=kind, key="x/1", sentence="look")
    seen = {"note": "on it"}
    for _ in range(2):
        answer = http.post("/api/v1/incidents/ORDER_UNKNOWN|x/1/acknowledge", json=seen)
        assert (answer.status_code, answer.json()["status"]) == (200, "OPEN")
    (mine,) = store["incidents"].find_one({"kind": "ORDER_UNKNOWN"})["acknowledged"]
    assert (mine["by"], mine["note"]) == ("olga", "on it")
    kept = http.post("/api/v1/incidents/ORDER_UNKNOWN|x/1/clear", json=seen)
    assert code_of(kept) == (409, "NOT_CLOSABLE")
    cleared = http.post("/api/v1/incidents/EXIT_DENIED|x/1/clear", json=seen)
    assert (cleared.status_code, cleared.json()["status"]) == (200, "CLEARED")
    # It happens again: open again, and nobody has seen this one.
    raise_incident(store, kind="EXIT_DENIED", key="x/1", sentence="again")
    assert "acknowledged" not in store["incidents"].find_one({"kind": "EXIT_DENIED"})
    unknown = http.post("/api/v1/incidents/none/acknowledge", json=seen)
    assert code_of(unknown) == (404, "UNKNOWN_INCIDENT")
    letter = {"_id": "cerebro|7", "status": "DEAD", "payload": "{}", "subscription": "cerebro"}
    store["dead_letters"].insert_one(letter)
    raise_incident(store, kind="DEAD_LETTER", key="cerebro|7", sentence="dead")
    path = "/api/v1/dead-letters/cerebro|7"
    assert http.post(f"{path}/discard", json={"reason": "old"}).json()["status"] == "DISCARDED"
    assert code_of(http.post(f"{path}/replay", json={"reason": "x"})) == (409, "NOT_DEAD")
    assert store["dead_letters"].find_one()["acted"]["reason"] == "old"
    assert store["incidents"].find_one({"kind": "DEAD_LETTER"})["status"] == "CLEARED"
    assert [each["what"] for each in audited(store)] == [
        "INCIDENT_ACKNOWLEDGED",
        "INCIDENT_CLOSED",
        "DEAD_LETTER_DISCARDED",
    ]


def test_an_operator_trades_but_sets_no_limits_and_a_developer_does_neither(store, http):
    bodies = {
        f"/api/v1/approvals/{STRATEGY}": {"answer": "APPROVE", "reason": "x"},
        "/api/v1/orders/none/cancel": {"reason": "x"},
    }
    limits = {"limits": {"restricted": True}, "version": 0, "reason": "x"}
    for name, role, code in (("piet", "OPERATOR", 404), ("dana", "DEVELOPER", 403)):
        key = add_operator(store, name)
        store["users"].update_one({"_id": name}, {"$set": {"role": role}})
        headers = {"Authorization": f"Bearer {key}"}
        for path, body in bodies.items():
            assert http.post(path, json=body, headers=headers).status_code == code
        refused = http.put(LIMITS, json=limits, headers=headers)
        assert code_of(refused) == (403, "NOT_ALLOWED")
    assert store["risk_limits"].count_documents({}) == 0
