"""What the pages of the UI read, over HTTP on the real database."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx2 as httpx
import pytest

from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.store import Store, to_document
from services.dashboard_creator.latency_keeper import LatencyKeeper
from services.domain.signals import signal_id_for
from services.domain.words import OrderStatus
from tests.support.accounts import FIGURES
from tests.support.builders import STRATEGY, make_instrument, make_marks, make_signal
from tests.support.documents import (
    ARRIVAL,
    SIGNAL_ID,
    after,
    make_decision_document,
    make_fill_document,
    make_order_document,
    make_position_document,
    make_signal_document,
)
from tests.support.reading import add_person, reading
from tests.support.rows import add_account, add_strategy

SECRET = "mtk_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def olga(store: Store) -> dict:
    return add_person(store, "olga", "OPERATOR")


@pytest.fixture
def http(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    with reading(store, mt_home=tmp_path) as client:
        yield client


def insert_signals(store: Store, count: int, strategy_id: str = STRATEGY, **fields) -> list[str]:
    rows = []
    for number in range(count):
        external_id = f"ext-{number}"
        signal = make_signal(
            signal_id=signal_id_for(strategy_id, external_id), received_at=after(number * 40_000)
        )
        known = {"strategy_id": strategy_id, "external_id": external_id}
        rows.append(make_signal_document(signal=signal, **known, **fields))
    store["signal_store"].insert_many(rows)
    return [row["_id"] for row in reversed(rows)]


def rows_of(http: httpx.Client, path: str, who: dict) -> list[dict]:
    """All pages of a list."""
    found, url = [], path
    while True:
        answer = http.get(url, headers=who)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["rows"]
        if page["next"] is None:
            return found
        url = f"{path}{'&' if '?' in path else '?'}before={page['next']}"


def test_signals_come_in_pages_with_all_that_a_line_shows(store: Store, http, olga):
    ids = insert_signals(store, 7)
    assert [row["signal_id"] for row in rows_of(http, "/api/v1/signals?limit=3", olga)] == ids
    stages = {"received_at": ARRIVAL, "decided_at": after(4), "submitted_at": after(9)}
    store["signal_store"].update_one({"_id": ids[0]}, {"$set": {"stages": stages}})
    fill = make_fill_document(signal_id=ids[0], realized_pnl=Decimal("12.50"))
    busted = make_fill_document(_id="x", signal_id=ids[0], realized_pnl=Decimal(99), void=True)
    store["execution_confirmations"].insert_many([fill, busted])
    row = http.get("/api/v1/signals?limit=1", headers=olga).json()["rows"][0]
    told = [row[name] for name in ("legs", "status", "outcome", "realized_pnl", "currency")]
    assert told == ["BUY 10 AAPL", "COMPLETED", "APPROVED", "12.50", "USD"]
    assert row["filled_ms"] is None  # unknown is never zero


def test_filters_of_signals_meet(store: Store, http, olga):
    denied = make_decision_document("DENIED", code="MARGIN", steps=[{"account_id": "Mock-2"}])
    insert_signals(store, 3, "A")
    (second,) = insert_signals(store, 1, "B", status="DENIED", decision=denied)

    def ids(query: str) -> list[str]:
        found = rows_of(http, f"/api/v1/signals?{query}", olga)
        return [row["signal_id"] for row in found]

    add_strategy(store, "B")
    assert ids("strategy_id=B") == ids("status=DENIED") == ids("account_id=Mock-2") == [second]
    assert len(ids("q=aapl")) == 4
    assert ids("q=MSFT") == ids("strategy_id=A&status=DENIED") == ids("intent=EXIT") == []
    assert ids(f"q={second}") == ids("q=ext-0&strategy_id=B") == [second]
    assert ids("environment=production") == []
    since = after(40_000).isoformat().replace("+00:00", "Z")
    assert len(ids(f"since={since}")) == 2
    decisions = rows_of(http, "/api/v1/decisions?outcome=DENIED", olga)
    assert [row["code"] for row in decisions] == ["MARGIN"]
    assert rows_of(http, "/api/v1/decisions?code=OTHER", olga) == []


def test_developers_see_what_is_theirs(store: Store, http, olga):
    dev = add_person(store, "dev", "DEVELOPER", ("A",))
    (mine,) = insert_signals(store, 1, "A")
    (other,) = insert_signals(store, 1, "B")
    for strategy_id, account_id in (("A", "Mock-1"), ("B", "Mock-2")):
        order = make_order_document(account_id=account_id)
        store["orders"].insert_one({**order, "strategy_id": strategy_id})
        fill = make_fill_document(_id=account_id, strategy_id=strategy_id)
        store["execution_confirmations"].insert_one(fill)
        store["positions"].insert_one(make_position_document(strategy_id=strategy_id))
    for path in ("signals", "orders", "fills", "decisions", "positions"):
        whose = {row["strategy_id"] for row in rows_of(http, f"/api/v1/{path}", dev)}
        assert whose == {"A"}, path
        refused = http.get(f"/api/v1/{path}?strategy_id=B", headers=dev)
        assert (refused.status_code, refused.json()["code"]) == (403, "NOT_YOUR_STRATEGY")
        exported = http.get(f"/api/v1/{path}.csv", headers=dev).text
        assert len(exported.splitlines()) == 2, path
    assert http.get(f"/api/v1/signals/{mine}", headers=dev).status_code == 200
    assert http.get(f"/api/v1/signals/{other}", headers=dev).status_code == 404
    hits = http.get("/api/v1/search?q=ext-0", headers=dev).json()["hits"]
    assert all(hit["hit_id"] != other for hit in hits)
    for path in ("incidents", "dead-letters", "system", "latency", "system/logs/cerebro"):
        assert http.get(f"/api/v1/{path}", headers=dev).status_code == 403, path
    ina = add_person(store, "ina", "INVESTOR")
    assert http.get("/api/v1/signals", headers=ina).status_code == 403
    assert http.get("/api/v1/signals").status_code == 401


def test_orders_without_an_outcome_stand_on_top(store: Store, http, olga):
    rows = [
        make_order_document(leg_index=number, created_at=after(number), status=status)
        for number, status in enumerate(
            (OrderStatus.UNKNOWN, OrderStatus.FILLED, OrderStatus.SUBMITTED)
        )
    ]
    store["orders"].insert_many([{**rows[0], "unknown": True}, *rows[1:]])
    first = http.get("/api/v1/orders?limit=1", headers=olga).json()
    assert [row["status"] for row in first["rows"]] == ["UNKNOWN", "SUBMITTED"]
    assert "asked" in first["rows"][0]["doing"]
    everything = rows_of(http, "/api/v1/orders?limit=1", olga)
    assert [row["status"] for row in everything] == ["UNKNOWN", "SUBMITTED", "FILLED"]
    working = rows_of(http, "/api/v1/orders?working=true&limit=1", olga)
    assert [row["status"] for row in working] == ["UNKNOWN", "SUBMITTED"]
    assert len(rows_of(http, "/api/v1/orders?symbol=aapl&account_id=Mock-1", olga)) == 3
    page = http.get(f"/api/v1/orders/{rows[1]['_id']}", headers=olga).json()
    assert page["events"][0]["status"] == "PENDING"
    assert http.get("/api/v1/orders/nothing", headers=olga).json()["code"] == "UNKNOWN_ORDER"


def test_a_signal_page_hides_secrets_and_says_what_would_have_passed(store: Store, http, olga):
    step = {"name": "margin", "account_id": "Mock-1", "bound": True, "sentence": "too much"}
    passable = [{"account_id": "Mock-1", "leg_index": 0, "quantity": Decimal(4)}]
    denied = make_decision_document("DENIED", code="MARGIN", steps=[step], passable=passable)
    document = make_signal_document(decision=denied, undecided=True, waiting_since=ARRIVAL)
    store["signal_store"].insert_one(document)
    body = f'{{"ticker": "AAPL", "passphrase": "hunter2", "note": "{SECRET}"}}'
    raw = {"_id": document["raw_id"], "source": "webhook", "body": body, "received_at": ARRIVAL}
    store["trading_signals_raw"].insert_one(raw)
    page = http.get(f"/api/v1/signals/{SIGNAL_ID}", headers=olga)
    found = page.json()
    assert found["decision"]["passable"][0]["sentence"] == (
        "would have been 4 in Mock-1; margin stopped more"
    )
    assert "AAPL" in found["raw"]["body"]
    assert not {"hunter2", SECRET} & set(page.text.split('"'))
    assert "hunter2" not in page.text
    assert SECRET not in page.text
    assert found["waiting_for"].startswith("what Cerebro asked for")
    assert "ingestion" in found["road"][1]["waited_for"]


def test_a_dead_letter_is_shown_without_secrets(store: Store, http, olga):
    letter = {
        "_id": "cerebro|1",
        "subscription": "cerebro",
        "topic": "standardized-signals",
        "payload": f'{{"key": "{SECRET}"}}',
        "error": "KeyError: 'x'",
        "traceback": "Traceback … Authorization: Bearer abcdefghijkl",
        "failures": 5,
        "status": "DEAD",
        "first_failed_at": ARRIVAL,
        "last_failed_at": after(1),
    }
    store["dead_letters"].insert_one(letter)
    raise_incident(store, kind="TEST", key="1", sentence="look here")
    assert rows_of(http, "/api/v1/dead-letters?status=DEAD", olga)[0]["failures"] == 5
    assert rows_of(http, "/api/v1/incidents?kind=TEST", olga)[0]["sentence"] == "look here"
    assert rows_of(http, "/api/v1/incidents?kind=OTHER", olga) == []
    page = http.get("/api/v1/dead-letters/cerebro|1", headers=olga)
    assert SECRET not in page.text
    assert "abcdefghijkl" not in page.json()["traceback"]
    assert page.json()["error"] == "KeyError: 'x'"


def test_positions_have_marks_and_say_whether_the_broker_agrees(store: Store, http, olga):
    instrument = make_instrument()
    store["positions"].insert_many(
        [make_position_document(strategy_id=each) for each in ("A", "B")]
    )
    held = {"instrument": to_document(instrument), "market_price": Decimal("151.02")}
    now = utc_now()
    store["account_positions"].insert_one({"_id": "Mock-1", "positions": [held], "as_of": now})
    store["reconciliations"].insert_one({"_id": "Mock-1", "looked_at": now, "differences": []})
    (row,) = rows_of(http, "/api/v1/positions?by=instrument", olga)
    # (151.02 − 150.02) × 17, twice
    assert (row["quantity"], row["unrealized_pnl"], row["margin"]) == ("34", "34.00", None)
    assert (row["reconciled"]["state"], row["strategies"]) == ("EQUAL", ["A", "B"])
    page = http.get("/api/v1/positions?limit=1", headers=olga).json()
    assert len(rows_of(http, "/api/v1/positions?limit=1", olga)) == 2
    assert page["rows"][0]["mark_age_s"] < 30
    for asked, found in (("aapl", 2), (instrument.key, 2), ("MSFT", 0)):
        assert len(rows_of(http, f"/api/v1/positions?instrument={asked}", olga)) == found


def test_exports_are_whole_and_harmless(store: Store, http, olga):
    insert_signals(store, 450)
    store["signal_store"].update_many({}, {"$set": {"external_id": '=HYPERLINK("x")'}})
    answer = http.get("/api/v1/signals.csv", headers=olga)
    assert answer.headers["content-type"].startswith("text/csv")
    header, *lines = csv.reader(io.StringIO(answer.text))
    assert len(lines) == len({line[0] for line in lines}) == 450
    assert {line[header.index("external_id")] for line in lines} == {'\'=HYPERLINK("x")'}


def test_the_search_finds_everything_by_id_or_beginning(store: Store, http, olga):
    add_strategy(store)
    add_account(store)
    (signal_id,) = insert_signals(store, 1)
    store["orders"].insert_one(order := make_order_document())
    store["positions"].insert_one(make_position_document())

    def kinds(text: str) -> list[str]:
        answer = http.get("/api/v1/search", params={"q": text}, headers=olga)
        return [hit["kind"] for hit in answer.json()["hits"]]

    assert kinds(signal_id) == kinds("ext-0") == ["SIGNAL"]
    assert kinds(order["_id"]) == ["ORDER"]
    assert kinds("spx") == ["STRATEGY"]
    assert kinds("mock") == ["ACCOUNT"]
    assert kinds("aap") == ["INSTRUMENT"]
    assert kinds("nothing like it") == []


def test_the_top_bar_has_for_each_what_is_theirs(store: Store, http, olga):
    today = f"{utc_now():%Y-%m-%d}"
    marks = make_marks("100", last="103").model_copy(update={"day": today})
    fund = {"currency": "USD", "equity": Decimal(103), "marks": to_document(marks)}
    store["funds"].insert_one({"_id": "PAPER", **fund})
    store["controls"].insert_one({"_id": "global", "trading_state": "ACTIVE"})
    add_account(store, **FIGURES, as_of=utc_now() - timedelta(hours=1))
    raise_incident(store, kind="TEST", key="1", sentence="look here")
    bar = http.get("/api/v1/frame", headers=olga).json()
    told = [bar[name] for name in ("environment", "trading_state", "equity", "today_pnl")]
    assert told == ["PAPER", "ACTIVE", "103", "3"]
    assert (bar["stale"], bar["oldest_account"], bar["incidents"]) == (True, "Mock-1", 1)
    ina = http.get("/api/v1/frame", headers=add_person(store, "ina", "INVESTOR")).json()
    assert (ina["equity"], ina["incidents"]) == ("103", 0)
    dev = http.get("/api/v1/frame", headers=add_person(store, "dev", "DEVELOPER", ("A",))).json()
    assert (dev["equity"], dev["trading_state"]) == (None, "ACTIVE")


def test_the_system_page_counts_what_waits(store: Store, http, olga, tmp_path: Path):
    add_account(store)
    old = utc_now() - timedelta(minutes=1)
    insert_signals(store, 1, undecided=True)
    store["orders"].insert_one(make_order_document(status=OrderStatus.PENDING, created_at=old))
    answer = http.get("/api/v1/system", headers=olga)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    queues = {row["name"]: row for row in page["queues"]}
    assert queues["signals not decided"]["waiting"] == 1
    assert queues["orders not sent"]["overdue"] == 1
    assert queues["orders not sent"]["oldest_age_s"] >= 60
    assert {row["name"] for row in page["services"]} >= {"cerebro", "execution", "mongodb"}
    assert {row["state"] for row in page["services"]} <= {"UP", "NOT_READY", "DOWN"}
    (account,) = page["accounts"]
    names = [check["name"] for check in account["checks"]]
    assert names == ["broker", "data", "books", "locks", "margin"]
    assert page["checks"][0]["name"] == "clock"


def test_the_end_of_a_log_and_of_nothing_else(store: Store, http, olga, tmp_path: Path):
    logs = tmp_path / "logs"
    logs.mkdir(exist_ok=True)
    text = "".join(f"line {number}\n" for number in range(300)) + f"key {SECRET}\n"
    (logs / "cerebro.log").write_text(text)
    (tmp_path / "outside.log").write_text("not yours")
    (logs / "evil.log").symlink_to(tmp_path / "outside.log")
    tail = http.get("/api/v1/system/logs/cerebro?lines=2", headers=olga).json()
    assert tail == {
        "service": "cerebro",
        "lines": ["line 299", "key [removed]"],
        "truncated": True,
    }
    for name in ("evil", "..%2Foutside", "%2e%2e", "nothing", "CEREBRO", "a" * 50):
        answer = http.get(f"/api/v1/system/logs/{name}", headers=olga)
        assert answer.status_code == 404, name


def test_latency_is_counted_minute_by_minute_and_of_the_past(store: Store, http, olga):
    now = utc_now()
    for number, at in enumerate((now - timedelta(minutes=3), now - timedelta(hours=4))):
        signal = make_signal(signal_id=f"sig_{number}", received_at=at)
        stages = {"received_at": at, "submitted_at": at + timedelta(milliseconds=9)}
        store["signal_store"].insert_one(make_signal_document(signal=signal, stages=stages))
    keeper = LatencyKeeper(store, silent_hours=6)
    while not keeper.look(now):
        pass
    keeper.look(now)  # the same again changes nothing

    def counted(hours: float) -> tuple[int, float]:
        found = http.get(f"/api/v1/latency?hours={hours}", headers=olga).json()
        (stage,) = [row for row in found["stages"] if row["stage"] == "arrival_to_submitted"]
        return found["signals"], stage["p50_ms"]

    assert counted(1) == (1, 8.5)  # in the bucket from 7 to 10
    assert counted(48)[0] == 2
