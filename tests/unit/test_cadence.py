"""When a strategy is quiet for too long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.dashboard_creator.cadence import silence

WEDNESDAY = datetime(2026, 11, 18, 15, tzinfo=UTC)


def every(step, count=12, last=WEDNESDAY):
    return [last - step * number for number in range(count)]


def working_days(count=25, last=WEDNESDAY):
    """One signal at the same hour of each working day, newest first."""
    found, day = [], last
    while len(found) < count:
        if day.isoweekday() <= 5:
            found.append(day)
        day -= timedelta(days=1)
    return found


def test_a_strategy_that_never_sent_is_not_accused():
    found = silence([], WEDNESDAY)
    assert (found.too_long, found.quiet_s) == (False, None)


def test_few_signals_tell_nothing():
    found = silence(every(timedelta(hours=1), count=5), WEDNESDAY + timedelta(days=30))
    assert (found.too_long, found.normal_s) == (False, None)
    assert "too few" in found.sentence


@pytest.mark.parametrize(
    ("after", "too_long"),
    [
        (timedelta(hours=30), False),
        (timedelta(hours=35), False),  # 1.5 × 24 hours are 36
        (timedelta(hours=37), True),
        (timedelta(days=5), True),
    ],
)
def test_a_daily_strategy_is_missed_the_next_day(after, too_long):
    assert silence(working_days(), WEDNESDAY + after).too_long is too_long


def test_a_weekend_is_not_quiet():
    friday = WEDNESDAY + timedelta(days=2)
    monday = friday + timedelta(days=3, hours=10)
    found = silence(working_days(last=friday), monday)
    assert found.quiet_s == 34 * 3600  # 9 hours of Friday, 25 of Monday: 82 less 48
    assert not found.too_long


def test_whoever_sends_on_weekends_is_missed_on_them():
    sunday = datetime(2026, 11, 15, 15, tzinfo=UTC)
    times = every(timedelta(hours=6), count=30, last=sunday)
    assert silence(times, sunday + timedelta(hours=10)).too_long
    assert not silence(times, sunday + timedelta(hours=8)).too_long


def test_a_busy_strategy_may_rest_for_an_hour():
    times = every(timedelta(seconds=10), count=30)
    assert not silence(times, WEDNESDAY + timedelta(minutes=59)).too_long
    assert silence(times, WEDNESDAY + timedelta(minutes=61)).too_long


def test_one_accident_is_not_a_habit():
    times = every(timedelta(hours=2), count=12)
    times += [each - timedelta(days=60) for each in times]
    found = silence(times, WEDNESDAY + timedelta(hours=5))
    assert (found.normal_s, found.too_long) == (2 * 3600, True)
