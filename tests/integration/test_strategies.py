"""Strategies over HTTP: whole or not at all, under a version, signed, and never with a secret."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.cerebro.store import CerebroStore
from services.common.operators import Operators
from services.common.ops import Health
from services.common.problems import Refusal
from services.common.store import Store
from services.domain.errors import TransientError
from services.domain.words import ActiveStatus, StrategyMode
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.allocations import Approval, Wish
from services.portfolio_builder.api import create_app
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_api import add_strategy_routes
from tests.support.http import http_client
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_operator, add_strategy

pytestmark = pytest.mark.servers
URL = "/api/v1/strategies"
NEW = {
    "strategy_id": "Com1-Met",
    "name": "Metals",
    "asset_class": "futures",
    "owner": "olga",
    "accounts": [{"account_id": ACCOUNT, "weight_ratio": "0.5"}],
    "reason": "approved by the board",
}


@pytest.fixture
def http(store: Store) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(store))
    add_strategy_routes(app, Strategies(store))
    add_account(store)
    with http_client(app, key=add_operator(store)) as client:
        yield client


def cerebro_reads(store: Store, strategy_id: str = "Com1-Met"):
    return CerebroStore(store, reference_seconds=0).reference.strategy(strategy_id)


def delete(http: httpx.Client, strategy_id: str, **body):
    return http.request("DELETE", f"{URL}/{strategy_id}", json={"reason": "over", **body})


def test_what_is_created_is_what_cerebro_reads(store, http):
    made = http.post(URL, json=NEW)
    assert made.status_code == 201
    assert (made.json()["version"], made.headers["ETag"]) == (1, '"1"')
    read = cerebro_reads(store)
    assert (read.status, read.mode) == (ActiveStatus.ACTIVE, StrategyMode.PAPER)
    assert [(each.account_id, each.weight_ratio) for each in read.accounts] == [
        (ACCOUNT, Decimal("0.5"))
    ]
    log = store["audit_log"].find_one({"what": "STRATEGY_CREATED"})
    assert (log["by"], log["facts"]["reason"]) == ("olga", "approved by the board")


def test_a_view_says_what_keeps_it_from_trading(store, http):
    made = http.post(URL, json={**NEW, "accounts": []}).json()
    assert [word for word in made["warnings"] if "no account" in word]
    assert [word for word in made["warnings"] if "ALLOCATION_MISSING" in word]
    assert [word for word in made["warnings"] if "credential" in word]


def test_an_update_changes_what_it_names_and_leaves_the_rest(store, http):
    http.post(URL, json=NEW)
    update = {"version": 1, "reason": "calmer", "priority": 7, "square_off": "Asia/Kolkata 15:20"}
    changed = http.put(f"{URL}/Com1-Met", json=update)
    assert changed.status_code == 200
    assert (changed.json()["version"], changed.json()["owner"]) == (2, "olga")
    read = cerebro_reads(store)
    assert (read.priority, read.square_off.at) == (7, "15:20")
    back = http.put(f"{URL}/Com1-Met", json={"version": 2, "reason": "x", "square_off": None})
    assert back.status_code == 200
    assert cerebro_reads(store).square_off is None


def test_who_has_not_seen_the_last_change_is_refused_and_told_whose_it_was(store, http):
    http.post(URL, json=NEW)
    http.put(f"{URL}/Com1-Met", json={"version": 1, "reason": "a", "priority": 7})
    late = http.put(
        f"{URL}/Com1-Met", json={"reason": "b", "priority": 9}, headers={"If-Match": '"1"'}
    )
    assert (late.status_code, late.json()["code"]) == (409, "VERSION_CONFLICT")
    assert "version 2, changed by olga" in late.json()["message"]
    assert cerebro_reads(store).priority == 7


def test_of_many_at_once_with_one_version_exactly_one_wins(store, http):
    http.post(URL, json=NEW)

    def put(priority: int) -> int:
        body = {"version": 1, "reason": "race", "priority": priority}
        return http.put(f"{URL}/Com1-Met", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(put, range(1, 9)))
    assert answers == [200] + [409] * 7
    assert store["strategies"].find_one({"_id": "Com1-Met"})["version"] == 2


def test_a_strategy_from_before_versions_is_at_version_0(store, http):
    add_strategy(store)
    assert http.get(f"{URL}/{STRATEGY}").json()["version"] == 0
    body = {"version": 0, "reason": "owner", "owner": "olga"}
    assert http.put(f"{URL}/{STRATEGY}", json=body).json()["version"] == 1


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"strategy_id": "UNATTRIBUTED"}, 422, "system's own"),
        ({"strategy_id": "a|b"}, 422, "letters, digits"),
        ({"strategy_id": ""}, 422, "letters, digits"),
        ({"accounts": [{"account_id": "nowhere"}]}, 422, "there is no account named 'nowhere'"),
        ({"accounts": [{"account_id": ACCOUNT}] * 2}, 422, "more than once"),
        ({"accounts": [{"account_id": ACCOUNT, "weight_ratio": "-1"}]}, 422, "weight_ratio"),
        ({"accounts": [{"account_id": ACCOUNT, "weight_ratio": "NaN"}]}, 422, "weight_ratio"),
        ({"account": ACCOUNT}, 422, "send accounts=["),
        ({"mode": "REAL"}, 422, "mode"),
        ({"credentials": []}, 422, "credentials"),
        ({"reason": ""}, 422, "reason"),
        ({"asset_class": "stamps"}, 422, "asset_class"),
        ({"min_size_ratio": 2}, 422, "min_size_ratio"),
    ],
)
def test_what_would_not_be_valid_is_told_and_makes_nothing(store, http, change, status, word):
    answer = http.post(URL, json=NEW | change)
    assert (answer.status_code, word in answer.json()["message"]) == (status, True), answer.text
    assert store["strategies"].count_documents({}) == 0
    assert store["audit_log"].count_documents({}) == 0


def test_a_body_that_is_not_json_is_told(http):
    answer = http.post(URL, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMETER")


def test_the_same_id_twice_is_refused(http):
    http.post(URL, json=NEW)
    again = http.post(URL, json=NEW)
    assert (again.status_code, again.json()["code"]) == (409, "STRATEGY_EXISTS")


def test_an_update_without_a_version_or_of_an_unknown_strategy_is_refused(store, http):
    http.post(URL, json=NEW)
    blind = http.put(f"{URL}/Com1-Met", json={"reason": "x", "priority": 3})
    assert (blind.status_code, blind.json()["code"]) == (428, "VERSION_MISSING")
    gone = http.put(f"{URL}/nobody", json={"reason": "x", "version": 0, "priority": 3})
    assert (gone.status_code, gone.json()["code"]) == (404, "UNKNOWN_STRATEGY")
    other = {"strategy_id": "other", "version": 1, "reason": "x"}
    assert http.put(f"{URL}/Com1-Met", json=other).status_code == 422
    assert cerebro_reads(store).priority == 100


def test_going_live_wants_a_reason_and_has_a_line_of_its_own(store, http):
    http.post(URL, json=NEW)
    silent = http.put(f"{URL}/Com1-Met", json={"version": 1, "mode": "LIVE"})
    assert silent.status_code == 422
    assert cerebro_reads(store).mode is StrategyMode.PAPER
    http.put(f"{URL}/Com1-Met", json={"version": 1, "mode": "LIVE", "reason": "one year of paper"})
    log = store["audit_log"].find_one({"what": "STRATEGY_WENT_LIVE"})
    assert log["facts"]["reason"] == "one year of paper"
    assert cerebro_reads(store).mode is StrategyMode.LIVE


def test_secrets_and_their_hashes_stay(store, http):
    key = add_strategy(store)
    row = store["strategies"].find_one({"_id": STRATEGY})
    for answer in (http.get(URL), http.get(f"{URL}/{STRATEGY}")):
        assert row["credentials"][0]["key_hash"] not in answer.text
        assert key not in answer.text
    hint = http.get(f"{URL}/{STRATEGY}").json()["credentials"][0]
    assert hint["hint"] == key[-4:]
    http.put(f"{URL}/{STRATEGY}", json={"version": 0, "reason": "x", "owner": "o"})
    assert store["strategies"].find_one({"_id": STRATEGY})["credentials"] == row["credentials"]
    assert row["credentials"][0]["key_hash"] not in str(list(store["audit_log"].find()))


def test_what_holds_trades_or_has_money_is_not_archived(store, http):
    add_strategy(store)
    store["positions"].insert_one(
        {
            "_id": "p",
            "open": True,
            "strategy_id": STRATEGY,
            "account_id": ACCOUNT,
            "instrument_key": "STOCK:AAPL:USD",
            "quantity": Decimal(10),
        }
    )
    store["orders"].insert_one({"_id": "MT1", "working": True, "strategy_id": STRATEGY})
    refused = delete(http, STRATEGY, version=0)
    assert (refused.status_code, refused.json()["code"]) == (409, "STRATEGY_IN_USE")
    for word in ("10 STOCK:AAPL:USD in Mock-1", "MT1", "0.5 of equity"):
        assert word in refused.json()["message"]
    assert cerebro_reads(store, STRATEGY).status is ActiveStatus.ACTIVE


def test_what_is_approved_while_it_is_archived_is_one_or_the_other(store, http, monkeypatch):
    add_strategy(store)
    allocations = Allocations(AllocationStore(store), max_total_ratio=Decimal(2))
    first = Wish(ratios={}, by="olga", reason="nothing yet")
    version = allocations.current().version
    approval = Approval(version=version, by="olga", reason="nothing yet")
    version = allocations.approve_directly(first, approval).version
    checked, approved = threading.Event(), threading.Event()
    plain = Strategies._check_unused

    def slow(self, strategy_id, session):
        plain(self, strategy_id, session)
        if not checked.is_set():
            checked.set()
            approved.wait(1.0)

    monkeypatch.setattr(Strategies, "_check_unused", slow)
    archiving = threading.Thread(target=archive_quietly, args=(store,))
    archiving.start()
    assert checked.wait(10)
    wish = Wish(ratios={STRATEGY: Decimal("0.1")}, by="olga", reason="now")
    with suppress(Refusal, TransientError):
        allocations.approve_directly(wish, Approval(version=version, by="olga", reason="now"))
    approved.set()
    archiving.join()
    archived = Strategies(store).one(STRATEGY).archived_at is not None
    assert archived != bool(allocations.current().ratios)


def archive_quietly(store):
    with suppress(Refusal, TransientError):
        Strategies(store).archive(STRATEGY, version=None, by="olga", reason="done")


def test_an_archived_strategy_stays_unchanged_until_it_is_restored(store, http):
    http.post(URL, json=NEW)
    assert delete(http, "Com1-Met", version=1).json()["archived_at"]
    assert cerebro_reads(store).status is ActiveStatus.INACTIVE
    assert http.get(URL).json()["strategies"] == []
    assert len(http.get(URL, params={"archived": True}).json()["strategies"]) == 1
    update = {"version": 2, "reason": "x", "status": "ACTIVE"}
    changed = http.put(f"{URL}/Com1-Met", json=update)
    assert (changed.status_code, changed.json()["code"]) == (409, "STRATEGY_ARCHIVED")
    body = {"version": 2, "reason": "back"}
    assert http.post(f"{URL}/Com1-Met/restore", json=body).json()["status"] == "INACTIVE"
    assert http.put(f"{URL}/Com1-Met", json={**update, "version": 3}).json()["status"] == "ACTIVE"


def test_limits_of_a_strategy_are_set_and_shown(store, http):
    http.post(URL, json=NEW)
    body = {"limits": {"max_open_positions": 3}, "reason": "few"}
    assert http.put(f"{URL}/Com1-Met/limits", json=body).json()["max_open_positions"] == 3
    assert http.get(f"{URL}/Com1-Met").json()["limits"]["max_open_positions"] == 3
    hours = {"timezone": "America/New_York", "opens": "09:30", "closes": "16:00"}
    kinds = {"trading_hours": hours, "restricted": True, "max_daily_loss_ratio": "0.02"}
    for value in ({**kinds, "max_order_quantity": 7.5}, dict.fromkeys(kinds)):
        changed = http.put(f"{URL}/Com1-Met/limits", json={"limits": value, "reason": "x"})
        assert changed.status_code == 200, changed.text
    assert changed.json()["max_order_quantity"] == "7.5"
    assert (changed.json()["trading_hours"], changed.json()["restricted"]) == (None, False)
    wrong = http.put(f"{URL}/Com1-Met/limits", json={"limits": {"max_opn": 3}, "reason": "few"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "BAD_LIMITS")
    assert http.put(f"{URL}/nobody/limits", json=body).status_code == 404


def test_a_stored_strategy_that_cannot_be_read_hides_no_other(store, http):
    http.post(URL, json=NEW)
    store["strategies"].insert_one({"_id": "broken", "strategy_id": "broken", "mode": "REAL"})
    found = http.get(URL).json()
    assert [each["strategy_id"] for each in found["strategies"]] == ["Com1-Met"]
    assert found["unreadable"][0]["strategy_id"] == "broken"
    assert "mode" in found["unreadable"][0]["sentence"]
