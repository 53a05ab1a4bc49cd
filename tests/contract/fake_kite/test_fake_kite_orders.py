"""Orders at the fake Kite, from their id to their end."""

import time
from contextlib import ExitStack

import pytest
from kiteconnect import exceptions as refused

from tests.support.broker_orders import ACCOUNT, eventually
from tests.support.fake_kite import (
    FakeKite,
    all_complete,
    future,
    limit,
    nse,
    place,
    row_of,
    status_of,
)

pytestmark = pytest.mark.servers
INFY = {"exchange": "NSE", "tradingsymbol": "INFY"}


def test_an_order_runs_through_its_states_and_is_in_every_book(fake, kite):
    order_id = place(kite, "MT1")
    row = row_of(kite, order_id)
    assert (row["status"], row["filled_quantity"], row["average_price"]) == ("COMPLETE", 10, 150)
    assert (row["tag"], row["tags"], row["price"]) == ("MT1", ["MT1"], 0)
    states = [each["status"] for each in kite.order_history(order_id)]
    assert states == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "OPEN",
        "COMPLETE",
    ]
    (trade,) = kite.trades()
    assert kite.order_trades(order_id) == [trade]
    assert (trade["order_id"], trade["quantity"], trade["average_price"]) == (order_id, 10, 150)
    assert trade["exchange_order_id"] == row["exchange_order_id"]
    (position,) = kite.positions()["net"]
    assert (position["quantity"], position["average_price"]) == (10, 150)


@pytest.fixture
def started(tmp_path):
    """A client of a fake of its own, by the options that it is started with."""
    with ExitStack() as stack:

        def start(*options):
            made = FakeKite(tmp_path, *options)
            stack.callback(made.stop)
            made.start()
            made.set_price(150)
            made.without_limits()
            client = made.client()
            stack.callback(client.reqsession.close)
            return client

        yield start


def test_until_it_has_settled_an_order_shows_nothing_of_its_fills(started):
    kite = started("--settle-ms", "60000")
    order_id = place(kite)
    (row,) = kite.orders()
    assert (row["status"], row["filled_quantity"]) == ("PUT ORDER REQ RECEIVED", 0)
    assert row["exchange_order_id"] is None
    assert [each["status"] for each in kite.order_history(order_id)] == ["PUT ORDER REQ RECEIVED"]
    assert (kite.trades(), kite.positions()["net"]) == ([], [])


def test_an_order_of_minutes_ends_by_itself(started):
    kite = started("--minute-seconds", "0.5")
    order_id = limit(kite, 149, validity="TTL", validity_ttl=2)
    row = row_of(kite, order_id)
    assert (row["status"], row["validity"], row["validity_ttl"]) == ("OPEN", "TTL", 2)
    eventually(lambda: status_of(kite, order_id) == "CANCELLED")


def test_a_limit_order_rests_changes_and_is_cancelled(fake, kite):
    order_id = limit(kite, 149, "MT1")
    assert row_of(kite, order_id)["pending_quantity"] == 10
    kite.modify_order("regular", order_id, quantity=7, price=148.5)
    row = row_of(kite, order_id)
    assert (row["status"], row["quantity"], row["price"]) == ("OPEN", 7, 148.5)
    assert row["modified"] is True
    kite.cancel_order("regular", order_id)
    row = row_of(kite, order_id)
    assert (row["status"], row["cancelled_quantity"]) == ("CANCELLED", 7)
    with pytest.raises(refused.OrderException, match="CANCELLED"):
        kite.cancel_order("regular", order_id)
    with pytest.raises(refused.OrderException, match="CANCELLED"):
        kite.modify_order("regular", order_id, price=148)


def test_an_order_is_changed_only_so_often_and_not_above_the_freeze_quantity(fake, kite):
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    for number in range(25):
        kite.modify_order("regular", order_id, quantity=11 + number)
    with pytest.raises(refused.OrderException, match="modifications exceeded"):
        kite.modify_order("regular", order_id, quantity=5)
    assert row_of(kite, order_id)["quantity"] == 35
    nifty_at(fake, kite, 200)
    fields = {**FUTURE, "tradingsymbol": future(kite)["tradingsymbol"], "quantity": 1800}
    order_id = limit(kite, 100, **fields)
    assert status_of(kite, order_id) == "OPEN"
    with pytest.raises(refused.OrderException, match="freeze quantity"):
        kite.modify_order("regular", order_id, quantity=1875)


def test_a_limit_order_becomes_a_market_order(fake, kite):
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    kite.modify_order("regular", order_id, order_type="MARKET", price=0, market_protection=-1)
    row = row_of(kite, order_id)
    assert (row["status"], row["order_type"], row["price"]) == ("COMPLETE", "MARKET", 0)
    assert row["average_price"] == 150


def test_stops_wait_for_their_trigger(fake, kite):
    stop = place(kite, transaction_type="SELL", order_type="SL-M", trigger_price=145)
    guard = place(kite, transaction_type="SELL", order_type="SL", trigger_price=144, price=143.5)
    assert [status_of(kite, each) for each in (stop, guard)] == ["TRIGGER PENDING"] * 2
    assert row_of(kite, guard)["trigger_price"] == 144
    fake.set_price(145)
    assert [status_of(kite, each) for each in (stop, guard)] == ["COMPLETE", "TRIGGER PENDING"]
    fake.set_price(143)
    assert status_of(kite, guard) == "OPEN"
    fake.set_price(143.5)
    assert status_of(kite, guard) == "COMPLETE"


def test_an_immediate_order_does_not_rest(fake, kite):
    row = row_of(kite, limit(kite, 149, validity="IOC"))
    assert (row["status"], row["cancelled_quantity"]) == ("CANCELLED", 10)


def test_a_thin_market_fills_in_parts_and_the_book_says_open(fake, kite):
    fake.command("PUT", "/v1/market", {"depth": "4", "levels": 1})
    order_id = limit(kite, 150)
    row = row_of(kite, order_id)
    assert (row["status"], row["filled_quantity"], row["pending_quantity"]) == ("OPEN", 4, 6)
    fake.set_price(150)
    fake.set_price(150)
    assert status_of(kite, order_id) == "COMPLETE"
    assert [each["quantity"] for each in kite.trades()] == [4, 4, 2]
    assert len({each["trade_id"] for each in kite.trades()}) == 3


FUTURE = {"exchange": "NFO", "product": "NRML"}
REFUSED = {
    "off the tick": {"order_type": "LIMIT", "price": 149.03},
    "not listed": {"tradingsymbol": "NEVER"},
    "no market protection": {"market_protection": 0},
    "too wide a protection": {"market_protection": 101},
    "a tag too long": {"tag": "M" * 21},
    "a tag of other signs": {"tag": "MT-1"},
    "a product of derivatives": {"product": "NRML"},
    "a trigger beyond the limit": {"order_type": "SL", "price": 151, "trigger_price": 152},
    "more disclosed than ordered": {"disclosed_quantity": 11},
    "a part of a lot": {**FUTURE, "quantity": 80},
    "delivery of a future": {**FUTURE, "product": "CNC"},
    "nothing": {"quantity": 0},
    "after hours while the market is open": {"variety": "amo"},
}


@pytest.mark.parametrize("reason", sorted(REFUSED))
def test_what_breaks_a_rule_gets_no_order_id(fake, kite, reason):
    fields = dict(REFUSED[reason])
    if fields.get("exchange") == "NFO":
        fields = {"quantity": 75, "tradingsymbol": future(kite)["tradingsymbol"], **fields}
    with pytest.raises(refused.InputException) as caught:
        place(kite, **fields)
    assert caught.value.code == 400
    assert kite.orders() == []


REJECTED = {
    "Insufficient funds. Required margin is": {"quantity": 1_000_000},
    "Insufficient stock holding": {"product": "CNC", "transaction_type": "SELL"},
    "no price is known": {"tradingsymbol": "TCS"},
}


@pytest.mark.parametrize("reason", sorted(REJECTED))
def test_risk_management_rejects_after_the_order_id(fake, kite, reason):
    row = row_of(kite, place(kite, **REJECTED[reason]))
    assert row["status"] == "REJECTED"
    assert row["status_message"].startswith(reason)
    assert row["status_message_raw"].startswith("RMS:")
    assert (row["exchange_order_id"], row["filled_quantity"], row["pending_quantity"]) == (
        None,
        0,
        0,
    )
    assert kite.trades() == []


def place_sliced(kite, quantity):
    return kite.place_autoslice_order(
        variety="regular",
        exchange="NFO",
        tradingsymbol=future(kite)["tradingsymbol"],
        transaction_type="BUY",
        quantity=quantity,
        product="NRML",
        order_type="LIMIT",
        price=100,
        tag="MT1",
    )


def nifty_at(fake, kite, price):
    listed = future(kite)
    fake.command("PUT", f"/v1/prices/FUTURE:NIFTY:INR:{listed['expiry']}", {"price": str(price)})


def test_above_the_freeze_quantity_an_order_is_rejected_or_sliced(fake, kite):
    nifty_at(fake, kite, 200)
    fields = {**FUTURE, "tradingsymbol": future(kite)["tradingsymbol"]}
    row = row_of(kite, limit(kite, 100, quantity=1875, **fields))
    assert (row["status"], "freeze quantity 1800" in row["status_message"]) == ("REJECTED", True)
    answer = place_sliced(kite, 4500)
    made = [answer["order_id"], *(each["order_id"] for each in answer["children"])]
    rows = [row_of(kite, each) for each in made]
    assert [each["quantity"] for each in rows] == [1800, 1800, 900]
    assert {each["tag"] for each in rows} == {"MT1"}
    assert [each["parent_order_id"] for each in rows] == [None, made[0], made[0]]
    kite.cancel_order("regular", made[1])
    assert [status_of(kite, each) for each in made] == ["OPEN", "CANCELLED", "OPEN"]


def test_slicing_may_succeed_in_part(fake, kite):
    nifty_at(fake, kite, 200)
    fake.next_orders(fails=[2])
    answer = place_sliced(kite, 4500)
    first, second = answer["children"]
    assert first["error"]["error_type"] == "MarginException"
    assert sum(row["quantity"] for row in kite.orders()) == 2700
    assert second["order_id"] in {row["order_id"] for row in kite.orders()}


def test_an_iceberg_shows_one_leg_after_the_other(fake, kite):
    fields = {"variety": "iceberg", "iceberg_legs": 3, "iceberg_quantity": 4}
    first = limit(kite, 149, "MT1", **fields)
    row = row_of(kite, first)
    assert (row["quantity"], row["meta"]["iceberg"]["remaining_quantity"]) == (4, 6)
    fake.set_price(149)
    rows = eventually(kite.orders, lambda rows: len(rows) == 3 and all_complete(rows))
    assert [each["quantity"] for each in rows] == [4, 4, 2]
    assert {each["tag"] for each in rows} == {"MT1"}


def test_outside_market_hours_only_an_amo_is_taken(fake, kite):
    weekday = time.gmtime().tm_wday + 1
    hours = {"timezone": "UTC", "days": [weekday % 7 + 1], "opens": "03:00", "closes": "03:01"}
    fake.command("PUT", "/v1/market", {"hours": {"STOCK": hours}})
    with pytest.raises(refused.InputException, match="Markets are closed"):
        limit(kite, 149)
    order_id = limit(kite, 149, variety="amo")
    assert status_of(kite, order_id) == "AMO REQ RECEIVED"
    assert kite.cancel_order("amo", order_id) == order_id
    assert status_of(kite, order_id) == "CANCELLED"


def test_an_order_of_somebody_else_is_in_the_book_without_our_tag(fake, kite):
    body = {"instrument": nse().model_dump(mode="json"), "side": "BUY", "quantity": "3"}
    fake.command("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)
    (row,) = kite.orders()
    assert (row["status"], row["tag"], row["quantity"]) == ("COMPLETE", None, 3)
    assert kite.trades()[0]["order_id"] == row["order_id"]


def test_an_order_of_somebody_else_can_be_cancelled(fake, kite):
    body = {"instrument": nse().model_dump(mode="json"), "side": "BUY", "quantity": "3"}
    body |= {"order_type": "LIMIT", "limit_price": "149"}
    fake.command("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)
    (row,) = kite.orders()
    kite.cancel_order("regular", row["order_id"])
    assert status_of(kite, row["order_id"]) == "CANCELLED"


def test_two_orders_of_one_tag_are_two_orders(fake, kite):
    first, second = limit(kite, 149, "MT1"), limit(kite, 148, "MT1")
    assert status_of(kite, second) == "OPEN"
    kite.cancel_order("regular", second)
    assert [(each["tag"], each["status"]) for each in kite.orders()] == [
        ("MT1", "OPEN"),
        ("MT1", "CANCELLED"),
    ]
    assert status_of(kite, first) == "OPEN"
