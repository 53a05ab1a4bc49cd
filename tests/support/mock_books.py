"""The mock broker without its process: an exchange on a directory, orders for it, an audit."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from brokers.mock.books import Books, latest
from brokers.mock.exchange import Exchange
from brokers.mock.journal import Journal
from services.domain.orders import Execution, OrderReport
from services.domain.words import OrderType, Side
from tests.support.builders import make_instrument, make_order

BROKER_ACCOUNT = "Books-1"
CASH = Decimal(1_000_000)
STOCK = make_instrument()


@contextmanager
def opened(path, market=None):
    journal = Journal(Path(path))
    books = Books(
        journal,
        initial_cash=CASH,
        commission_per_unit=Decimal("0.005"),
        commission_minimum=Decimal(1),
    )
    exchange = Exchange(journal, books, market=market)
    yield exchange
    exchange.close()


def order(quantity="10", side=Side.BUY, price="150", instrument=None, **fields):
    return make_order(quantity, side=side, **fields).model_copy(
        update={
            "instrument": instrument or STOCK,
            "reference_price": Decimal(price) if price else None,
        }
    )


def limit(price, side=Side.BUY, quantity="10", **fields):
    return order(quantity, side, order_type=OrderType.LIMIT, limit_price=Decimal(price), **fields)


def stop(price, side=Side.SELL, quantity="10", **fields):
    return order(quantity, side, order_type=OrderType.STOP, stop_price=Decimal(price), **fields)


def place(exchange, *orders):
    return [exchange.place(BROKER_ACCOUNT, each) for each in orders]


def tick(exchange, price, instrument=STOCK):
    return exchange.set_price(instrument.key, Decimal(price))


def report_of(exchange, order):
    ((_, report),) = exchange.orders(BROKER_ACCOUNT, client_order_ids=[order.client_order_id])
    return report


def fills_of(exchange, account_id=BROKER_ACCOUNT):
    """Every revision of every fill."""
    return [Execution.model_validate_json(body) for body in exchange.executions(account_id)]


def told(exchange, account_id=BROKER_ACCOUNT):
    """The whole stream."""
    found = exchange.reports(account_id, 0, 0)
    return [OrderReport.model_validate_json(body) for _, body in found]


def check_the_books(exchange, account_id=BROKER_ACCOUNT):
    """Cash, positions and orders are the sum of the fills that count, and equity is of both."""
    fills = [each for each in latest(fills_of(exchange, account_id)) if not each.busted]
    flow = sum(
        -fill.side.sign * fill.quantity * fill.price * fill.instrument.multiplier - fill.commission
        for fill in fills
    )
    state = exchange.state(account_id)
    assert state.cash == CASH + flow
    held = {}
    for fill in fills:
        key = fill.instrument.key
        held[key] = held.get(key, 0) + fill.side.sign * fill.quantity
    positions = exchange.positions(account_id)
    assert {each.instrument.key: each.quantity for each in positions} == {
        key: quantity for key, quantity in held.items() if quantity
    }
    value = sum(
        each.quantity * each.market_price * each.instrument.multiplier for each in positions
    )
    assert state.equity == state.cash + value
    ids = [(fill.execution_id, fill.revision) for fill in fills_of(exchange, account_id)]
    assert len(set(ids)) == len(ids)
    for _, report in exchange.orders(account_id):
        counted = [each.quantity for each in report.executions if not each.busted]
        assert report.filled_quantity == sum(counted)


def read_all(exchange, account_id=BROKER_ACCOUNT):
    """Everything that a client can see, to compare before and after a restart."""
    figures = exchange.state(account_id).model_dump(exclude={"as_of"})
    return (
        figures,
        exchange.positions(account_id),
        fills_of(exchange, account_id),
        exchange.orders(account_id),
        exchange.orders(account_id, open_only=True),
        exchange.reports(account_id, 0, 0),
    )
