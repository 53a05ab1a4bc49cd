"""Evidence: everything of a signal, a chain that names its first broken record, and no secrets."""

import copy
import json
import subprocess
import sys
from decimal import Decimal

import pytest

from services.cerebro.approvals import Watch
from services.cerebro.store import CerebroStore
from services.common.approvals import answer_approval
from services.common.clock import utc_now
from services.common.order_requests import request_cancel
from services.common.settings import REPOSITORY
from services.common.signed import Signed
from services.domain.approvals import ApprovalAnswer
from tests.support.acts import acts_client, code_of
from tests.support.cerebro import make_cerebro
from tests.support.documents import make_fill_document
from tests.support.rows import STRATEGY, add_account, add_signal, add_strategy, allow_trading

pytestmark = pytest.mark.servers
PATH = "/api/v1/signals/s1/evidence"
SECRET = "hunter2-of-the-developer"
OLGA = Signed("olga", "fine")


@pytest.fixture
def signal(store):
    """One that was approved by a person, ordered, partly filled and canceled."""
    add_strategy(store)
    terms = {"required": True, "timeout_s": Decimal(300)}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"approval": terms}})
    add_account(store)
    allow_trading(store)
    raw = {
        "_id": "raw-1",
        "strategy_name": STRATEGY,
        "body": json.dumps({"signalID": "s1", "passphrase": SECRET, "action": "BUY"}),
        "passphrase": SECRET,
        "credential_id": "cred-1",
        "received_at": utc_now(),
    }
    store["trading_signals_raw"].insert_one(raw)
    add_signal(store, "s1")
    store["signal_store"].update_one({"_id": "s1"}, {"$set": {"raw_id": "raw-1"}})
    cerebro = make_cerebro(store)
    cerebro.on_signals([{"signal_id": "s1"}])
    answer_approval(store, "s1", ApprovalAnswer.APPROVE, OLGA)
    Watch(store, CerebroStore(store, reference_seconds=0), cerebro.on_signals).look()
    (order,) = store["orders"].find()
    fill = make_fill_document() | {"signal_id": "s1", "client_order_id": order["_id"]}
    store["execution_confirmations"].insert_one(fill)
    request_cancel(store, order["_id"], OLGA)


def check(path, bundle, *more):
    """What the script says of a bundle, with nothing but the standard library."""
    path.write_text(json.dumps(bundle))
    script = REPOSITORY / "scripts" / "verify_evidence.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(path), *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def changed(bundle, place, **fields):
    other = copy.deepcopy(bundle)
    other["records"][place]["body"] |= fields
    return other


def test_a_bundle_has_everything_and_shows_any_change(store, signal, tmp_path):
    with acts_client(store) as http:
        answer = http.get(PATH)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert code_of(http.get("/api/v1/signals/none/evidence")) == (404, "UNKNOWN_SIGNAL")
    kinds = [each["kind"] for each in bundle["records"]]
    assert set(kinds) == {
        *("bundle", "raw", "signal", "standardized", "approval", "decision", "step", "context"),
        *("order", "order_event", "fill", "audit"),
    }
    told = [each["body"]["what"] for each in bundle["records"] if each["kind"] == "audit"]
    assert told == ["APPROVAL_ASKED", "APPROVAL_ANSWERED", "ORDER_CANCEL_REQUESTED"]
    assert SECRET not in answer.text
    path = tmp_path / "bundle.json"
    assert check(path, bundle)[0] == 0
    (made,) = store["audit_log"].find({"what": "EVIDENCE_MADE"})
    assert check(path, bundle, "--head", made["facts"]["head"])[0] == 0
    fill = kinds.index("fill")
    code, words = check(path, changed(bundle, fill, quantity="18"))
    assert (code, f"record {fill} (fill) was changed" in words) == (1, True)
    without = copy.deepcopy(bundle)
    del without["records"][fill]
    assert f"record {fill} (" in check(path, without)[1]
    short = copy.deepcopy(bundle)
    last = short["records"].pop()
    assert f"{len(bundle['records'])} records were made" in check(path, short)[1]
    short |= {"count": len(short["records"]), "head": last["previous"]}
    assert check(path, short)[0] == 0  # a whole chain made anew:
    assert check(path, short, "--head", made["facts"]["head"])[0] == 1  # the audit log knows
    assert check(path, {"records": []})[0] == 2


def test_a_developer_gets_their_own_without_sizes_of_accounts(store, signal, tmp_path):
    with acts_client(store, "dana", "DEVELOPER", strategies=[STRATEGY]) as http:
        assert code_of(http.get(PATH)) == (403, "NOT_ALLOWED")
        bundle = http.get(PATH, params={"redacted": "true"}).json()
        store["users"].update_one({"_id": "dana"}, {"$set": {"strategies": ["Other"]}})
        others = http.get(PATH, params={"redacted": "true"})
        assert code_of(others) == (404, "UNKNOWN_SIGNAL")
    assert check(tmp_path / "bundle.json", bundle)[0] == 0
    kinds = {each["kind"] for each in bundle["records"]}
    assert {"raw", "decision", "step", "order", "fill"} <= kinds
    assert not kinds & {"context", "audit"}
    text = json.dumps(bundle)
    assert "1000000" not in text  # the equity of the account
    assert "olga" not in json.dumps([each for each in bundle["records"] if each["kind"] == "step"])
