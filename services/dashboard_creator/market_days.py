"""Which days the exchanges of a broker are closed, and what is near its end. Pure but for a list.

Holidays are those of the `holidays` package for the NYSE and the NSE; other exchanges of a broker
may trade on them, and half days are not known, so a holiday warns and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from holidays import financial_holidays


class Market(NamedTuple):
    """The exchange that a broker's days are counted by."""

    name: str
    calendar: str
    zone: ZoneInfo


_NEW_YORK: Final = Market("the NYSE", "NYSE", ZoneInfo("America/New_York"))
_MUMBAI: Final = Market("the NSE", "XNSE", ZoneInfo("Asia/Kolkata"))
MARKETS: Final = {"IBKR": _NEW_YORK, "ZERODHA": _MUMBAI}
#: Kite's tokens end then: https://kite.trade/docs/connect/v3/user/#login-flow
_TOKENS_END: Final = time(6)
#: Contracts that end within so many days want a person's look.
SOON_DAYS: Final = 5


def closed_today(broker: str, now: datetime) -> str | None:
    """Why the broker's exchange is closed today; None where it trades, or nothing is known."""
    market = MARKETS.get(broker)
    if market is None:
        return None
    today = now.astimezone(market.zone).date()
    if today.weekday() >= 5:
        return f"{market.name} is closed: it is {today:%A} there"
    holiday = _holidays(market.calendar, today.year).get(today)
    return f"{market.name} is closed today: {holiday}" if holiday else None


def token_ended(stored_at: datetime, now: datetime) -> bool:
    """Whether a token of Kite's, stored then, has ended: each morning at six in India."""
    zone = _MUMBAI.zone
    ends = datetime.combine(stored_at.astimezone(zone).date(), _TOKENS_END, zone)
    if stored_at >= ends:
        ends += timedelta(days=1)
    return now >= ends


def expiring(positions: Iterable[Mapping[str, Any]], today: date) -> list[tuple[str, int]]:
    """Symbol and days left of what is held and ends soon, or has ended; the soonest first."""
    found = set()
    for position in positions:
        instrument = position["instrument"]
        expiry = instrument.get("expiry")
        if expiry is not None:
            left = (date.fromisoformat(str(expiry)[:10]) - today).days
            if left <= SOON_DAYS:
                found.add((str(instrument["symbol"]), left))
    return sorted(found, key=lambda each: (each[1], each[0]))


@cache
def _holidays(calendar: str, year: int) -> Mapping[date, str]:
    return financial_holidays(calendar, years=year)
