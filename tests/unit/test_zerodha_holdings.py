"""What an account holds and is worth, by Kite's own answers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable
from brokers.zerodha.holdings import holdings_of, margin_quote, margins_of, net, state_of
from services.domain.orders import Execution
from services.domain.words import Side
from tests.support.kite_rows import NOVEMBER, contract

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
INFY = contract().instrument
GOLD = contract("GOLD26NOVFUT", exchange="MCX", kind="FUT", name="GOLD", expiry=NOVEMBER).instrument
KNOWN = {"INFY": INFY, "GOLD26NOVFUT": GOLD}


def position(quantity, price=150.0, last=160.0, **fields):
    return {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "product": "CNC",
        "quantity": quantity,
        "multiplier": 1,
        "average_price": price,
        "last_price": last,
        "m2m": 0,
        **fields,
    }


def depot(opening, **fields):
    return {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "opening_quantity": opening,
        "quantity": opening,
        "t1_quantity": 0,
        "used_quantity": 0,
        "average_price": 100.0,
        "last_price": 160.0,
        **fields,
    }


def held(positions=(), shares=()):
    return holdings_of(
        {"net": list(positions), "day": []}, list(shares), lambda _, symbol: KNOWN[symbol]
    )


def one(*arguments):
    (found,) = net(held(*arguments))
    return found.quantity, found.average_price, found.market_price


def test_what_was_bought_today_and_what_lies_in_the_depot_are_one_position():
    # (10 × 150 + 30 × 100) / 40
    assert one([position(10)], [depot(30)]) == (40, Decimal("112.5"), 160)


def test_shares_of_yesterday_that_are_not_delivered_yet_count_once():
    assert one([], [depot(12, quantity=11, t1_quantity=1)])[0] == 12


def test_what_was_sold_of_the_depot_today_is_gone_once():
    sold = depot(30, quantity=20, used_quantity=10)
    assert one([position(-10)], [sold])[0] == 20
    assert net(held([position(-30)], [depot(30, used_quantity=30, quantity=0)])) == []


def test_products_of_one_share_are_one_position():
    assert one([position(10), position(-4, product="MIS", price=155.0)])[:2] == (6, 150)


def test_a_flat_row_is_no_position():
    assert net(held([position(0)])) == []


def test_another_multiplier_than_we_know_is_an_error():
    gold = position(1, exchange="MCX", tradingsymbol="GOLD26NOVFUT", multiplier=10)
    with pytest.raises(BrokerUnavailable, match="is 10, it should be 100"):
        held([gold])


@pytest.mark.parametrize(
    ("positions", "shares"), [(None, []), ({}, []), ({"net": [{}]}, []), ({"net": []}, None)]
)
def test_an_answer_of_another_shape_is_not_an_empty_account(positions, shares):
    with pytest.raises(BrokerUnavailable):
        holdings_of(positions, shares, lambda *_: INFY)


def segment(net_margin, cash, *, enabled=True, **utilised):
    names = ("span", "exposure", "delivery", "payout", "option_premium", "debits")
    return {
        "enabled": enabled,
        "net": net_margin,
        "available": {"cash": cash, "live_balance": net_margin},
        "utilised": {name: utilised.get(name, 0) for name in names},
    }


def test_segments_that_are_enabled_count_together():
    told = {
        "equity": segment(700.5, 1000, span=100, exposure=150.5, payout=49),
        "commodity": segment(200, 300, exposure=100),
        "closed": segment(9, 9, enabled=False),
    }
    margins = margins_of(told)
    assert (margins.cash, margins.net) == (1251, Decimal("900.5"))
    assert margins.blocked == Decimal("350.5")


@pytest.mark.parametrize("told", [None, {"equity": {}}, {"equity": segment("x", 1)}])
def test_margins_that_cannot_be_read_are_not_zero(told):
    with pytest.raises(BrokerUnavailable):
        margins_of(told)


def fill(quantity, price, commission, instrument=INFY, side=Side.BUY):
    return Execution(
        execution_id="x",
        client_order_id="",
        instrument=instrument,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=Decimal(commission),
        commission_currency="INR",
        occurred_at=NOW,
    )


def test_cash_is_that_of_the_morning_with_todays_trades_settled():
    margins = margins_of({"equity": segment(8000, 10_000, exposure=500)})
    state = state_of("ZE-1", margins, held([position(10)]), [fill(10, 150, 2)], NOW)
    # 10,000 − 10 × 150 − 2, and 10 shares at 160
    assert (state.cash, state.equity) == (8498, 10_098)
    assert (state.initial_margin, state.maintenance_margin) == (500, 500)
    assert (state.available_funds, state.buying_power, state.currency) == (8000, 8000, "INR")


def test_a_future_is_not_paid_for_and_worth_what_it_has_made_today():
    margins = margins_of({"equity": segment(8000, 10_000, span=500)})
    gold = position(
        2, exchange="MCX", tradingsymbol="GOLD26NOVFUT", multiplier=100, m2m=300, last=70_001.5
    )
    state = state_of("ZE-1", margins, held([gold]), [fill(2, 70_000, 20, GOLD)], NOW)
    assert (state.cash, state.equity) == (9980, 10_280)


def test_a_short_share_is_owed():
    margins = margins_of({"equity": segment(8000, 10_000)})
    sold = fill(10, 150, 0, side=Side.SELL)
    state = state_of("ZE-1", margins, held([position(-10)]), [sold], NOW)
    assert (state.cash, state.equity) == (11_500, 9_900)


def test_a_basket_is_the_change_of_margin():
    quote = margin_quote({"initial": {"total": 9}, "final": {"total": -750.5}}, NOW)
    assert (quote.initial_margin, quote.maintenance_margin) == (Decimal("-750.5"),) * 2


@pytest.mark.parametrize("told", [None, {}, {"final": {"total": float("inf")}}])
def test_a_basket_that_cannot_be_read_is_no_quote(told):
    with pytest.raises(BrokerUnavailable):
        margin_quote(told, NOW)
