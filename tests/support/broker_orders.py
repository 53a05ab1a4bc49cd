"""Orders and readers for the conformance suite of brokers: of its one account, each its own id."""

from __future__ import annotations

import queue
import time
from decimal import Decimal

import pytest

from services.domain.words import OrderType, Side
from tests.support.builders import make_order

ACCOUNT = "Conformance-1"
_PATIENCE_SECONDS = 20


def order(number, quantity="10", side=Side.BUY, **fields):
    return make_order(quantity, side=side, signal_id=f"sig_{number}", account_id=ACCOUNT, **fields)


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


def need(broker, *abilities, kinds=()):
    """Skip where the broker cannot do what a test is about."""
    lacking = [each for each in abilities if not getattr(broker.capabilities, each)]
    lacking += [each for each in kinds if each not in broker.capabilities.order_types]
    if lacking:
        pytest.skip(f"this broker has no {', '.join(lacking)}")
