"""What the contract tests of the IBKR adapter share: the bench, and orders in dollars."""

from __future__ import annotations

from decimal import Decimal

from services.domain.words import InstrumentType, Intent, OrderType, Side
from tests.support.broker_orders import order
from tests.support.builders import make_instrument

EURUSD = make_instrument("EURUSD", InstrumentType.FOREX)
BTC = make_instrument("BTC", InstrumentType.CRYPTO)
AAPL, SPY = make_instrument("AAPL"), make_instrument("SPY", InstrumentType.ETF)


def of(instrument, number, quantity="10", side=Side.BUY, **fields):
    """An order of any instrument."""
    return order(number, quantity, side, **fields).model_copy(update={"instrument": instrument})


def limit_of(instrument, number, price, quantity="10", side=Side.BUY, **fields):
    fields = {"order_type": OrderType.LIMIT, "limit_price": Decimal(price), **fields}
    return of(instrument, number, quantity, side, **fields)


def exit_of(instrument, number, quantity="10", **fields):
    return of(instrument, number, quantity, Side.SELL, intent=Intent.EXIT, **fields)


def say(bench, code, sent=None, text="said on command"):
    """An error, of an order or of none."""
    body = {"code": code, "text": text}
    if sent is not None:
        body["order_ref"] = sent.client_order_id
    bench.call("POST", "/v1/tws/errors", body)


def link(bench, action, **more):
    bench.call("POST", "/v1/tws/link", {"action": action, **more})


def ib_link(bench, *, up, kept=True):
    """Between the gateway and IB."""
    bench.call("PUT", "/v1/tws/broker-link", {"up": up, "data_kept": kept})


def trick(bench, kind):
    bench.call("POST", "/v1/tws/tricks", {"kind": kind})


def mute(bench, request, count=1):
    bench.call("POST", "/v1/tws/mutes", {"request": request, "count": count})
