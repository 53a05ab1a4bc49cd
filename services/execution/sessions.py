"""When exchanges trade: pure, and only as exact as guards need it that live for one day.

Holidays are not known here. What is placed on one is refused by the broker, told, and tried again
on the next trading day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.domain.instruments import Instrument

_SATURDAY: Final = 6
#: Clocks differ, and an exchange opens when it opens.
_SETTLED: Final = timedelta(seconds=5)


class Session(NamedTuple):
    """The trading hours of an exchange, Monday to Friday, in its own time zone."""

    timezone: str
    opens: time
    closes: time

    def opens_after(self, moment: datetime) -> datetime:
        """The first opening after a moment; UTC."""
        return self._first(self.opens, moment) + _SETTLED

    def closes_after(self, moment: datetime) -> datetime:
        """The first end of a trading day after a moment; UTC."""
        return self._first(self.closes, moment)

    def is_open(self, moment: datetime) -> bool:
        """Whether it trades at a moment, as far as the day of the week says."""
        return self.closes_after(moment) < self._first(self.opens, moment)

    def _first(self, at: time, moment: datetime) -> datetime:
        day: date = moment.astimezone(ZoneInfo(self.timezone)).date()
        while True:
            found = datetime.combine(day, at, ZoneInfo(self.timezone)).astimezone(UTC)
            if day.isoweekday() < _SATURDAY and found > moment:
                return found
            day += timedelta(days=1)


_INDIA: Final = Session("Asia/Kolkata", time(9, 15), time(15, 30))
_NEW_YORK: Final = Session("America/New_York", time(9, 30), time(16, 0))
_SESSIONS: Final[dict[str, Session]] = {
    **dict.fromkeys(("NSE", "BSE", "NFO", "BFO"), _INDIA),
    **dict.fromkeys(("CDS", "BCD"), Session("Asia/Kolkata", time(9, 0), time(17, 0))),
    "MCX": Session("Asia/Kolkata", time(9, 0), time(23, 30)),
}


def session_of(instrument: Instrument) -> Session:
    """Of the exchange that it names, else of the one that its currency suggests."""
    fallback = _INDIA if instrument.currency == "INR" else _NEW_YORK
    return _SESSIONS.get(instrument.exchange or "", fallback)
