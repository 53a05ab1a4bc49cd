"""Accounts over HTTP: set up, shown, asked and explained; every refusal is a sentence."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.broker import BrokerPosition, CurrencyBalance, MarginQuote
from brokers.errors import BrokerUnavailable, OrderRejected, UnsupportedOrder
from services.account_data.api import create_app
from services.account_data.capital import Capital
from services.account_data.equity_views import Span
from services.account_data.money_api import add_money_routes
from services.account_data.poller import Poller
from services.account_data.prices import thinned
from services.account_data.readings import Readings
from services.account_data.service import AccountData
from services.account_data.setup_api import add_broker_routes, add_setup_routes
from services.account_data.store import AccountStore
from services.common.broker_secrets import secrets_of
from services.common.clock import utc_now
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType
from tests.support.accounts import (
    FIGURES,
    ScriptedBroker,
    accounts_of,
    make_document,
    make_state,
    wait_until,
)
from tests.support.http import http_client
from tests.support.rows import add_operator

pytestmark = pytest.mark.servers
SPY = Instrument(instrument_type=InstrumentType.ETF, symbol="SPY")
ADDED = {
    "account_id": "IB-1",
    "broker": "IBKR",
    "currency": "USD",
    "connection": {"port": 4002, "client_id": 1, "broker_account": "DU1"},
    "reason": "paper",
}
SECRET = "s3cr3t-of-kite"


@pytest.fixture
def brokers():
    return {}


@pytest.fixture
def polling(store, brokers):
    polling = AccountData(
        AccountStore(store),
        accounts_of(store),
        lambda account: brokers[account.account_id],
        poll_seconds=600,
        max_age_seconds=60,
        on_death=pytest.fail,
    )
    yield polling
    if polling._schedule.running():
        polling.stop()


@pytest.fixture
def http(store, connection, polling):
    readings = Readings(store, max_age_seconds=60)
    app = create_app(readings, Health("account_data"), Operators(store))
    add_setup_routes(app, store, Vault(CommonSettings(**connection)), readings)
    add_broker_routes(app, polling, readings)
    add_money_routes(app, Capital(store), readings, after=polling.keep_fund)
    with http_client(app, key=add_operator(store)) as client:
        yield client


def add(store, account_id="Mock-1", **fields):
    unseen = {"equity": None, "cash": None, "as_of": None}
    store["trading_accounts"].insert_one(make_document(account_id, **(unseen | fields)))


def says(store, account_id="Mock-1", held=(), **fields):
    """One poll of an account whose broker says this."""
    broker = ScriptedBroker(make_state(account_id, **fields))
    broker.held = list(held)
    account = BrokerAccount(account_id, "MOCK")
    Poller(account, AccountStore(store), lambda _: broker, poll_seconds=60).poll()


def held(price="103", quantity="10"):
    return BrokerPosition(
        instrument=SPY,
        quantity=Decimal(quantity),
        average_price=Decimal(100),
        market_price=Decimal(price),
    )


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert " " in answer.json()["message"]
    return answer.json()["message"]


def test_every_route_says_how_it_refuses(http):
    schema = http.get("/openapi.json").json()
    paths = [path for path in schema["paths"] if path.startswith("/api/")]
    assert len(paths) >= 15
    for operations in (schema["paths"][path] for path in paths):
        for operation in operations.values():
            assert {"401", "403", "404", "409", "422", "503"} <= operation["responses"].keys()


# Setting up


def test_an_account_is_added_changed_and_left(store, http):
    answer = http.post("/api/v1/accounts", json=ADDED | {"account_name": "Main"})
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["account_id"], shown["equity"], shown["stale"]) == ("IB-1", None, True)
    change = {"connection": {"port": 7497}, "poll_seconds": "10", "reason": "TWS instead"}
    setup = http.put("/api/v1/accounts/IB-1", json=change).json()
    assert setup["connection"] == ADDED["connection"] | {"port": 7497}
    assert store["trading_accounts"].find_one({})["poll_seconds"] == 10
    http.put("/api/v1/accounts/IB-1", json={"poll_seconds": None, "reason": "as all"})
    assert "poll_seconds" not in store["trading_accounts"].find_one({})
    left = http.delete("/api/v1/accounts/IB-1?reason=moved").json()
    assert left["status"] == "INACTIVE"
    assert http.get("/api/v1/accounts?status=ACTIVE").json() == []
    acts = [row["what"] for row in store["audit_log"].find()]
    assert acts == ["ACCOUNT_ADDED", "ACCOUNT_CONNECTION_SET", "ACCOUNT_SET"] + ["ACCOUNT_SET"] * 2
    assert {row["by"] for row in store["audit_log"].find()} == {"olga"}


def test_the_body_that_earlier_clients_send_adds_the_same_account(store, http):
    body = {
        "account_id": "IBKR_Main",
        "account_name": "IBKR Main Account",
        "broker": "IBKR",
        "account_number": "DU1234567",
        "authentication_details": {
            "auth_type": "TWS",
            "host": "127.0.0.1",
            "port": 7497,
            "client_id": 100,
        },
        "reason": "moved here",
    }
    assert http.post("/api/v1/accounts", json=body).status_code == 201
    connection = store["trading_accounts"].find_one({})["connection"]
    assert connection == {
        "host": "127.0.0.1",
        "port": 7497,
        "client_id": 100,
        "broker_account": "DU1234567",
    }


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"connection": {"port": 4001, "client_id": 1}}, 422, "WRONG_CONNECTION"),
        ({"broker": "NOBODY"}, 422, "WRONG_CONNECTION"),
        ({"currency": "dollars"}, 422, "WRONG_CURRENCY"),
        ({"account_id": "a b"}, 422, "WRONG_ACCOUNT_ID"),
        ({"poll_seconds": "0.1"}, 422, "WRONG_POLL_SECONDS"),
        ({"poll_seconds": "NaN"}, 422, "INVALID_PARAMETER"),
        ({"connection": {"port": 2**70}}, 422, "WRONG_CONNECTION"),
        ({"authentication_details": {"api_secret": "x"}}, 422, "INVALID_PARAMETER"),
        ({"reason": ""}, 422, "INVALID_PARAMETER"),
        ({"nonsense": 1}, 422, "INVALID_PARAMETER"),
    ],
)
def test_what_cannot_be_opened_is_refused_and_nothing_is_there(store, http, change, status, code):
    refused(http.post("/api/v1/accounts", json=ADDED | change), status, code)
    assert store["trading_accounts"].count_documents({}) == 0
    assert store["audit_log"].count_documents({}) == 0


def test_an_account_is_added_once(http):
    http.post("/api/v1/accounts", json=ADDED)
    assert refused(http.post("/api/v1/accounts", json=ADDED), 409, "ACCOUNT_EXISTS")


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "\x00", '{"reason": }'])
def test_what_is_no_json_object_is_refused_with_a_sentence(store, http, body):
    for path in ("/api/v1/accounts", "/api/v1/accounts/A/flows"):
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert refused(answer, 422, "INVALID_PARAMETER")
    answer = http.post("/api/v1/accounts", content=b"x" * 70_000)
    assert refused(answer, 413, "BODY_TOO_LARGE")
    assert store["trading_accounts"].count_documents({}) == 0


def test_an_account_that_holds_something_is_not_left(store, http):
    add(store)
    says(store, held=[held()])
    sentence = refused(http.delete("/api/v1/accounts/Mock-1?reason=x"), 409, "ACCOUNT_IN_USE")
    assert "SPY" in sentence
    says(store)
    store["orders"].insert_one({"_id": "MT1", "account_id": "Mock-1", "working": True})
    refused(http.delete("/api/v1/accounts/Mock-1?reason=x"), 409, "ACCOUNT_IN_USE")
    refused(http.delete("/api/v1/accounts/Mock-1"), 422, "INVALID_PARAMETER")
    assert store["trading_accounts"].find_one({})["status"] == "ACTIVE"


def test_a_secret_is_sealed_and_leaves_by_no_answer(store, http, connection):
    add(store, "ZE-1", broker="ZERODHA", account_type="LIVE", connection={"api_key": "k"})
    path = "/api/v1/accounts/ZE-1/secrets"
    said = [http.put(f"{path}/api_secret", json={"value": SECRET})]
    assert "stored" in said[0].json()["secrets"]["api_secret"]
    vault = Vault(CommonSettings(**connection))
    assert secrets_of(store, vault, "ZE-1")["api_secret"].get_secret_value() == SECRET
    for wrong in ({"valu": SECRET}, {"value": [SECRET]}, {"value": SECRET, "x": SECRET}, SECRET):
        said.append(http.put(f"{path}/api_secret", json=wrong))
        refused(said[-1], 422, "INVALID_PARAMETER")
    refused(http.put(f"{path}/nonsense", json={"value": SECRET}), 422, "UNKNOWN_SECRET")
    said += [http.get(f"/api/v1/accounts{more}") for more in ("", "/ZE-1", "/ZE-1/setup")]
    said += [http.get("/api/v1/account/ZE-1/state"), http.get("/api/v1/hierarchy")]
    for answer in said:
        assert SECRET not in answer.text
        assert "sealed" not in answer.text
    forgotten = http.delete(f"{path}/api_secret").json()
    assert forgotten["secrets"]["api_secret"] == "missing"
    acts = str(list(store["audit_log"].find()))
    assert SECRET not in acts


# Shown


def test_the_state_has_the_names_of_earlier_clients_and_its_age(store, http):
    add(store)
    balances = {"USD": CurrencyBalance(cash=Decimal(5)), "EUR": CurrencyBalance(cash=Decimal("7"))}
    says(store, held=[held()], balances=balances)
    state = http.get("/api/v1/account/Mock-1/state").json()["state"]
    assert (state["account"], state["broker_id"]) == ("Mock-1", "MOCK")
    assert state["cash_balance"] == "900000.50"
    assert state["margin_used"] == "50000"
    assert state["margin_available"] == "950000.50"
    assert (state["unrealized_pnl"], state["realized_pnl"]) == ("30", None)
    assert {unit: each["cash"] for unit, each in state["balances"].items()} == {
        "USD": "5",
        "EUR": "7",
    }
    (position,) = state["open_positions"]
    assert (position["symbol"], position["side"], position["market_value"]) == (
        "SPY",
        "LONG",
        "1030",
    )
    assert state["age_s"] < 60
    assert (state["stale"], state["open_orders"]) == (False, [])
    margin = http.get("/api/v1/account/Mock-1/margin").json()
    assert margin["margin_utilization_pct"] == "5.00"


def test_a_broker_that_fails_shows_the_old_figures_with_their_age(store, http):
    add(store)
    old = utc_now() - timedelta(minutes=5)
    says(store, as_of=old)
    broker = ScriptedBroker(BrokerUnavailable("the line is dead"))
    account = BrokerAccount("Mock-1", "MOCK")
    Poller(account, AccountStore(store), lambda _: broker, poll_seconds=60).poll()
    state = http.get("/api/v1/account/Mock-1/state").json()["state"]
    assert state["equity"] == f"{FIGURES['equity']}"
    assert state["age_s"] >= 300
    assert state["stale"] is True
    assert "the line is dead" in state["poll_error"]["sentence"]


def test_how_an_account_of_an_earlier_version_is_reached_is_shown(store, http):
    add(store)  # its row has neither type nor connection
    setup = http.get("/api/v1/accounts/Mock-1/setup").json()
    assert (setup["account_type"], setup["connection"]) == ("PAPER", {})


def test_working_orders_of_ours_and_of_others_are_shown(store, http):
    add(store)
    order = {"instrument": {"symbol": "AAPL"}, "side": "BUY", "quantity": Decimal(5)}
    order |= {"order_type": "LIMIT", "limit_price": Decimal(150)}
    row = {"_id": "MT1", "account_id": "Mock-1", "working": True, "status": "SUBMITTED"}
    store["orders"].insert_one(row | {"order": order})
    report = {"broker_order_id": "77", "status": "SUBMITTED", "terms": {"quantity": Decimal(3)}}
    theirs = {"instrument": {"symbol": "MSFT"}, "side": "SELL", "order_type": "MARKET"}
    about = {"_id": "Mock-1|77", "account_id": "Mock-1", "status": "OPEN", "report": report}
    store["foreign_orders"].insert_one(theirs | about)
    orders = http.get("/api/v1/account/Mock-1/state").json()["state"]["open_orders"]
    found = [
        [each[name] for name in ("order_id", "side", "quantity", "price", "foreign")]
        for each in orders
    ]
    assert found == [["MT1", "BUY", "5", "150", False], ["77", "SELL", "3", None, True]]


def test_the_fund_is_summed_up_by_broker_in_one_currency(store, http):
    add(store, "A")
    add(store, "B", currency="INR", broker="ZERODHA")
    add(store, "C", broker="IBKR")
    amounts = dict.fromkeys(FIGURES, Decimal(100))
    says(store, "A", **amounts)
    rates = {"USD": Decimal(80)}
    says(store, "B", currency="INR", fx_rates=rates, **dict.fromkeys(FIGURES, Decimal(800)))
    state = http.get("/api/v1/fund/state").json()["fund_state"]
    # 100 + 800 / 80
    assert Decimal(state["total_equity"]) == 110
    brokers = {each["broker_id"]: each for each in state["broker_breakdown"]}
    assert Decimal(brokers["ZERODHA"]["equity"]) == 10
    assert (brokers["IBKR"]["equity"], brokers["IBKR"]["num_accounts"]) == (None, 0)
    assert [each["account_id"] for each in state["missing"]] == ["C"]
    assert (state["complete"], state["account_type"]) == (False, "PAPER")
    (fund,) = http.get("/api/v1/hierarchy?currency=INR").json()
    assert Decimal(fund["totals"]["equity"]) == 8800
    nodes = {
        node["account"]["account_id"]: node for each in fund["brokers"] for node in each["accounts"]
    }
    assert Decimal(nodes["A"]["worth"]) == 8000
    assert nodes["C"]["worth"] is None


def test_paper_and_real_money_are_never_one_sum(store, http):
    add(store, "A")
    add(store, "L", account_type="LIVE")
    for name in "AL":
        says(store, name, **dict.fromkeys(FIGURES, Decimal(100)))
    assert http.get("/api/v1/fund/state").json()["fund_state"]["account_type"] == "LIVE"
    for kind in ("PAPER", "LIVE"):
        state = http.get(f"/api/v1/fund/state?account_type={kind}").json()["fund_state"]
        assert (state["total_equity"], state["num_accounts"]) == ("100", 1)
    assert http.get("/api/v1/fund?account_type=PAPER").json()["equity"] == "100"


def test_a_fund_without_accounts_is_said_to_be_none(http):
    refused(http.get("/api/v1/fund/state"), 404, "UNKNOWN_FUND")
    assert http.get("/api/v1/hierarchy").json() == []


def test_equity_over_time_leaves_out_what_was_paid(store, http):
    add(store)
    day = {"account_id": "Mock-1", "currency": "USD", "as_of": utc_now(), "flows": Decimal(0)}
    rows = [("2026-01-02", "100", "0"), ("2026-01-05", "160", "50"), ("2026-01-06", "152", "0")]
    for date, close, flows in rows:
        amounts = dict.fromkeys(("open", "high", "low", "close"), Decimal(close))
        row = day | amounts | {"_id": f"Mock-1|{date}", "date": date, "flows": Decimal(flows)}
        store["equity_history"].insert_one(row)
    span = "from=2026-01-01T00:00:00Z&to=2026-01-31T00:00:00Z"
    curve = http.get(f"/api/v1/accounts/Mock-1/equity?{span}").json()
    returns = [each["return_ratio"] for each in curve["days"]]
    # (160 − 50 − 100) / 100, (152 − 160) / 160
    assert returns == [None, "0.1", "-0.05"]
    assert curve["currency"] == "USD"


def test_minutes_and_hours_of_an_account_and_its_fund(store, http):
    add(store)
    start = utc_now().replace(minute=0, second=0) - timedelta(hours=3)
    for minutes, equity in ((1, "100"), (59, "101"), (61, "102")):
        says(store, equity=Decimal(equity), as_of=start + timedelta(minutes=minutes))
    path = "/api/v1/accounts/Mock-1/equity"
    minutes = http.get(f"{path}?resolution=MINUTE").json()["points"]
    assert [each["equity"] for each in minutes] == ["100", "101", "102"]
    hours = http.get(f"{path}?resolution=HOUR").json()["points"]
    assert [each["equity"] for each in hours] == ["101", "102"]
    fund = http.get("/api/v1/fund/equity?resolution=MINUTE").json()
    assert (fund["account_type"], fund["points"][-1]["equity"]) == ("PAPER", "102")


# Asked


def test_a_person_may_have_a_broker_asked_now(store, http, polling, brokers):
    add(store)
    brokers["Mock-1"] = ScriptedBroker(make_state())
    polling.start()
    wait_until(lambda: brokers["Mock-1"].asked)
    for path in ("/api/v1/accounts/Mock-1/sync", "/api/v1/account/Mock-1/sync"):
        brokers["Mock-1"].answers = [make_state()]
        state = http.post(path).json()["state"]
        assert state["as_of"] is not None
    brokers["Mock-1"].answers = [BrokerUnavailable("the line is dead")]
    answer = http.post("/api/v1/accounts/Mock-1/sync")
    assert "the line is dead" in refused(answer, 504, "BROKER_NO_ANSWER")


@pytest.fixture
def previewing(store, polling, brokers):
    add(store)
    broker = brokers["Mock-1"] = ScriptedBroker(make_state())
    polling.start()
    wait_until(lambda: store["trading_accounts"].find_one({"equity": {"$ne": None}}))
    return broker


ASKED = {
    "instrument": "GC",
    "direction": "LONG",
    "quantity": 2,
    "order_type": "MARKET",
    "instrument_type": "FUTURE",
    "expiry": "20270224",
    "exchange": "COMEX",
}
PREVIEW = "/api/v1/account/Mock-1/margin-preview"


def test_what_an_order_would_need_is_asked_of_its_broker(http, previewing):
    margins = {"initial_margin": Decimal(22000), "maintenance_margin": Decimal(20000)}
    previewing.margins = [MarginQuote(**margins, as_of=utc_now())]
    answer = http.post(PREVIEW, json=ASKED).json()
    ((leg,),) = previewing.previewed
    assert (leg.side, leg.quantity, f"{leg.instrument.expiry}") == ("BUY", 2, "2027-02-24")
    assert (answer["instrument"], answer["direction"], answer["quantity"]) == ("GC", "LONG", "2")
    impact = answer["margin_impact"]
    assert (impact["init_margin_change"], impact["init_margin_after"]) == ("22000", "72000")
    assert impact["maint_margin_after"] == "60000"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnsupportedOrder("no previews here"), 422, "UNSUPPORTED_ORDER"),
        (OrderRejected("201", "no permission"), 422, "ORDER_REJECTED"),
        (BrokerUnavailable("the line is dead"), 504, "BROKER_NO_ANSWER"),
    ],
)
def test_a_preview_that_is_none_says_why(http, previewing, error, status, code):
    previewing.margins = [error]
    assert str(error) in refused(http.post(PREVIEW, json=ASKED), status, code)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0},
        {"quantity": "NaN"},
        {"direction": "UP"},
        {"expiry": "soon"},
        {"instrument": ""},
        {"instrument_type": "SHIP"},
    ],
)
def test_a_preview_of_what_is_none_is_refused(http, previewing, change):
    answer = http.post(PREVIEW, json=ASKED | change)
    assert answer.status_code == 422
    assert previewing.previewed == []


def test_an_account_that_is_not_polled_cannot_be_asked(store, http):
    add(store)
    assert refused(http.post("/api/v1/accounts/Mock-1/sync"), 409, "ACCOUNT_NOT_POLLED")
    assert refused(http.post(PREVIEW, json=ASKED), 409, "ACCOUNT_NOT_POLLED")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "accounts/Nobody", None),
        ("GET", "accounts/Nobody/positions", None),
        ("GET", "accounts/Nobody/equity", None),
        ("GET", "accounts/Nobody/setup", None),
        ("GET", "accounts/Nobody/flows", None),
        ("GET", "account/Nobody/state", None),
        ("GET", "account/Nobody/margin", None),
        ("POST", "accounts/Nobody/sync", None),
        ("POST", "account/Nobody/sync", None),
        ("POST", "account/Nobody/margin-preview", ASKED),
        ("PUT", "accounts/Nobody", {"reason": "x", "account_name": "y"}),
        ("DELETE", "accounts/Nobody?reason=x", None),
        ("PUT", "accounts/Nobody/secrets/api_secret", {"value": "x"}),
        ("POST", "accounts/Nobody/flows", {"flow_id": "f", "amount": "1", "reason": "x"}),
        ("POST", "accounts/Nobody/flows/f/reverse", {"flow_id": "r", "reason": "x"}),
        (
            "POST",
            "accounts/Nobody/flows/f/settle",
            {"at": "2026-01-01T00:00:00Z", "reason": "x"},
        ),
        (
            "POST",
            "accounts/Nobody/confirm",
            {"jump_id": "j", "meaning": "GAIN_OR_LOSS", "reason": "x"},
        ),
    ],
)
def test_an_account_that_nobody_knows_is_404_everywhere(http, method, path, body):
    answer = http.request(method, f"/api/v1/{path}", json=body)
    assert refused(answer, 404, "UNKNOWN_ACCOUNT")


# Explained


def test_a_deposit_is_entered_once_and_taken_back(store, http):
    add(store)
    before = utc_now() - timedelta(minutes=2)
    says(store, as_of=before, **dict.fromkeys(FIGURES, Decimal(1000)))
    path = "/api/v1/accounts/Mock-1/flows"
    body = {"flow_id": "wire-1", "amount": "50.00", "reason": "wire of the client"}
    first = http.post(path, json=body)
    assert (first.status_code, first.json()["status"]) == (201, "PENDING")
    assert http.post(path, json=body).json() == first.json()
    refused(http.post(path, json=body | {"amount": "51"}), 409, "FLOW_ID_REUSED")
    says(store, **dict.fromkeys(FIGURES, Decimal(1050)))
    (flow,) = http.get(path).json()
    assert (flow["status"], flow["amount"], flow["by"]) == ("SETTLED", "50.00", "olga")
    assert Decimal(http.get("/api/v1/accounts/Mock-1").json()["drawdown_ratio"]) == 0
    last = store["trading_accounts"].find_one({})["marks"]
    assert last["peak"] == 1050
    back = http.post(f"{path}/wire-1/reverse", json={"flow_id": "r1", "reason": "not ours"})
    assert (back.status_code, back.json()["reverses"]) == (201, "wire-1")
    marks = store["trading_accounts"].find_one({})["marks"]
    # without it the gain of 50 is one: the day began with 1000, or had begun before midnight
    assert marks["last"] - (marks["day_base"] or marks["day_start"]) == 50
    acts = [row["what"] for row in store["audit_log"].find()]
    assert acts == ["CAPITAL_FLOW_RECORDED", "CAPITAL_FLOW_REVERSED"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "0"}, "ZERO_AMOUNT"),
        ({"amount": "NaN"}, "INVALID_PARAMETER"),
        ({"amount": "Infinity"}, "INVALID_PARAMETER"),
        ({"amount": "1e400"}, "WRONG_AMOUNT"),
        ({"amount": "1e7000"}, "REFUSED"),
        ({"amount": "1001"}, "FLOW_TOO_LARGE"),
        ({"amount": "1.000000000001"}, "WRONG_AMOUNT"),
        ({"currency": "usd"}, "INVALID_PARAMETER"),
        ({"currency": "JPY"}, "WRONG_CURRENCY"),
        ({"effective_at": "2126-01-01T00:00:00Z"}, "FLOW_IN_FUTURE"),
        ({"effective_at": "0001-01-01T00:00:00Z"}, "FLOW_TOO_OLD"),
        ({"effective_at": "0001-01-01T00:00:00+14:00"}, "INVALID_PARAMETER"),
        ({"effective_at": "2026-01-01T00:00:00"}, "INVALID_PARAMETER"),
        ({"flow_id": "a b"}, "INVALID_PARAMETER"),
        ({"reason": ""}, "INVALID_PARAMETER"),
    ],
)
def test_a_payment_that_cannot_be_is_refused_and_nothing_is_there(store, http, change, code):
    add(store)
    says(store, **dict.fromkeys(FIGURES, Decimal(1000)))
    body = {"flow_id": "f1", "amount": "5", "reason": "x"} | change
    refused(http.post("/api/v1/accounts/Mock-1/flows", json=body), 422, code)
    for name in ("capital_flows", "audit_log"):
        assert store[name].count_documents({}) == 0


def test_a_doubted_equity_is_shown_and_confirmed_as_the_payment_that_it_was(store, http):
    add(store)
    says(store, **dict.fromkeys(FIGURES, Decimal(1000)))
    says(store, **dict.fromkeys(FIGURES, Decimal(1500)))
    account = http.get("/api/v1/accounts/Mock-1").json()
    assert account["equity"] == "1500"
    assert account["jump"]["unexplained"] == "500"
    path = "/api/v1/accounts/Mock-1/confirm"
    body = {"jump_id": account["jump"]["jump_id"], "meaning": "FLOW", "reason": "wire"}
    refused(http.post(path, json=body), 422, "WRONG_MEANING")
    refused(http.post(path, json=body | {"jump_id": "x", "flow_id": "f"}), 409, "ANOTHER_JUMP")
    answer = http.post(path, json=body | {"flow_id": "wire-1"}).json()
    assert (answer["account"]["jump"], Decimal(answer["account"]["daily_pnl"])) == (None, 0)
    refused(http.post(path, json=body | {"flow_id": "f2"}), 409, "NO_JUMP")
    assert store["funds"].find_one({})["marks"]["last"] == 1500


def test_a_doubted_equity_is_confirmed_as_a_loss(store, http):
    add(store)
    says(store, **dict.fromkeys(FIGURES, Decimal(1000)))
    says(store, **dict.fromkeys(FIGURES, Decimal(500)))
    jump = http.get("/api/v1/accounts/Mock-1").json()["jump"]
    body = {"jump_id": jump["jump_id"], "meaning": "GAIN_OR_LOSS", "reason": "it fell"}
    answer = http.post("/api/v1/accounts/Mock-1/confirm", json=body).json()
    assert "gain or a loss" in answer["sentence"]
    assert Decimal(answer["account"]["drawdown_ratio"]) == Decimal("0.5")


@pytest.mark.parametrize(
    "span",
    [
        "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
    ],
)
def test_a_span_that_is_none_is_refused(store, http, span):
    add(store)
    assert refused(http.get(f"/api/v1/accounts/Mock-1/equity?{span}"), 422, "WRONG_SPAN")


# Prices


def test_prices_of_what_is_held_are_kept_by_the_minute_and_shown(store, http):
    add(store)
    began = utc_now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    # Further apart than the pieces that a chart of a day is cut into: 86.4 s.
    for seconds, price in ((5, "103"), (20, "104"), (180, "105.5"), (240, None)):
        mark = {"market_price": price and Decimal(price)}
        known = held().model_copy(update=mark)
        says(store, held=[known], as_of=began + timedelta(seconds=seconds))
    query = {"instrument_key": SPY.key}
    shown = http.get("/api/v1/accounts/Mock-1/prices", params=query).json()
    # Of a minute the first; what has no price is no point, and never zero.
    assert [Decimal(each["price"]) for each in shown["points"]] == [103, Decimal("105.5")]
    ended = {**query, "to": began.isoformat()}
    before = http.get("/api/v1/accounts/Mock-1/prices", params=ended).json()
    assert before["points"] == []
    other = http.get("/api/v1/accounts/Mock-1/prices", params={"instrument_key": "none"})
    assert other.json()["points"] == []
    refused(http.get("/api/v1/accounts/none/prices", params=query), 404, "UNKNOWN_ACCOUNT")


def test_a_long_time_is_thinned_to_what_a_chart_shows():
    first = utc_now()
    span = Span(first, first + timedelta(days=30))
    rows = [
        {"at": first + timedelta(minutes=number), "price": Decimal(number)}
        for number in range(30 * 1440)
    ]
    points = thinned(rows, span, 1000)
    # 43,200 minutes in 1,000 pieces of 43.2: the first piece ends with minute 43.
    assert len(points) == 1000
    assert (points[0].price, points[-1].price) == (43, 43_199)
