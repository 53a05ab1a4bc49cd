"""Each process in turn is killed while a signal is on the road: exactly one order each time."""

import random
import threading
import time

import pytest

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
    life = instance.ended(signal_id, STRATEGY, patience=90)
    assert life["status"] == "COMPLETED", life
    instance.wait_well(patience=90)
    time.sleep(4)  # longer than the sweepers' patience: whatever comes twice has come now

    sent = [each for each in instance.broker_orders("Mock-1") if symbol in str(each)]
    assert len(sent) == 1
    store = instance.store()
    fills = list(store["execution_confirmations"].find({"signal_id": signal_id}))
    (position,) = store["positions"].find({"instrument.symbol": symbol})
    held = store["reservations"].count_documents({})
    store.close()
    assert len(fills) == 1
    assert position["quantity"] == fills[0]["quantity"] > 0
    assert held == 0
