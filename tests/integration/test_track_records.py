"""Track records over HTTP: reviewed, confirmed by a person, stored whole, kept in versions."""

import csv
import io
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.cerebro.facts import Facts
from services.common.operators import Operators
from services.common.ops import Health
from services.common.store import Store
from services.domain.returns import volatility_of
from services.portfolio_builder.api import create_app
from services.portfolio_builder.record_api import add_record_routes
from services.portfolio_builder.record_store import RecordStore
from services.portfolio_builder.records.questions import Answers
from services.portfolio_builder.records.units import Unit
from services.portfolio_builder.track_records import TrackRecords
from tests.support.http import http_client
from tests.support.records import MOVES, csv_of, seed_files, simple, weekdays, workbook
from tests.support.rows import STRATEGY, add_operator, add_strategy

pytestmark = pytest.mark.servers
URL = f"/api/v1/strategies/{STRATEGY}/records"
MOST = 200_000


@pytest.fixture
def http(store: Store) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(store))
    add_record_routes(app, TrackRecords(store), max_bytes=MOST)
    add_strategy(store)
    with http_client(app, key=add_operator(store)) as client:
        yield client


def upload(http: httpx.Client, content: bytes, **params: str) -> httpx.Response:
    return http.post(URL, content=content, params=params, headers={"X-File-Name": "mine.csv"})


def confirm(http: httpx.Client, review: httpx.Response, **answers: object) -> httpx.Response:
    path = f"{URL}/{review.json()['review_id']}/confirm"
    return http.post(path, json={"unit": "FRACTION", **answers})


def stored(store: Store) -> list[dict[str, object]]:
    return list(store["record_versions"].find().sort("number"))


def test_an_upload_stores_nothing_that_counts_until_it_is_confirmed(store, http):
    made = upload(http, simple())
    assert made.status_code == 201
    review = made.json()["review"]
    assert "read as fraction" in review["questions"][0]["sentence"]
    assert review["first"][0] == {
        "date": "2024-01-01",
        "return": "0.001",
        "pnl": None,
        "notional": None,
        "margin": None,
        "equity": None,
    }
    assert (stored(store), http.get(f"{URL}/backtest").status_code) == ([], 404)
    kept = confirm(http, made).json()
    assert (kept["version"]["number"], kept["version"]["days"], kept["unchanged"]) == (1, 30, False)
    rows = http.get(f"{URL}/backtest").json()
    assert [Decimal(row["return"]) for row in rows] == MOVES
    log = store["audit_log"].find_one({"what": "RECORD_CONFIRMED"})
    assert (log["by"], log["facts"]["answers"]["unit"]) == ("olga", "FRACTION")


def test_an_open_question_stores_nothing(store, http):
    made = upload(http, simple(["60%", "-55%", "1%", "2%"]))
    refused = confirm(http, made, unit="PERCENT")
    assert (refused.status_code, refused.json()["code"]) == (422, "RECORD_UNANSWERED")
    assert "LARGE_RETURNS" in refused.json()["message"]
    nothing = http.post(f"{URL}/{made.json()['review_id']}/confirm", json={})
    assert "UNIT" in nothing.json()["message"]
    assert stored(store) == []
    assert confirm(http, made, unit="PERCENT", signed_off=["LARGE_RETURNS"]).status_code == 200


def test_an_answer_that_makes_it_no_record_stores_nothing(store, http):
    made = upload(http, simple(["1.5", "-2", "0.3"]))
    refused = confirm(http, made, unit="FRACTION")
    assert (refused.status_code, refused.json()["code"]) == (422, "RECORD_IMPOSSIBLE")
    assert stored(store) == []


@pytest.mark.parametrize("kind", ["form", "workbook", "json"])
def test_forms_workbooks_and_json_come_the_same_way(http, kind):
    rows = list(zip(weekdays(30), map(float, MOVES), strict=True))
    if kind == "form":
        made = http.post(URL, files={"file": ("r.csv", simple(), "text/csv")})
    elif kind == "workbook":
        content = workbook([("date", "return"), *rows])
        made = http.post(URL, files={"file": ("r.xlsx", content)})
    else:
        seed = {"raw_data_backtest_full": [{"date": str(d), "return": m} for d, m in rows]}
        made = http.post(URL, json=seed)
    assert made.status_code == 201, made.text
    assert made.json()["review"]["figures"]["days"] == 30


def test_a_confirmation_twice_is_one_version(store, http):
    made = upload(http, simple())
    first, again = confirm(http, made), confirm(http, made)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["version"] == first.json()["version"]
    assert len(stored(store)) == 1


def test_many_confirmations_at_once_are_one_version(store, http):
    made = upload(http, simple())
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: confirm(http, made), range(6)))
    assert {each.status_code for each in answers} == {200}
    assert {each.json()["version"]["number"] for each in answers} == {1}
    assert len(stored(store)) == 1


def test_the_same_days_again_change_nothing_and_say_so(store, http):
    confirm(http, upload(http, simple()))
    turned = csv_of(list(zip(weekdays(30), MOVES, strict=True))[::-1])
    again = confirm(http, upload(http, turned)).json()
    assert (again["unchanged"], again["version"]["number"]) == (True, 1)


def test_a_new_record_replaces_the_former_which_is_kept_and_can_be_restored(store, http):
    confirm(http, upload(http, simple()))
    confirm(http, upload(http, simple(MOVES[:10])))
    assert [(row["number"], row.get("current")) for row in stored(store)] == [(1, None), (2, True)]
    assert len(http.get(f"{URL}/backtest").json()) == 10
    body = {"number": 1, "reason": "the shorter one was a mistake"}
    back = http.post(f"{URL}/backtest/restore", json=body).json()
    assert (back["version"]["number"], back["version"]["restored_from"]) == (3, 1)
    assert [Decimal(row["return"]) for row in http.get(f"{URL}/backtest").json()] == MOVES
    gone = http.post(f"{URL}/backtest/restore", json={**body, "number": 9})
    assert (gone.status_code, gone.json()["code"]) == (404, "UNKNOWN_VERSION")


def test_sources_are_kept_apart_and_live_is_ours(store, http):
    confirm(http, upload(http, simple()))
    confirm(http, upload(http, simple(MOVES[:10]), source="developer_live"))
    sources = {each["source"]: each for each in http.get(URL).json()["sources"]}
    assert {name: each["figures"]["days"] for name, each in sources.items()} == {
        "backtest": 30,
        "developer_live": 10,
    }
    refused = upload(http, simple(), source="live")
    assert (refused.status_code, refused.json()["code"]) == (422, "BAD_SOURCE")
    assert "our own fills" in refused.json()["message"]


def test_cerebro_sizes_by_the_record_that_was_confirmed(store, http):
    assert Facts(store).volatility(STRATEGY) is None
    confirm(http, upload(http, simple()))
    assert Facts(store).volatility(STRATEGY) == volatility_of(MOVES)


def test_a_file_above_the_limit_is_not_read(store, http):
    refused = upload(http, b"x" * (MOST + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "RECORD_TOO_LARGE")
    assert store["record_reviews"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "RECORD_EMPTY"),
        (csv_of([("2024-01-02", "0.01")]), "RECORD_TOO_SHORT"),
        (simple(["0"] * 30), "RECORD_CONSTANT"),
        (simple(["0.01", "NaN", "0.02"]), "RECORD_NUMBER"),
        (csv_of([("2024-01-02", "1"), ("2999-01-01", "2")]), "RECORD_FUTURE"),
        (simple(["1%", "10000%", "2%"]), "RECORD_IMPOSSIBLE"),
        (b"{broken", "RECORD_UNREADABLE"),
        (zlib.compress(b"x" * 1000), "RECORD_UNREADABLE"),
    ],
)
def test_what_is_no_record_is_refused_and_leaves_nothing(store, http, content, code):
    refused = upload(http, content)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert store["record_reviews"].count_documents({}) == 0


def test_forms_without_a_file_unknown_strategies_and_reviews_are_refused(store, http):
    form = http.post(URL, files={"file": ("a", b"1"), "other": ("b", b"2")})
    assert (form.status_code, form.json()["code"]) == (422, "BAD_FORM")
    unknown = http.post("/api/v1/strategies/nobody/records", content=simple())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_STRATEGY")
    nothing = http.post(f"{URL}/0000/confirm", json={"unit": "FRACTION"})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "UNKNOWN_REVIEW")
    add_strategy(store, "other")
    made = upload(http, simple())
    path = f"/api/v1/strategies/other/records/{made.json()['review_id']}/confirm"
    assert http.post(path, json={"unit": "FRACTION"}).status_code == 404
    for body in ({"unit": "INCHES"}, {"nonsense": 1}):
        path = f"{URL}/{made.json()['review_id']}/confirm"
        assert http.post(path, json=body).status_code == 422


def test_an_archived_strategy_takes_no_record(store, http):
    made = upload(http, simple())
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"archived_at": "x"}})
    refused = confirm(http, made)
    assert (refused.status_code, refused.json()["code"]) == (409, "STRATEGY_ARCHIVED")
    assert stored(store) == []


def test_rows_come_by_days_and_as_csv_that_reads_back(store, http):
    confirm(http, upload(http, simple()))
    some = http.get(f"{URL}/backtest", params={"from": "2024-01-03", "to": "2024-01-05"}).json()
    assert [row["date"] for row in some] == ["2024-01-03", "2024-01-04", "2024-01-05"]
    answer = http.get(f"{URL}/backtest.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [Decimal(row["return"]) for row in rows] == MOVES
    before = stored(store)[0]["content_hash"]
    assert confirm(http, upload(http, answer.content)).json()["version"]["content_hash"] == before


def test_every_route_wants_an_operator_before_it_reads_a_file(http):
    bare = {"Authorization": ""}
    for method, path in (
        ("POST", URL),
        ("POST", f"{URL}/x/confirm"),
        ("POST", f"{URL}/backtest/restore"),
        ("GET", URL),
        ("GET", f"{URL}/backtest"),
        ("GET", f"{URL}/backtest.csv"),
    ):
        body = b"x" * (MOST + 1) if path == URL else b"{}"
        answer = http.request(
            method, path, content=body if method == "POST" else None, headers=bare
        )
        assert answer.status_code == 401, (method, path)


def record(store, strategy_id, source, moves, first=date(2024, 1, 1), **columns):
    """A confirmed record, by the same way as over HTTP."""
    records = TrackRecords(store)
    days = weekdays(len(moves), first)
    names = ["date", "return", *columns]
    rows = list(zip(days, moves, *columns.values(), strict=True))
    content = csv_of(rows, header=",".join(names))
    made = records.review(strategy_id, source, content, file_name="r", by="olga", answers=Answers())
    records.confirm(strategy_id, made.review_id, Answers(unit=Unit.FRACTION), by="olga")
    return days


def test_a_study_gets_each_day_from_the_source_that_counts_most(store):
    for name in ("A", "B"):
        add_strategy(store, name)
    days = record(store, "A", "backtest", MOVES)
    record(store, "A", "developer_live", [m + Decimal("0.1") for m in MOVES[-3:]], first=days[-3])
    row = {"strategy_id": "A", "source": "live", "date": days[-1].isoformat()}
    store["strategy_returns"].insert_one(row | {"return": Decimal("0.5")})
    (found,) = RecordStore(store).load(["A", "B", "nobody"])
    assert found.dates == tuple(days)
    expected = [*MOVES[:-3], *(m + Decimal("0.1") for m in MOVES[-3:-1]), Decimal("0.5")]
    assert found.returns.tolist() == [float(each) for each in expected]
    assert found.source == "live"  # the best it has; none has more than a quarter of a year
    (claimed,) = RecordStore(store).load(["A"], priority=["backtest"])
    assert claimed.returns.tolist() == [float(m) for m in MOVES]


def test_a_few_days_of_trading_do_not_make_a_long_backtest_a_live_record(store):
    add_strategy(store, "A")
    days = record(store, "A", "backtest", MOVES * 3)
    row = {"strategy_id": "A", "source": "live", "date": days[-1].isoformat()}
    store["strategy_returns"].insert_one(row | {"return": Decimal("0.5")})
    assert RecordStore(store).load(["A"])[0].source == "backtest"


def test_margin_that_was_measured_is_loaded_and_margin_made_of_returns_is_not(store):
    for name in ("A", "B"):
        add_strategy(store, name)
    flat = [Decimal(1000)] * 30
    record(store, "A", "backtest", MOVES, margin=[Decimal(100 + n) for n in range(30)], equity=flat)
    record(store, "B", "backtest", MOVES, margin=[abs(m) * 3000 for m in MOVES], equity=flat)
    measured, made_up = RecordStore(store).load(["A", "B"])
    assert measured.margins.tolist() == [(100 + n) / 1000 for n in range(30)]
    assert made_up.margins is None


def test_the_nine_real_records_are_stored_and_loaded_as_they_are(store):
    for path in seed_files():
        add_strategy(store, path.stem)
        records = TrackRecords(store)
        made = records.review(
            path.stem,
            "backtest",
            path.read_bytes(),
            file_name=path.name,
            by="olga",
            answers=Answers(),
        )
        records.confirm(path.stem, made.review_id, Answers(unit=Unit.FRACTION), by="olga")
    loaded = RecordStore(store).load([path.stem for path in seed_files()])
    for path, found in zip(seed_files(), loaded, strict=True):
        rows = sorted(csv.DictReader(io.StringIO(path.read_text())), key=lambda row: row["date"])
        assert [day.isoformat() for day in found.dates] == [row["date"] for row in rows]
        assert found.returns.tolist() == [float(row["return"]) for row in rows]
        assert found.margins is None
    json.dumps(TrackRecords(store).summary("SPY").model_dump(mode="json"), allow_nan=False)


def test_ten_thousand_days_are_stored_at_once(store):
    add_strategy(store, "A")
    days = record(
        store, "A", "backtest", [MOVES[n % 30] for n in range(10_000)], first=date(1985, 1, 1)
    )
    assert len(RecordStore(store).days("A", "backtest")) == len(days) == 10_000
