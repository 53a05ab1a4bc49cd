"""What-if over HTTP, on decisions that Cerebro has stored."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from services.common.operators import Operators
from services.common.ops import Health
from services.common.store import Store
from services.portfolio_builder.api import add_whatif_routes, create_app
from services.portfolio_builder.service import PortfolioBuilder
from services.portfolio_builder.store import PortfolioStore
from tests.support.cerebro import make_cerebro
from tests.support.http import http_client
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_operator,
    add_signal,
    ready_to_trade,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def http(store: Store) -> Iterator[httpx.Client]:
    builder = PortfolioBuilder(PortfolioStore(store), most_signals=100)
    app = create_app(Health("portfolio_builder"), Operators(store))
    add_whatif_routes(app, builder)
    with http_client(app, key=add_operator(store)) as client:
        yield client


@pytest.fixture
def traded(store: Store) -> Store:
    """Three entries of 10 shares, and a signal that waits for its decision."""
    ready_to_trade(store)
    cerebro = make_cerebro(store)
    for number in range(3):
        add_signal(store, f"s{number}")
        cerebro.on_signals([{"signal_id": f"s{number}"}])
    add_signal(store, "waits")
    return store


def test_stored_signals_are_decided_again(traded, http):
    answer = http.post("/api/v1/whatif", json={"allocations": {STRATEGY: "0.25"}})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["considered"], found["changed"], found["drifted"]) == (3, 3, [])
    first = found["differences"][0]
    assert first["before"]["orders"][0] == {
        "account_id": ACCOUNT,
        "leg_index": 0,
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "10",
    }
    assert first["after"]["orders"][0]["quantity"] == "5"
    assert found["strategies"][0]["traded_after"] == 3


def test_only_operators_may_ask(traded, http):
    for key, code in (("", "MISSING_KEY"), ("Bearer mta_wrong", "WRONG_KEY")):
        answer = http.post("/api/v1/whatif", json={}, headers={"Authorization": key})
        assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_nothing_is_changed_by_asking(traded, http):
    before = list(traded["signal_store"].find()), list(traded["orders"].find())
    http.post("/api/v1/whatif", json={"limits": [{"scope": "GLOBAL", "restricted": True}]})
    assert (list(traded["signal_store"].find()), list(traded["orders"].find())) == before


def test_one_strategy_and_a_time_may_be_asked(traded, http):
    for narrow in ({"strategy_id": "other"}, {"days": 1e-9}):
        assert http.post("/api/v1/whatif", json=narrow).json()["considered"] == 0


def test_an_unreadable_context_is_told(traded, http):
    update = {"$set": {"decision.context": '{"now": 3}', "decision.engine_version": 1}}
    traded["signal_store"].update_one({"_id": "s1"}, update)
    found = http.post("/api/v1/whatif", json={}).json()
    assert found["considered"] == 2
    assert found["unanswered"][0]["signal_id"] == "s1"
    assert "version 1" in found["unanswered"][0]["reason"]


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"allocations": {STRATEGY: -1}}, "allocations"),
        ({"days": 0}, "days"),
        ({"limits": [{"scope": "PLANET"}]}, "scope"),
        ({"sizing": {STRATEGY: {"policy": "ALL_IN"}}}, "sizing"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_bad_questions_are_answered_with_a_sentence(traded, http, question, field):
    answer = http.post("/api/v1/whatif", json=question)
    assert answer.status_code == 422
    assert field in answer.text
