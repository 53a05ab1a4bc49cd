"""The gateway: stored before it answers, once for each key, and a name for every refusal."""

import json

import pytest
from fastapi.testclient import TestClient

from services.common.ops import Health
from services.signal_gateway.api import create_app
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore
from tests.support.rows import STRATEGY, add_strategy, envelope

pytestmark = pytest.mark.servers


@pytest.fixture
def client(store):
    service = GatewayService(GatewayStore(store, credential_cache_seconds=0))
    app = create_app(service, Health("signal_gateway"), max_body_bytes=65536)
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def key(store):
    return add_strategy(store)


def post(client, body, key=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.post("/api/v1/signals", content=content, headers=headers)


def stored(store):
    return list(store["trading_signals_raw"].find())


def test_a_signal_is_stored_before_the_answer(client, store, key):
    answer = post(client, envelope(), key)
    assert answer.status_code == 202
    (raw,) = stored(store)
    assert raw["signal_id"] == answer.json()["signal_id"]
    assert json.loads(raw["body"]) == envelope()


def test_a_repeat_gets_the_same_answer_and_is_stored_once(client, store, key):
    first, second = (post(client, envelope(), key) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["signal_id"] == second.json()["signal_id"]
    assert second.json()["duplicate"] is True
    assert len(stored(store)) == 1


def test_the_same_id_with_other_content_is_refused(client, store, key):
    post(client, envelope(), key)
    answer = post(client, envelope(leg={"quantity": 11}), key)
    assert (answer.status_code, answer.json()["code"]) == (409, "KEY_REUSED")
    assert len(stored(store)) == 1


def test_the_key_may_be_the_passphrase_and_is_never_stored(client, store, key):
    answer = post(client, envelope(passphrase=key))
    assert answer.status_code == 202
    (raw,) = stored(store)
    assert key not in str(raw)
    assert json.loads(raw["body"])["signal_legs"][0]["price"] == "150.0"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "BROKEN_JSON"),
        (b"[]", 400, "NOT_AN_OBJECT"),
        (b"[" * 60000, 400, "BROKEN_JSON"),
        (b"\xff\xfe", 400, "BROKEN_JSON"),
        (envelope(signal_type="MAYBE"), 400, "UNKNOWN_VALUE"),
        (envelope(leg={"quantity": 10**5000}), 400, "BROKEN_JSON"),
        (envelope(leg={"quantity": 10**400}), 400, "BAD_NUMBER"),
        (envelope(strategy_name="nobody"), 404, "UNKNOWN_STRATEGY"),
        (envelope(pad="x" * 66000), 413, "BODY_TOO_LARGE"),
    ],
)
def test_bad_input_is_named_and_leaves_an_audit_line_only(client, store, key, body, status, code):
    body = body if isinstance(body, bytes) else _json_of(body)
    answer = post(client, body, key)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]
    assert stored(store) == []
    (line,) = store["audit_log"].find()
    assert line["facts"]["code"] == code


def _json_of(body):
    quantity = body["signal_legs"][0]["quantity"]
    if isinstance(quantity, int) and quantity > 10**300:  # Python itself will not print so many
        body["signal_legs"][0]["quantity"] = "HUGE"
        digits = "9" * (5000 if quantity > 10**4000 else 400)
        return json.dumps(body).replace('"HUGE"', digits).encode()
    return json.dumps(body).encode()


@pytest.mark.parametrize(("given", "code"), [(None, "MISSING_KEY"), ("mtk_wrong", "WRONG_KEY")])
def test_without_the_right_key_nothing_is_stored(client, store, key, given, code):
    answer = post(client, envelope(), given)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert stored(store) == []


def test_a_key_opens_its_own_strategy_only(client, store, key):
    other = add_strategy(store, "Other")
    answer = post(client, envelope(), other)
    assert (answer.status_code, answer.json()["code"]) == (403, "STRATEGY_MISMATCH")


def test_a_revoked_key_is_wrong(client, store, key):
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"credentials.0.revoked_at": "now"}})
    assert post(client, envelope(), key).json()["code"] == "WRONG_KEY"


def test_developers_see_their_own_signals_only(client, store, key):
    signal_id = post(client, envelope(), key).json()["signal_id"]
    path = f"/api/v1/signals/{signal_id}"
    own = client.get(path, headers={"Authorization": f"Bearer {key}"})
    assert (own.status_code, own.json()["status"]) == (200, "RECEIVED")
    other = add_strategy(store, "Other")
    answer = client.get(path, headers={"Authorization": f"Bearer {other}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_SIGNAL")


def test_hostile_keys_and_depth_are_stored_as_they_came(client, store, key):
    body = envelope(extra={"$where": "1", "a.b": {"": [[[{}]]]}}, note="naïve ☃ 😀")
    assert post(client, body, key).status_code == 202
    assert json.loads(stored(store)[0]["body"]) == body
