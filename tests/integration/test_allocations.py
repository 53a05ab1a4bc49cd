"""Allocations over HTTP, in the real database, as a real Cerebro sees them."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import CerebroSettings
from services.common.store import Store, to_document
from services.portfolio_builder.allocation_api import add_allocation_routes
from services.portfolio_builder.allocation_caps import AllocationCaps
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.allocations import Approval, Evidence, Origin, Wish
from services.portfolio_builder.api import create_app
from tests.support.builders import make_limits, make_position
from tests.support.http import http_client
from tests.support.rows import (
    SilentPublisher,
    add_account,
    add_operator,
    add_signal,
    add_strategy,
    allow_trading,
    exit_fields,
)
from tests.support.track_records import make_record, store_record

pytestmark = pytest.mark.servers

CURRENT = "/api/v1/allocations/current"
APPROVE = "/api/v1/allocations/approve"
PROPOSALS = "/api/v1/allocations/proposals"
HISTORY = "/api/v1/allocations/history"
REVERT = "/api/v1/allocations/revert"
CAPS = "/api/v1/allocations/caps"


@pytest.fixture
def allocations(store: Store) -> Allocations:
    """Two strategies in one account, nothing approved, at most 200 %."""
    for name in ("A", "B"):
        add_strategy(store, name)
    add_account(store)
    store["current_allocation"].delete_many({})
    return Allocations(AllocationStore(store), max_total_ratio=Decimal(2))


@pytest.fixture
def http(store: Store, allocations: Allocations) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(store))
    add_allocation_routes(app, allocations, AllocationCaps(AllocationStore(store)))
    with http_client(app, key=add_operator(store, "olga")) as client:
        yield client


def approve(http, version, reason="because", **percents):
    body = {"allocations": percents, "version": version, "reason": reason}
    return http.post(APPROVE, json=body)


def ratios(http):
    rows = http.get(CURRENT).json()["allocations"]
    return {row["strategy_id"]: Decimal(row["ratio"]) for row in rows}


def everything(store):
    """All that an approval may write."""
    names = ("current_allocation", "allocation_history", "allocation_proposals", "audit_log")
    return {name: list(store[name].find()) for name in names}


def test_nothing_is_allocated_before_the_first_approval(http):
    found = http.get(CURRENT).json()
    assert (found["version"], found["allocations"], found["sum_ratio"]) == (0, [], "0")
    assert http.get(HISTORY).json() == []


def test_the_body_of_the_seed_is_percent_and_approved_in_one_step(http, store):
    answer = approve(http, 0, reason="first", A=50, B="12.5")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["version"], found["approved_by"], found["reason"]) == (1, "olga", "first")
    assert found["sum_percent"] == "62.5 %"
    assert ratios(http) == {"A": Decimal("0.5"), "B": Decimal("0.125")}
    assert http.get(CURRENT).json() == found == http.get(HISTORY).json()[0]
    assert http.get(f"{HISTORY}/1").json() == found
    proposal = http.get(f"{PROPOSALS}/{found['proposal_id']}").json()
    assert (proposal["status"], proposal["version"]) == ("APPROVED", 1)
    said = store["audit_log"].find_one({"what": "ALLOCATION_APPROVED"})
    assert (said["by"], said["facts"]["version"]) == ("olga", 1)


def test_an_allocation_without_a_version_of_its_own_counts_as_none(http, store):
    row = {"strategy_id": "A", "ratio": Decimal(1)}
    store["current_allocation"].insert_one({"_id": "current", "allocations": [row]})
    assert http.get(CURRENT).json()["version"] == 0
    assert approve(http, 0, B=10).json()["version"] == 1
    assert ratios(http) == {"B": Decimal("0.1")}


def test_a_version_that_has_moved_is_refused_and_changes_nothing(http, store):
    approve(http, 0, A=50)
    before = everything(store)
    answer = approve(http, 0, A=60)
    assert (answer.status_code, answer.json()["code"]) == (409, "ALLOCATION_MOVED")
    assert "is version 1, approved by olga, this was compared with version 0" in answer.text
    assert everything(store) == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"allocations": {"A": -1}}, "greater than or equal to 0"),
        ({"allocations": {"A": "NaN"}}, "finite"),
        ({"allocations": {"A": "Infinity"}}, "finite"),
        ({"allocations": {"A": "1e400"}}, "less than or equal"),
        ({"allocations": {"A": "much"}}, "decimal"),
        ({"allocations": {"A": None}}, "allocations.A"),
        ({"allocations": {"": 1}}, "at least 1 character"),
        ({"allocations": [["A", 1]]}, "dictionary"),
        ({"allocations": {"Nobody": 1}}, "there is no strategy named 'Nobody'"),
        ({"allocations": {"A": 150, "B": 51}}, "may be given 200 %"),
        # 900 names that nobody knows, and their sum.
        ({"allocations": {f"N{n}": 1 for n in range(900)}}, "and 891 more"),
        ({"allocations": {"A": 1}, "reason": " "}, "reason"),
        ({"allocations": {"A": 1}, "surprise": 1}, "surprise"),
        ({"allocations": {f"S{n}": 0 for n in range(1001)}}, "at most 1000"),
        ({}, "allocations"),
        (["A"], "dictionary"),
        ("A", "dictionary"),
    ],
)
def test_bad_input_is_answered_with_a_sentence_and_changes_nothing(http, store, body, words):
    whole = {"version": 0, "reason": "x", **body} if isinstance(body, dict) else body
    answer = http.post(APPROVE, json=whole)
    assert answer.status_code == 422
    assert words in answer.json()["message"]
    assert len(answer.content) < 3000
    assert not any(everything(store).values())


@pytest.mark.parametrize(
    "content",
    [b"", b"A=50", b"{", b'{"allocations": {"A": NaN}, "version": 0, "reason": "x"}', b"[" * 9999],
)
def test_what_is_no_json_is_answered_with_a_sentence(http, store, content):
    answer = http.post(APPROVE, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["message"]
    assert not any(everything(store).values())


def test_a_missing_version_is_asked_for(http):
    answer = http.post(APPROVE, json={"allocations": {"A": 1}, "reason": "x"})
    assert answer.status_code == 422
    assert "version: Field required" in answer.json()["message"]


def test_a_body_of_a_billion_strategies_is_refused_unread(http, store):
    for content in (b"x" * 1_048_577, iter([b"[" * 600_000, b"[" * 600_000])):
        answer = http.post(APPROVE, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert not any(everything(store).values())


def test_a_proposal_trades_nothing_until_a_person_approves_it(http, store):
    approve(http, 0, A=50)
    proposed = http.post(PROPOSALS, json={"allocations": {"A": "0.3"}, "reason": "less"}).json()
    assert (proposed["status"], proposed["base_version"]) == ("OPEN", 1)
    assert ratios(http) == {"A": Decimal("0.5")}
    path = f"{PROPOSALS}/{proposed['proposal_id']}"
    answer = http.post(f"{path}/approve", json={"version": 1, "reason": "agreed"})
    assert answer.json()["version"] == 2
    assert ratios(http) == {"A": Decimal("0.3")}
    again = http.post(f"{path}/approve", json={"version": 2, "reason": "twice"})
    assert (again.status_code, again.json()["code"]) == (409, "PROPOSAL_CLOSED")
    assert "APPROVED by olga" in again.json()["message"]


def test_a_proposal_that_forgets_a_strategy_says_so(http):
    approve(http, 0, A=50)
    proposed = http.post(PROPOSALS, json={"allocations": {"B": "0.3"}, "reason": "x"}).json()
    words = ["A has 50 % now, is not named, and gets nothing"]
    assert proposed["warnings"] == words
    path = f"{PROPOSALS}/{proposed['proposal_id']}"
    assert http.get(f"{path}/comparison").json()["warnings"] == words
    approved = http.post(f"{path}/approve", json={"version": 1, "reason": "meant"}).json()
    assert approved["warnings"] == words


def test_a_rejected_proposal_keeps_the_reason_and_cannot_be_approved(http):
    proposed = http.post(PROPOSALS, json={"allocations": {"A": "0.3"}, "reason": "less"}).json()
    path = f"{PROPOSALS}/{proposed['proposal_id']}"
    rejected = http.post(f"{path}/reject", json={"reason": "too little"}).json()
    assert (rejected["status"], rejected["decision"]) == ("REJECTED", "too little")
    assert http.get(path).json() == rejected
    assert http.get(PROPOSALS, params={"status": "OPEN"}).json() == []
    answer = http.post(f"{path}/approve", json={"version": 0, "reason": "still"})
    assert answer.json()["code"] == "PROPOSAL_CLOSED"


def test_a_revert_is_a_new_version_with_the_old_content(http):
    approve(http, 0, A=50)
    approve(http, 1, B=20)
    body = {"to_version": 1, "version": 2, "reason": "B was a mistake"}
    found = http.post(REVERT, json=body).json()
    assert (found["version"], found["reverts_to"]) == (3, 1)
    assert ratios(http) == {"A": Decimal("0.5")}
    assert [each["version"] for each in http.get(HISTORY).json()] == [3, 2, 1]
    page = http.get(HISTORY, params={"before": 3, "limit": 1}).json()
    assert [each["version"] for each in page] == [2]
    answer = http.post(REVERT, json=body | {"to_version": 9, "version": 3})
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_VERSION")


def test_a_revert_to_what_is_forbidden_now_is_refused(http, store):
    approve(http, 0, A=50)
    approve(http, 1, B=20)
    store["strategies"].update_one({"_id": "A"}, {"$set": {"archived_at": utc_now()}})
    answer = http.post(REVERT, json={"to_version": 1, "version": 2, "reason": "back"})
    assert (answer.status_code, answer.json()["code"]) == (422, "ALLOCATION_REFUSED")
    assert ratios(http) == {"B": Decimal("0.2")}


def test_rules_are_those_of_the_moment_of_approval(http, store):
    proposed = http.post(PROPOSALS, json={"allocations": {"A": "0.3"}, "reason": "x"}).json()
    caps = {"max_ratio": "0.2", "version": 0, "reason": "careful"}
    assert http.put(CAPS, json=caps).json()["version"] == 1
    path = f"{PROPOSALS}/{proposed['proposal_id']}"
    answer = http.post(f"{path}/approve", json={"version": 0, "reason": "x"})
    assert answer.json()["message"] == "A may be given 20 % at most, was given 30 %"
    assert http.get(path).json()["status"] == "OPEN"
    faults = http.get(f"{path}/comparison").json()["faults"]
    assert faults == ["A may be given 20 % at most, was given 30 %"]


def test_caps_are_versioned_and_name_known_strategies(http):
    group = {"name": "g", "strategy_ids": ["A", "Nobody"], "max_ratio": "0.5"}
    body = {"groups": [group], "version": 0, "reason": "x"}
    answer = http.put(CAPS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "CAPS_REFUSED")
    assert "'Nobody'" in answer.json()["message"]
    assert http.get(CAPS).json()["version"] == 0
    group["strategy_ids"] = ["A", "B"]
    assert http.put(CAPS, json=body).json()["groups"] == [group]
    stale = http.put(CAPS, json=body)
    assert (stale.status_code, stale.json()["code"]) == (409, "CAPS_MOVED")
    answer = approve(http, 0, A=30, B=21)
    assert "the group g may be given 50 % at most, was given 51 %" in answer.json()["message"]


def weak_study(allocations):
    found = Evidence(
        test_id="t1",
        sharpe=0.5,
        equal_weight_sharpe=0.7,
        max_drawdown_ratio=0.3,
        max_drawdown_limit_ratio=0.2,
    )
    wish = Wish(
        ratios={"A": Decimal("0.4")},
        by="olga",
        reason="t1",
        origin=Origin.STUDY,
        evidence=found,
        proposal_id="p_t1",
    )
    return allocations.propose(wish)


def test_a_study_worse_than_equal_weight_wants_a_written_override(http, allocations):
    path = f"{PROPOSALS}/{weak_study(allocations).proposal_id}/approve"
    answer = http.post(path, json={"version": 0, "reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "OVERRIDE_MISSING")
    assert "0.50, that of equal weight 0.70" in answer.json()["message"]
    assert "lost 30.00% from its peak" in answer.json()["message"]
    assert http.get(CURRENT).json()["version"] == 0
    why = "equal weight holds a strategy that ends in May"
    found = http.post(path, json={"version": 0, "reason": "x", "override": why}).json()
    assert (found["version"], found["override"]) == (1, why)


def test_the_same_study_proposed_again_is_the_same_proposal(store, allocations):
    assert weak_study(allocations) == weak_study(allocations)
    assert store["allocation_proposals"].count_documents({}) == 1


def test_proposals_of_any_age_are_listed_newest_first(http, store, allocations):
    first = allocations.propose(Wish(ratios={"A": Decimal("0.5")}, by="olga", reason="x"))
    row = store["allocation_proposals"].find_one({"_id": first.proposal_id})
    for days in (59, 61, 366, 4000):
        changes = {"_id": f"p{days}", "proposal_id": f"p{days}"}
        proposed_at = first.proposed_at - timedelta(days=days)
        store["allocation_proposals"].insert_one({**row, **changes, "proposed_at": proposed_at})
    newest = [first.proposal_id, "p59", "p61", "p366", "p4000"]
    for limit in range(1, 7):
        found = http.get(PROPOSALS, params={"limit": limit, "status": "OPEN"}).json()
        assert [each["proposal_id"] for each in found] == newest[:limit]


def test_of_two_approvals_at_once_one_holds(store, allocations):
    """Both were compared with version 0; the second is told, nothing is half-written."""
    ends: list[object] = []
    gate = threading.Barrier(2)

    def work(name):
        gate.wait()
        wish = Wish(ratios={name: Decimal("0.5")}, by=name, reason="x")
        try:
            ends.append(
                allocations.approve_directly(wish, Approval(version=0, by=name, reason="x"))
            )
        except Exception as error:  # noqa: BLE001 - whatever comes is looked at
            ends.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [each for each in ends if isinstance(each, Exception)]
    assert [getattr(each, "code", each) for each in refused] == ["ALLOCATION_MOVED"]
    held = allocations.current()
    assert held.version == 1
    assert [each.version for each in allocations.history(before=None, limit=9)] == [1]
    assert store["allocation_proposals"].count_documents({}) == 1


@pytest.mark.parametrize("step", ["replace_current", "decide_proposal", "audit"])
def test_an_approval_that_dies_half_way_leaves_nothing(store, allocations, monkeypatch, step):
    allocations.approve_directly(
        Wish(ratios={"A": Decimal("0.5")}, by="olga", reason="x"),
        Approval(version=0, by="olga", reason="x"),
    )
    proposal = allocations.propose(Wish(ratios={"B": Decimal(1)}, by="olga", reason="y"))
    before = everything(store)
    real = getattr(AllocationStore, step)

    def dies(*given, **named):
        real(*given, **named)
        raise MemoryError("killed")

    monkeypatch.setattr(AllocationStore, step, dies)
    with pytest.raises(MemoryError):
        allocations.approve(proposal.proposal_id, Approval(version=1, by="olga", reason="z"))
    assert everything(store) == before


def test_a_proposal_is_compared_with_what_trades(http, store):
    store_record(store, make_record("A", 300, seed=1))
    store_record(store, make_record("B", 300, seed=2))
    approve(http, 0, A=50)
    body = {"allocations": {"A": "0.2", "B": "0.3"}, "reason": "spread"}
    proposed = http.post(PROPOSALS, json=body).json()
    path = f"{PROPOSALS}/{proposed['proposal_id']}/comparison"
    found = http.get(path, params={"last_days": 30}).json()
    assert found["version"] == 1
    comparison = found["comparison"]
    assert comparison["turnover_ratio"] == "0.6"
    assert comparison["aligned"]["before"]["days"] == 300
    assert len(comparison["curve"]) == 30
    shares = [each["risk_share_after_ratio"] for each in comparison["strategies"]]
    assert sum(shares) == pytest.approx(1)
    # Two independent strategies are calmer than one of the same size.
    aligned = comparison["aligned"]
    assert aligned["after"]["volatility_ratio"] < aligned["before"]["volatility_ratio"]
    assert found["what_if"] == {"allocations": {"A": "0.2", "B": "0.3"}}
    same = http.post("/api/v1/allocations/compare", json={"allocations": body["allocations"]})
    assert same.json()["comparison"]["strategies"] == comparison["strategies"]
    json.dumps(found, allow_nan=False)


def test_our_own_fills_count_before_a_claim(store, allocations):
    record = make_record("A", 300)
    store_record(store, record)
    on = record.dates[5]
    row = {"strategy_id": "A", "source": "live", "date": on.isoformat(), "return": Decimal("0.5")}
    store["strategy_returns"].insert_one(row)
    past = AllocationStore(store).records({"A", "B"})
    assert set(past) == {"A"}
    assert past["A"].returns[on] == 0.5
    assert len(past["A"].returns) == 300


def real_cerebro(store, reference_seconds):
    allow_trading(store)
    return Cerebro(
        store,
        CerebroStore(store, reference_seconds=reference_seconds),
        SilentPublisher(),
        limits=make_limits(position="1"),
        patience=Patience(
            exit_seconds=Decimal(60),
            gap_seconds=Decimal(60),
            price_seconds=Decimal(10),
            reversal_seconds=Decimal(60),
        ),
    )


def decided(store, cerebro, signal_id, **fields):
    add_signal(store, signal_id, strategy_id="A", **fields)
    cerebro.on_signals([{"signal_id": signal_id}])
    return store["signal_store"].find_one({"_id": signal_id})["decision"]


def test_a_new_allocation_decides_signals_within_a_second(http, store):
    cerebro = real_cerebro(store, CerebroSettings().reference_cache_s)
    approve(http, 0, A=50)
    # 10 shares for 500,000, and 50 % of our 1,000,000 are 500,000.
    decided(store, cerebro, "s0")
    assert quantity(store, "s0") == 10
    approve(http, 1, A=10)
    approved = time.monotonic()
    for number in itertools.count(1):
        asked = time.monotonic()
        decided(store, cerebro, f"s{number}")
        if quantity(store, f"s{number}") == 2:  # 10 × 100,000 / 500,000
            break
        assert asked - approved < 1, "the former allocation still holds"


@pytest.mark.parametrize("percents", [{"A": 0}, {"B": 50}])
def test_without_an_allocation_entries_stop_and_exits_go_on(http, store, percents):
    cerebro = real_cerebro(store, 0)
    held = make_position("10", strategy_id="A")
    row = {"_id": "p", "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)
    approve(http, 0, **percents)
    entry = decided(store, cerebro, "entry")
    assert (entry["outcome"], quantity(store, "entry")) == ("DENIED", 0)
    out = decided(store, cerebro, "exit", **exit_fields())
    assert out["outcome"] == "APPROVED"
    assert quantity(store, "exit") == 10


def quantity(store, signal_id):
    orders = store["orders"].find({"signal_id": signal_id})
    return sum(row["order"]["quantity"] for row in orders)
