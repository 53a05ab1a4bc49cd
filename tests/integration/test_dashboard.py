"""The dashboards against the real database: what is stored is what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2 as httpx
import pytest

from scripts import demo
from services.common.clock import utc_now
from services.common.controls import set_control
from services.common.incidents import raise_incident
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import CommonSettings, DashboardSettings
from services.common.store import Store, to_document
from services.dashboard_creator.api import create_app
from services.dashboard_creator.reading import add_reading
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.domain.risk import RiskLock
from services.domain.words import LockRule, OrderStatus, Scope, SignalStatus, TradingState
from tests.support.accounts import FIGURES
from tests.support.builders import make_instrument, make_signal
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
from tests.support.http import http_client
from tests.support.rows import add_operator


def make_dashboards(store: Store, *, refresh_seconds: float = 0.0) -> Dashboards:
    return Dashboards(
        DashboardStore(store),
        trading_mode="paper",
        max_age_seconds=60,
        refresh_seconds=refresh_seconds,
    )


@pytest.fixture
def http(store: Store) -> Iterator[httpx.Client]:
    dashboards = make_dashboards(store)
    app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
    add_reading(app, store, DashboardSettings(), dashboards)
    with http_client(app, key=add_operator(store)) as client:
        yield client


@pytest.fixture
def traded(connection: dict[str, Any], store: Store) -> Store:
    """The demo with one signal that has filled."""
    demo.create(CommonSettings(**connection))
    store["controls"].insert_one({"_id": "global", "trading_state": "ACTIVE"})
    step = {"name": "size", "before": Decimal(10), "after": Decimal("17.0"), "bound": True}
    stages = {
        "received_at": ARRIVAL,
        "standardized_at": after(2),
        "decided_at": after(4),
        "submitted_at": after(9),
        "first_fill_at": after(14),
        "completed_at": after(14),
    }
    decision = make_decision_document(steps=[step])
    store["signal_store"].insert_one(make_signal_document(stages=stages, decision=decision))
    store["orders"].insert_one(make_order_document(filled=17, price="150.02"))
    store["execution_confirmations"].insert_one(make_fill_document())
    store["positions"].insert_one(make_position_document())
    return store


def test_a_signal_page_tells_everything(traded: Store, http: httpx.Client):
    page = http.get(f"/api/v1/signals/{SIGNAL_ID}").json()
    assert page["sentence"] == (
        "SPX_1-D_Opt asked to BUY 10 AAPL for a 500,000 account; "
        "we bought 17 in Mock-1 at 150.02, 14 ms after it arrived"
    )
    assert [stage["since_arrival_ms"] for stage in page["road"]] == [0, 2, 4, 9, 14, 14]
    assert page["decision"]["steps"][0]["after"] == "17.0"
    assert page["orders"][0]["events"][0]["status"] == "PENDING"
    assert page["fills"][0]["price"] == "150.02"
    assert page["positions"][0]["deployed"] == "2550.34"  # 17 × 150.02
    assert page["received_at"] == "2026-11-20T15:30:00Z"


def test_the_first_page_has_all_in_one(traded: Store, http: httpx.Client):
    traded["trading_accounts"].update_one(
        {"_id": "Mock-1"}, {"$set": {**FIGURES, "as_of": utc_now()}}
    )
    traded["reservations"].insert_one(
        {
            "_id": "MT9",
            "client_order_id": "MT9",
            "account_id": "Mock-1",
            "strategy_id": "SPX_1-D_Opt",
            "instrument_key": "STOCK:AAPL:USD",
            "capital": Decimal("100.50"),
            "margin": Decimal(0),
            "closing_quantity": Decimal(0),
            "quantity": Decimal(1),
        }
    )
    raise_incident(traded, kind="TEST", key="1", sentence="look here", facts={"n": Decimal("1.5")})
    page = http.get("/api/v1/dashboard").json()
    assert page["trading_state"] == "ACTIVE"
    assert page["fund"]["equity"] == "1000000.50"
    assert [missing["account_id"] for missing in page["fund"]["missing"]] == ["Mock-2"]
    assert page["fund"]["age_s"] < 30
    strategies = {row["strategy_id"]: row for row in page["strategies"]}
    row = strategies["SPX_1-D_Opt"]
    money = [row[name] for name in ("allocation_ratio", "deployed", "reserved", "commissions")]
    assert money == ["0.50", "2550.34", "100.50", "1.00"]
    assert row["last_signal"]["status"] == "COMPLETED"
    assert strategies["Forex"]["last_signal"] is None
    assert page["signals"][0]["road"][-1]["name"] == "COMPLETED"
    assert page["incidents"][0]["facts"] == {"n": "1.5"}
    assert page["dead_letters"] == {"dead": 0, "failing": 0}
    assert "key_hash" not in str(page)


def test_the_first_page_says_what_is_stopped_and_by_whom(traded: Store, http: httpx.Client):
    signed = {"by": "olga", "reason": "margin call"}
    set_control(traded, Scope.ACCOUNT, "Mock-1", trading_state=TradingState.REDUCING, **signed)
    set_control(traded, Scope.INSTRUMENT, "AAPL", scale_ratio=Decimal("0.5"), **signed)
    lock = RiskLock(
        scope=Scope.GLOBAL, rule=LockRule.DRAWDOWN, sentence="lost 20 %", locked_at=utc_now()
    )
    traded["risk_locks"].insert_one({"_id": lock.key, **to_document(lock)})
    assert http.get("/api/v1/dashboard").json()["restrictions"] == [
        "REDUCING: account Mock-1, set by olga: margin call",
        "ACTIVE, entries × 0.5: instrument AAPL, set by olga: margin call",
        "entries locked: lost 20 %, until reset",
    ]


def test_money_of_two_currencies_is_never_added(traded: Store, http: httpx.Client):
    euro = make_instrument("SAP", currency="EUR")
    traded["positions"].insert_one(make_position_document(instrument=euro))
    rows = http.get("/api/v1/dashboard").json()["strategies"]
    (row,) = [row for row in rows if row["strategy_id"] == "SPX_1-D_Opt"]
    assert (row["currency"], row["deployed"]) == ("USD", "2550.34")
    (other,) = row["other_currencies"]
    assert (other["currency"], other["deployed"]) == ("EUR", "2550.34")


def test_books_of_a_strategy_that_is_gone_stay_visible(traded: Store, http: httpx.Client):
    traded["strategies"].delete_one({"_id": "SPX_1-D_Opt"})
    rows = {row["strategy_id"]: row for row in http.get("/api/v1/dashboard").json()["strategies"]}
    assert rows["SPX_1-D_Opt"]["status"] is None
    assert rows["SPX_1-D_Opt"]["deployed"] == "2550.34"


def test_the_first_page_is_kept_for_a_while(traded: Store):
    dashboards = make_dashboards(traded, refresh_seconds=60)
    assert dashboards.dashboard() is dashboards.dashboard()


def test_an_empty_system_has_pages_too(store: Store, http: httpx.Client):
    store["controls"].insert_one({"_id": "global", "trading_state": "ACTIVE"})
    page = http.get("/api/v1/dashboard").json()
    assert (page["fund"]["equity"], page["signals"], page["strategies"]) == (None, [], [])


def test_signals_are_filtered_and_newest_first(store: Store, http: httpx.Client):
    for number, strategy in enumerate(["A", "A", "B"]):
        signal = make_signal(signal_id=f"sig_{number}", received_at=after(number))
        document = make_signal_document(signal=signal, strategy_id=strategy)
        store["signal_store"].insert_one(document)
    ids = [row["signal_id"] for row in http.get("/api/v1/signals?limit=2").json()["rows"]]
    assert ids == ["sig_2", "sig_1"]
    ids = [row["signal_id"] for row in http.get("/api/v1/signals?strategy_id=A").json()["rows"]]
    assert ids == ["sig_1", "sig_0"]
    assert http.get("/api/v1/signals?status=DENIED").json() == {"rows": [], "next": None}


def test_working_orders_only(store: Store, http: httpx.Client):
    unknown = make_order_document(account_id="Mock-2", status=OrderStatus.UNKNOWN)
    store["orders"].insert_many([make_order_document(filled=17, price="150.02"), unknown])
    (order,) = http.get("/api/v1/orders?working=true").json()["rows"]
    assert (order["status"], order["leaves_quantity"]) == ("UNKNOWN", "17")
    assert len(http.get("/api/v1/orders").json()["rows"]) == 2
    assert http.get("/api/v1/orders?working=false").json()["rows"][0]["status"] == "FILLED"


def test_flat_positions_can_be_left_out(store: Store, http: httpx.Client):
    flat = make_position_document("0", realized_pnl=Decimal("-5.5"))
    store["positions"].insert_one(flat)
    with_flat = http.get("/api/v1/positions?open_only=false").json()["rows"]
    assert with_flat[0]["realized_pnl"] == "-5.5"
    assert http.get("/api/v1/positions").json() == {"rows": [], "next": None}


def test_quarantined_signals_with_their_reason(store: Store, http: httpx.Client):
    reason = {"code": "MISSING_FIELD", "sentence": "quantity is missing", "field": "quantity"}
    document = make_signal_document(status=SignalStatus.QUARANTINED, quarantine=reason)
    del document["signal"], document["decision"]
    store["signal_store"].insert_one(document)
    (row,) = http.get("/api/v1/quarantine").json()
    assert (row["code"], row["raw_id"]) == ("MISSING_FIELD", "65641f9e2f8fb814b56fa181")
    assert http.get("/api/v1/dashboard").json()["signals"][0]["code"] == "MISSING_FIELD"


def test_troubles_are_listed(store: Store, http: httpx.Client):
    raise_incident(store, kind="TEST", key="1", sentence="look here")
    letter = {
        "_id": "cerebro|1",
        "subscription": "cerebro",
        "topic": "standardized-signals",
        "payload": "{}",
        "ordering_key": "A",
        "error": "KeyError: 'x'",
        "traceback": "Traceback …",
        "failures": 5,
        "status": "DEAD",
        "first_failed_at": ARRIVAL,
        "last_failed_at": after(1000),
    }
    store["dead_letters"].insert_one(letter)
    assert http.get("/api/v1/incidents?status=OPEN").json()["rows"][0]["sentence"] == "look here"
    (row,) = http.get("/api/v1/dead-letters").json()["rows"]
    assert (row["dead_letter_id"], row["failures"]) == ("cerebro|1", 5)
    assert http.get("/api/v1/dashboard").json()["dead_letters"]["dead"] == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/signals/nothing", 404, "UNKNOWN_SIGNAL"),
        ("/api/v1/signals?limit=0", 422, "INVALID_PARAMETER"),
        ("/api/v1/signals?limit=many", 422, "INVALID_PARAMETER"),
        ("/api/v1/signals?status=ODD", 422, "INVALID_PARAMETER"),
        ("/api/v1/orders?before=nonsense", 422, "WRONG_CURSOR"),
        ("/api/v1/orders?working=perhaps", 422, "INVALID_PARAMETER"),
        ("/api/v1/incidents?status=ODD", 422, "INVALID_PARAMETER"),
        ("/api/v2", 404, "NOT_FOUND"),
    ],
)
def test_refusals_have_a_code_and_a_sentence(http, path, status, code):
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert " " in answer.json()["message"]


def test_a_document_of_an_odd_shape_is_named_not_shown(store: Store, http: httpx.Client):
    store["trading_accounts"].insert_one({"_id": "X", "api_secret": "hunter2"})
    answer = http.get("/api/v1/dashboard")
    assert (answer.status_code, answer.json()["code"]) == (500, "UNREADABLE_DOCUMENT")
    assert "hunter2" not in answer.text


def test_the_index_names_every_endpoint(http: httpx.Client):
    paths = {endpoint["path"] for endpoint in http.get("/").json()["endpoints"]}
    described = set(http.get("/openapi.json").json()["paths"])
    assert paths == described
    assert {"/api/v1/dashboard", "/api/v1/signals/{signal_id}", "/health"} <= paths


def test_amounts_are_strings_for_generated_clients(http: httpx.Client):
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    equity = schemas["FundRow"]["properties"]["equity"]
    assert {"type": "string"} in equity["anyOf"]
    assert schemas["FillView"]["properties"]["price"]["type"] == "string"
