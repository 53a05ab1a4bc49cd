"""Each process in turn is killed while a signal is on the road: exactly one order each time."""

import random
import threading
import time

import pytest
from pymongo.errors import PyMongoError

from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers
PROCESSES = (
    "signal_gateway",
    "signal_ingestion",
    "cerebro",
    "execution",
    "account_data",
    "dashboard_creator",
    "mock_broker",
    "pubsub_local",
    "mongodb",
)


def decide_like_an_operator(instance, signal_id, patience=60):
    """An order that the dying broker may have had, and has not, is a person's to send again."""
    store = instance.store()
    until = time.monotonic() + patience
    try:
        while time.monotonic() < until:
            order = store["orders"].find_one({"signal_id": signal_id})
            if order is not None and order["status"] == "FILLED":
                return None
            told = order and store["incidents"].find_one({"_id": f"ORDER_UNKNOWN|{order['_id']}"})
            if told and "--resend" in told["sentence"]:
                why = "the broker's own screen does not show it"
                ended = instance.run(
                    "orders.py", "resolve", order["_id"], "--resend", "--reason", why
                )
                assert ended.returncode == 0, ended.stdout + ended.stderr
                return order["_id"]
            time.sleep(0.3)
    except PyMongoError:
        pass  # it is the database that was killed
    finally:
        store.close()
    return None


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("milliseconds", [0, 8])
def test_a_kill_on_the_road_leaves_exactly_one_order(instance, name, milliseconds):
    instance.wait_well()
    symbol = f"K{random.randrange(10**6)}"  # noqa: S311 - not a secret
    body = {
        "signalID": f"kill-{symbol}",
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "signal_legs": [
            {
                "instrument": symbol,
                "instrument_type": "STOCK",
                "action": "BUY",
                "quantity": 20,
                "order_type": "MARKET",
                "price": 10,
            }
        ],
    }
    killer = threading.Timer(milliseconds / 1000, instance.kill, [name])
    killer.start()
    signal_id = instance.post(body, STRATEGY)
    killer.join()
    decided = decide_like_an_operator(instance, signal_id)
    life = instance.ended(signal_id, STRATEGY, patience=90)
    assert life["status"] == "COMPLETED", life
    instance.wait_well(patience=90)
    time.sleep(4)  # longer than the sweepers' patience: whatever comes twice has come now

    sent = [each for each in instance.broker_orders("Mock-1") if symbol in str(each)]
    assert len(sent) == 1
    assert decided is None or name == "mock_broker"
    store = instance.store()
    fills = list(store["execution_confirmations"].find({"signal_id": signal_id}))
    (position,) = store["positions"].find({"instrument.symbol": symbol})
    held = store["reservations"].count_documents({})
    store.close()
    assert len(fills) == 1
    assert position["quantity"] == fills[0]["quantity"] > 0
    assert held == 0
