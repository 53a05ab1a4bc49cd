"""Every door, from outside, to the fill: alert, signature, e-mail, another collector, replay."""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from decimal import Decimal

import pytest
import urllib3

from services.common.clock import utc_now
from tests.e2e.instance import REPOSITORY
from tests.support.dovecot import why_not
from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers


def entry(signal_id, symbol, **changes):
    return {
        "signalID": signal_id,
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "ticker": symbol,
        "instrument_type": "STOCK",
        "action": "BUY",
        "quantity": 10,
        "price": 20,
    } | changes


def credential(instance, kind):
    """Id and secret, made by the script as an operator would."""
    ended = instance.run("credentials.py", "create", STRATEGY, "--kind", kind)
    assert ended.returncode == 0, ended.stderr
    credential_id, _, secret = ended.stdout.splitlines()[0].split()
    return credential_id, secret


def post(instance, path, body, **headers):
    return urllib3.request(
        "POST", instance.url("signal_gateway", path), body=body, headers=headers, timeout=10
    )


def completed(instance, signal_id):
    life = instance.ended(signal_id, STRATEGY)
    assert life["status"] == "COMPLETED", life
    return life


@pytest.fixture(scope="module")
def token(instance):
    return credential(instance, "webhook")[1]


def test_an_alert_trades_and_a_second_path_confirms_it(instance, token):
    alert = json.dumps(entry("door-1", "INTC", timestamp=utc_now().isoformat()))
    answer = post(instance, f"/webhook/{token}", alert)
    assert answer.status == 200, answer.data
    signal_id = answer.json()["signal_id"]
    completed(instance, signal_id)
    again = post(
        instance,
        "/api/v1/signals",
        alert,
        Authorization=f"Bearer {instance.keys[STRATEGY]}",
    )
    assert (again.status, again.json()["signal_id"]) == (200, signal_id)
    life = completed(instance, signal_id)
    assert life["confirmation"] == "confirmed by 2 paths"
    assert len(life["fills"]) == 1
    assert [stage["name"] for stage in life["stages"]][:3] == [
        "RECEIVED",
        "STANDARDIZED",
        "DECIDED",
    ]


def test_a_chart_turns_its_position_around(instance, token):
    def sentence(action, quantity, position):
        return (
            f"Cross (10, 20): order {action} @ {quantity} filled on NASDAQ:PFE. "
            f"New strategy position is {position}"
        )

    store = instance.store()
    defaults = {"account_equity": 500000, "environment": "staging"}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"signal_defaults": defaults}})
    time.sleep(6)  # gateway and ingestion keep a strategy for a moment
    try:
        put_price(instance, "STOCK:PFE:USD", "20")
        first = post(instance, f"/webhook/{token}", sentence("buy", 10, 10)).json()
        assert "instrument_type is missing" in str(first["warnings"])
        bought = filled(completed(instance, first["signal_id"]))
        turned = post(instance, f"/webhook/{token}", sentence("sell", 15, -5)).json()
        assert filled(completed(instance, turned["exit_signal_id"])) == bought > 0
        sold = filled(completed(instance, turned["signal_id"]))
        position = store["positions"].find_one({"instrument.symbol": "PFE"})
        assert position["quantity"] == -sold < 0
    finally:
        store["strategies"].update_one({"_id": STRATEGY}, {"$unset": {"signal_defaults": ""}})
        store.close()


def filled(life):
    return sum(Decimal(fill["quantity"]) for fill in life["fills"])


def put_price(instance, key, price):
    answer = urllib3.request(
        "PUT", instance.url("mock_broker", f"/v1/prices/{key}"), json={"price": price}
    )
    assert answer.status == 200, answer.data


def test_a_signed_request_trades(instance):
    key_id, secret = credential(instance, "signing")
    body = json.dumps(entry("door-2", "CSCO")).encode()
    stamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    headers = {
        "X-MT-Key": key_id,
        "X-MT-Timestamp": stamp,
        "X-MT-Signature": signature.hexdigest(),
    }
    answer = post(instance, "/api/v1/signals", body, **headers)
    assert answer.status == 202, answer.data
    completed(instance, answer.json()["signal_id"])


def blocks(language):
    """The fenced examples of the guide that are made to be run."""
    guide = (REPOSITORY / "docs" / "signal-format.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)


def test_the_examples_of_the_guide_run_as_printed(instance):
    key_id, secret = credential(instance, "signing")
    gateway = instance.url("signal_gateway")
    (curl,), (plain, signed) = blocks("bash"), blocks("python")
    runs = [
        (["bash", "-c", curl], instance.keys[STRATEGY]),
        ([sys.executable, "-c", plain], instance.keys[STRATEGY]),
        ([sys.executable, "-c", signed], secret),
    ]
    for command, key in runs:
        ended = subprocess.run(
            command,
            env={**os.environ, "GATEWAY": gateway, "KEY": key, "KEY_ID": key_id},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        (signal_id,) = re.findall(r"sig_\w+", ended.stdout)
        completed(instance, signal_id)


def test_a_mail_trades(instance, mailbox):
    if mailbox is None:
        pytest.skip(why_not())
    until = time.monotonic() + 30
    while "idle" not in (state := str(instance.get("signal_gateway", "/health"))):
        assert time.monotonic() < until, state
        time.sleep(0.1)
    text = f"Hello,\n\nPassphrase: {instance.keys[STRATEGY]}\nSignal ID: door-3\n"
    text += "Signal type: ENTRY\nTicker: KO\nInstrument type: STOCK\nAction: BUY\nQuantity: 10\n"
    text += "Price: 20\nAccount equity: 500000\n\n-- \nThe desk\n"
    text = text.replace("Signal ID", "signalID")
    mailbox.put(f"From: desk@example.org\r\nMessage-ID: <1@e>\r\n\r\n{text}".encode())
    store = instance.store()
    until = time.monotonic() + 20
    while (raw := store["trading_signals_raw"].find_one({"source": "email"})) is None:
        assert time.monotonic() < until, "the mail was not read"
        time.sleep(0.1)
    store.close()
    completed(instance, raw["signal_ids"][0])


def test_a_document_of_another_collector_trades(instance):
    store = instance.store()
    document = {"strategy_name": STRATEGY, **entry("door-4", "T")}
    store["trading_signals_raw"].insert_one(document)
    store.close()
    key = instance.keys[STRATEGY]
    answer = post(
        instance, "/api/v1/signals", json.dumps(entry("door-4", "T")), Authorization=f"Bearer {key}"
    )
    assert completed(instance, answer.json()["signal_id"])["fills"]
    orders = [order["instrument"]["symbol"] for order in instance.broker_orders("Mock-1")]
    assert orders.count("T") == 1


def test_a_quarantined_alert_is_replayed_once_its_cause_is_gone(instance):
    store = instance.store()
    document = {"strategy_name": "Not_yet", **entry("door-5", "F"), "received_at": None}
    store["trading_signals_raw"].insert_one(document)
    until = time.monotonic() + 20
    while (life := store["signal_store"].find_one({"strategy_id": "Not_yet"})) is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert life["quarantine"]["code"] == "UNKNOWN_STRATEGY"
    row = store["strategies"].find_one({"_id": STRATEGY})
    store["strategies"].insert_one(
        row | {"_id": "Not_yet", "strategy_id": "Not_yet", "credentials": []}
    )
    ended = instance.run("replay.py", life["_id"], "--fresh")
    assert ended.returncode == 0, ended.stderr
    (new_id,) = re.findall(r"sent again as (sig_\w+)", ended.stdout)
    until = time.monotonic() + 30
    while True:
        replayed = store["signal_store"].find_one({"_id": new_id}) or {}
        if replayed.get("decision"):
            break
        assert time.monotonic() < until, replayed
        time.sleep(0.1)
    assert replayed["signal"]["replay_of"] == life["_id"]
    assert replayed["decision"]["code"] == "ALLOCATION_MISSING"
    refused = instance.run("replay.py", "sig_none")
    assert (refused.returncode, "no signal" in refused.stderr) == (1, True)
    store["strategies"].delete_one({"_id": "Not_yet"})
    store.close()
