"""Square-offs: what a strategy holds is closed at its time of the day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.domain.words import OrderType
from services.execution import squaring
from services.execution.troubles import FAILED
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import STRATEGY, make_order
from tests.support.desks import add_order, settle, stored, wait_for
from tests.support.working import agrees, guarded, guards, held, leave, rested, resting

pytestmark = pytest.mark.servers


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Look at the clock twice a second instead of every ten."""
    monkeypatch.setattr("services.execution.desk._SQUARING_SECONDS", 0.5)


def square_off(store):
    """Let the time of the day at which the strategy is closed have come two minutes ago."""
    at = datetime.now(UTC) - timedelta(minutes=2)
    store["strategies"].insert_one(
        {
            "_id": STRATEGY,
            "accounts": [{"account_id": ACCOUNT}],
            "square_off": {"timezone": "UTC", "at": f"{at:%H:%M}", "days": [1, 2, 3, 4, 5, 6, 7]},
        }
    )
    store["square_offs"].insert_one(
        {"_id": f"{STRATEGY}|{ACCOUNT}", "last_done": at - timedelta(days=1)}
    )


def test_a_strategy_is_flat_after_its_time_of_the_day(store, desk):
    order = guarded()
    settle(desk, store, add_order(store, order))
    wait_for(lambda: len(guards(store, order)) == 2)
    entry = rested(desk, store, resting(signal_id="sig_late"))
    leaving = rested(desk, store, leave("4", order_type=OrderType.LIMIT, limit_price=Decimal(170)))
    square_off(store)
    wait_for(lambda: held(store) == 0, 40)
    assert [stored(store, each)["status"] for each in (entry, leaving)] == ["CANCELED"] * 2
    wait_for(lambda: not store["orders"].count_documents({"working": True}))
    assert agrees(store, desk)
    assert not store["incidents"].count_documents({"kind": "SQUARE_OFF_INCOMPLETE"})


def test_a_strategy_that_is_not_flat_in_time_is_told_of(store, bench, desk, monkeypatch):
    monkeypatch.setattr(squaring, "_PATIENCE", timedelta(0))
    settle(desk, store, add_order(store, make_order("10", account_id=ACCOUNT)))
    never = {"timezone": "UTC", "opens": "09:30", "closes": "16:00"}
    never["days"] = [(datetime.now(UTC) + timedelta(days=3)).isoweekday()]
    bench.call("PUT", "/v1/market", {"hours": {"STOCK": never}})
    square_off(store)
    told = wait_for(lambda: store["incidents"].find_one({"kind": "SQUARE_OFF_INCOMPLETE"}), 40)
    (closing,) = store["orders"].find({"order.role": "SQUARE_OFF"})
    assert told["sentence"].endswith(f"but orders of it still work: {closing['_id']}")
    assert closing["working"]


def test_an_order_that_cannot_be_read_is_told_and_the_desk_goes_on(store, desk, monkeypatch):
    monkeypatch.setattr(squaring, "_PATIENCE", timedelta(0))
    order_id = rested(desk, store, resting())
    store["orders"].update_one({"_id": order_id}, {"$set": {"order.quantity": "ten"}})
    square_off(store)
    told = wait_for(lambda: store["incidents"].find_one({"kind": "SQUARE_OFF_INCOMPLETE"}), 40)
    assert told["sentence"].endswith(f"but orders of it still work: {order_id}")
    other = make_order("1", account_id=ACCOUNT, signal_id="sig_other")
    other = other.model_copy(update={"strategy_id": "other"})
    (found,) = settle(desk, store, add_order(store, other))
    assert found["status"] == "FILLED"
    assert not store["incidents"].count_documents({"kind": FAILED})
