"""The overview in one answer, against the real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.common.incidents import raise_incident
from services.common.leases import Lease
from services.common.store import Store
from services.dashboard_creator.summaries import Summaries
from services.domain.words import OrderStatus
from tests.support.builders import ACCOUNT, NOW, STRATEGY, make_instrument
from tests.support.documents import make_order_document, make_position_document
from tests.support.http import http_client
from tests.support.results import Results, add_marks, busy_day, on
from tests.support.rows import add_account, add_operator

pytestmark = pytest.mark.servers


@pytest.fixture
def results(store: Store) -> Results:
    return Results(store)


@pytest.fixture
def http(store: Store, results: Results) -> Iterator[httpx.Client]:
    with http_client(results.app, key=add_operator(store)) as client:
        yield client


def sum_up(store: Store, results: Results) -> None:
    Summaries(results.rows, Lease(store, "x", ttl_seconds=5), every_seconds=0).remake_all()


def overview(http: httpx.Client, span: str = "1M"):
    answer = http.get("/api/v1/overview", params={"range": span})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("span", ["1D", "1W", "1M", "YTD", "ALL"])
def test_an_empty_system_has_an_overview(http: httpx.Client, span: str):
    page = overview(http, span)
    assert page["figures"]["equity"] is None
    assert page["figures"]["missing"] == "no account has been read yet"
    assert (page["strategies"], page["curve"], page["needs_person"]["total"]) == ([], [], 0)


def test_figures_of_the_fund(store: Store, results: Results, http: httpx.Client):
    busy_day(store)
    store["risk_limits"].insert_one(
        {"_id": "GLOBAL", "scope": "GLOBAL", "scope_id": "", "max_margin_ratio": Decimal("0.4")}
    )
    figures = overview(http)["figures"]
    assert (figures["equity"], figures["today_pnl"]) == ("102000", "2010")
    assert figures["today_ratio"] == "0.020102"  # 2010 / 99990
    assert figures["drawdown_ratio"] == "0.072727"  # 8000 / 110000
    assert (figures["margin_used"], figures["margin_ratio"]) == ("20400", "0.200000")
    assert figures["margin_limit_ratio"] == "0.4"
    assert figures["mtd_ratio"] == pytest.approx(0.02)  # all days are of the month
    assert figures["stale"] is False
    results.now = NOW + timedelta(minutes=2)
    assert overview(http)["figures"]["stale"] is True
    results.now = NOW + timedelta(days=1)
    assert overview(http)["figures"]["today_pnl"] is None  # nobody has looked today


def test_the_curve_by_day_with_drawdown_and_benchmark(store: Store, http: httpx.Client):
    busy_day(store)
    curve = overview(http)["curve"]
    assert [point["at"][:10] for point in curve] == [on(3), on(2), on(1), on(0)]
    assert [point["equity"] for point in curve] == ["100000", "101000", "99990", "102000"]
    assert [round(point["growth"], 9) for point in curve] == [1.0, 1.01, 0.9999, 1.02]
    assert round(curve[2]["drawdown_ratio"], 9) == 0.01
    # Of the only record, from the first shown day on: −2 %, then +3 %; today is not in it yet.
    assert [round(point["benchmark"], 9) for point in curve] == [1.0, 0.98, 1.0094, 1.0094]


def test_a_payment_is_no_growth(store: Store, http: httpx.Client):
    busy_day(store)
    store["fund_history"].update_one(
        {"_id": f"PAPER|{on(0)}"},
        {"$set": {"close": Decimal(204000), "start": Decimal(199980), "flows": Decimal(102000)}},
    )
    last = overview(http, "ALL")["curve"][-1]
    assert (last["equity"], round(last["growth"], 9)) == ("204000", 1.02)


def test_the_curve_of_a_day_is_by_the_minute(store: Store, http: httpx.Client):
    busy_day(store)
    curve = overview(http, "1D")["curve"]
    assert [point["equity"] for point in curve] == ["101910", "101940", "101970", "102000"]
    assert curve[-1]["growth"] == pytest.approx(102000 / 101910)
    assert curve[-1]["drawdown_ratio"] == pytest.approx(8000 / 110000)
    assert len(overview(http, "1W")["curve"]) == 2  # the last look of each hour


def test_strategies_with_what_they_made(store: Store, results: Results, http: httpx.Client):
    busy_day(store)
    sum_up(store, results)
    lines = {line["strategy_id"]: line for line in overview(http)["strategies"]}
    line = lines[STRATEGY]
    # 17 × 151 − 17 × 150.02 − 1 of commission; before, 3 days of the month: +500 − 1000 + 1500.
    assert (line["today_pnl"], line["mtd_pnl"]) == ("15.66", "1015.66")
    assert (line["exposure"], line["allocation_ratio"]) == ("2567", "0.5")
    assert (line["verdict"], line["verdict_sentences"]) == ("DOUBTFUL", ["of two minds"])
    assert line["last_signal"]["signal_id"] == "sig_2"
    assert line["silence"]["too_long"] is False
    quiet = lines["Quiet"]
    assert (quiet["today_pnl"], quiet["mtd_pnl"], quiet["last_signal"]) == ("0", "0", None)
    assert quiet["silence"]["sentence"] == "has never sent a signal"


def test_what_is_not_known_is_null_with_a_reason(store: Store, results: Results, http):
    busy_day(store)
    sum_up(store, results)
    store["live_reports"].update_one({"_id": STRATEGY}, {"$set": {"until": on(3)}})
    line = {each["strategy_id"]: each for each in overview(http)["strategies"]}[STRATEGY]
    assert (line["today_pnl"], line["mtd_pnl"]) == ("15.66", None)
    assert line["unknown"] == f"our own record ends on {on(3)}"
    store["daily_marks"].delete_one({"date": on(0)})
    line = {each["strategy_id"]: each for each in overview(http)["strategies"]}[STRATEGY]
    assert (line["today_pnl"], line["mtd_pnl"]) == (None, None)
    assert line["unknown"] == "no price was named for AAPL"


def test_exposure_is_gross_and_net_over_strategies(store: Store, results: Results, http):
    busy_day(store)
    other = make_position_document("-7", strategy_id="Quiet")
    euro = make_instrument("SAP", currency="EUR")
    store["positions"].insert_many([other, make_position_document("1", instrument=euro)])
    add_marks(store, {0: "100"}, key=euro.key, currency="EUR")
    sum_up(store, results)
    exposure = overview(http)["exposure"]
    assert (exposure["gross"], exposure["net"]) == ("3624", "1510")  # 24 and 10 × 151
    (missing,) = exposure["missing"]
    assert missing == {"name": f"SAP in {ACCOUNT}", "reason": "no rate from EUR to USD is known"}


def test_what_needs_a_person_comes_first_by_what_presses(store: Store, http: httpx.Client):
    busy_day(store)
    store["orders"].insert_one(
        make_order_document(account_id="Mock-2", status=OrderStatus.UNKNOWN, unknown=True)
    )
    store["approvals"].insert_one(
        {
            "_id": "sig_9",
            "status": "WAITING",
            "strategy_id": "Quiet",
            "asked_at": NOW,
            "expires_at": NOW + timedelta(minutes=5),
        }
    )
    raise_incident(store, kind="TEST", key="1", sentence="look here")
    add_account(store, "Old", as_of=NOW - timedelta(hours=2))
    store["dead_letters"].insert_one(
        {
            "_id": "cerebro|1",
            "subscription": "cerebro",
            "error": "KeyError: 'x'",
            "status": "DEAD",
            "first_failed_at": NOW,
            "last_failed_at": NOW,
        }
    )
    needs = overview(http)["needs_person"]
    assert needs["total"] == 5
    assert [row["kind"] for row in needs["rows"]] == [
        "UNKNOWN_ORDER",
        "APPROVAL",
        "INCIDENT",
        "STALE_ACCOUNT",
        "DEAD_LETTER",
    ]
    assert needs["rows"][1]["sentence"] == "a signal of Quiet waits for approval, for 5 min more"
    assert (
        needs["rows"][3]["sentence"] == "account Old: figures are 2 h 0 min old, entries are denied"
    )


def test_a_range_that_is_none_is_refused(http: httpx.Client):
    answer = http.get("/api/v1/overview?range=2D")
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMETER")
