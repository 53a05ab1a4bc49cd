"""What the simulated market is like: its order book, its hours; pure.

With nothing set it is one endless level at the price, open at all hours: orders fill whole.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from services.domain.risk import TradingHours
from services.domain.values import ZERO, Frozen, NonNegative, Positive
from services.domain.words import InstrumentType, Side

_BPS = Decimal(10_000)
_WEEK_AND_A_DAY = 8


def _known_zone(hours: TradingHours) -> TradingHours:
    try:
        ZoneInfo(hours.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {hours.timezone!r}") from error
    return hours


class Market(Frozen):
    """How the market treats orders.

    Attributes:
        spread_bps: between best bid and best ask, of the price, which is their middle.
        depth: units at each level of the book, back with every tick; None = endless.
        levels: how many levels each side has.
        level_step_bps: from one level to the next, away from the middle.
        slippage_bps: what orders without a limit fill worse than the book says.
        latency_ms: from what happened to the answer.
        hours: by instrument type; one that is not named trades at all hours.
    """

    spread_bps: NonNegative = ZERO
    depth: Positive | None = None
    levels: int = Field(5, ge=1, le=100)
    level_step_bps: NonNegative = Decimal(1)
    slippage_bps: NonNegative = ZERO
    latency_ms: float = Field(0, ge=0, le=60_000)
    hours: dict[InstrumentType, Annotated[TradingHours, AfterValidator(_known_zone)]] = Field(
        default_factory=dict
    )

    def closed(self, now: datetime) -> set[InstrumentType]:
        """What does not trade now."""
        return {kind for kind, hours in self.hours.items() if not is_open(hours, now)}


class Level(NamedTuple):
    """One price of the book; `quantity` None = endless."""

    price: Decimal
    quantity: Decimal | None


def levels_for(side: Side, middle: Decimal, market: Market, gone: Decimal) -> list[Level]:
    """What an order of this side finds, best price first.

    Args:
        side: of the order that takes.
        middle: where the market stands.
        market: how it is.
        gone: what others have taken from this side since the last tick.
    """
    best = worse(middle, side, market.spread_bps / 2)
    if market.depth is None:
        return [Level(best, None)]
    found = []
    for number in range(market.levels):
        left = min(market.depth, market.depth * (number + 1) - gone)
        if left > 0:
            found.append(Level(worse(best, side, market.level_step_bps * number), left))
    return found


def worse(price: Decimal, side: Side, bps: Decimal) -> Decimal:
    """A price so much worse for an order of this side, rounded against it to the price's step."""
    if not bps:
        return price
    step = Decimal(1).scaleb(min(int(price.as_tuple().exponent), -2))
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    moved = price * (1 + side.sign * bps / _BPS)
    return max(moved.quantize(step, rounding=rounding), step)


class Session(NamedTuple):
    """One trading session."""

    opens_at: datetime
    closes_at: datetime


def session_of(hours: TradingHours, moment: datetime) -> Session | None:
    """The session that `moment` is in, or else the next; None where no day has one."""
    zone = ZoneInfo(hours.timezone)
    first = moment.astimezone(zone).date() - timedelta(days=1)
    days = (first + timedelta(days=number) for number in range(_WEEK_AND_A_DAY + 1))
    sessions = (_session_on(day, hours, zone) for day in days if day.isoweekday() in hours.days)
    return next((each for each in sessions if each.closes_at > moment), None)


def _session_on(day: date, hours: TradingHours, zone: ZoneInfo) -> Session:
    closing_day = day if hours.opens < hours.closes else day + timedelta(days=1)
    return Session(_at(day, hours.opens, zone), _at(closing_day, hours.closes, zone))


def _at(day: date, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)


def is_open(hours: TradingHours | None, moment: datetime) -> bool:
    """Whether there is trading now."""
    if hours is None:
        return True
    session = session_of(hours, moment)
    return session is not None and session.opens_at <= moment
