"""Orders and readers for the conformance suite of brokers: of its one account, each its own id.

They are of stocks that all our brokers trade: Indian ones, in rupees, as is the account.
"""

from __future__ import annotations

import queue
import time
from decimal import Decimal

import pytest

from services.domain.words import OrderStatus, OrderType, Side
from tests.support.builders import make_instrument, make_order, make_preview_leg

ACCOUNT = "Conformance-1"
CURRENCY = "INR"
_PATIENCE_SECONDS = 20


def stock(symbol):
    return make_instrument(symbol, currency=CURRENCY, exchange="NSE")


INFY, TCS = stock("INFY"), stock("TCS")


def order(number, quantity="10", side=Side.BUY, **fields):
    """Of INFY, seen at 150."""
    made = make_order(quantity, side=side, signal_id=f"sig_{number}", account_id=ACCOUNT, **fields)
    return made.model_copy(update={"instrument": INFY})


def preview_leg(quantity="10", side=Side.BUY, instrument=INFY):
    return make_preview_leg(quantity, side, instrument)


def limit(number, price, quantity="10", side=Side.BUY, **fields):
    kind = fields.pop("order_type", OrderType.LIMIT)
    return order(number, quantity, side, order_type=kind, limit_price=Decimal(price), **fields)


def stop(number, price, quantity="10", side=Side.SELL, **fields):
    kind = fields.pop("order_type", OrderType.STOP)
    return order(number, quantity, side, order_type=kind, stop_price=Decimal(price), **fields)


def collect(broker, after=None):
    """A queue of the (report, cursor) that the broker streams."""
    arrived = queue.Queue()
    broker.stream_reports(lambda report, cursor: arrived.put((report, cursor)), after=after)
    return arrived


def until(arrived, wanted):
    """The first streamed report that is wanted."""
    while True:
        report, _ = arrived.get(timeout=_PATIENCE_SECONDS)
        if wanted(report):
            return report


def filled_in_turn(arrived, last):
    """Ids of orders as they are first told to be filled, up to that of `last`."""
    ids = []
    while last.client_order_id not in ids:
        report = until(arrived, lambda each: each.status is OrderStatus.FILLED)
        if report.client_order_id not in ids:
            ids.append(report.client_order_id)
    return ids


def eventually(question, wanted=bool):
    """The first answer that is wanted; brokers may take their time."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not wanted(answer := question()):
        assert time.monotonic() < end, f"still {answer}"
        time.sleep(0.05)
    return answer


def status_of(broker, sent):
    report = broker.find_order(sent.client_order_id)
    return report and report.status


def held(broker):
    """Signed quantity by symbol."""
    return {each.instrument.symbol: each.quantity for each in broker.positions()}


def need(broker, *abilities, kinds=(), lives=()):
    """Skip where the broker cannot do what a test is about."""
    able = broker.capabilities
    lacking = [each for each in abilities if not getattr(able, each)]
    lacking += [each for each in kinds if each not in able.order_types]
    lacking += [each for each in lives if each not in able.times_in_force]
    if lacking:
        pytest.skip(f"this broker has no {', '.join(lacking)}")
