"""When an exchange opens and closes next, over weekends and changes of the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.execution.sessions import session_of
from tests.support.builders import make_instrument

SETTLED = timedelta(seconds=5)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def session(exchange=None, currency="INR"):
    return session_of(make_instrument("X", exchange=exchange, currency=currency))


@pytest.mark.parametrize(
    ("moment", "opens", "closes"),
    [
        # 09:15 and 15:30 in Kolkata are 03:45 and 10:00 UTC; 2026-11-20 is a Friday.
        ("2026-11-19 05:00", "2026-11-20 03:45", "2026-11-19 10:00"),
        ("2026-11-20 10:00", "2026-11-23 03:45", "2026-11-23 10:00"),
        ("2026-11-22 12:00", "2026-11-23 03:45", "2026-11-23 10:00"),
        ("2026-11-23 03:44", "2026-11-23 03:45", "2026-11-23 10:00"),
    ],
)
def test_india_opens_on_the_next_working_day(moment, opens, closes):
    assert session("NSE").opens_after(utc(moment)) == utc(opens) + SETTLED
    assert session("NFO").closes_after(utc(moment)) == utc(closes)


def test_new_york_follows_its_own_clock():
    new_york = session(currency="USD")
    assert new_york.opens_after(utc("2026-07-01 21:00")) == utc("2026-07-02 13:30") + SETTLED
    assert new_york.opens_after(utc("2026-12-01 22:00")) == utc("2026-12-02 14:30") + SETTLED


def test_commodities_trade_into_the_night():
    assert session("MCX").is_open(utc("2026-11-20 17:00"))
    assert not session("NSE").is_open(utc("2026-11-20 17:00"))
    assert not session("MCX").is_open(utc("2026-11-21 05:00"))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([("NSE", "INR"), ("CDS", "INR"), ("MCX", "INR"), (None, "USD")]),
)
def test_a_day_opens_and_closes_in_turn(moment, where):
    found = session(*where)
    opens, closes = found.opens_after(moment), found.closes_after(moment)
    assert moment < closes
    assert moment < opens
    assert opens - moment < timedelta(days=4)
    assert found.is_open(moment) is (closes < opens)
    assert found.is_open(opens)
