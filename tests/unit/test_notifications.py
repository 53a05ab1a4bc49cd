"""What people are told, how loudly, and when it is quiet."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from services.domain.notifications import (
    ChannelKind,
    Event,
    EventKind,
    Loudness,
    NotificationSettings,
    QuietHours,
    Recipient,
    delivery,
    receivable,
)
from services.domain.users import Role

NIGHT = QuietHours(starts="22:00", ends="07:00", timezone="Europe/Berlin")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def event(kind=EventKind.FILL, **fields):
    known = {"event_id": "E1", "kind": kind, "at": at("2026-11-22T01:00"), "title": "t"}
    return Event(**known | {"strategy_id": "S1"} | fields)


def of(role, *, strategies=None, quiet=None, **kinds):
    settings = NotificationSettings(kinds=kinds, quiet_hours=quiet)
    return Recipient("olga", role, strategies, settings)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-22T20:59", None),  # 21:59 in Berlin
        ("2026-11-22T21:00", "2026-11-23T06:00"),  # 22:00, winter: UTC+1
        ("2026-11-23T05:59", "2026-11-23T06:00"),
        ("2026-11-23T06:00", None),
        ("2026-07-01T20:00", "2026-07-02T05:00"),  # summer: UTC+2
    ],
)
def test_a_night_goes_over_midnight_in_the_persons_own_time(now, ends):
    assert NIGHT.until(at(now)) == (ends and at(ends))


def test_the_night_of_a_clock_change_is_as_long_as_the_wall_says():
    # 2026-03-29 02:00 CET becomes 03:00 CEST: 07:00 is 05:00 UTC then, 06:00 UTC the day before.
    assert NIGHT.until(at("2026-03-28T23:00")) == at("2026-03-29T05:00")
    assert NIGHT.until(at("2026-03-28T03:00")) == at("2026-03-28T06:00")
    # 2026-10-25 03:00 CEST becomes 02:00 CET.
    assert NIGHT.until(at("2026-10-24T23:00")) == at("2026-10-25T06:00")


def test_a_skipped_hour_ends_with_the_skip_and_a_doubled_one_at_its_first():
    early = QuietHours(starts="01:00", ends="02:30", timezone="Europe/Berlin")
    # 02:30 is not on the clock of that day; it is 03:30 CEST = 01:30 UTC.
    assert early.until(at("2026-03-29T00:30")) == at("2026-03-29T01:30")
    # 02:30 comes twice: first as CEST = 00:30 UTC.
    assert early.until(at("2026-10-25T00:15")) == at("2026-10-25T00:30")
    assert early.until(at("2026-10-25T00:45")) is None


def test_days_are_those_on_which_the_quiet_begins():
    weekdays = QuietHours(starts="22:00", ends="07:00", timezone="UTC", days=(1, 2, 3, 4, 5))
    assert weekdays.until(at("2026-11-21T03:00")) == at("2026-11-21T07:00")  # began on Friday
    assert weekdays.until(at("2026-11-21T23:00")) is None  # would begin on Saturday
    assert weekdays.until(at("2026-11-23T03:00")) is None  # would have begun on Sunday


@pytest.mark.parametrize(
    "wrong",
    [{"timezone": "Mars/Olympus"}, {"starts": "25:00"}, {"days": (8,)}, {"ends": "22:00"}],
)
def test_quiet_hours_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        QuietHours(**NIGHT.model_dump() | wrong)


NOW = at("2026-11-22T23:00")  # midnight in Berlin


def test_at_night_telegram_is_silent_and_mail_waits():
    olga = of(Role.OPERATOR, quiet=NIGHT)
    assert delivery(event(), olga, ChannelKind.TELEGRAM, NOW) == (True, NOW)
    assert delivery(event(), olga, ChannelKind.APPRISE, NOW) == (False, at("2026-11-23T06:00"))


def test_what_is_critical_breaks_through_the_night():
    olga = of(Role.OPERATOR, quiet=NIGHT)
    urgent = event(EventKind.KILL_NOT_PROVEN, critical=True)
    for channel in ChannelKind:
        assert delivery(urgent, olga, channel, NOW) == (False, NOW)


def test_silent_is_without_a_sound_and_only_where_that_can_be():
    olga = of(Role.OPERATOR, FILL=Loudness.SILENT)
    assert delivery(event(), olga, ChannelKind.TELEGRAM, NOW) == (True, NOW)
    assert delivery(event(), olga, ChannelKind.APPRISE, NOW) is None
    off = of(Role.OPERATOR, FILL=Loudness.OFF)
    assert delivery(event(), off, ChannelKind.TELEGRAM, NOW) is None


def test_a_developer_is_told_of_own_strategies_only():
    mine = of(Role.DEVELOPER, strategies=frozenset({"S1"}))
    assert mine.loudness(event()) is Loudness.ON
    assert mine.loudness(event(strategy_id="S2")) is Loudness.OFF
    assert mine.loudness(event(strategy_id=None)) is Loudness.OFF
    for kind in (EventKind.INCIDENT_OPENED, EventKind.KILL_REQUESTED, EventKind.DAILY_REPORT):
        assert mine.loudness(event(kind)) is Loudness.OFF
    assert mine.loudness(event(EventKind.TEST, strategy_id=None)) is Loudness.ON


def test_nobody_gets_more_by_setting_it():
    investor = of(Role.INVESTOR, FILL=Loudness.ON, INCIDENT_OPENED=Loudness.ON)
    told = [kind for kind in receivable(Role.ADMIN) if investor.loudness(event(kind)) != "OFF"]
    assert told == [EventKind.DAILY_REPORT] == list(receivable(Role.INVESTOR))
