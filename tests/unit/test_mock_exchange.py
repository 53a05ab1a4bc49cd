"""The mock broker's books: every cent and every unit is accounted for, and survives."""

import tempfile
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.domain.words import InstrumentType, OrderStatus, Side, TimeInForce
from tests.support.builders import make_instrument
from tests.support.mock_books import (
    BROKER_ACCOUNT,
    CASH,
    STOCK,
    check_the_books,
    fills_of,
    limit,
    opened,
    order,
    place,
    read_all,
)

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def exchange(tmp_path):
    with opened(tmp_path) as made:
        yield made


def state(exchange):
    return exchange.state(BROKER_ACCOUNT)


FUTURE = make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100))
COIN = make_instrument("BTC", InstrumentType.CRYPTO)

trades = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.sampled_from([STOCK, FUTURE, COIN]),
        st.integers(1, 400),
        st.integers(1, 50_000),  # cents
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(trades=trades)
def test_cash_and_positions_are_the_sum_of_the_fills(trades):
    with tempfile.TemporaryDirectory() as path:
        with opened(path) as exchange:
            for side, instrument, quantity, cents in trades:
                price = str(Decimal(cents) / 100)
                place(exchange, order(str(quantity), side, price, instrument))
            check_the_books(exchange)
            before = read_all(exchange)
        with opened(path) as again:
            assert read_all(again) == before


def test_the_figures_of_an_account(exchange):
    place(exchange, order("1000"))
    exchange.set_price(STOCK.key, Decimal(160))
    figures = state(exchange)
    # cash 1,000,000 − 150,000 − 5 · value 160,000 · margin 50 % of it
    assert figures.cash == Decimal("849995.000")
    assert figures.equity == Decimal("1009995.000")
    assert figures.initial_margin == 80_000
    assert figures.available_funds == Decimal("929995.000")
    assert figures.buying_power == Decimal("1859990.000")


def test_opening_an_account_again_changes_nothing(exchange):
    exchange.open_account(BROKER_ACCOUNT, Decimal(5000))
    place(exchange, order("1"))
    exchange.open_account(BROKER_ACCOUNT, Decimal(9999))
    assert state(exchange).cash == 5000 - 150 - 1


def test_a_rejected_order_touches_no_book(exchange):
    (report,) = place(exchange, order("1000000"))
    assert report.status is OrderStatus.REJECTED
    # 1,000,000 × 150 × 50 % + 5,000
    assert report.text == (
        "INSUFFICIENT_FUNDS: 75005000.00 margin and commission needed, 1000000.00 available"
    )
    assert state(exchange).cash == CASH
    assert exchange.positions(BROKER_ACCOUNT) == fills_of(exchange) == []


@pytest.mark.parametrize("quantity", ["1e30", "0.5"])
def test_an_absurd_quantity_is_rejected_not_a_crash(exchange, quantity):
    (report,) = place(exchange, order(quantity))
    assert report.status is OrderStatus.REJECTED


def test_without_any_price_a_market_order_is_rejected(exchange):
    (report,) = place(exchange, order(price=None))
    assert report.text.startswith("NO_PRICE: ")


def test_a_set_price_counts_more_than_the_price_the_sender_saw(exchange):
    exchange.set_price(STOCK.key, Decimal(152))
    (report,) = place(exchange, order())
    assert report.executions[0].price == 152


def test_a_price_fills_what_it_makes_marketable_and_leaves_the_rest(exchange):
    place(exchange, limit(149, signal_id="a"), limit(140, signal_id="b"))
    assert exchange.set_price(STOCK.key, Decimal(148)) == 1
    (left,) = exchange.orders(BROKER_ACCOUNT, open_only=True)
    assert left[0].limit_price == 140
    assert exchange.set_price(STOCK.key, Decimal(148)) == 0


@pytest.mark.parametrize("life", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_must_fill_at_once_is_canceled_instead_of_resting(exchange, life):
    (report,) = place(exchange, limit(149, time_in_force=life))
    assert report.status is OrderStatus.CANCELED
    assert exchange.set_price(STOCK.key, Decimal(100)) == 0


def test_every_change_is_one_report_in_order(exchange):
    place(exchange, limit(149, signal_id="a"), limit(140, signal_id="b"))
    exchange.set_price(STOCK.key, Decimal(148))
    exchange.cancel(BROKER_ACCOUNT, limit(140, signal_id="b").client_order_id)
    reports = exchange.reports(BROKER_ACCOUNT, 0, 0)
    numbers = [number for number, _ in reports]
    assert numbers == sorted(set(numbers))
    said = [body.partition('"status":"')[2].partition('"')[0] for _, body in reports]
    assert said == ["SUBMITTED", "SUBMITTED", "FILLED", "CANCELED"]
    assert exchange.reports(BROKER_ACCOUNT, numbers[1], 0) == reports[2:]
    assert exchange.reports("Other", 0, 0) == []


def test_a_cursor_of_lost_books_brings_everything_rather_than_nothing(exchange):
    place(exchange, order())
    assert len(exchange.reports(BROKER_ACCOUNT, 10_000, 0)) == 1


def test_an_order_filled_later_says_when(exchange):
    (placed,) = place(exchange, limit(149))
    time.sleep(0.005)  # reports know milliseconds
    exchange.set_price(STOCK.key, Decimal(148))
    ((_, found),) = exchange.orders(BROKER_ACCOUNT)
    assert found.occurred_at == found.executions[0].occurred_at > placed.occurred_at


def test_metrics_count_orders_fills_and_what_rests(exchange):
    def value(name, **labels):
        return REGISTRY.get_sample_value(name, labels) or 0

    filled = value("mock_broker_orders_total", status="FILLED")
    fills = value("mock_broker_executions_total")
    place(exchange, order(), limit(149, signal_id="rests"))
    assert value("mock_broker_orders_total", status="FILLED") == filled + 1
    assert value("mock_broker_executions_total") == fills + 1
    assert value("mock_broker_open_orders") == 1
