"""The gateway: stored before it answers, once for each key, and a name for every refusal."""

import json
import signal
import time

import pytest
from pymongo.collection import Collection

from services.common.credentials import CredentialKind
from services.common.settings import CommonSettings
from services.common.store import Store
from services.signal_gateway.examples import ALERT_EXAMPLES, SIGNAL_EXAMPLES
from tests.support.gateway import MAX_BODY_BYTES, gateway, post
from tests.support.rows import STRATEGY, add_credential, add_strategy, envelope
from tests.support.servers import start_database

pytestmark = pytest.mark.servers


@pytest.fixture
def client(store):
    with gateway(store) as opened:
        yield opened


@pytest.fixture
def key(store):
    return add_strategy(store)


def stored(store):
    return list(store["trading_signals_raw"].find())


def test_a_signal_is_stored_before_the_answer(client, store, key):
    answer = post(client, envelope(), key)
    assert answer.status_code == 202
    (raw,) = stored(store)
    assert raw["signal_ids"] == [answer.json()["signal_id"]]
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
        (b"[]", 400, "EMPTY_BATCH"),
        (b"7", 400, "NOT_AN_OBJECT"),
        (b"[" * 60000, 400, "TOO_DEEP"),
        (b"\xff\xfe", 400, "BROKEN_JSON"),
        (envelope(signal_type="MAYBE"), 400, "UNKNOWN_VALUE"),
        (envelope(leg={"quantity": 10**5000}), 400, "BROKEN_JSON"),
        (envelope(leg={"quantity": 10**400}), 400, "BAD_NUMBER"),
        (envelope(strategy_name="nobody"), 404, "UNKNOWN_STRATEGY"),
        (envelope(pad="x" * MAX_BODY_BYTES), 413, "BODY_TOO_LARGE"),
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


def test_a_batch_is_answered_signal_by_signal(client, store, key):
    batch = [envelope("b1"), envelope("b2", leg={"quantity": -1}), 7, envelope("b1")]
    answer = post(client, batch, key)
    assert answer.status_code == 207
    said = answer.json()
    assert (said["accepted"], said["refused"]) == (2, 2)
    first, second, third, fourth = said["results"]
    assert (second["code"], third["code"]) == ("BAD_NUMBER", "NOT_AN_OBJECT")
    assert first["signal_id"] == fourth["signal_id"]
    assert (first["duplicate"], fourth["duplicate"]) == (False, True)
    assert len(stored(store)) == 1
    assert post(client, [envelope("b3"), envelope("b4")], key).status_code == 202


def test_a_batch_may_carry_its_passphrases(client, store, key):
    answer = post(client, [envelope("b1", passphrase=key), envelope("b2")])
    assert [each.get("code") for each in answer.json()["results"]] == [None, "MISSING_KEY"]
    assert key not in str(stored(store))


def test_without_id_or_time_the_same_within_a_minute_is_a_repeat(client, store, key):
    body = envelope()
    del body["signalID"]
    first, second = (post(client, body, key) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert "repeat" in first.json()["warnings"][0]
    store["trading_signals_raw"].update_many({}, [{"$set": {"idempotency_key": "moment:long ago"}}])
    assert post(client, body, key).status_code == 202
    other = envelope(leg={"quantity": 11})
    del other["signalID"]
    assert post(client, other, key).status_code == 202


@pytest.mark.parametrize("name", SIGNAL_EXAMPLES)
def test_every_example_of_the_documentation_is_accepted(client, key, name):
    assert post(client, SIGNAL_EXAMPLES[name]["value"], key).status_code == 202


#: What TradingView makes of a template (strategy: order of 10 from flat).
FILLED = {
    "{{ticker}}": "AAPL",
    "{{exchange}}": "NASDAQ",
    "{{close}}": "150.05",
    "{{time}}": "2026-11-20T15:29:00Z",
    "{{timenow}}": "2026-11-20T15:30:01Z",
    "{{strategy.order.action}}": "buy",
    "{{strategy.order.contracts}}": "10",
    "{{strategy.order.price}}": "150.05",
    "{{strategy.order.id}}": "Long",
    "{{strategy.market_position}}": "long",
    "{{strategy.market_position_size}}": "10",
    "{{strategy.prev_market_position}}": "flat",
    "{{strategy.prev_market_position_size}}": "0",
}


def alert(name, **changes):
    text = ALERT_EXAMPLES[name]["value"]
    for placeholder, value in (FILLED | changes).items():
        text = text.replace(placeholder, value)
    return text


@pytest.fixture
def token(store, key):
    return add_credential(store, CredentialKind.WEBHOOK_TOKEN)


def webhook(client, body, token):
    return post(client, body, path=f"/webhook/{token}")


@pytest.mark.parametrize("name", ALERT_EXAMPLES)
def test_every_alert_template_is_accepted_once_filled_in(client, store, key, token, name):
    first, second = (webhook(client, alert(name), token) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["duplicate"] is True
    (raw,) = stored(store)
    assert (raw["source"], raw["body"]) == ("webhook", alert(name))


def test_a_template_that_was_not_filled_in_is_refused_and_kept(client, store, key, token):
    answer = webhook(client, ALERT_EXAMPLES["strategy"]["value"], token)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_PLACEHOLDER")
    (raw,) = stored(store)
    assert raw["refused"]["code"] == "BAD_PLACEHOLDER"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("AAPL Crossing 150.00", "UNREADABLE_TEXT"),
        ('{"ticker": "AAPL",}', "BROKEN_JSON"),
        (b"\xff\xfe\xfd", "BROKEN_JSON"),
        ("", "UNREADABLE_TEXT"),
    ],
)
def test_an_alert_that_cannot_be_read_is_kept_for_a_person(client, store, key, token, body, code):
    answer = webhook(client, body, token)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    (raw,) = stored(store)
    assert (raw["strategy_name"], raw["refused"]["code"]) == (STRATEGY, code)


def test_a_reversal_is_one_receipt_with_both_ids(client, store, key, token):
    changes = {
        "{{strategy.order.action}}": "sell",
        "{{strategy.order.contracts}}": "15",
        "{{strategy.market_position}}": "short",
        "{{strategy.market_position_size}}": "5",
        "{{strategy.prev_market_position}}": "long",
        "{{strategy.prev_market_position_size}}": "10",
    }
    said = webhook(client, alert("strategy", **changes), token).json()
    assert stored(store)[0]["signal_ids"] == [said["exit_signal_id"], said["signal_id"]]
    assert "reversal" in said["warnings"][0]


def test_the_passphrase_opens_the_webhook_without_a_token(client, store, key):
    body = f"passphrase: {key}\n" + alert("lines")
    answer = post(client, body, path="/webhook")
    assert answer.status_code == 200
    assert key not in str(stored(store))
    broken = '{"passphrase": "' + key + '", "ticker": "AAPL",}'
    answer = post(client, broken, path="/webhook")
    assert (answer.status_code, answer.json()["code"]) == (400, "BROKEN_JSON")
    assert len(stored(store)) == 2
    assert key not in str(stored(store))


def test_an_alert_of_nobody_leaves_an_audit_line_only(client, store, key, token):
    assert webhook(client, alert("lines"), "mtw_wrong").status_code == 401
    assert post(client, '{"ticker": "AAPL",}', path="/webhook").status_code == 401
    assert stored(store) == []
    assert store["audit_log"].count_documents({}) == 2


def test_one_alert_by_two_doors_is_one_signal_confirmed(client, store, key, token):
    text = alert("strategy")
    first = webhook(client, text, token).json()
    with_token = text.replace("{", '{"token": "' + key + '", ', 1)
    second = client.service.letter(
        f"Alert!\n\n{with_token}\n\nTradingView", sender="a@example.com", repeat_key="mail:1"
    )
    assert second.signal_id == first["signal_id"]
    assert second.duplicate
    assert second.paths == ("webhook", "email")
    (raw,) = stored(store)
    assert [path["source"] for path in raw["paths"]] == ["webhook", "email"]
    third = webhook(client, text, token).json()
    assert third["paths"] == ["webhook", "email"]
    life = client.get(
        f"/api/v1/signals/{first['signal_id']}", headers={"Authorization": f"Bearer {key}"}
    ).json()
    assert life["confirmation"] == "confirmed by 2 paths"
    assert key not in str(stored(store))


def test_a_letter_without_id_is_known_by_its_message_id(client, store, key):
    text = f"ticker: AAPL\naction: BUY\nquantity: 1\ntoken: {key}\n"
    first, again, other = (
        client.service.letter(text, sender="a@example.com", repeat_key=repeat_key)
        for repeat_key in ("mail:1", "mail:1", "mail:2")
    )
    assert first.signal_id == again.signal_id != other.signal_id
    assert [each.duplicate for each in (first, again, other)] == [False, True, False]


def test_a_key_reused_is_an_incident(client, store, key):
    post(client, envelope(), key)
    post(client, envelope(leg={"quantity": 11}), key)
    assert store["incidents"].find_one({"kind": "KEY_REUSED"})["status"] == "OPEN"


def test_the_strategys_defaults_are_used(client, store, key):
    store["strategies"].update_one(
        {"_id": STRATEGY}, {"$set": {"signal_defaults": {"instrument_type": "FOREX"}}}
    )
    body = {"signalID": "1", "ticker": "AAPL", "action": "BUY", "quantity": 1}
    assert post(client, body, key).json()["code"] == "BAD_PAIR"


def lint(client, body, key=None):
    answer = post(client, body, key, path="/api/v1/signals/lint")
    assert answer.status_code == 200
    return answer.json()


def test_the_lint_says_what_would_happen_and_stores_nothing(client, store, key):
    report = lint(client, envelope(), key)
    assert report["ok"]
    assert "BUY 10 AAPL" in report["summary"]
    broken = lint(client, '{"ticker": "AAPL", "action": “buy”, "quantity": 1,}')
    assert {each["code"] for each in broken["problems"]} == {"SMART_QUOTES", "TRAILING_COMMA"}
    assert json.loads(broken["repaired"])["action"] == "buy"
    assert lint(client, alert("lines"))["ok"]
    assert stored(store) == []


def test_the_lint_knows_the_strategys_defaults_with_its_key(client, store, key):
    store["strategies"].update_one(
        {"_id": STRATEGY}, {"$set": {"signal_defaults": {"instrument_type": "FOREX"}}}
    )
    body = {"signalID": "1", "ticker": "AAPL", "action": "BUY", "quantity": 1}
    assert lint(client, body)["ok"]
    assert lint(client, body, key)["problems"][0]["code"] == "BAD_PAIR"
    other = lint(client, envelope(strategy_name="nobody"), key)
    assert other["problems"][0]["code"] == "UNKNOWN_STRATEGY"


def test_openapi_describes_every_door_with_examples(client):
    described = client.app.openapi()
    assert {"/api/v1/signals", "/api/v1/signals/lint", "/webhook/{token}"} <= set(
        described["paths"]
    )
    content = described["paths"]["/api/v1/signals"]["post"]["requestBody"]["content"]
    assert content["application/json"]["examples"] == SIGNAL_EXAMPLES


def test_a_key_that_another_collector_used_is_the_same_signal_or_none(client, store, key):
    for name in ("same", "other"):
        document = envelope(name, idempotency_key=name)
        store["trading_signals_raw"].insert_one(document)
    first = post(client, envelope("same", idempotency_key="same"), key)
    assert (first.status_code, first.json()["paths"]) == (200, ["direct", "api"])
    second = post(client, envelope("other", idempotency_key="other", leg={"quantity": 3}), key)
    assert (second.status_code, second.json()["code"]) == (409, "KEY_REUSED")


def test_while_the_database_hangs_the_answer_is_503_in_time(tmp_path):
    with start_database(tmp_path) as server:
        settings = CommonSettings(mongodb_uri=server.address, mongodb_database="hangs")
        store = Store.connect(settings)
        store.create_indexes()
        key = add_strategy(store)
        with gateway(store, answer_seconds=0.5) as client:
            assert post(client, envelope("1"), key).status_code == 202
            server.process.send_signal(signal.SIGSTOP)
            begin = time.monotonic()
            answer = post(client, envelope("2"), key)
            took = time.monotonic() - begin
            server.process.send_signal(signal.SIGCONT)
            assert (answer.status_code, answer.json()["code"]) == (503, "NOT_STORED")
            assert answer.headers["Retry-After"] == "1"
            assert took < 5  # the driver alone would wait for 20 s
            again = post(client, envelope("2"), key)
            assert again.status_code in {200, 202}
        assert store["trading_signals_raw"].count_documents({}) == 2
        store.close()


def test_a_repeat_whose_first_cannot_be_read_yet_is_neither_new_nor_the_same(
    client, store, key, monkeypatch
):
    post(client, envelope(), key)
    queries = client.service._store
    monkeypatch.setattr(queries, "find_raw", lambda *_: None)
    monkeypatch.setattr(Collection, "find_one", _blind_to_raw(Collection.find_one))
    answer = post(client, envelope(leg={"quantity": 11}), key)
    monkeypatch.undo()
    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_STORED")
    assert post(client, envelope(leg={"quantity": 11}), key).status_code == 409


def _blind_to_raw(find_one):
    def find(self, *arguments, **options):
        if self.name == "trading_signals_raw":
            return None
        return find_one(self, *arguments, **options)

    return find
