"""Kite's clock: naive times of India, to the second."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

#: India has no summer time.
INDIA: Final = timezone(timedelta(hours=5, minutes=30), "IST")
#: Lists of instruments of a day are there by then (https://kite.trade/docs/connect/v3/market-quotes).
_LISTED_AFTER: Final = timedelta(hours=8, minutes=30)


def instant(told: object) -> datetime | None:
    """The moment that Kite tells, in UTC; None where it tells none.

    Raises:
        ValueError: that is no time.
    """
    if told is None or told == "":
        return None
    moment = told if isinstance(told, datetime) else datetime.fromisoformat(str(told))
    return moment.replace(tzinfo=moment.tzinfo or INDIA).astimezone(UTC)


def day_begins(now: datetime) -> datetime:
    """When the order book of today began, in UTC."""
    today = now.astimezone(INDIA).replace(hour=0, minute=0, second=0, microsecond=0)
    return today.astimezone(UTC)


def listing_day(now: datetime) -> date:
    """Of which day the newest list of instruments is."""
    return (now.astimezone(INDIA) - _LISTED_AFTER).date()


def token_ends(now: datetime) -> datetime:
    """When an access token that was given now dies, in UTC: at 6 in the morning of India."""
    local = now.astimezone(INDIA)
    six = local.replace(hour=6, minute=0, second=0, microsecond=0)
    return (six if local < six else six + timedelta(days=1)).astimezone(UTC)
