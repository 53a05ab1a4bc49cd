"""What the IBKR adapter can trade, and that it comes back under the name it was ordered by."""

from datetime import date
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, UnsupportedOrder
from services.domain.words import InstrumentType, OrderStatus, OrderType, Side, TimeInForce
from tests.contract.ibkr_support import AAPL, BTC, EURUSD, SPY, exit_of, limit_of, of
from tests.fakes.tws.contracts import Table
from tests.support.broker_orders import eventually, held, limit, order, stop
from tests.support.builders import make_instrument, make_preview_leg

pytestmark = pytest.mark.servers
S = OrderStatus


def listed(kind, symbol):
    """What the gateway lists of a root, the nearest first."""
    found = [each.instrument for each in Table()._by_id.values()]
    found = [each for each in found if (each.instrument_type, each.symbol) == (kind, symbol)]
    return sorted(found, key=lambda each: (each.expiry, each.strike or 0, each.right or ""))


ES = listed(InstrumentType.FUTURE, "ES")
CALLS = [each for each in listed(InstrumentType.OPTION, "AAPL") if each.right == "C"]
NEAREST = make_instrument("ES", InstrumentType.FUTURE, multiplier=Decimal(50))


@pytest.fixture
def market(bench):
    for instrument, price in ((AAPL, "150"), (SPY, "450"), (EURUSD, "1.1"), (BTC, "50000")):
        bench.set_price(instrument, price)
    for number, future in enumerate(ES):
        bench.set_price(future, str(5000 + 10 * number))
    for option in CALLS[:6]:
        bench.set_price(option, "5")
    return bench


@pytest.mark.parametrize(
    ("instrument", "quantity"),
    [(AAPL, "10"), (SPY, "3"), (EURUSD, "25000"), (ES[0], "1"), (ES[1], "1"), (CALLS[0], "2")],
)
def test_what_is_ordered_comes_back_under_its_name_also_after_a_restart(
    market, broker, instrument, quantity
):
    (fill,) = broker.place_order(of(instrument, 1, quantity)).executions
    after = market.reopened(broker)
    for adapter_fill in (fill, *after.executions()):
        assert adapter_fill.instrument.key == instrument.key
        assert adapter_fill.instrument.multiplier == instrument.multiplier
    (position,) = after.positions()
    assert (position.instrument.key, position.quantity) == (instrument.key, Decimal(quantity))
    assert position.average_price == fill.price


def test_a_future_of_which_no_expiry_is_said_is_the_nearest_and_is_left_where_it_is_held(
    market, broker
):
    report = broker.place_order(of(NEAREST, 1, "1"))
    assert report.executions[0].price == 5000
    assert [each.instrument.key for each in broker.positions()] == [NEAREST.key]
    assert broker.place_order(exit_of(NEAREST, 2, "1")).executions[0].price == 5000
    assert list(broker.positions()) == []


def test_the_way_out_of_a_future_is_the_one_that_is_held_not_the_nearest(market, broker):
    broker.place_order(of(ES[1], 1, "1"))  # as if it had been the nearest when it was bought
    after = market.reopened(broker)
    assert after.place_order(exit_of(NEAREST, 2, "1")).executions[0].price == 5010
    assert list(after.positions()) == []


def test_two_held_futures_of_one_root_are_not_guessed_between(market, broker):
    for number in (0, 1):
        broker.place_order(of(ES[number], number, "1"))
    with pytest.raises(UnsupportedOrder, match="say which"):
        broker.place_order(exit_of(NEAREST, 2, "1"))


def test_the_nearest_future_is_not_entered_while_another_month_is_held(market, broker):
    broker.place_order(of(ES[1], 1, "1"))
    with pytest.raises(UnsupportedOrder, match="is held, and the nearest ES is"):
        broker.place_order(of(NEAREST, 2, "1"))
    assert len(broker.executions()) == 1


def test_what_our_books_call_a_held_future_is_told_and_closed_by_that_name(market, broker):
    for number in (0, 1):
        broker.place_order(of(ES[number], number, "1"))
    after = market.reopened(broker)
    after.call_as({ES[1].key: NEAREST})
    assert {each.instrument.key for each in after.positions()} == {ES[0].key, NEAREST.key}
    assert {each.instrument.key for each in after.executions()} == {ES[0].key, NEAREST.key}
    with pytest.raises(UnsupportedOrder, match="in this account's books as"):
        after.place_order(of(ES[1], 3, "1"))
    assert after.place_order(exit_of(NEAREST, 2, "1")).executions[0].price == 5010
    assert [each.instrument.key for each in after.positions()] == [ES[0].key]


@pytest.mark.parametrize(
    ("instrument", "words"),
    [
        (make_instrument("SPY"), "IB calls STOCK:SPY:USD ETF:SPY:USD"),
        (make_instrument("AAPL", InstrumentType.ETF), "STOCK:AAPL:USD"),
        (make_instrument("ES", InstrumentType.FUTURE), "multiplier 50"),
        (ES[0].model_copy(update={"expiry": date(2049, 1, 1)}), "IB knows no"),
    ],
)
def test_what_would_be_booked_wrongly_is_refused_before_sending(market, broker, instrument, words):
    with pytest.raises((UnsupportedOrder, OrderRejected), match=words):
        broker.place_order(of(instrument, 1, "1"))
    assert list(broker.executions()) == []


def test_the_way_out_is_never_refused_for_its_name(market, broker):
    broker.place_order(of(SPY, 1, "3"))
    assert broker.place_order(exit_of(make_instrument("SPY"), 2, "3")).status is S.FILLED
    assert list(broker.positions()) == []


def test_an_instrument_that_ib_does_not_know_is_rejected_by_name(broker):
    with pytest.raises(OrderRejected, match="NEVER"):
        broker.place_order(of(make_instrument("NEVER"), 1))


def seen_at(price, sent):
    return sent.model_copy(update={"reference_price": price})


def test_coins_are_bought_for_an_amount_of_money_and_sold_by_their_number(market, broker):
    bought = broker.place_order(seen_at(Decimal(50000), of(BTC, 1, "0.5")))
    assert (bought.status, bought.filled_quantity) == (S.FILLED, Decimal("0.5"))
    assert held(broker) == {"BTC": Decimal("0.5")}
    sold = broker.place_order(of(BTC, 2, "0.5", Side.SELL))
    assert (sold.status, held(broker)) == (S.FILLED, {})


def test_coins_without_a_price_are_refused_before_sending(market, broker):
    with pytest.raises(UnsupportedOrder, match="amount of money"):
        broker.place_order(seen_at(None, of(BTC, 1, "0.5")))


@pytest.mark.parametrize("life", [TimeInForce.OPG, TimeInForce.CLS])
def test_orders_for_an_auction_come_back_as_what_they_are(market, broker, life):
    report = broker.place_order(limit_of(AAPL, 1, "140", time_in_force=life))
    assert report.client_order_id
    with pytest.raises(UnsupportedOrder):
        broker.place_order(stop(2, "140", time_in_force=life))


def test_a_trailing_stop_by_ratio_trails(bench, broker):
    sent = order(1, side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_ratio=Decimal("0.1"))
    assert broker.place_order(sent).terms.stop_price == 135  # 150 less a tenth
    bench.set_price(sent.instrument, "160")
    found = eventually(lambda: broker.find_order(sent.client_order_id))
    assert found.terms.stop_price == 144


SPREAD = [
    limit_of(CALLS[0], 1, "7", "2"),
    limit_of(CALLS[1], 2, "4", "2", side=Side.SELL),
]


def test_a_spread_of_options_is_one_order_at_its_net_price(market, broker):
    market.set_price(CALLS[0], "8")
    market.set_price(CALLS[1], "4")
    reports = broker.place_combo(SPREAD)
    assert {each.status for each in reports} == {S.SUBMITTED}
    rows = broker.open_orders()
    assert [each.report.client_order_id for each in rows] == [
        each.client_order_id for each in SPREAD
    ]
    assert [(each.side, each.report.terms.quantity) for each in rows] == [
        (Side.BUY, 2),
        (Side.SELL, 2),
    ]
    market.set_price(CALLS[0], "7")
    after = market.reopened(broker)
    found = eventually(
        lambda: after.find_orders([each.client_order_id for each in SPREAD]),
        lambda each: all(report.status is S.FILLED for report in each.values()),
    )
    assert [len(found[each.client_order_id].executions) for each in SPREAD] == [1, 1]
    assert len(after.executions()) == 2
    assert sorted(after.positions(), key=lambda each: -each.quantity)[0].instrument == CALLS[0]


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ([limit(1, "149"), limit(2, "148")], "different contracts"),
        ([limit(1, "149"), limit_of(AAPL, 2, "149")], "one currency"),
        ([of(EURUSD, 1), of(AAPL, 2)], "currencies or coins"),
        ([of(CALLS[0], 1), limit_of(CALLS[1], 2, "5")], "all MARKET or all LIMIT"),
        ([limit_of(CALLS[0], 1, "5"), limit_of(AAPL, 2, "150", "100")], "at the market only"),
    ],
)
def test_a_combo_that_ib_cannot_take_is_refused_before_sending(market, broker, legs, words):
    with pytest.raises(UnsupportedOrder, match=words):
        broker.place_combo(legs)
    assert list(broker.open_orders()) == []


def test_margin_of_a_spread_is_asked_as_one(market, broker):
    legs = [
        make_preview_leg("1", Side.BUY, CALLS[0]),
        make_preview_leg("1", Side.SELL, CALLS[1]),
    ]
    assert broker.preview_margin(legs).initial_margin > 0
    assert list(broker.open_orders()) == []


@pytest.mark.parametrize(("kind", "price"), [("LIVE", 150), ("DELAYED", None), ("NONE", None)])
def test_only_live_prices_are_prices(market, broker, kind, price):
    market.call("PUT", "/v1/tws/market-data", {"kind": kind})
    if price is None:
        with pytest.raises(BrokerUnavailable, match="AAPL"):
            broker.last_price(AAPL)
    else:
        assert broker.last_price(AAPL).price == price
