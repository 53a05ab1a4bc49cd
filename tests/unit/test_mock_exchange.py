"""The mock broker's books: every cent and every unit is accounted for, and survives."""

import tempfile
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from brokers.mock.books import Books
from brokers.mock.exchange import Exchange
from brokers.mock.journal import Journal
from services.domain.orders import Execution
from services.domain.words import InstrumentType, OrderStatus, OrderType, Side, TimeInForce
from tests.support.builders import make_instrument, make_order

BROKER_ACCOUNT = "Books-1"
CASH = Decimal(1_000_000)
BUY, SELL = Side.BUY, Side.SELL


@contextmanager
def opened(path):
    journal = Journal(Path(path))
    books = Books(
        journal,
        initial_cash=CASH,
        commission_per_unit=Decimal("0.005"),
        commission_minimum=Decimal(1),
    )
    exchange = Exchange(journal, books)
    yield exchange
    exchange.close()


@pytest.fixture
def exchange(tmp_path):
    with opened(tmp_path) as made:
        yield made


def order(quantity="10", side=BUY, price="150", instrument=None, **fields):
    return make_order(quantity, side=side, **fields).model_copy(
        update={
            "instrument": instrument or make_instrument(),
            "reference_price": Decimal(price) if price else None,
        }
    )


def limit(price, side=BUY, **fields):
    return order(side=side, order_type=OrderType.LIMIT, limit_price=Decimal(price), **fields)


def place(exchange, *orders):
    return [exchange.place(BROKER_ACCOUNT, each) for each in orders]


def fills_of(exchange):
    return [Execution.model_validate_json(body) for body in exchange.executions(BROKER_ACCOUNT)]


def state(exchange):
    return exchange.state(BROKER_ACCOUNT)


STOCK = make_instrument()
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


def check_the_books(exchange):
    fills = fills_of(exchange)
    flow = sum(
        -fill.side.sign * fill.quantity * fill.price * fill.instrument.multiplier - fill.commission
        for fill in fills
    )
    assert state(exchange).cash == CASH + flow
    held = {each.instrument.key: each.quantity for each in exchange.positions(BROKER_ACCOUNT)}
    for instrument in (STOCK, FUTURE, COIN):
        own = [fill for fill in fills if fill.instrument == instrument]
        assert held.get(instrument.key, 0) == sum(fill.side.sign * fill.quantity for fill in own)
    value = sum(
        each.quantity * each.market_price * each.instrument.multiplier
        for each in exchange.positions(BROKER_ACCOUNT)
    )
    assert state(exchange).equity == state(exchange).cash + value
    assert len({fill.execution_id for fill in fills}) == len(fills)


def read_all(exchange):
    figures = state(exchange).model_dump(exclude={"as_of"})
    return (
        figures,
        exchange.positions(BROKER_ACCOUNT),
        fills_of(exchange),
        exchange.orders(BROKER_ACCOUNT),
        exchange.reports(BROKER_ACCOUNT, 0, 0),
    )


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
