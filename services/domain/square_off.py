"""When a strategy's positions are closed each day, in an exchange's own time: pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from services.domain.values import Frozen

_TYPED: Final = re.compile(r"(?P<timezone>\S+) +(?P<at>\d\d:\d\d)(?: +(?P<days>\S+))?")
_DAYS: Final = re.compile(r"[1-7](-[1-7])?(,[1-7](-[1-7])?)*")
#: A process that was away at the time still closes what is open, but not on the next day.
_GRACE: Final = timedelta(hours=6)


class SquareOff(Frozen):
    """The minute at which positions are closed, on some days of the week.

    Reads the form that people type, too: `Asia/Kolkata 15:20 1-5`.

    Attributes:
        timezone: IANA name, e.g. `Asia/Kolkata`.
        at: `HH:MM` there.
        days: of the week, 1 = Monday to 7 = Sunday (ISO 8601).
    """

    timezone: str
    at: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    days: tuple[int, ...] = (1, 2, 3, 4, 5)

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:  # noqa: ANN401 - whatever is to be checked
        if not isinstance(value, str):
            return value
        found = _TYPED.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"must be like 'Asia/Kolkata 15:20 1-5', was {value!r}")
        days = found["days"]
        fields = {"timezone": found["timezone"], "at": found["at"]}
        return fields | ({"days": _days(days)} if days else {})

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"must be an IANA name such as Asia/Kolkata, was {name!r}") from error
        return name

    @field_validator("days")
    @classmethod
    def _of_the_week(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or not set(days) <= set(range(1, 8)):
            raise ValueError(f"must be some of 1 (Monday) to 7 (Sunday), was {days}")
        return days

    def due(self, last_done: datetime | None, now: datetime) -> datetime | None:
        """The moment whose closing is due now; None = nothing is.

        It stays due until `last_done` says that it was begun, and for six hours at most. The
        caller stores `last_done` with what it begins.

        Args:
            last_done: the moment that was last begun, as this returned it; where none was, when the
                setting was first seen, so that setting it closes nothing at once.
            now: the time, aware.
        """
        last = self._last(now)
        if last is None or now - last > _GRACE:
            return None
        return last if last_done is None or last_done < last else None

    def _last(self, now: datetime) -> datetime | None:
        """The last moment of closing that is not after `now`."""
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        for day in (today, today - timedelta(days=1)):
            moment = self._moment(day)
            if day.isoweekday() in self.days and moment <= now:
                return moment
        return None

    def _moment(self, day: date) -> datetime:
        """In UTC; of a minute that comes twice in autumn the first (PEP 495).

        A minute that the clock skips in spring is the one an hour later.
        """
        local = datetime.combine(day, time.fromisoformat(self.at), ZoneInfo(self.timezone))
        return local.astimezone(UTC)


def _days(typed: str) -> list[int]:
    """`1-5`, `1,3,5` or `1-3,5`."""
    if not _DAYS.fullmatch(typed):
        raise ValueError(f"days must be like 1-5 or 1,3,5, was {typed!r}")
    found: list[int] = []
    for part in typed.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return sorted(set(found))
