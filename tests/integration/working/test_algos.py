"""Orders that execution works in parts, at the mock broker's own process."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.domain.orders import Algo
from services.domain.words import AlgoName
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import make_order
from tests.support.desks import add_order, settle, stored, wait_for
from tests.support.working import agrees, held

pytestmark = pytest.mark.servers


def algo(**fields):
    return make_order("10", account_id=ACCOUNT, algo=Algo(**fields))


TWAP = {"name": AlgoName.TWAP, "duration_seconds": Decimal(3), "slices": 3}


def children(store, order):
    rows = store["orders"].find({"order.parent_order_id": order.client_order_id})
    return sorted(rows, key=lambda row: row["child_number"])


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        (TWAP, [3, 3, 4]),
        ({"name": AlgoName.VWAP, "duration_seconds": Decimal(3), "profile": (1, 3, 1)}, [2, 6, 2]),
        ({"name": AlgoName.ICEBERG, "display_quantity": Decimal(4)}, [4, 4, 2]),
    ],
    ids=lambda each: str(each["name"]) if isinstance(each, dict) else "",
)
def test_an_algo_fills_its_order_in_parts(store, desk, how, parts):
    order = algo(**how)
    (found,) = settle(desk, store, add_order(store, order), seconds=30)
    assert (found["status"], found["filled_quantity"]) == ("FILLED", 10)
    assert found["avg_fill_price"] == 150
    assert [row["filled_quantity"] for row in children(store, order)] == parts
    assert held(store) == 10
    assert store["reservations"].count_documents({}) == 0
    assert store["signal_store"].find_one({"_id": order.signal_id})["status"] == "COMPLETED"
    assert agrees(store, desk)


def test_an_algo_goes_on_under_the_next_owner(store, open_desk):
    first = open_desk()
    order = algo(**TWAP)
    order_id = add_order(store, order)
    first.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 3)
    first.stop()
    second = open_desk()
    wait_for(lambda: stored(store, order_id)["status"] in {"FILLED", "EXPIRED"}, 30)
    made = children(store, order)
    assert sum(row["filled_quantity"] for row in made) == stored(store, order_id)["filled_quantity"]
    assert agrees(store, second)


def test_an_algo_whose_owner_died_before_it_was_recorded_goes_on(store, open_desk):
    order = algo(**TWAP)
    # As if it had begun when the desk is open: on a busy machine that takes seconds.
    begun = {"tended": True, "algo_started_at": utc_now() + timedelta(seconds=5)}
    order_id = add_order(store, order, status="SUBMITTING", owner_epoch=1, **begun)
    desk = open_desk()
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED", 30)
    assert [row["filled_quantity"] for row in children(store, order)] == [3, 3, 4]
    assert agrees(store, desk)


def test_an_algo_that_is_canceled_keeps_what_it_has(store, desk):
    order = algo(**(TWAP | {"duration_seconds": Decimal(60)}))
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 3)
    store["orders"].update_one({"_id": order_id}, {"$set": {"cancel_requested_at": utc_now()}})
    (found,) = settle(desk, store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("CANCELED", 3)
    assert held(store) == 3


def test_a_rejected_slice_stops_the_algo_and_a_person_is_told(store, bench, desk):
    order = algo(**(TWAP | {"slices": 2}))
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["filled_quantity"] == 5)
    bench.break_next("REJECT_NEXT")
    (found,) = settle(desk, store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("CANCELED", 5)
    assert store["incidents"].find_one({"kind": "ALGO_STOPPED"})
