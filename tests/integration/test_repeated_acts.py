"""A process dies between what a person asked for and its answer: asked again it is not done twice.

The same Idempotency-Key answers what is true, also where the world has moved on meanwhile.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.failpoints import EXIT_CODE, FailPoint
from services.common.idempotency import Repeatable, once
from services.common.order_requests import request_cancel
from services.common.signed import Signed
from services.dashboard_creator.order_acts_api import CancelOrder, OrderAsked
from services.domain.errors import TransientError
from services.domain.words import OrderStatus, OrderType
from tests.support.acts import acts_client, code_of
from tests.support.builders import make_instrument
from tests.support.cerebro import make_cerebro
from tests.support.documents import make_order_document, make_position_document
from tests.support.gateway import gateway
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_operator,
    add_signal,
    ready_to_trade,
)
from tests.support.servers import REPOSITORY

pytestmark = pytest.mark.servers
ACTS_OF_A_PERSON = {"by": "olga"}


@pytest.fixture
def key(store):
    ready_to_trade(store)
    terms = {"required": True, "timeout_s": Decimal(300), "on_timeout": "REJECT"}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"approval": terms}})
    made = add_operator(store, "olga")
    store["users"].update_one({"_id": "olga"}, {"$set": {"role": "ADMIN"}})
    return made


@contextmanager
def asker(store, key, *, of="dashboard_creator", **headers):
    """Posts as olga does, to a service that lives."""
    headers |= {"Authorization": f"Bearer {key}"}
    opened = acts_client(store, key=key) if of == "dashboard_creator" else gateway(store)
    with opened as client:
        yield lambda path, body: client.post(path, json=body, headers=headers)


def dies_asked(connection, service, path, body, key):
    """Ask a process that dies when it is done, before it has kept an answer."""
    known = {
        "MT_HOME": str(connection["mt_home"]),
        "MONGODB_URI": connection["mongodb_uri"],
        "MONGODB_DATABASE": connection["mongodb_database"],
        "CRASH_AT": FailPoint.ACT_DONE,
    }
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.dying_act",
            service,
            path,
            json.dumps(body),
            "1",
            key,
        ],
        cwd=REPOSITORY,
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == EXIT_CODE, ended.stdout + ended.stderr


def add_order(store):
    made = make_order_document(status=OrderStatus.SUBMITTED)
    made["order"] |= {"order_type": OrderType.LIMIT, "limit_price": Decimal(150)}
    store["orders"].insert_one(made)
    return made["_id"]


def cancel(store):
    order_id = add_order(store)
    # Meanwhile it has been canceled at the broker.
    moved = {"$set": {"status": "CANCELED"}, "$unset": {"working": ""}}
    return (
        ("dashboard_creator", f"/api/v1/orders/{order_id}/cancel", {}),
        lambda: store["orders"].update_one({"_id": order_id}, moved),
        {"client_order_id": order_id, "sentence": f"{order_id} (SUBMITTED) is to be canceled"},
    )


def modify(store):
    order_id = add_order(store)
    # Meanwhile execution has changed it, and somebody else might change it again.
    changed = {"$set": {"order.quantity": Decimal(10)}, "$unset": {"modify_requested": ""}}
    return (
        ("dashboard_creator", f"/api/v1/orders/{order_id}/modify", {"quantity": "10"}),
        lambda: store["orders"].update_one({"_id": order_id}, changed),
        {"client_order_id": order_id, "quantity": "10", "limit_price": "150"},
    )


def seen(quantity):
    key = make_instrument("AAPL").key
    place = {"strategy_id": STRATEGY, "account_id": ACCOUNT, "instrument_key": key}
    return place, [{**place, "side": "SELL", "quantity": quantity}]


def close(store):
    store["positions"].insert_one(make_position_document("17"))
    place, confirm = seen("17")
    # Meanwhile it is closed, and exactly the same is held again: that is to stay.
    done = {"$set": {"state": "DONE"}, "$unset": {"open": ""}}
    return (
        ("dashboard_creator", "/api/v1/positions/flatten", {**place, "confirm": confirm}),
        lambda: store["kill_runs"].update_one({}, done),
        {"state": "DONE"},
    )


def flatten(store):
    store["positions"].insert_one(make_position_document("17"))
    _, confirm = seen("17")
    body = {"account_id": ACCOUNT, "confirm": confirm}
    return (
        ("dashboard_creator", "/api/v1/positions/flatten", body),
        lambda: store["positions"].delete_many({}),
        {"state": "RUNNING"},
    )


def approve(store):
    add_signal(store, "s1")
    make_cerebro(store).on_signals([{"signal_id": "s1"}])
    return (
        ("dashboard_creator", "/api/v1/approvals/s1", {"answer": "HALF"}),
        lambda: make_cerebro(store).on_signals([{"signal_id": "s1"}]),
        {"signal_id": "s1", "status": "HALVED", "answered_by": "olga"},
    )


def kill(store):
    body = {"scope": "ACCOUNT", "scope_id": ACCOUNT, "stage": "CANCEL"}
    done = {"$set": {"state": "DONE"}, "$unset": {"open": ""}}
    return (
        ("signal_gateway", "/api/v1/kill", body),
        lambda: store["kill_runs"].update_one({}, done),
        {"scope_id": ACCOUNT, "stage": "CANCEL", "state": "DONE"},
    )


@pytest.mark.parametrize("case", [cancel, modify, close, flatten, approve, kill])
def test_what_was_done_and_not_answered_is_not_done_again(store, connection, key, case):
    (service, path, body), goes_on, answer = case(store)
    body |= {"reason": "drill"}
    dies_asked(connection, service, path, body, key)
    before = list(store["audit_log"].find(ACTS_OF_A_PERSON))
    assert before
    goes_on()
    kept = ("orders", "kill_runs", "controls", "approvals", "positions")
    world = {name: list(store[name].find()) for name in kept}

    with asker(store, key, of=service, **{"Idempotency-Key": "1"}) as ask:
        first, second = ask(path, body), ask(path, body)
    assert first.status_code in {200, 202}, first.text
    assert {**first.json(), **answer} == first.json()
    assert second.json() == first.json()
    assert {name: list(store[name].find()) for name in kept} == world
    assert list(store["audit_log"].find(ACTS_OF_A_PERSON)) == before


def keyed(order_id, asked):
    return Repeatable("olga", "1", f"cancel {order_id}", asked)


def test_what_fails_after_it_was_done_is_answered_when_it_is_asked_for_again(store):
    order_id, asked = add_order(store), CancelOrder(reason="drill")
    told = OrderAsked(client_order_id=order_id, sentence="done before")

    def act():
        request_cancel(store, order_id, Signed("olga", "drill"))
        raise TransientError("the database went away")

    with pytest.raises(TransientError):
        once(store, keyed(order_id, asked), OrderAsked, act, lambda _: told)
    assert once(store, keyed(order_id, asked), OrderAsked, act, lambda _: told) == told
    assert store["audit_log"].count_documents({}) == 1


def test_who_was_overtaken_does_nothing_when_it_wakes(store):
    """Asked, stood still for longer than anybody waits; meanwhile the same was asked again."""
    order_id, asked = add_order(store), CancelOrder(reason="drill")
    told = OrderAsked(client_order_id=order_id, sentence="by the second")

    def overtaken():
        long_ago = {"$set": {"begun_at": utc_now() - timedelta(minutes=1)}}
        store["idempotency_keys"].update_one({}, long_ago)
        once(store, keyed(order_id, asked), OrderAsked, lambda: told, lambda _: told)
        return OrderAsked(
            client_order_id=order_id,
            sentence=request_cancel(store, order_id, Signed("olga", "drill")),
        )

    with pytest.raises(TransientError, match="is being carried out"):
        once(store, keyed(order_id, asked), OrderAsked, overtaken, lambda _: told)
    assert "cancel_requested_at" not in store["orders"].find_one()
    assert once(store, keyed(order_id, asked), OrderAsked, overtaken, lambda _: told) == told


def test_a_credential_is_made_once_and_its_secret_is_kept_nowhere(store, key):
    path, body = f"/api/v1/strategies/{STRATEGY}/credentials", {"label": "desk"}
    before = len(store["strategies"].find_one({"_id": STRATEGY}).get("credentials", []))
    with asker(store, key, of="signal_gateway", **{"Idempotency-Key": "1"}) as ask:
        made, again = ask(path, body), ask(path, body)
        assert made.status_code == 201, made.text
        assert code_of(again) == (409, "SECRET_SHOWN")
        assert made.json()["credential_id"] in again.json()["message"]
        assert code_of(ask(path, {"label": "other"})) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(store["strategies"].find_one({"_id": STRATEGY})["credentials"]) == before + 1
    for name in ("idempotency_keys", "audit_log"):
        assert made.json()["secret"] not in str(list(store[name].find()))
