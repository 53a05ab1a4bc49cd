"""Who may send: keys, tokens, signatures and addresses; and how much."""

import logging
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet

from services.common.clock import utc_now
from services.common.credentials import CredentialKind
from services.common.problems import Refusal
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.signal_gateway.authentication import signature_of
from services.signal_gateway.limits import RateLimits
from tests.support.gateway import gateway, post
from tests.support.rows import STRATEGY, add_credential, add_strategy, envelope

pytestmark = pytest.mark.servers
MINUTE = 60 * 30_000_000.0


@pytest.fixture
def client(store):
    add_strategy(store)
    with gateway(store) as opened:
        yield opened


@pytest.fixture
def operator(client):
    return client.credentials.create_operator("olga", by="test").secret


def code_of(answer):
    return answer.status_code, answer.json().get("code")


def create(client, kind=CredentialKind.API_KEY):
    return client.credentials.create(STRATEGY, kind, by="test")


def signed(client, made, body, *, timestamp=None, secret=None):
    stamp = str(int(time.time() if timestamp is None else timestamp))
    signature = signature_of(secret or made.secret, stamp, body.encode()).decode()
    headers = {
        "X-MT-Key": made.credential_id,
        "X-MT-Timestamp": stamp,
        "X-MT-Signature": signature,
    }
    return post(client, body, **headers)


BODY = '{"ticker": "AAPL", "instrument_type": "STOCK", "action": "BUY", "quantity": 1}'


def test_a_signed_request_is_taken_and_its_replay_is_a_repeat(client, store):
    made = create(client, CredentialKind.SIGNING_KEY)
    stamp = time.time()
    first, again = (signed(client, made, BODY, timestamp=stamp) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["signal_id"] == again.json()["signal_id"]
    retry = signed(client, made, BODY, timestamp=stamp + 1)
    assert retry.json()["signal_id"] == first.json()["signal_id"]
    other = signed(client, made, BODY, timestamp=stamp - 121)
    assert other.status_code == 202
    assert store["trading_signals_raw"].count_documents({}) == 2


def test_a_wrong_or_old_signature_is_refused(client):
    made = create(client, CredentialKind.SIGNING_KEY)
    assert code_of(signed(client, made, BODY, secret="other")) == (401, "BAD_SIGNATURE")
    for seconds in (-302, 302):
        old = signed(client, made, BODY, timestamp=time.time() + seconds)
        assert code_of(old) == (401, "SIGNATURE_EXPIRED")
    half = post(client, BODY, **{"X-MT-Key": made.credential_id})
    assert code_of(half) == (401, "BAD_SIGNATURE")
    unknown = made._replace(credential_id="none")
    assert code_of(signed(client, unknown, BODY)) == (401, "WRONG_KEY")


@pytest.mark.parametrize("stamp", ["", "soon", "٣" * 10, "9" * 5000, "-1", "1e9"])
def test_a_timestamp_that_is_none_is_refused(client, stamp):
    made = create(client, CredentialKind.SIGNING_KEY)
    signature = signature_of(made.secret, stamp, BODY.encode()).decode()
    headers = {"X-MT-Key": made.credential_id, "X-MT-Signature": signature}
    raw = [*headers.items(), ("X-MT-Timestamp", stamp.encode())]
    answer = client.post("/api/v1/signals", content=BODY, headers=raw)
    assert answer.status_code == 401


def test_without_the_key_that_sealed_it_a_signature_is_not_judged(client, store):
    made = create(client, CredentialKind.SIGNING_KEY)
    other = Vault(CommonSettings(mt_secret_key=Fernet.generate_key().decode())).seal("x")
    store["strategies"].update_one(
        {"_id": STRATEGY, "credentials.credential_id": made.credential_id},
        {"$set": {"credentials.$.sealed": other}},
    )
    assert code_of(signed(client, made, BODY)) == (503, "SECRET_KEY_UNUSABLE")


def test_what_is_stored_of_a_signing_key_is_sealed(client, store):
    made = create(client, CredentialKind.SIGNING_KEY)
    assert made.secret not in str(store["strategies"].find_one())


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        (CredentialKind.API_KEY, {"bearer", "passphrase"}),
        (CredentialKind.WEBHOOK_TOKEN, {"path", "passphrase"}),
        (CredentialKind.SIGNING_KEY, set()),
    ],
)
def test_each_kind_opens_its_own_doors(client, kind, opens):
    secret = create(client, kind).secret
    tries = {
        "bearer": post(client, envelope("1"), secret),
        "path": post(client, envelope("2"), path=f"/webhook/{secret}"),
        "passphrase": post(client, envelope("3", passphrase=secret)),
    }
    assert {name for name, answer in tries.items() if answer.status_code in {200, 202}} == opens


def test_a_webhook_token_reads_nothing(client):
    token = create(client, CredentialKind.WEBHOOK_TOKEN).secret
    signal_id = post(client, envelope(), path=f"/webhook/{token}").json()["signal_id"]
    answer = client.get(
        f"/api/v1/signals/{signal_id}", headers={"Authorization": f"Bearer {token}"}
    )
    assert code_of(answer) == (401, "WRONG_KEY")


def test_a_rotated_key_opens_until_its_overlap_ends(client, store):
    old = create(client)
    new = client.credentials.rotate(STRATEGY, old.credential_id, overlap_seconds=60, by="test")
    assert post(client, envelope("1"), old.secret).status_code == 202
    assert post(client, envelope("2"), new.secret).status_code == 202
    store["strategies"].update_one(
        {"_id": STRATEGY, "credentials.credential_id": old.credential_id},
        {"$set": {"credentials.$.expires_at": utc_now() - timedelta(seconds=1)}},
    )
    assert code_of(post(client, envelope("3"), old.secret)) == (401, "WRONG_KEY")
    assert post(client, envelope("4"), new.secret).status_code == 202


def test_a_revoked_key_opens_nothing_and_cannot_be_rotated(client):
    made = create(client)
    client.credentials.revoke(STRATEGY, made.credential_id, by="test")
    assert code_of(post(client, envelope(), made.secret)) == (401, "WRONG_KEY")
    with pytest.raises(Refusal):
        client.credentials.rotate(STRATEGY, made.credential_id, overlap_seconds=0, by="test")


def test_two_changes_at_once_lose_none(client):
    threads = [threading.Thread(target=create, args=(client,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(client.credentials.of(STRATEGY)) == 9


def test_operators_manage_credentials_over_http(client, store, operator):
    path = f"/api/v1/strategies/{STRATEGY}/credentials"
    auth = {"Authorization": f"Bearer {operator}"}
    made = client.post(path, json={"kind": "WEBHOOK_TOKEN", "label": "chart"}, headers=auth)
    assert made.status_code == 201
    secret, name = made.json()["secret"], made.json()["credential_id"]
    assert post(client, envelope(), path=f"/webhook/{secret}").status_code == 200
    rotated = client.post(f"{path}/{name}/rotate", json={"overlap_s": 0}, headers=auth).json()
    assert code_of(post(client, envelope("2"), path=f"/webhook/{secret}")) == (401, "WRONG_KEY")
    assert client.delete(f"{path}/{rotated['credential_id']}", headers=auth).status_code == 204
    shown = client.get(path, headers=auth)
    assert [each["label"] for each in shown.json()] == ["", "chart", "chart"]
    everything = shown.text + str(list(store["audit_log"].find()))
    assert secret not in everything
    assert rotated["secret"] not in everything
    assert "key_hash" not in shown.text
    assert [line["what"] for line in store["audit_log"].find({"by": "olga"}).sort("_id")] == [
        "CREDENTIAL_CREATED",
        "CREDENTIAL_ROTATED",
        "CREDENTIAL_REVOKED",
    ]


@pytest.mark.parametrize("bearer", [None, "mta_wrong", "strategy"])
def test_nobody_else_manages_them(client, store, bearer):
    key = add_credential(store, CredentialKind.API_KEY) if bearer == "strategy" else bearer
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    path = f"/api/v1/strategies/{STRATEGY}/credentials"
    assert client.post(path, json={}, headers=headers).status_code == 401
    assert client.get(path, headers=headers).status_code == 401
    replayed = client.post("/api/v1/signals/sig_1/replay", json={}, headers=headers)
    assert replayed.status_code == 401


def test_what_is_asked_for_wrongly_is_named(client, operator):
    auth = {"Authorization": f"Bearer {operator}"}
    missing = client.post("/api/v1/strategies/none/credentials", json={}, headers=auth)
    assert code_of(missing) == (404, "UNKNOWN_STRATEGY")
    path = f"/api/v1/strategies/{STRATEGY}/credentials"
    assert code_of(client.delete(f"{path}/none", headers=auth)) == (404, "UNKNOWN_CREDENTIAL")
    wrong = client.post(path, json={"kind": "MAGIC"}, headers=auth)
    assert code_of(wrong) == (422, "INVALID_PARAMETER")
    replayed = client.post("/api/v1/signals/sig_1/replay", json={}, headers=auth)
    assert code_of(replayed) == (404, "UNKNOWN_SIGNAL")


def test_only_listed_addresses_may_use_a_webhook(client, store):
    token = create(client, CredentialKind.WEBHOOK_TOKEN).secret
    client.credentials.set_intake(STRATEGY, senders=["TRADINGVIEW"], by="test")
    assert code_of(post(client, envelope(), path=f"/webhook/{token}")) == (
        403,
        "SENDER_NOT_ALLOWED",
    )
    with_passphrase = post(client, envelope(passphrase=token), path="/webhook")
    assert code_of(with_passphrase) == (403, "SENDER_NOT_ALLOWED")
    elsewhere = post(client, envelope(passphrase=token))
    assert code_of(elsewhere) == (403, "SENDER_NOT_ALLOWED")
    assert store["trading_signals_raw"].count_documents({}) == 0
    client._transport.client = ("52.89.214.238", 443)
    assert post(client, envelope(), path=f"/webhook/{token}").status_code == 200


def test_operators_set_what_shapes_a_strategys_intake(client):
    credentials = client.credentials
    with pytest.raises(Refusal, match="nonsense: expected an address"):
        credentials.set_intake(STRATEGY, senders=["1.2.3.4", "nonsense"], by="test")
    with pytest.raises(Refusal, match="no strategy"):
        credentials.set_intake("Nobody", senders=[], by="test")
    defaults = {"account_equity": Decimal(5)}
    credentials.set_intake(STRATEGY, senders=["tradingview", "10.0.0.0/8"], by="test")
    shown = credentials.set_intake(STRATEGY, defaults=defaults, by="test")
    assert shown == {
        "webhook_senders": ["tradingview", "10.0.0.0/8"],
        "signal_defaults": defaults,
    }


def test_too_many_signals_of_a_strategy_wait_but_exits_do_not(store):
    key = add_strategy(store)
    with gateway(store, strategy=3) as client:
        answers = [post(client, envelope(f"e{number}"), key) for number in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        leave = envelope("x", signal_type="EXIT", leg={"action": "SELL", "direction": "SHORT"})
        assert post(client, leave, key).status_code == 202
    assert store["audit_log"].count_documents({}) == 0


def test_a_good_key_opens_after_many_bad_ones_from_its_address(store):
    key = add_strategy(store)
    with gateway(store, failures=2) as client:
        answers = [post(client, envelope(), "mtk_guess") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
        assert post(client, envelope(), key).status_code == 202
    assert store["audit_log"].count_documents({}) == 2


def test_an_alert_refused_for_its_number_is_an_incident(store):
    add_strategy(store)
    token = add_credential(store, CredentialKind.WEBHOOK_TOKEN)
    with gateway(store, strategy=1) as client:
        statuses = [
            post(client, envelope(f"e{number}"), path=f"/webhook/{token}").status_code
            for number in range(3)
        ]
    assert statuses == [200, 429, 429]
    assert store["incidents"].find_one({"kind": "RATE_LIMITED"})["count"] == 2


def test_guesses_at_an_operators_key_are_limited(store):
    add_strategy(store)
    with gateway(store, failures=2) as client:
        path = f"/api/v1/strategies/{STRATEGY}/credentials"
        headers = {"Authorization": "Bearer mta_guess"}
        statuses = [client.get(path, headers=headers).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]


def test_requests_of_one_address_are_limited(store):
    key = add_strategy(store)
    with gateway(store, address=2) as client:
        statuses = [post(client, envelope(f"e{n}"), key).status_code for n in range(3)]
    assert statuses == [202, 202, 429]


def count_allowed(limits, tries, *, now):
    allowed = 0
    for _ in range(tries):
        try:
            limits.spend("strategy", "S", now=now)
        except Refusal:
            continue
        allowed += 1
    return allowed


@pytest.mark.parametrize("limit", [1, 7, 100, 500])
def test_replicas_share_one_limit_and_never_exceed_it(store, limit):
    replicas = [RateLimits(store, {"strategy": limit}) for _ in range(4)]
    allowed = []
    threads = [
        threading.Thread(
            target=lambda each=each: allowed.append(count_allowed(each, limit, now=MINUTE))
        )
        for each in replicas * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == limit


def test_a_new_minute_begins_anew(store):
    limits = RateLimits(store, {"strategy": 5})
    assert count_allowed(limits, 9, now=MINUTE + 59) == 5
    assert count_allowed(limits, 9, now=MINUTE + 60) == 5
    assert count_allowed(RateLimits(store, {"strategy": 5}), 9, now=MINUTE + 61) == 0


def test_no_secret_is_in_any_log(store, caplog):
    caplog.set_level(logging.DEBUG)
    key = add_strategy(store)
    with gateway(store) as client:
        made = [create(client, kind) for kind in list(CredentialKind)[:3]]
        operator = client.credentials.create_operator("olga", by="test")
        post(client, envelope(passphrase=key))
        post(client, '{"passphrase": "' + key + '",}', path=f"/webhook/{made[1].secret}")
        signed(client, made[2], BODY)
        post(client, envelope(), "mtk_wrong")
        post(client, envelope(strategy_name=key), key)
        post(client, envelope(environment=key), key)
    secrets = [key, operator.secret, *(each.secret for each in made)]
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("services"))
    for secret in secrets:
        assert secret not in ours
        assert secret not in str(list(store["audit_log"].find()))
        assert secret not in str(list(store["trading_signals_raw"].find()))
