"""Stretches of time that are looked through from the latest back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.common.stretches import back_from

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CHECKS = {
    "$gte": lambda at, bound: at >= bound,
    "$lt": lambda at, bound: at < bound,
    "$lte": lambda at, bound: at <= bound,
}


def having(stretches, at):
    """Places of the stretches that a time is in."""
    return [
        place
        for place, stretch in enumerate(stretches)
        if all(CHECKS[name](at, bound) for name, bound in stretch.items())
    ]


@given(seconds=st.floats(-1e8, 1e9), later_too=st.booleans())
def test_every_time_is_in_one_stretch_and_the_later_in_the_earlier(seconds, later_too):
    stretches = list(back_from(NOW, later_too=later_too))
    at = NOW - timedelta(seconds=seconds)
    found = having(stretches, at)
    assert len(found) == (1 if at <= NOW or later_too else 0)
    later = having(stretches, min(NOW, at + timedelta(hours=1)))
    assert not found or later <= found


def test_what_was_a_moment_ago_is_found_in_little():
    first = next(back_from(NOW))
    assert first == {"$gte": NOW - timedelta(seconds=5), "$lte": NOW}
