"""Account data against the real database: a failure is never a zero and never looks fresh."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from brokers.errors import BrokerUnavailable
from services.account_data.api import create_app
from services.account_data.poller import FAILURES_FOR_INCIDENT, Poller
from services.account_data.readings import Readings
from services.account_data.service import AccountData
from services.account_data.store import AccountStore
from services.common.bus import Publisher, Ring, create_topology
from services.common.clock import utc_now
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import AccountDataSettings
from services.common.subscriber import Subscriber
from services.common.topology import ACCOUNT_DATA_CONFIRMATIONS, EXECUTION_CONFIRMATIONS
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError, TransientError
from tests.support.accounts import (
    FIGURES,
    NOW,
    ScriptedBroker,
    accounts_of,
    make_document,
    make_state,
    wait_until,
)
from tests.support.http import http_client
from tests.support.rows import add_operator
from tests.support.servers import start_mock_broker


def make_poller(store, broker, *, seconds: float = 60) -> Poller:
    account = BrokerAccount("Mock-1", "MOCK")
    return Poller(account, AccountStore(store), lambda _: broker, poll_seconds=seconds)


def test_an_answer_is_stored_whole(store):
    store["trading_accounts"].insert_one(make_document(equity=None, as_of=None))
    state = make_state(equity=Decimal("7.70"))
    make_poller(store, ScriptedBroker(state)).poll()
    stored = store["trading_accounts"].find_one({"_id": "Mock-1"})
    assert stored["equity"] == Decimal("7.70")
    assert stored["buying_power"] == FIGURES["buying_power"]
    assert stored["as_of"] == state.as_of
    assert stored["poll_error"] is None


@pytest.mark.parametrize(
    "failure",
    [BrokerUnavailable("connection refused"), ConfigurationError("no key"), KeyError("equity")],
)
def test_a_failure_leaves_figures_and_age_as_they_were(store, failure):
    store["trading_accounts"].insert_one(make_document())
    poller = make_poller(store, ScriptedBroker(failure))
    poller.poll()
    poller.poll()
    stored = store["trading_accounts"].find_one({"_id": "Mock-1"})
    error = stored.pop("poll_error")
    assert stored == make_document()
    assert str(failure) in error["sentence"]
    assert error["since"] <= error["last_at"]


def test_figures_of_another_account_are_refused(store):
    store["trading_accounts"].insert_one(make_document())
    make_poller(store, ScriptedBroker(make_state("Mock-2"))).poll()
    stored = store["trading_accounts"].find_one({"_id": "Mock-1"})
    assert "expected figures of Mock-1, found Mock-2" in stored["poll_error"]["sentence"]
    assert stored["as_of"] == NOW


def test_a_broker_clock_that_is_ahead_makes_nothing_fresher(store):
    store["trading_accounts"].insert_one(make_document())
    ahead = utc_now() + timedelta(hours=1)
    make_poller(store, ScriptedBroker(make_state(as_of=ahead))).poll()
    stored = store["trading_accounts"].find_one({"_id": "Mock-1"})
    assert stored["as_of"] == stored["recorded_at"] < ahead


def test_an_old_answer_keeps_its_age(store):
    store["trading_accounts"].insert_one(make_document())
    old = utc_now() - timedelta(minutes=10)
    poller = make_poller(store, ScriptedBroker(make_state(as_of=old)))
    poller.poll()
    assert store["trading_accounts"].find_one({"_id": "Mock-1"})["as_of"] == old
    with pytest.raises(TransientError, match="Mock-1: 600"):
        poller.state(max_age_seconds=60)


def test_three_failures_in_a_row_open_one_incident_and_an_answer_clears_it(store):
    store["trading_accounts"].insert_one(make_document())
    down = [BrokerUnavailable("connection refused")] * (FAILURES_FOR_INCIDENT + 2)
    poller = make_poller(store, ScriptedBroker(*down, make_state()))
    for _ in range(FAILURES_FOR_INCIDENT - 1):
        poller.poll()
    assert store["incidents"].count_documents({}) == 0
    for _ in range(3):
        poller.poll()
    incident = store["incidents"].find_one({"_id": "ACCOUNT_UNREACHABLE|Mock-1"})
    assert (incident["status"], incident["count"]) == ("OPEN", 1)
    assert incident["sentence"].endswith("3 times in a row: connection refused")
    poller.poll()
    assert store["incidents"].find_one({})["status"] == "CLEARED"
    assert store["trading_accounts"].find_one({})["poll_error"] is None


def test_the_first_answer_clears_an_incident_of_an_earlier_process(store):
    store["trading_accounts"].insert_one(make_document())
    for kind in ("ACCOUNT_UNREACHABLE", "EQUITY_JUMP"):
        store["incidents"].insert_one({"_id": f"{kind}|Mock-1", "status": "OPEN"})
    make_poller(store, ScriptedBroker(make_state())).poll()
    assert store["incidents"].distinct("status") == ["CLEARED"]


def test_an_incident_that_is_raised_just_after_it_was_confirmed_is_cleared(store):
    store["trading_accounts"].insert_one(make_document(as_of=None))
    jumping = [make_state(equity=Decimal(equity)) for equity in ("1000", "0", "1000")]
    poller = make_poller(store, ScriptedBroker(*jumping))
    poller.poll()
    poller.poll()
    assert store["incidents"].find_one({})["status"] == "OPEN"
    # confirmed between the poll's two writes
    store["trading_accounts"].update_one({}, {"$set": {"jump": None}})
    poller.poll()
    assert store["incidents"].find_one({})["status"] == "CLEARED"


def make_polling(store, open_broker, *, seconds: float = 0.1) -> AccountData:
    return AccountData(
        AccountStore(store),
        accounts_of(store),
        open_broker,
        poll_seconds=seconds,
        max_age_seconds=60,
        on_death=pytest.fail,
    )


def complaint_of(polling: AccountData) -> str:
    with pytest.raises(TransientError) as raised:
        polling.state()
    return str(raised.value)


def test_accounts_are_followed_and_a_dead_one_delays_only_itself(store):
    brokers = {
        "A": ScriptedBroker(BrokerUnavailable("gone")),
        "B": ScriptedBroker(make_state("B")),
        "C": ScriptedBroker(make_state("C")),
    }
    store["trading_accounts"].insert_many([make_document("A"), make_document("B")])
    polling = make_polling(store, lambda account: brokers[account.account_id])
    polling.start()
    wait_until(lambda: brokers["B"].asked >= 2)
    store["trading_accounts"].insert_one(make_document("C"))
    wait_until(lambda: brokers["C"].asked)
    store["trading_accounts"].update_one({"_id": "B"}, {"$set": {"status": "INACTIVE"}})
    wait_until(lambda: brokers["B"].closed)
    try:
        wait_until(lambda: complaint_of(polling).endswith("s old"))
        assert re.match(r"A: no answer yet, last .*: gone; C: \d\.\d s old", complaint_of(polling))
    finally:
        polling.stop()
    assert all(broker.closed for broker in brokers.values())


def test_a_doorbell_on_the_bus_asks_the_account_at_once(store, bus_connection):
    settings = AccountDataSettings(**bus_connection)
    create_topology(settings)
    store["trading_accounts"].insert_one(make_document("A"))
    broker, died = ScriptedBroker(make_state("A")), []
    polling = make_polling(store, lambda _: broker, seconds=60)
    subscriber = Subscriber(
        settings,
        store,
        ACCOUNT_DATA_CONFIRMATIONS,
        polling.on_confirmations,
        on_death=died.append,
    )
    polling.start()
    subscriber.start()
    try:
        wait_until(lambda: broker.asked == 1)
        fields = {"account_id": "A", "client_order_id": "MT1"}
        assert Publisher(settings).ring(EXECUTION_CONFIRMATIONS, [Ring("A", fields)])
        wait_until(lambda: broker.asked == 2)
    finally:
        subscriber.stop()
        polling.stop()
    assert died == []


def test_the_mock_broker_is_asked_and_its_death_ages_the_figures(store, tmp_path):
    store["trading_accounts"].insert_one(make_document("Mock-1", equity=None, as_of=None))
    with start_mock_broker(tmp_path) as server:
        from brokers.accounts import Purpose
        from brokers.factory import BrokerConnection, create_broker

        connection = BrokerConnection(mock_base_url=server.address, timeout_seconds=5)
        broker = create_broker(BrokerAccount("Mock-1", "MOCK"), connection, purpose=Purpose.DATA)
        poller = make_poller(store, broker)
        poller.poll()
        before = store["trading_accounts"].find_one({"_id": "Mock-1"})
        assert before["poll_error"] is None
        assert before["equity"] > 0
        assert poller.state(max_age_seconds=60)
        server.kill()
        poller.poll()
        after = store["trading_accounts"].find_one({"_id": "Mock-1"})
        assert after.pop("poll_error")["sentence"]
        assert before == {**after, "poll_error": None}
        broker.close()


@pytest.fixture
def http(store) -> Iterator[httpx.Client]:
    health, operators = Health("account_data"), Operators(store)
    app = create_app(Readings(store, max_age_seconds=60), health, operators)
    with http_client(app, key=add_operator(store)) as client:
        yield client


def test_accounts_are_served_with_their_age_and_without_secrets(store, http):
    store["trading_accounts"].insert_one(make_document(credentials={"api_secret": "hunter2"}))
    (account,) = http.get("/api/v1/accounts").json()
    assert account["equity"] == "1000000.50"
    assert account["as_of"] == "2025-11-21T09:30:00Z"
    assert account["age_s"] > 0
    assert account["stale"] is True
    answer = http.get("/api/v1/accounts/Mock-1")
    assert answer.json()["account_id"] == "Mock-1"
    assert "hunter2" not in answer.text + http.get("/api/v1/fund").text


def test_the_fund_says_what_it_leaves_out(store, http):
    fresh = make_document("A", as_of=utc_now())
    store["trading_accounts"].insert_many([fresh, make_document("B", equity=None)])
    fund = http.get("/api/v1/fund").json()
    assert (fund["equity"], fund["complete"], fund["stale"]) == ("1000000.50", False, False)
    assert fund["missing"][0]["account_id"] == "B"
    assert http.get("/api/v1/fund?currency=EUR").json()["equity"] is None


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/accounts/Nobody", 404, "UNKNOWN_ACCOUNT"),
        ("/api/v1/fund?currency=dollars", 422, "INVALID_PARAMETER"),
        ("/api/v1/nothing", 404, "NOT_FOUND"),
    ],
)
def test_refusals_have_a_code_and_a_sentence(http, path, status, code):
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert " " in answer.json()["message"]
