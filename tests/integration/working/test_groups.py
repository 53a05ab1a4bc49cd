"""Legs of one signal at the mock broker's own process: together, or not at all."""

from datetime import timedelta

import pytest

from brokers.errors import UnsupportedOrder
from services.common.clock import utc_now
from services.domain.orders import child_order_id_for
from services.domain.words import GroupPolicy, OrderRole, Side
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import make_order
from tests.support.desks import add_order, make_desk, settle, wait_for
from tests.support.rows import allow_trading
from tests.support.working import EMULATED, agrees, held

pytestmark = pytest.mark.servers


def legs(policy, second_quantity="5"):
    common = {"account_id": ACCOUNT, "group_policy": policy, "signal_id": "sig_pair"}
    one = make_order("10", **common)
    two = make_order(second_quantity, symbol="MSFT", side=Side.SELL, **common)
    other_id = child_order_id_for(one.client_order_id, OrderRole.LEG, 1)
    return one, two.model_copy(update={"client_order_id": other_id, "leg_index": 1})


def test_legs_go_together(store, desk):
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD)]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
    assert store["signal_store"].find_one({"_id": "sig_pair"})["status"] == "COMPLETED"
    assert store["incidents"].count_documents({}) == 0


def test_legs_that_the_broker_cannot_combine_go_one_by_one(store, bench):
    def refuse(legs):
        raise UnsupportedOrder(f"no BAG of {len(legs)} such legs")

    allow_trading(store)
    adapter = bench.adapter()
    adapter.place_combo = refuse
    desk = make_desk(store, adapter)
    desk.start()
    wait_for(desk._is_open)
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD)]
    rows = settle(desk, store, *ids)
    desk.stop()
    assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
    other = bench.connected()
    assert sorted(each.client_order_id for each in other.executions()) == sorted(ids)


def test_a_leg_that_may_not_go_holds_back_all(store, desk):
    one, two = legs(GroupPolicy.HOLD)
    two = two.model_copy(update={"expires_at": utc_now() - timedelta(minutes=1)})
    rows = settle(desk, store, *[add_order(store, leg, sibling_count=2) for leg in (one, two)])
    assert [row["status"] for row in rows] == ["DENIED", "EXPIRED"]
    assert rows[0]["text"].startswith("GROUP_REFUSED: another leg may not go: SIGNAL_EXPIRED")


@pytest.mark.parametrize(("policy", "left"), [(GroupPolicy.UNWIND, 0), (GroupPolicy.HOLD, 10)])
def test_a_broken_group_is_unwound_or_held(store, bench, open_desk, policy, left):
    bench.without(**EMULATED)
    desk = open_desk()
    # 5,000 × 300 × 50 % is more than the account has
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(policy, "50000")]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["FILLED", "REJECTED"]
    wait_for(lambda: held(store) == left)
    wait_for(lambda: store["incidents"].find_one({"kind": "GROUP_BROKEN"}))
    wait_for(lambda: not store["orders"].count_documents({"tended": True}))
    assert agrees(store, desk)


def test_a_combo_is_had_whole_or_not_at_all(store, bench, open_desk):
    desk = open_desk()
    ids = [add_order(store, leg, sibling_count=2) for leg in legs(GroupPolicy.HOLD, "50000")]
    rows = settle(desk, store, *ids)
    assert [row["status"] for row in rows] == ["REJECTED", "REJECTED"]
    assert held(store) == 0
