"""Dashboards, developers' pages, the investor's view and reports, against the real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.common.leases import Lease
from services.common.store import Store
from services.dashboard_creator.jobs import ResultJobs
from services.dashboard_creator.summaries import Summaries
from services.domain.users import Role
from tests.support.builders import ACCOUNT, NOW, STRATEGY, make_signal
from tests.support.documents import after, make_fill_document, make_signal_document
from tests.support.http import http_client
from tests.support.people import add_key, add_user
from tests.support.results import Results, busy_day, on
from tests.support.rows import add_operator

pytestmark = pytest.mark.servers
#: What no developer and no investor may read anywhere.
PRIVATE = (ACCOUNT, "102000", "20400", "321")


@pytest.fixture
def results(store: Store) -> Results:
    busy_day(store)
    made = Results(store)
    Summaries(made.rows, Lease(store, "x", ttl_seconds=5), every_seconds=0).remake_all()
    return made


@pytest.fixture
def http(store: Store, results: Results) -> Iterator[httpx.Client]:
    with http_client(results.app, key=add_operator(store)) as client:
        yield client


def as_(store: Store, http: httpx.Client, role: Role, **fields) -> dict[str, str]:
    name = role.lower()
    add_user(store, name, role, **fields)
    return {"Authorization": f"Bearer {add_key(store, name)}"}


def test_the_client_dashboard_has_real_figures(http: httpx.Client):
    page = http.get("/api/v1/dashboards/client").json()
    fund = page["fund"]
    assert (fund["total_equity"], fund["total_margin_used"]) == ("102000", "20400")
    assert (fund["num_accounts"], fund["num_brokers"]) == (1, 1)
    assert fund["margin_utilization_pct"] == 20
    assert fund["total_unrealized_pnl"] is None  # its broker has not said
    performance = page["performance"]
    assert performance["daily_return_pct"] == pytest.approx(2.010201)
    assert performance["mtd_return_pct"] == pytest.approx(2.0)
    assert performance["max_drawdown_pct"] == pytest.approx(1.0)
    assert performance["cagr_pct"] is None  # of four days nobody knows a year
    assert performance["sharpe_ratio"] is not None
    assert page["allocations"] == {"Quiet": 25, STRATEGY: 50}
    (trade,) = page["recent_trades"]
    assert (trade["symbol"], trade["quantity"], trade["time"]) == ("AAPL", "17", "15:30:00")
    assert [day["equity"] for day in page["chart_data"]["equity_curve"]][-1] == "102000"
    assert page["chart_data"]["daily_returns"][0]["return_pct"] is None
    lag = {each["name"]: each for each in page["lag"]}["signal_to_fill"]
    assert (lag["signals"], lag["p50_ms"]) == (1, 15)  # half way into the bucket of 10 to 20 ms


def test_a_dashboard_is_kept_until_it_is_made_again(store: Store, results: Results, http):
    first = http.get("/api/v1/dashboards/client").json()
    results.now = NOW + timedelta(minutes=1)
    assert http.get("/api/v1/dashboards/client").json() == first
    assert http.post("/api/v1/dashboards/regenerate").json() == {"dashboards": 3}
    assert http.get("/api/v1/dashboards/client").json()["generated_at"] > first["generated_at"]
    act = store["audit_log"].find_one({"what": "DASHBOARDS_REGENERATED"})
    assert (act["by"], act["facts"]) == ("olga", {"dashboards": 3})


def test_the_senders_dashboard_has_real_figures(http: httpx.Client):
    page = http.get(f"/api/v1/dashboards/signal-sender/{STRATEGY}").json()
    summary = page["summary"]
    counts = [summary[f"{name}"] for name in ("total_signals_sent", "signals_executed")]
    assert (counts, summary["signals_rejected"]) == ([2, 1], 1)
    assert (summary["rejection_rate_pct"], summary["fill_rate_pct"]) == (50, 100)
    assert (summary["total_pnl"], summary["avg_position_size_usd"]) == ("-1.00", "2550.34")
    assert (summary["win_rate_pct"], summary["current_allocation_pct"]) == (None, 50)
    assert page["rejection_breakdown"] == {
        "NO_ALLOCATION": 0,
        "MARGIN_EXCEEDED": 1,
        "RISK_LIMIT": 0,
        "OTHER": 0,
    }
    assert page["rejection_codes"] == {"MARGIN_EXCEEDED": 1}
    assert page["performance"]["daily_return_pct"] == 3
    denied, filled = page["recent_signals"]
    assert (filled["actual_quantity"], filled["execution_price"]) == ("17", "150.02")
    assert (filled["requested_quantity"], filled["position_size_usd"]) == ("10", "2550.34")
    assert (denied["status"], denied["actual_quantity"]) == ("DENIED", None)
    (position,) = page["open_positions"]
    assert (position["quantity"], position["current_price"]) == ("17", "151")
    assert position["unrealized_pnl"] == "16.66"  # 17 × 0.98


PATHS = [
    f"/api/v1/dashboards/signal-sender/{STRATEGY}",
    f"/api/v1/signal-senders/{STRATEGY}/signals",
    f"/api/v1/signal-senders/{STRATEGY}/signals/sig_1",
    f"/api/v1/signal-senders/{STRATEGY}/signals/sig_2",
    f"/api/v1/signal-senders/{STRATEGY}/positions",
    f"/api/v1/signal-senders/{STRATEGY}/summary",
    f"/api/v1/signal-senders/{STRATEGY}/equity",
]


def test_a_developer_reads_what_is_theirs_and_nothing_of_our_accounts(store: Store, http):
    mine = as_(store, http, Role.DEVELOPER, strategies=[STRATEGY])
    for path in PATHS:
        answer = http.get(path, headers=mine)
        assert answer.status_code == 200, (path, answer.text)
        assert not any(each in answer.text for each in PRIVATE), path


def test_a_developer_does_not_read_what_is_anothers(store: Store, http: httpx.Client):
    others = as_(store, http, Role.DEVELOPER, strategies=["Quiet"])
    for path in [*PATHS, "/api/v1/overview", "/api/v1/dashboards/client", "/api/v1/investor"]:
        answer = http.get(path, headers=others)
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED"), path
    own = http.get("/api/v1/signal-senders/Quiet/signals/sig_1", headers=others)
    assert (own.status_code, own.json()["code"]) == (404, "UNKNOWN_SIGNAL")


def test_nobody_reads_without_a_key(http: httpx.Client):
    for path in [*PATHS, "/api/v1/investor", "/api/v1/reports/daily"]:
        answer = http.get(path, headers={"Authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (401, "MISSING_KEY"), path


def test_a_signal_says_why_without_our_numbers(http: httpx.Client):
    base = f"/api/v1/signal-senders/{STRATEGY}/signals"
    page = http.get(f"{base}/sig_2").json()
    assert page["decision"]["code"] == "MARGIN_EXCEEDED"
    assert page["decision"]["reason"] == "no margin is left"
    assert page["sentence"].endswith("we denied it: no margin is left (MARGIN_EXCEEDED)")
    page = http.get(f"{base}/sig_1").json()
    assert page["sentence"].endswith("we bought 17 in account A at 150.02, 14 ms after it arrived")
    assert (page["orders"][0]["filled_quantity"], page["fills"][0]["price"]) == ("17", "150.02")


def test_a_line_says_what_the_strategy_was_given(store: Store, http: httpx.Client):
    step = {"name": "allocation", "limit": Decimal("0.25")}
    store["signal_store"].update_one({"_id": "sig_1"}, {"$set": {"decision.steps": [step]}})
    rows = http.get(f"/api/v1/signal-senders/{STRATEGY}/signals").json()["rows"]
    assert {row["signal_id"]: row["allocation_pct"] for row in rows}["sig_1"] == 25


def test_signals_come_page_by_page(store: Store, http: httpx.Client):
    for number in range(5):  # two of one millisecond, which a page ends between
        signal = make_signal(signal_id=f"more_{number}", received_at=after(-1000 * (number // 2)))
        store["signal_store"].insert_one(make_signal_document(signal=signal))
    path, found, before = f"/api/v1/signal-senders/{STRATEGY}/signals", [], None
    for _ in range(10):
        asked = {"limit": 2, **({"before": before} if before else {})}
        page = http.get(path, params=asked).json()
        found += [row["signal_id"] for row in page["rows"]]
        before = page["next"]
        if before is None:
            break
    assert found == ["sig_2", "sig_1", "more_1", "more_0", "more_3", "more_2", "more_4"]
    denied = http.get(path, params={"status": "DENIED"}).json()["rows"]
    assert [row["signal_id"] for row in denied] == ["sig_2"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/signal-senders/Nobody/signals", 404, "UNKNOWN_STRATEGY"),
        ("/api/v1/signal-senders/Nobody/equity", 404, "UNKNOWN_STRATEGY"),
        ("/api/v1/dashboards/signal-sender/Nobody", 404, "UNKNOWN_STRATEGY"),
        (f"/api/v1/signal-senders/{STRATEGY}/signals?before=x", 422, "WRONG_CURSOR"),
        (f"/api/v1/signal-senders/{STRATEGY}/signals?limit=0", 422, "INVALID_PARAMETER"),
        ("/api/v1/reports/daily?date=2099-01-01", 422, "REPORT_IN_FUTURE"),
        ("/api/v1/reports/daily?date=soon", 422, "INVALID_PARAMETER"),
    ],
)
def test_bad_questions_are_refused_by_name(http: httpx.Client, path, status, code):
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_curve_of_a_strategy(http: httpx.Client):
    curve = http.get(f"/api/v1/signal-senders/{STRATEGY}/equity").json()
    assert (curve["as_of"], curve["currency"]) == (on(1), "USD")
    assert [row["cumulative_pnl"] for row in curve["rows"]] == ["500.00", "-500.00", "1000.00"]
    assert curve["rows"][1]["drawdown_pct"] == 2
    assert round(curve["rows"][2]["growth"], 9) == 1.019494  # 1.01 × 0.98 × 1.03


def test_an_investor_reads_results_and_no_names(store: Store, results: Results, http):
    investor = as_(store, http, Role.INVESTOR)
    answer = http.get("/api/v1/investor", headers=investor)
    assert not any(each in answer.text for each in (*PRIVATE, STRATEGY, "AAPL"))
    page = answer.json()
    assert [(share["name"], share["allocation_pct"]) for share in page["allocation"]] == [
        ("Strategy 1", 50),
        ("Strategy 2", 25),
        ("not allocated", 25),
    ]
    assert [point["index"] for point in page["curve"]] == [101, 99.99, 102]
    (year,) = page["months"]
    assert (year["months"][10], year["months"][9], year["total_pct"]) == (2, None, 2)
    assert page["as_of"] == "2026-11-20T15:30:00Z"
    assert http.get("/api/v1/overview", headers=investor).status_code == 403
    named = Results(store, show_names=True)
    with http_client(named.app) as client:
        page = client.get("/api/v1/investor", headers=investor).json()
    assert page["allocation"][0]["name"] == STRATEGY


def make_jobs(results: Results, *, cron="30 21 * * 1-5", held=True) -> ResultJobs:
    return ResultJobs(
        results.made,
        results.reports,
        cron=cron,
        held=lambda: held,
        on_death=pytest.fail,
        clock=lambda: results.now,
    )


def test_the_report_of_the_evening_is_made_once(store: Store, results: Results, http):
    store["allocation_history"].insert_many(
        [
            {"_id": 1, "allocations": [], "approved_at": NOW - timedelta(days=9)},
            {
                "_id": 2,
                "allocations": [{"strategy_id": STRATEGY, "ratio": Decimal("0.5")}],
                "approved_at": NOW,
                "approved_by": "olga",
                "reason": "it <earned> it",
            },
        ]
    )
    jobs = make_jobs(results)
    assert jobs.make_report() is False  # 21:30 has not come
    results.now = NOW.replace(hour=21, minute=30, second=5)
    assert make_jobs(results, held=False).look() is None
    assert store["daily_reports"].count_documents({}) == 0
    assert jobs.make_report() is True
    assert jobs.make_report() is False
    (kept,) = store["daily_reports"].find({})
    assert kept["_id"] == "2026-11-20"
    text = kept["text"]
    for line in (
        "PAPER 2026-11-20: +2,010.00 USD (2.01 %)",
        "  Equity 102,000.00 USD",
        f"  {STRATEGY}: today +15.66 USD, month +1,015.66 USD, 2 signals, 1 fill, 1 refused",
        f"  15:30:00 {STRATEGY} BUY 17 AAPL at 150.02 in {ACCOUNT}",
        "  MARGIN_EXCEEDED 1",
        f"  15:30 {STRATEGY} nothing → 50 %, by olga: it <earned> it",
    ):
        assert line in text.splitlines(), text
    assert "it &lt;earned&gt; it" in kept["html"]
    assert "<earned>" not in kept["html"]
    page = http.get("/api/v1/reports/daily").json()
    assert (page["date"], page["text"]) == ("2026-11-20", text)
    assert page["figures"]["denials"][0]["sentence"] == "account Mock-1 has 321 USD of margin left"


def test_an_investor_reads_results_of_the_day_and_nothing_else(
    store: Store, results: Results, http: httpx.Client
):
    results.now = NOW.replace(hour=22)
    assert http.post("/api/v1/reports/daily", params={"date": "2026-11-20"}).status_code == 200
    mine = as_(store, http, Role.INVESTOR)
    assert http.get("/api/v1/reports/daily", headers=mine).status_code == 403
    answer = http.get("/api/v1/investor/daily", headers=mine)
    assert answer.status_code == 200, answer.text
    day, whole = answer.json(), http.get("/api/v1/reports/daily").json()["figures"]["figures"]
    assert day["date"] == "2026-11-20"
    assert day["day_pct"] == pytest.approx(float(whole["today_ratio"]) * 100)
    assert day["text"].splitlines()[0] == "Results of 2026-11-20"
    # No amount, account, strategy, trade or incident.
    for private in (STRATEGY, ACCOUNT, "AAPL", "102,000", "102000", "USD", "MARGIN_EXCEEDED"):
        assert private not in answer.text
    ahead = http.get("/api/v1/investor/daily", params={"date": "2099-01-01"}, headers=mine)
    assert (ahead.status_code, ahead.json()["code"]) == (422, "REPORT_IN_FUTURE")


def test_a_missed_report_is_made_once_after_a_restart(store: Store, results: Results):
    jobs = make_jobs(results)
    results.now = datetime(2026, 11, 22, 9, tzinfo=UTC)  # a Sunday; Friday's was missed
    assert jobs.make_report() is False  # there was never one: nobody waits for it
    results.now = NOW.replace(hour=21, minute=45)
    assert jobs.make_report() is True
    store["daily_reports"].update_one(
        {"_id": "2026-11-20"}, {"$set": {"figures.covers_until": NOW.replace(hour=21, minute=45)}}
    )
    late = make_fill_document(
        _id=f"{ACCOUNT}|E2", execution_id="E2", occurred_at=NOW.replace(hour=22)
    )
    store["execution_confirmations"].insert_one(late)
    results.now = datetime(2026, 11, 24, 9, tzinfo=UTC)  # Tuesday; Monday's was missed
    assert make_jobs(results).make_report() is True
    monday = store["daily_reports"].find_one({"_id": "2026-11-23"})
    assert monday["figures"]["day_is_over"] is True
    assert monday["figures"]["figures"]["equity"] is None  # nobody looked on Monday
    # What filled after Friday's report is in Monday's.
    assert [trade["at"] for trade in monday["figures"]["trades"]] == [NOW.replace(hour=22)]
    assert make_jobs(results).make_report() is False


def test_a_report_can_be_made_anew(store: Store, results: Results, http: httpx.Client):
    results.now = NOW.replace(hour=22)
    made = http.post("/api/v1/reports/daily", params={"date": "2026-11-20"})
    assert made.status_code == 200, made.text
    assert store["daily_reports"].count_documents({}) == 1
    assert store["audit_log"].find_one({"what": "DAILY_REPORT_MADE_ANEW"})["by"] == "olga"
    # Of a day without one it is made, and not kept.
    earlier = http.get("/api/v1/reports/daily", params={"date": on(1)}).json()
    assert earlier["figures"]["figures"]["today_pnl"] == "-1010"  # 99990 − 101000
    assert earlier["figures"]["strategies"][1]["today_pnl"] == "1500.00"
    assert store["daily_reports"].count_documents({}) == 1


def test_the_schedule_makes_what_was_missed_at_once(store: Store, results: Results):
    make_jobs(results).look()
    assert {row["_id"] for row in store["dashboards"].find({})} == {
        "client",
        "signal-sender|Quiet",
        f"signal-sender|{STRATEGY}",
    }
