"""Equity over time as it is shown. Pure.

A day's return leaves out what was paid, at the look that had it (`performance.day_return`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from services.account_data.views import Amount
from services.domain.errors import Declined
from services.domain.performance import day_return
from services.domain.values import Frozen, Instant

#: What is shown where nobody says since when.
_DAYS: Final = timedelta(days=365)
_HOURS: Final = timedelta(days=14)
_MINUTES: Final = timedelta(days=1)


class Resolution(StrEnum):
    """How far apart points are."""

    DAY = "DAY"
    HOUR = "HOUR"
    MINUTE = "MINUTE"


class DayView(Frozen):
    """A day (UTC) of an equity.

    Attributes:
        flows: what was paid in, less what was paid out, as far as it was entered.
        return_ratio: gain of the day, a fraction of the day before; None of the first day, or where
            that was not above 0.
    """

    date: str
    open: Amount
    high: Amount
    low: Amount
    close: Amount
    flows: Amount
    return_ratio: Amount | None
    as_of: Instant


class PointView(Frozen):
    """One look."""

    at: Instant
    equity: Amount


class CurveView(Frozen):
    """Equity over time; `days` for DAY, else `points`, of which two weeks are kept.

    Figures that are doubted are no part of it.
    """

    account_id: str | None = None
    account_type: str | None = None
    currency: str | None
    resolution: Resolution
    days: tuple[DayView, ...] = ()
    points: tuple[PointView, ...] = ()


class Span(NamedTuple):
    """From when to when."""

    first: datetime
    last: datetime


def span_of(
    first: datetime | None, last: datetime | None, resolution: Resolution, now: datetime
) -> Span:
    """What is asked for. Raises: Declined: it ends before it begins, or is no time of UTC."""
    last = _in_utc(last or now, "to")
    length = {Resolution.DAY: _DAYS, Resolution.HOUR: _HOURS, Resolution.MINUTE: _MINUTES}
    if first is None:
        earliest = datetime.min.replace(tzinfo=UTC)
        first = max(last, earliest + length[resolution]) - length[resolution]
    first = _in_utc(first, "from")
    if first > last:
        raise Declined(
            "WRONG_SPAN",
            f"from must not be later than to, was {first:%Y-%m-%d %H:%M} and "
            f"{last:%Y-%m-%d %H:%M} UTC",
            field="from",
        )
    return Span(first, last)


def _in_utc(moment: datetime, field: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first or the last hours that a calendar has
        raise Declined(
            "WRONG_SPAN",
            f"{field} must be within the years 1 to 9999 in UTC, was {moment.isoformat()}",
            field=field,
        ) from error


def days_of(rows: Sequence[Mapping[str, Any]]) -> tuple[DayView, ...]:
    """Stored days, oldest first, with their returns; another currency begins anew."""
    shown = []
    before: Mapping[str, Any] | None = None
    for row in rows:
        shown.append(
            DayView(
                return_ratio=day_return(before, row),
                **{name: row[name] for name in DayView.model_fields if name in row},
            )
        )
        before = row
    return tuple(shown)


def points_of(rows: Iterable[Mapping[str, Any]], resolution: Resolution) -> tuple[PointView, ...]:
    """Stored looks, oldest first; of an hour the last one."""
    form = "%Y-%m-%dT%H" if resolution is Resolution.HOUR else "%Y-%m-%dT%H:%M"
    last = {f"{row['at']:{form}}": row for row in rows}
    return tuple(PointView(at=row["at"], equity=row["equity"]) for row in last.values())


def currency_of(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the newest; None where there is nothing."""
    return str(rows[-1]["currency"]) if rows else None
