"""A cursor never leaves out what was not told."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.zerodha.cursor import Told, mark_of, read, text_of
from services.domain.orders import OrderReport
from services.domain.words import OrderStatus
from tests.support.builders import NOW


@given(
    st.dictionaries(st.integers(1, 30), st.tuples(st.integers(0, 60), st.text()), min_size=1),
)
def test_what_moved_lately_is_kept_and_what_did_not_was_told_before(orders):
    told = {
        str(key): Told(mark, NOW + timedelta(seconds=second))
        for key, (second, mark) in orders.items()
    }
    cursor = read(text_of(told))
    assert all(told[key] == each for key, each in cursor.told.items())
    left_out = set(told) - set(cursor.told)
    assert all(told[key].at < cursor.since for key in left_out)


@pytest.mark.parametrize("text", [None, "", "17", "{}", "null", '{"since": "x", "told": {}}', "[]"])
def test_a_cursor_of_somebody_else_begins_from_the_beginning(text):
    assert read(text).since is None
    assert read(text).told == {}


def report(**fields):
    known = {"client_order_id": "MT1", "status": OrderStatus.SUBMITTED, "occurred_at": NOW}
    return OrderReport(**{**known, **fields})


def test_a_mark_is_of_what_is_told_not_of_when():
    assert mark_of(report()) == mark_of(report(occurred_at=NOW + timedelta(seconds=1)))
    assert mark_of(report()) != mark_of(report(filled_quantity=1))
    assert mark_of(report()) != mark_of(report(status=OrderStatus.CANCELED))
