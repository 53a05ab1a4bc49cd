from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.domain.square_off import SquareOff

read = TypeAdapter(SquareOff).validate_python
MUMBAI = read("Asia/Kolkata 15:20 1-5")
NEW_YORK = read("America/New_York 15:50 1-5")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_typed_form_and_fields_are_the_same():
    fields = {"timezone": "Asia/Kolkata", "at": "15:20", "days": [1, 2, 3, 4, 5]}
    assert MUMBAI == read(fields) == read("Asia/Kolkata 15:20")
    assert read("UTC 16:00 1-3,5").days == (1, 2, 3, 5)


@pytest.mark.parametrize(
    "typed",
    [
        "15:20",
        "Asia/Kolkata",
        "Asia/Bombay2 15:20",
        "../etc/passwd 15:20",
        "UTC 24:00",
        "UTC 15:20 0-5",
        "UTC 15:20 5-1",
        "UTC 15:20 mon",
    ],
)
def test_what_is_no_time_of_an_exchange_is_refused(typed):
    with pytest.raises(ValidationError):
        read(typed)


def test_it_is_due_from_its_minute_until_it_was_begun():
    # Monday 23 November 2026; 15:20 in Mumbai is 09:50 UTC.
    moment = at("2026-11-23T09:50")
    assert MUMBAI.due(LONG_AGO, moment - timedelta(seconds=1)) is None
    assert MUMBAI.due(LONG_AGO, moment) == moment
    assert MUMBAI.due(None, moment + timedelta(hours=2)) == moment
    assert MUMBAI.due(moment, moment + timedelta(hours=2)) is None
    assert MUMBAI.due(moment, moment + timedelta(days=1)) == moment + timedelta(days=1)


def test_what_was_missed_for_long_is_not_made_up_for():
    moment = at("2026-11-23T09:50")
    assert MUMBAI.due(LONG_AGO, moment + timedelta(hours=6)) == moment
    assert MUMBAI.due(LONG_AGO, moment + timedelta(hours=6, seconds=1)) is None


def test_it_rests_on_other_days():
    # Saturday 28 November 2026.
    assert MUMBAI.due(LONG_AGO, at("2026-11-28T10:00")) is None


def test_where_it_was_set_today_after_its_minute_it_waits_for_the_next():
    seen_first = at("2026-11-23T10:30")
    assert MUMBAI.due(seen_first, at("2026-11-23T10:31")) is None
    assert MUMBAI.due(seen_first, at("2026-11-24T09:50")) == at("2026-11-24T09:50")


def test_the_exchanges_clock_counts_in_summer_and_winter():
    # 15:50 in New York: 20:50 UTC in winter, 19:50 from Sunday 8 March 2026 on.
    assert NEW_YORK.due(LONG_AGO, at("2026-03-06T20:50")) == at("2026-03-06T20:50")
    assert NEW_YORK.due(LONG_AGO, at("2026-03-09T19:49")) is None
    assert NEW_YORK.due(LONG_AGO, at("2026-03-09T19:50")) == at("2026-03-09T19:50")


def test_a_minute_that_the_clock_skips_or_repeats_is_one_moment():
    # New York skips 02:00-03:00 on 8 March 2026 and repeats 01:00-02:00 on 1 November.
    skipped = read("America/New_York 02:30 7")
    assert skipped.due(LONG_AGO, at("2026-03-08T09:00")) == at("2026-03-08T07:30")
    twice = read("America/New_York 01:30 7")
    assert twice.due(LONG_AGO, at("2026-11-01T06:45")) == at("2026-11-01T05:30")
    assert twice.due(at("2026-11-01T05:30"), at("2026-11-01T06:45")) is None


def test_just_after_midnight_it_is_still_yesterdays():
    late = read("America/New_York 23:59 5")
    # Friday 20 November 2026, 23:59 in New York.
    assert late.due(LONG_AGO, at("2026-11-21T05:10")) == at("2026-11-21T04:59")


@given(
    st.sampled_from(["Asia/Kolkata", "America/New_York", "Europe/London", "Australia/Lord_Howe"]),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 364 * 24),
)
def test_who_asks_every_hour_closes_once_a_day(zone, hour, minute, start):
    chosen = SquareOff(timezone=zone, at=f"{hour:02}:{minute:02}", days=tuple(range(1, 8)))
    now = LONG_AGO + timedelta(hours=start)
    last, begun = now, []
    for _ in range(24 * 5):
        found = chosen.due(last, now)
        if found is not None:
            begun.append(found)
            last = found
        now += timedelta(hours=1)
    assert len(begun) in {4, 5, 6}
    assert len({each.astimezone(UTC).date() for each in begun}) >= len(begun) - 1
