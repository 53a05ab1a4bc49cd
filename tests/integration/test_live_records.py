"""Our own record, made of what execution booked and what brokers said of prices and equity."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.cerebro.facts import Facts
from services.common.clock import utc_now
from services.common.operators import Operators
from services.common.ops import Health
from services.common.problems import Refusal
from services.common.store import Store
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import Execution
from services.domain.words import InstrumentType, Side
from services.execution.documents import Owner, confirmation, position_document
from services.portfolio_builder.api import create_app
from services.portfolio_builder.live_records import LiveRecords
from services.portfolio_builder.record_api import add_live_routes, add_record_routes
from services.portfolio_builder.record_store import RecordStore
from services.portfolio_builder.records.questions import Answers
from services.portfolio_builder.records.units import Unit
from services.portfolio_builder.track_records import TrackRecords
from tests.support.http import http_client
from tests.support.records import csv_of
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_operator, add_strategy

pytestmark = pytest.mark.servers
AAPL = Instrument(instrument_type=InstrumentType.STOCK, symbol="AAPL")
#: Long enough ago for a record of some length up to yesterday.
MONDAY = utc_now().date() - timedelta(days=280)
MONDAY -= timedelta(days=MONDAY.weekday())
URL = f"/api/v1/strategies/{STRATEGY}"


def day(number):
    return MONDAY + timedelta(days=number)


def on(number):
    return day(number).isoformat()


def at(number, hour=15):
    return datetime.combine(day(number), datetime.min.time(), UTC) + timedelta(hours=hour)


def booked(store, fills, instrument=AAPL, account=ACCOUNT, quantity=None):
    """Fills as execution stores them, with the position they come to."""
    held = Decimal(0)
    for number, (when, amount, price) in enumerate(fills):
        execution = Execution(
            execution_id=f"{account}-{instrument.symbol}-{number}",
            client_order_id="",
            instrument=instrument,
            side=Side.BUY if amount > 0 else Side.SELL,
            quantity=abs(Decimal(amount)),
            price=Decimal(price),
            commission=Decimal(1),
            occurred_at=at(when),
        )
        held += amount
        store["execution_confirmations"].insert_one(
            confirmation(Owner(STRATEGY, account), execution, None) | {"void": False}
        )
    position = Position(
        strategy_id=STRATEGY,
        account_id=account,
        instrument=instrument,
        quantity=held if quantity is None else quantity,
    )
    row = {"_id": f"{STRATEGY}|{account}|{instrument.key}", **position_document(position)}
    store["positions"].insert_one(row)


def said(store, prices, *, equity="1000000", days=300, account=ACCOUNT, instrument=AAPL):
    """What the account's broker said of prices and equity, day by day."""
    for number, price in prices.items():
        store["daily_marks"].insert_one(
            {
                "_id": f"{account}|{instrument.key}|{day(number)}",
                "account_id": account,
                "instrument_key": instrument.key,
                "date": on(number),
                "price": Decimal(price),
                "currency": instrument.currency,
                "fx_rate": None,
                "as_of": at(number, 20),
            }
        )
    for number in range(days):
        store["equity_history"].insert_one(
            {
                "_id": f"{account}|{day(number)}",
                "account_id": account,
                "date": on(number),
                "currency": "USD",
                "open": Decimal(equity),
                "close": Decimal(equity),
            }
        )


@pytest.fixture
def traded(store: Store) -> Store:
    """100 AAPL bought on Monday at 100, sold on Thursday; half of 1,000,000 is allocated."""
    add_strategy(store)
    add_account(store)
    row = {"strategy_id": STRATEGY, "ratio": Decimal("0.5")}
    approval = {"allocations": [row], "approved_at": at(-5)}
    store["allocation_history"].insert_one({"_id": 1, **approval})
    booked(store, [(0, 100, "100"), (3, -100, "104")])
    said(store, {0: "101", 1: "103", 2: "102"})
    return store


def rows(store):
    found = store["strategy_returns"].find({"source": "live"}).sort("date", 1)
    return {row["date"]: (row["return"], row["pnl"]) for row in found}


def test_fills_and_prices_become_a_record(traded):
    report = LiveRecords(traded).rebuild(STRATEGY, until=day(4))
    # 100 × 1 − 1; 100 × 2; 100 × −1; 100 × 2 − 1; nothing. On 500,000.
    assert rows(traded) == {
        on(0): (Decimal("0.000198"), 99),
        on(1): (Decimal("0.0004"), 200),
        on(2): (Decimal("-0.0002"), -100),
        on(3): (Decimal("0.000398"), 199),
        on(4): (0, 0),
    }
    assert (report.days, report.pnl, report.currency) == (5, 398, "USD")
    assert (report.unknown, report.notes) == ((), ())


def test_made_again_it_is_the_same_bit_for_bit_and_writes_nothing(traded):
    live = LiveRecords(traded)
    live.rebuild(STRATEGY, until=day(4))
    before = list(traded["strategy_returns"].find())
    assert live.rebuild(STRATEGY, until=day(4)).changed == 0
    traded["strategy_returns"].delete_many({})
    assert live.rebuild(STRATEGY, until=day(4)).changed == 5
    assert list(traded["strategy_returns"].find()) == before


def test_a_fill_that_the_broker_took_back_is_taken_out(traded):
    live = LiveRecords(traded)
    live.rebuild(STRATEGY, until=day(4))
    last = {"execution_id": f"{ACCOUNT}-AAPL-1"}
    traded["execution_confirmations"].update_one(last, {"$set": {"void": True}})
    traded["positions"].update_one({}, {"$set": {"quantity": Decimal(100), "open": True}})
    report = live.rebuild(STRATEGY, until=day(4))
    assert list(rows(traded)) == [on(0), on(1), on(2)]
    assert [each.date for each in report.unknown] == [day(4), day(3)]
    assert "no price was named for STOCK:AAPL:USD in Mock-1" in report.unknown[0].reason


def test_weights_that_change_later_do_not_rewrite_what_was_told(traded):
    live = LiveRecords(traded)
    live.rebuild(STRATEGY, until=day(4))
    before = rows(traded)
    half = {"$set": {"accounts.0.weight_ratio": Decimal("0.5")}}
    traded["strategies"].update_one({"_id": STRATEGY}, half)
    live.rebuild(STRATEGY, until=day(4))
    assert rows(traded) == before
    live.rebuild(STRATEGY, until=day(4), anew_by="olga")
    assert traded["audit_log"].find_one({"what": "LIVE_RECORD_MADE_ANEW"})["by"] == "olga"
    assert rows(traded)[on(1)] == (Decimal("0.0008"), 200)


def test_a_position_that_no_fill_explains_is_told(traded):
    traded["positions"].update_one({}, {"$set": {"quantity": Decimal(7), "open": True}})
    report = LiveRecords(traded).rebuild(STRATEGY, until=day(4))
    assert report.notes == ("7 STOCK:AAPL:USD in Mock-1 come from no fill",)


def test_accounts_of_several_currencies_are_refused_in_words(traded):
    add_account(traded, "India", currency="INR")
    booked(traded, [(0, 1, "100")], account="India")
    with pytest.raises(Refusal, match="India in INR, Mock-1 in USD"):
        LiveRecords(traded).rebuild(STRATEGY, until=day(4))


def test_a_share_of_the_fund_is_of_its_equity(traded):
    traded["strategies"].update_one({"_id": STRATEGY}, {"$set": {"equity_base": "FUND"}})
    traded["fund_history"].insert_many(
        {"account_type": "PAPER", "date": on(n), "open": Decimal(4_000_000)} for n in range(5)
    )
    LiveRecords(traded).rebuild(STRATEGY, until=day(4))
    assert rows(traded)[on(1)] == (Decimal("0.0001"), 200)


def test_the_nightly_run_makes_every_record_and_one_failure_leaves_the_others(traded, caplog):
    add_strategy(traded, "broken")
    bad = {"strategy_id": "broken", "account_id": ACCOUNT, "instrument": {}, "quantity": "x"}
    traded["positions"].insert_one({"_id": "b", **bad})
    traded["strategies"].update_one({"_id": "broken"}, {"$set": {"mode": "REAL"}})
    with caplog.at_level(logging.WARNING):
        LiveRecords(traded).rebuild_all()
    assert len(rows(traded)) > 5  # up to yesterday
    assert "live record of broken could not be made" in caplog.text


def test_the_schedule_runs_each_night_and_once_when_the_process_starts(traded):
    live = LiveRecords(traded)
    live.start()
    try:
        nightly = [job for job in live._scheduler.get_jobs() if "cron" in str(job.trigger)]
        assert [str(job.trigger) for job in nightly] == ["cron[hour='0', minute='10']"]
    finally:
        live.stop()


@pytest.fixture
def http(traded: Store) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(traded))
    add_record_routes(app, TrackRecords(traded), max_bytes=100_000)
    add_live_routes(app, LiveRecords(traded))
    with http_client(app, key=add_operator(traded)) as client:
        yield client


def claim(store, count):
    """A claim that moves as ours does, a little less."""
    found = [(row["date"], row["return"]) for row in store["strategy_returns"].find().sort("date")]
    moves = [(when, f"{float(ratio) - n % 3 / 1e5:.8f}") for n, (when, ratio) in enumerate(found)]
    records = TrackRecords(store)
    made = records.review(
        STRATEGY, "backtest", csv_of(moves[:count]), file_name="r", by="o", answers=Answers()
    )
    answers = Answers(unit=Unit.FRACTION, signed_off=("LONG_GAPS", "ROWS_PER_YEAR"))
    records.confirm(STRATEGY, made.review_id, answers, by="o")


def test_live_stands_beside_the_claim_over_http(traded, http):
    missing = http.get(f"{URL}/live-against-claimed")
    assert (missing.status_code, missing.json()["code"]) == (404, "UNKNOWN_RECORD")
    report = http.post(f"{URL}/live-record").json()
    assert report["days"] > 100
    assert http.get(f"{URL}/live-record").json()["days"] == report["days"]
    claim(traded, 200)
    found = http.get(f"{URL}/live-against-claimed").json()
    assert found["verdict"] in {"AS_CLAIMED", "DOUBTFUL", "NOT_AS_CLAIMED"}
    assert found["overlap_days"] == min(report["days"], 200)
    assert found["correlation"] > 0.9
    again = http.post(f"{URL}/live-record").json()  # it keeps the verdict, for who need not compare
    assert (report["verdict"], again["verdict"]) == (None, found["verdict"])
    assert again["verdict_sentences"] == found["sentences"]
    sources = [each["source"] for each in http.get(f"{URL}/records").json()["sources"]]
    assert sources == ["live", "backtest"]
    assert http.get(f"{URL}/records/live").json()[1]["return"] == "0.000400000000"
    wrong = http.get(f"{URL}/live-against-claimed", params={"source": "live"})
    assert wrong.status_code == 422
    for path in ("nobody/live-against-claimed", "nobody/live-record"):
        assert http.get(f"/api/v1/strategies/{path}").status_code == 404
    assert http.post("/api/v1/strategies/nobody/live-record").status_code == 404
    for method, path in (
        ("POST", "live-record"),
        ("GET", "live-record"),
        ("GET", "live-against-claimed"),
    ):
        bare = http.request(method, f"{URL}/{path}", headers={"Authorization": ""})
        assert bare.status_code == 401


def test_cerebro_prefers_our_own_record_once_it_is_long_enough(traded, http):
    http.post(f"{URL}/live-record")
    lived = Facts(traded).volatility(STRATEGY)
    traded["strategy_returns"].delete_many({})
    assert lived is not None
    assert Facts(traded).volatility(STRATEGY) is None


def test_a_study_gets_our_own_record(traded):
    LiveRecords(traded).rebuild(STRATEGY, until=day(4))
    (found,) = RecordStore(traded).load([STRATEGY])
    assert (found.source, found.returns[1]) == ("live", 0.0004)
