"""Rows as Kite's client hands them out, each as a test needs it: naive times of India, floats."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from brokers.zerodha.contracts import Contract, Listing, Market
from services.domain.orders import client_order_id_for

OURS = client_order_id_for("sig_1", 0, "ZE-1", 1)
NOVEMBER = date(2026, 11, 26)
AT = datetime(2026, 11, 20, 10, 0, 0)  # noqa: DTZ001 - Kite's times are naive


def order_row(order_id="250000000000001", status="OPEN", quantity=10, filled=0, **fields):
    """Of the order book."""
    return {
        "order_id": order_id,
        "parent_order_id": None,
        "status": status,
        "status_message": None,
        "order_timestamp": AT,
        "exchange_timestamp": None,
        "exchange_update_timestamp": "2026-11-20 10:00:01",
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "product": "MIS",
        "quantity": quantity,
        "price": 149.5,
        "trigger_price": 0,
        "filled_quantity": filled,
        "tag": OURS,
        **fields,
    }


def trade_row(trade_id="1001", quantity=10, price=149.5, **fields):
    """Of the trade book."""
    return {
        "trade_id": trade_id,
        "order_id": "250000000000001",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "product": "MIS",
        "average_price": price,
        "quantity": quantity,
        "transaction_type": "BUY",
        "fill_timestamp": AT,
        "exchange_timestamp": AT,
        **fields,
    }


def listing(tradingsymbol="INFY", exchange="NSE", kind="EQ", **fields):
    """A line of the list of instruments."""
    known = {"name": tradingsymbol, "expiry": None, "strike": Decimal(0)}
    known |= {"tick": Decimal("0.05"), "lot": 1, **fields}
    return Listing(exchange=exchange, tradingsymbol=tradingsymbol, kind=kind, **known)


def contract(tradingsymbol="INFY", **fields) -> Contract:
    """A listing as an instrument of ours."""
    line = listing(tradingsymbol, **fields)
    return Market(line.exchange, [line]).listed_as(tradingsymbol)
