"""Kite's answers with a few things wrong: a value of ours or a named error, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from brokers.errors import BrokerUnavailable
from brokers.zerodha import cursor
from brokers.zerodha.book import Book
from brokers.zerodha.holdings import holdings_of, margin_quote, margins_of, net, state_of
from brokers.zerodha.instruments import Instruments
from brokers.zerodha.postback import read_postback
from brokers.zerodha.ticker import _is_of_order
from services.domain.instruments import Instrument
from services.domain.words import OrderStatus
from tests.support.fuzz import BOUNDED, mutated, spliced
from tests.support.kite_rows import contract, order_row, trade_row

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
INFY = contract().instrument
ORDERS = [
    order_row(),
    order_row("2", "COMPLETE", filled=10, tag="by hand", tags=["autoslice:1"]),
    order_row("3", "REJECTED", status_message="no funds", order_type="SL", trigger_price=150.0),
]
TRADES = [trade_row(order_id="2"), trade_row("1002", 4)]
POSITION = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "quantity": 10,
    "multiplier": 1,
    "average_price": 150.0,
    "last_price": 160.0,
    "m2m": 0,
}
SHARE = {**POSITION, "opening_quantity": 5, "t1_quantity": 0}
SEGMENT = {
    "enabled": True,
    "net": 100.5,
    "available": {"cash": 100.5},
    "utilised": {"payout": 0, "span": 1.5, "exposure": 0, "delivery": 0},
}
LINES = [
    {
        "exchange": "NSE",
        "tradingsymbol": name,
        "name": name,
        "instrument_type": kind,
        "expiry": expiry,
        "strike": 0.0,
        "tick_size": 0.05,
        "lot_size": 1,
    }
    for name, kind, expiry in (("INFY", "EQ", ""), ("NIFTY", "FUT", date(2026, 11, 26)))
]


class Kite:
    """Answers each question with what it was given."""

    def __init__(self, **answers):
        self._answers = answers

    def ask(self, question):
        return question(self)

    def __getattr__(self, name):
        return lambda *_: self._answers[name]


class Listed:
    def instrument_of(self, _exchange, _tradingsymbol):
        return INFY


def value_of(work):
    """What it makes, or None where it raises what the caller knows how to handle."""
    try:
        return work()
    except BrokerUnavailable:
        return None


@BOUNDED
@given(mutated(ORDERS), mutated(TRADES), mutated([{"charges": {"total": 1.5}}]))
def test_an_order_book_is_read_or_refused_and_no_order_is_rejected_by_a_guess(orders, told, note):
    kite = Kite(orders=orders, trades=told, get_virtual_contract_note=note)
    page = value_of(lambda: Book(kite, Listed(), 1).look())
    for entry in page.entries if page else ():
        report = entry.report
        said = {row.status for row in entry.rows}
        assert report.status is not OrderStatus.REJECTED or said == {"REJECTED"}
        assert report.status is not OrderStatus.CANCELED or entry.has_ended
        assert cursor.mark_of(report)
        assert entry.open_order.report == report
    value_of(lambda: page and page.executions)


@BOUNDED
@given(mutated({"net": [POSITION], "day": []}), mutated([SHARE]), mutated({"equity": SEGMENT}))
def test_holdings_and_margins_are_read_or_refused(positions, depot, margins):
    holdings = value_of(lambda: holdings_of(positions, depot, Listed().instrument_of))
    known = value_of(lambda: margins_of(margins))
    for each in net(holdings or ()):
        assert each.quantity.is_finite()
    if holdings is not None and known is not None:
        state = state_of("A", known, holdings, (), NOW)
        assert state.equity.is_finite()


@BOUNDED
@given(mutated({"initial": {}, "final": {"total": 1000.5}}))
def test_a_margin_is_read_or_refused(told):
    quote = value_of(lambda: margin_quote(told, NOW))
    assert quote is None or quote.initial_margin.is_finite()


@BOUNDED
@given(mutated(LINES), st.booleans())
def test_a_list_of_instruments_is_read_or_refused(tmp_path_factory, lines, again):
    folder = tmp_path_factory.mktemp("lists")
    instruments = Instruments(Kite(instruments=lines), folder, now=lambda: NOW)
    found = value_of(lambda: instruments.instrument_of("NSE", "INFY"))
    if again and found is not None:  # another process reads what this one has kept
        other = Instruments(Kite(instruments=None), folder, now=lambda: NOW)
        assert other.instrument_of("NSE", "INFY") == found


@BOUNDED
@given(st.data())
def test_a_list_that_was_damaged_on_disk_is_fetched_again(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("lists")
    kite = Kite(instruments=LINES)
    Instruments(kite, folder, now=lambda: NOW).instrument_of("NSE", "INFY")
    (file,) = folder.iterdir()
    file.write_bytes(data.draw(spliced(file.read_bytes())))
    found = value_of(
        lambda: Instruments(kite, folder, now=lambda: NOW).instrument_of("NSE", "INFY")
    )
    assert isinstance(found, Instrument | None)


POSTBACK = json.dumps(
    {"order_id": "22", "tag": "T", "order_timestamp": "2026-11-20 10:00:00", "checksum": "00"}
).encode()


@BOUNDED
@given(spliced(POSTBACK))
def test_a_postback_is_read_or_refused_and_never_believed(body):
    try:
        read = read_postback(body)
    except ValueError:
        return
    assert not read.is_genuine(SecretStr("the-apps-secret"))


@pytest.mark.parametrize("frame", ["[" * 200_000, '{"a":' * 100_000, "\x00", ""])
def test_a_frame_that_cannot_be_read_rings(frame):
    assert _is_of_order(frame)


@BOUNDED
@given(st.text())
def test_a_cursor_that_is_none_of_ours_begins_anew(text):
    assert cursor.read(text) == cursor.Cursor({})
