"""A postback of Kite rings execution, once it has proven itself; nothing else of it is believed."""

import hashlib
import json
import logging

import pytest
from pydantic import SecretStr

from services.common.broker_secrets import store_secret
from services.common.topology import TRADING_ORDERS
from services.execution.service import Execution
from tests.fakes.account import AccountBroker
from tests.support.builders import ACCOUNT, make_order
from tests.support.desks import add_order, make_desk, stored, wait_for
from tests.support.gateway import gateway
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
SECRET = "the-apps-s3cret"
PATH = "/postback/zerodha/ZE-1"
TAG = "MTABCDEFGHIJKLMNOPQR"


@pytest.fixture
def client(store, publisher):
    add_account(store, "ZE-1", broker="ZERODHA", account_type="LIVE", connection={"api_key": "k"})
    with gateway(store, publisher=publisher, failures=3, address=50) as opened:
        store_secret(store, opened.vault, "ZE-1", "api_secret", SecretStr(SECRET), by="olga")
        yield opened


def postback(secret=SECRET, **changes):
    body = {"order_id": "2203", "order_timestamp": "2022-03-03 09:24:25", "tag": TAG} | changes
    proven = body["order_id"] + body["order_timestamp"] + secret
    return {"checksum": hashlib.sha256(proven.encode()).hexdigest(), **body}


def refused(answer):
    return answer.status_code, answer.json()["code"]


def test_a_genuine_postback_rings_for_its_order(client, publisher):
    answer = client.post(PATH, json=postback())
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    fields = {"account_id": "ZE-1", "client_order_id": TAG, "ask": "1"}
    assert publisher.rung == [(TRADING_ORDERS, "ZE-1", fields)]


def test_an_order_that_is_none_of_ours_rings_too(client, publisher):
    assert client.post(PATH, json=postback(tag=None)).status_code == 200
    assert publisher.rung[0][2]["client_order_id"] == "2203"


def test_a_wrong_checksum_rings_nobody_and_is_limited(client, publisher):
    for _ in range(3):
        assert refused(client.post(PATH, json=postback("another"))) == (403, "WRONG_CHECKSUM")
    assert refused(client.post(PATH, json=postback("another"))) == (429, "RATE_LIMITED")
    assert publisher.rung == []
    assert client.post(PATH, json=postback()).status_code == 200


def test_what_is_not_an_account_at_zerodha_is_not_found(store, client):
    add_account(store, "Mock-1")
    for name in ("nobody", "Mock-1"):
        answer = client.post(f"/postback/zerodha/{name}", json=postback())
        assert refused(answer) == (404, "UNKNOWN_ACCOUNT")


def test_what_is_no_postback_or_too_much_of_one_is_refused(client, publisher):
    assert refused(client.post(PATH, content=b"{")) == (400, "INVALID_POSTBACK")
    large = json.dumps(postback(status_message="x" * 20_000)).encode()
    assert refused(client.post(PATH, content=large)) == (413, "BODY_TOO_LARGE")
    assert publisher.rung == []


def test_postbacks_of_one_address_are_limited(store, client):
    answers = [client.post(PATH, json=postback()).status_code for _ in range(51)]
    assert answers.count(200) == 50
    assert answers[-1] == 429


def test_without_the_secret_nothing_is_believed(store, client, publisher):
    store["trading_accounts"].update_one({"_id": "ZE-1"}, {"$unset": {"secrets": ""}})
    assert refused(client.post(PATH, json=postback(""))) == (503, "NO_SECRET")
    assert publisher.rung == []


def test_the_secret_is_in_no_answer_and_no_log(client, caplog):
    caplog.set_level(logging.DEBUG)
    said = [
        client.post(PATH, json=body).text
        for body in (postback(), postback("another"), {"api_secret": SECRET})
    ]
    assert SECRET not in "".join(said) + caplog.text


def test_a_ring_has_the_broker_asked_long_before_its_time(store):
    allow_trading(store)
    broker = AccountBroker(ACCOUNT)
    desk = make_desk(store, broker)
    desk._pace = desk._pace._replace(outcomes_seconds=600)
    execution = Execution(store, None, None, live=False)
    execution._desks[ACCOUNT] = desk
    desk.start()
    try:
        wait_for(desk._is_open)
        order_id = add_order(store, make_order(order_type="LIMIT", limit_price=140))
        desk.wake([order_id])
        wait_for(lambda: stored(store, order_id)["status"] == "SUBMITTED")
        broker.fill(order_id)
        execution.on_orders([{"account_id": ACCOUNT, "client_order_id": order_id, "ask": "1"}])
        assert wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    finally:
        desk.stop()


def test_news_of_an_account_that_is_closed_are_dropped():
    execution = Execution(None, None, None, live=False)
    execution.on_orders([{"account_id": "ZE-1", "client_order_id": TAG, "ask": "1"}])
    assert execution._desks == {}
