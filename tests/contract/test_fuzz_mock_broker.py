"""The mock broker's interface, with a few things wrong in each body: no 5xx, and named errors."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from brokers.mock import abilities, api, commands, journal
from brokers.mock.books import Books
from brokers.mock.calls import Calls
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Faults
from brokers.mock.feeds import FeedRunner
from brokers.mock.rates import Rates
from tests.support.builders import make_instrument, make_order
from tests.support.fuzz import BOUNDED, mutated
from tests.support.http import http_client

ACCOUNT = "/v1/accounts/A"
ORDER = make_order("10").model_dump(mode="json")
INSTRUMENT = make_instrument().model_dump(mode="json")
REQUESTS = (
    ("PUT", "/v1/prices/STOCK:AAPL:USD", {"price": "150"}),
    ("PUT", "/v1/market", {"spread_bps": 2, "depth": "100", "levels": 2, "slippage_bps": 1}),
    ("POST", "/v1/feeds", {"prices": {"STOCK:AAPL:USD": "150"}, "every_s": 1}),
    ("POST", "/v1/faults", {"account_id": "B", "kind": "OVERFILL", "count": 1, "seconds": 1}),
    ("PUT", f"{ACCOUNT}", {"cash": "1000"}),
    ("PUT", f"{ACCOUNT}/capabilities", {"combos": False, "order_types": ["MARKET"]}),
    (
        "POST",
        f"{ACCOUNT}/manual-orders",
        {"instrument": INSTRUMENT, "side": "BUY", "quantity": "5", "price": "150"},
    ),
    ("POST", f"{ACCOUNT}/fills", {"client_order_id": "x", "quantity": "1", "price": "150"}),
    ("POST", f"{ACCOUNT}/revisions", {"execution_id": "x", "price": "150", "busted": False}),
    ("POST", f"{ACCOUNT}/orders", ORDER),
    ("POST", f"{ACCOUNT}/brackets", {"entry": ORDER, "guards": [ORDER]}),
    ("POST", f"{ACCOUNT}/combos", [ORDER, ORDER]),
    ("PUT", f"{ACCOUNT}/orders/x/terms", {"quantity": "5", "limit_price": "149"}),
    ("POST", f"{ACCOUNT}/orders/find", ["x", "y"]),
    ("POST", f"{ACCOUNT}/margin-preview", [{"instrument": INSTRUMENT, "side": "BUY"}]),
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    kept = journal.Journal(tmp_path_factory.mktemp("mock"))
    books = Books(
        kept,
        initial_cash=Decimal(1_000_000),
        commission_per_unit=Decimal("0.005"),
        commission_minimum=Decimal(1),
    )
    exchange = Exchange(kept, books, capabilities=abilities.EVERYTHING)
    app, faults = FastAPI(), Faults()
    api.add_routes(app, exchange, Calls(faults, Rates(exchange.capabilities), lambda: 0))
    commands.add_routes(app, exchange, faults, FeedRunner(exchange.set_price))
    with http_client(app) as client:
        yield client
    exchange.close()


@BOUNDED
@given(st.data())
def test_whatever_is_asked_is_answered_or_refused_by_name(broker, data):
    method, path, body = data.draw(st.sampled_from(REQUESTS))
    body = json.dumps(data.draw(mutated(body)), default=str)
    answer = broker.request(method, path, content=body.encode("utf-8", "surrogatepass"))
    assert answer.status_code < 500, (method, path, body, answer.text)
    assert answer.status_code < 400 or answer.json()
    after = broker.get(f"{ACCOUNT}/state")
    assert after.status_code == 200, (method, path, body, after.text)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 50_000, b"NaN", b'"\\ud800"', b"null"])
def test_a_body_that_is_no_json_is_refused(broker, body):
    for method, path, _ in REQUESTS:
        answer = broker.request(method, path, content=body)
        assert 400 <= answer.status_code < 500, (method, path, body[:20], answer.text)
