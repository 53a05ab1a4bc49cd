"""Positions, holdings, margins and prices at the fake Kite."""

from decimal import Decimal

import pytest
from kiteconnect import exceptions as refused

from tests.support.broker_orders import ACCOUNT, eventually
from tests.support.fake_kite import (
    all_complete,
    future,
    limit,
    place,
    row_of,
    status_of,
)

pytestmark = pytest.mark.servers
CNC_SALE = {"product": "CNC", "transaction_type": "SELL"}
INFY = {"exchange": "NSE", "tradingsymbol": "INFY"}


def test_money_is_what_was_paid_margin_and_charges(fake, kite):
    order_id = place(kite)
    assert status_of(kite, order_id) == "COMPLETE"
    fake.set_price(160)
    equity = kite.margins("equity")
    # 10 shares bought at 150, now at 160: half of 1600 is blocked, 100 are earned, 1 is commission
    assert equity["utilised"]["exposure"] == 800
    assert equity["utilised"]["m2m_unrealised"] == -100
    assert equity["net"] == 1_000_000 - 800 + 100 - 1
    assert equity["utilised"]["debits"] == equity["available"]["opening_balance"] - equity["net"]
    assert kite.margins()["commodity"]["enabled"] is False
    asked = {
        "order_id": order_id,
        **INFY,
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "MIS",
        "order_type": "MARKET",
        "quantity": 10,
        "average_price": 150,
    }
    (note,) = kite.get_virtual_contract_note([asked])
    assert note["charges"]["total"] == 1


def test_delivery_is_paid_in_full(fake, kite):
    # 6667 × 150 is more than the million; on margin it would be half of that
    row = row_of(kite, place(kite, product="CNC", quantity=6667))
    assert row["status_message"].startswith("Insufficient funds.")
    assert status_of(kite, place(kite, product="CNC", quantity=6000)) == "COMPLETE"
    # 6000 × 150 and a commission of 30
    assert kite.margins("equity")["net"] == 1_000_000 - 900_000 - 30


def test_derivatives_are_worth_what_their_multiplier_says(fake, kite):
    listed = future(kite, "MCX", "GOLD")
    key = f"FUTURE:GOLD:INR:{listed['expiry']}"
    fake.command("PUT", f"/v1/prices/{key}", {"price": "50"})
    fields = {"exchange": "MCX", "product": "NRML", "tradingsymbol": listed["tradingsymbol"]}
    assert status_of(kite, place(kite, quantity=2, **fields)) == "COMPLETE"
    fake.command("PUT", f"/v1/prices/{key}", {"price": "53"})
    (position,) = kite.positions()["net"]
    # 2 lots × 100 × (53 − 50)
    assert (position["multiplier"], position["pnl"]) == (100, 600)
    assert kite.margins("equity")["utilised"]["span"] == 2 * 100 * 53 / 10


def test_a_short_of_the_day_closes_with_a_profit(fake, kite):
    place(kite, transaction_type="SELL")
    fake.set_price(140)
    assert status_of(kite, place(kite, quantity=4)) == "COMPLETE"
    (position,) = kite.positions()["day"]
    assert (position["quantity"], position["sell_value"], position["buy_value"]) == (-6, 1500, 560)
    # 4 × (150 − 140) booked, 6 × (150 − 140) open
    assert (position["realised"], position["unrealised"], position["pnl"]) == (40, 60, 100)


def test_products_and_exchanges_are_positions_of_their_own(fake, kite):
    for fields in ({}, {"product": "CNC"}, {"exchange": "BSE"}):
        assert status_of(kite, place(kite, **fields)) == "COMPLETE"
    rows = kite.positions()["net"]
    assert [(row["exchange"], row["product"], row["quantity"]) for row in rows] == [
        ("NSE", "MIS", 10),
        ("NSE", "CNC", 10),
        ("BSE", "MIS", 10),
    ]


def test_delivery_is_a_holding_from_the_next_day_on(fake, kite):
    bought, resting = place(kite, product="CNC"), limit(kite, 149, product="CNC")
    assert status_of(kite, bought) == "COMPLETE"
    assert kite.holdings() == []
    fake.command("POST", "/v1/kite/next-day")
    assert (kite.orders(), kite.trades(), kite.positions()["net"]) == ([], [], [])
    with pytest.raises(refused.InputException, match="order_id"):
        kite.order_history(resting)
    (held,) = kite.holdings()
    assert (held["opening_quantity"], held["t1_quantity"], held["quantity"]) == (10, 10, 0)
    fake.command("POST", "/v1/kite/next-day")
    (held,) = kite.holdings()
    assert (held["opening_quantity"], held["t1_quantity"], held["quantity"]) == (10, 0, 10)
    assert status_of(kite, place(kite, **CNC_SALE, quantity=4)) == ("COMPLETE")
    (held,) = kite.holdings()
    assert (held["opening_quantity"], held["used_quantity"], held["quantity"]) == (10, 4, 6)
    (sold,) = kite.positions()["net"]
    assert sold["quantity"] == -4
    assert status_of(kite, limit(kite, 160, **CNC_SALE, quantity=5)) == "OPEN"
    assert status_of(kite, place(kite, **CNC_SALE, quantity=2)) == "REJECTED"
    assert status_of(kite, place(kite, **CNC_SALE, quantity=1)) == "COMPLETE"


def test_an_overnight_position_on_margin_stays_one(fake, kite):
    assert status_of(kite, place(kite)) == "COMPLETE"
    fake.command("POST", "/v1/kite/next-day")
    positions = kite.positions()
    assert (positions["net"][0]["overnight_quantity"], positions["day"]) == (10, [])
    assert status_of(kite, place(kite, quantity=3)) == "COMPLETE"
    (net,) = kite.positions()["net"]
    assert (net["quantity"], net["overnight_quantity"], net["day_buy_quantity"]) == (13, 10, 3)


def test_the_dump_names_what_an_exchange_lists(fake, kite):
    listed = kite.instruments("NSE")
    infy = next(each for each in listed if each["tradingsymbol"] == "INFY")
    assert (infy["instrument_token"], infy["exchange_token"]) == (408065, "1594")
    assert (infy["tick_size"], infy["lot_size"], infy["instrument_type"]) == (0.05, 1, "EQ")
    options = [each for each in kite.instruments("NFO") if each["instrument_type"] == "CE"]
    assert {(each["segment"], each["lot_size"]) for each in options} == {("NFO-OPT", 75)}
    everything = kite.instruments()
    assert {each["exchange"] for each in everything} == {"NSE", "BSE", "NFO", "CDS", "MCX"}
    tokens = [each["instrument_token"] for each in everything]
    assert len(tokens) == len(set(tokens))


def test_prices_are_the_markets_and_what_is_not_listed_is_left_out(fake, kite):
    assert kite.ltp("NSE:INFY", "NSE:NEVER") == {
        "NSE:INFY": {"instrument_token": 408065, "last_price": 150}
    }
    assert kite.ohlc("NSE:INFY")["NSE:INFY"]["ohlc"]["close"] == 150
    quote = kite.quote("NSE:INFY", "NSE:TCS")
    assert quote["NSE:INFY"]["last_trade_time"] is not None
    assert (quote["NSE:TCS"]["last_price"], quote["NSE:TCS"]["last_trade_time"]) == (0, None)


def asked(side, quantity=10, symbol="INFY"):
    return {
        "exchange": "NSE",
        "tradingsymbol": symbol,
        "transaction_type": side,
        "variety": "regular",
        "product": "MIS",
        "order_type": "MARKET",
        "quantity": quantity,
    }


def test_margins_of_orders_are_what_they_would_block(fake, kite):
    assert kite.order_margins([asked("BUY")])[0]["total"] == 750
    both = [asked("BUY"), asked("SELL")]
    basket = kite.basket_order_margins(both)
    assert (basket["initial"]["total"], basket["final"]["total"]) == (1500, 0)
    assert len(basket["orders"]) == 2
    assert status_of(kite, place(kite)) == "COMPLETE"
    assert kite.basket_order_margins([asked("SELL")])["final"]["total"] == -750
    alone = kite.basket_order_margins([asked("SELL")], consider_positions=False, mode="compact")
    assert (alone["final"]["total"], alone["orders"]) == (750, [])


def test_margins_of_what_has_no_price_or_is_not_listed_are_refused(fake, kite):
    with pytest.raises(refused.InputException, match="TCS"):
        kite.order_margins([asked("BUY", symbol="TCS")])
    with pytest.raises(refused.InputException, match="NEVER"):
        kite.basket_order_margins([asked("BUY", symbol="NEVER")])


def test_the_books_of_the_venue_agree_with_kites(fake, kite):
    for number in range(6):
        place(kite, f"MT{number}", transaction_type="SELL" if number % 3 else "BUY")
        fake.set_price(150 + number)
    assert all_complete(eventually(kite.orders, all_complete))
    signed = sum(
        each["quantity"] * (1 if each["transaction_type"] == "BUY" else -1)
        for each in kite.trades()
    )
    (position,) = kite.positions()["net"]
    state = fake.command("GET", f"/v1/accounts/{ACCOUNT}/state")
    assert position["quantity"] == signed == -20
    assert Decimal(state["available_funds"]) == Decimal(str(kite.margins("equity")["net"]))
