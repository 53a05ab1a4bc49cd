"""Messages of a gateway with a few fields wrong, through the client library into our own record.

A message is taken, or it is not and then the link is over, as `IbkrBroker.unreadable` has it: what
is in the record can always be told in our words, and no order ends that nothing has ended.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ibkr.answers import Answers
from brokers.ibkr.api import DECODER_LOG, ibx
from brokers.ibkr.book import Book, Moment
from brokers.ibkr.contracts import instrument_of
from brokers.ibkr.pushed import Pushed
from brokers.ibkr.reports import all_executions, open_orders_of, reports_of
from brokers.ibkr.wire import Wire
from services.domain.words import OrderStatus
from tests.fakes.tws import order_answers
from tests.fakes.tws.order_answers import Identity, State, Told
from tests.fakes.tws.wire import frame
from tests.support.builders import make_execution
from tests.support.fuzz import BOUNDED

VERSION = 176
ENDINGS = {"Filled", "Cancelled", "ApiCancelled", "Inactive"}
AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
MINE = f"MT{'X' * 18}"
WHO = Identity(5, 1, 900)
STOCK = {
    "conId": 7,
    "symbol": "INFY",
    "secType": "STK",
    "exchange": "NSE",
    "currency": "INR",
    "localSymbol": "INFY",
    "tradingClass": "INFY",
}
ORDER = STOCK | {
    "action": "BUY",
    "totalQuantity": Decimal(10),
    "orderType": "LMT",
    "lmtPrice": Decimal(149),
    "tif": "DAY",
    "account": "DU1",
    "orderRef": MINE,
}


def texts(fields):
    return frame(fields)[4:].decode().split("\0")[:-1]


SHOWN = texts(order_answers.open_order(WHO, ORDER, State("Submitted"), VERSION))
STATED = texts(order_answers.order_status(WHO, State("Submitted", Decimal(4), Decimal(6))))
FILLED = texts(
    order_answers.exec_details(
        -1,
        WHO,
        make_execution("4", "149"),
        Told("0001.01.01.01", STOCK, "DU1", MINE, Decimal(4), Decimal(149)),
        ("UTC", VERSION),
    )
)
PAID = ["59", "1", "0001.01.01.01", "1.5", "INR", "", "", ""]
ENDED = texts(order_answers.completed_order(900, ORDER, State("Cancelled"), VERSION))
MESSAGES = (SHOWN, STATED, FILLED, PAID, ENDED)
WORDS = (
    *("", "x", "-1", "0", "nan", "inf", "-inf", "1e309", "1.7976931348623157E308", "-5.5"),
    *("2147483647", "99999999999999999999", "1e30", "0x1", "٣", "\\xff", "a" * 5000, "20261301"),
)
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
ODD = st.one_of(st.sampled_from(WORDS), st.text(LETTERS, max_size=12))


@st.composite
def wrong(draw, messages=MESSAGES):
    fields = list(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(1, max(1, len(fields) - 1)))
        action = draw(st.sampled_from(("write", "write", "write", "remove", "add", "end")))
        if action in {"write", "remove"}:
            del fields[at : at + 1]
        if action in {"write", "add"}:
            fields.insert(at, draw(ODD))
        if action == "end":
            del fields[at:]
    return fields


class Gateway:
    """The library's decoder before our own record; counts what it could not read."""

    def __init__(self):
        self.book = Book("DU1", client_id=1)
        self.lost = []
        self.wire = Wire(self.book, Answers(), self, self._now, Pushed())
        self.decoder = ibx.decoder.Decoder(self.wire, VERSION)

    def _now(self):
        return Moment(AT, 0.0)

    def heard(self, track, error=None):
        """As the session: watches are told."""

    def said_of_link(self, meaning, sentence):
        """As the session."""

    def say(self, *messages):
        """Until one cannot be read: the link is over then."""
        for fields in messages:
            if not self.lost:
                self.decoder.interpret(fields)

    def reports(self):
        tracks = self.book.shown()
        all_executions(tracks, instrument_of, 9.0)
        for track in tracks:
            open_orders_of(track, instrument_of, 9.0)
        return [each for track in tracks for each in reports_of(track, instrument_of, 9.0)]


@pytest.fixture
def unread():
    """What `IbkrBroker` listens to."""
    handler = logging.Handler(level=logging.ERROR)
    gateways = []
    handler.emit = lambda record: [each.lost.append(record.getMessage()) for each in gateways]
    log = logging.getLogger(DECODER_LOG)
    log.addHandler(handler)
    yield gateways
    log.removeHandler(handler)


def gateway(unread):
    unread[:] = [Gateway()]
    return unread[0]


@BOUNDED
@given(wrong(), st.lists(st.sampled_from(MESSAGES), max_size=3))
def test_whatever_a_message_says_the_record_can_be_told(unread, fields, after):
    one = gateway(unread)
    one.say(SHOWN, fields, *after)
    for report in one.reports():
        assert report.filled_quantity.is_finite()
        words = ENDINGS & {word for each in (fields, *after) for word in each}
        if report.client_order_id == MINE and not words and report.filled_quantity < 10:
            assert report.status in {OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED}


@pytest.mark.parametrize("shares", ["nan", "inf", "-4", "1e400"])
def test_a_fill_of_no_size_ends_the_link_and_is_not_taken_for_one_that_was_taken_back(
    unread, shares
):
    one = gateway(unread)
    fields = list(FILLED)
    fields[fields.index("4")] = shares
    fields[fields.index("0001.01.01.01")] = "0001.01.01.02"
    one.say(SHOWN, FILLED, fields)
    assert one.lost
    assert [each.filled_quantity for each in one.reports()] == [4]
