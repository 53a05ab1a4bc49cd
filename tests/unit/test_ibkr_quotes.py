"""Prices out of the rows of a snapshot: dated by what was said, or not at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.ibkr.asking import _quote
from tests.support.builders import make_instrument

BID, ASK, LAST, LAST_TIME = 1, 2, 4, 45
AAPL = make_instrument("AAPL")
DAY_BEFORE = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


def test_a_last_price_is_of_the_time_of_its_trade():
    seconds = str(int(DAY_BEFORE.timestamp()))
    quote = _quote(AAPL, [(LAST, 230.1), (LAST_TIME, seconds), (BID, 99.0)])
    assert (quote.price, quote.as_of) == (Decimal("230.1"), DAY_BEFORE)


def test_a_last_price_without_its_time_is_not_of_now():
    assert _quote(AAPL, [(LAST, 230.1)]) is None
    assert _quote(AAPL, [(LAST, 230.1), (LAST_TIME, "0")]) is None
    quote = _quote(AAPL, [(LAST, 230.1), (BID, 229.0), (ASK, 229.5)])
    assert quote.price == Decimal("229.25")
    assert datetime.now(UTC) - quote.as_of < timedelta(minutes=1)


def test_a_side_that_has_no_price_makes_none():
    assert _quote(AAPL, [(BID, -1.0), (ASK, 229.5)]) is None
