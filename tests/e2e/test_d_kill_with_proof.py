"""kill.py on a whole instance: the broker itself shows nothing, also when execution dies."""

import json
import random
import threading
import time

import pytest

from tests.e2e.instance import Instance
from tests.support.desks import wait_for
from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers
ACCOUNT = "Mock-1"
SIGNED = ("--account", ACCOUNT, "--by", "olga", "--reason", "drill")


def enter(instance, symbol, **fields):
    """BUY; with a limit far away it rests at the broker."""
    leg = {"instrument": symbol, "instrument_type": "STOCK", "action": "BUY", "quantity": 20}
    leg |= {"order_type": "MARKET", "price": 10, **fields}
    body = {"signalID": f"flat-{symbol}", "signal_type": "ENTRY", "account_equity": 500000}
    return instance.post({**body, "signal_legs": [leg]}, STRATEGY)


def rests(instance, symbol):
    shown = [each for each in instance.broker_orders(ACCOUNT) if symbol in str(each)]
    return [each for each in shown if "SUBMITTED" in str(each)]


def kill_execution_with_a_run_open(instance):
    """After the switch is set, somewhere between the first cancel and the proof."""
    store = instance.store()
    wait_for(lambda: store["kill_runs"].find_one({"open": True}), 60)
    time.sleep(random.uniform(0, 0.5))  # noqa: S311 - not a secret
    store.close()
    instance.kill("execution")


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    """One of its own: a flatten leaves nothing of what other tests hold."""
    made = Instance(tmp_path_factory.mktemp("flattened"))
    made.start("--demo")
    yield made
    made.stop()


@pytest.fixture
def _resumed(instance):
    yield
    ended = instance.run("kill.py", "resume", *SIGNED)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.usefixtures("_resumed")
@pytest.mark.parametrize("dies", [False, True])
def test_flatten_leaves_nothing_at_the_broker(instance, dies):
    instance.wait_well()
    number = random.randrange(10**6)  # noqa: S311 - not a secret
    held, resting = f"F{number}", f"R{number}"
    assert instance.ended(enter(instance, held), STRATEGY)["status"] == "COMPLETED"
    # The market of a symbol is where its first price was: 10, so 1 does not fill.
    enter(instance, resting, order_type="LIMIT", limit_price=1)
    wait_for(lambda: rests(instance, resting), 30)
    if dies:
        threading.Thread(target=kill_execution_with_a_run_open, args=[instance]).start()
    ended = instance.run("kill.py", "flatten", *SIGNED, "--yes", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = json.loads(ended.stdout)
    (proof,) = run["accounts"]
    assert (run["state"], proof["orders_left"], proof["positions_left"]) == ("DONE", 0, 0)
    assert held in {each["symbol"] for each in proof["closings"]}
    assert [each["status"] for each in proof["orders"] if each["symbol"] == resting] == ["CANCELED"]
    assert instance.get("mock_broker", f"/v1/accounts/{ACCOUNT}/positions") == []
    assert rests(instance, resting) == []
    closing = [each for each in instance.broker_orders(ACCOUNT) if held in str(each)]
    assert len(closing) == 2  # the entry and its one closing order
