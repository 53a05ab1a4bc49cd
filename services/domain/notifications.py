"""What people are told, who may be told it, and how loudly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from services.domain.users import Role
from services.domain.values import Frozen, Instant

_CLOCK: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


class EventKind(StrEnum):
    """What can happen that somebody may want to be told."""

    INCIDENT_OPENED = "INCIDENT_OPENED"
    INCIDENT_CLEARED = "INCIDENT_CLEARED"
    FILL = "FILL"
    DENIAL = "DENIAL"  # refused by us: a signal by Cerebro, an order at the last gate
    REJECTION = "REJECTION"  # refused by the broker
    EXPIRY = "EXPIRY"
    APPROVAL_WAITING = "APPROVAL_WAITING"
    KILL_REQUESTED = "KILL_REQUESTED"
    KILL_PROVEN = "KILL_PROVEN"
    KILL_NOT_PROVEN = "KILL_NOT_PROVEN"
    CONTROL_CHANGED = "CONTROL_CHANGED"
    ALLOCATION_PROPOSED = "ALLOCATION_PROPOSED"
    ALLOCATION_APPROVED = "ALLOCATION_APPROVED"
    SERVICE_DOWN = "SERVICE_DOWN"
    SERVICE_UP = "SERVICE_UP"
    DAILY_REPORT = "DAILY_REPORT"
    CHANNEL_DISABLED = "CHANNEL_DISABLED"  # one of the person's own channels; only in the history
    TEST = "TEST"  # asked for by the person


class Loudness(StrEnum):
    """How a person is told."""

    ON = "ON"
    SILENT = "SILENT"  # Telegram without a sound; channels that know no silence get nothing
    OFF = "OFF"


class ChannelKind(StrEnum):
    """How a notification leaves."""

    TELEGRAM = "TELEGRAM"
    APPRISE = "APPRISE"  # a URL that apprise understands: mail, Slack, push, SMS …


#: Kinds that nobody sets: they are answers to the person themselves.
PERSONAL: Final = frozenset({EventKind.CHANNEL_DISABLED, EventKind.TEST})
#: Kinds that a person can set.
SETTABLE: Final = tuple(kind for kind in EventKind if kind not in PERSONAL)
#: Money may be at risk and nobody is looking: these break through quiet hours.
CRITICAL_KINDS: Final = frozenset({EventKind.KILL_NOT_PROVEN, EventKind.SERVICE_DOWN})
#: Kinds of incidents that do the same.
CRITICAL_INCIDENTS: Final = frozenset(
    {
        "BOOKS_BROKEN",
        "BOOKS_DISPUTED",
        "CASH_MISMATCH",
        "DESK_FAILED",
        "EQUITY_JUMP",
        "EXIT_DENIED",
        "EXIT_ENTRY_WORKING",
        "FILL_CONTRADICTED",
        "GROUP_BROKEN",
        "GUARD_LOST",
        "KILL_INCOMPLETE",
        "ORDER_DOUBLED",
        "ORDER_MISSING_AT_BROKER",
        "ORDER_STILL_WORKING",
        "ORDER_UNKNOWN",
        "POSITION_MISMATCH",
        "PROCESS_DIES",
        "REPEATED_EXECUTION",
        "SQUARE_OFF_INCOMPLETE",
    }
)
#: What a developer may be told, of their own strategies.
_OF_DEVELOPERS: Final = frozenset(
    {EventKind.FILL, EventKind.DENIAL, EventKind.REJECTION, EventKind.EXPIRY}
)
_RECEIVABLE: Final[Mapping[Role, frozenset[EventKind]]] = {
    Role.ADMIN: frozenset(SETTABLE),
    Role.OPERATOR: frozenset(SETTABLE),
    Role.DEVELOPER: _OF_DEVELOPERS,
    Role.INVESTOR: frozenset({EventKind.DAILY_REPORT}),
}
#: Where investors find more.
_RESULTS_LINK: Final = "/investor"
#: Good news is in the history and makes no noise, unless somebody wants it to.
_QUIET_BY_DEFAULT: Final = frozenset({EventKind.INCIDENT_CLEARED, EventKind.SERVICE_UP})


class Event(Frozen):
    """Something that happened, as it is told.

    Attributes:
        event_id: the same whenever the same thing is seen: it is what makes a repeat harmless.
        subject: what several of a kind are counted by: `in SPX_1-D_Opt`.
        title: one line, complete in itself.
        text: what follows; may be empty.
        results_text: what investors are told in its place: results, never accounts or positions.
        link: path in the user interface; "" = none.
        strategy_id: whose it is; None = of no strategy in particular.
        critical: it breaks through quiet hours.
        approval_of: signal that waits for a person's answer, which a chat may give below it.
    """

    event_id: str
    kind: EventKind
    at: Instant
    subject: str = ""
    title: str
    text: str = ""
    results_text: str = ""
    link: str = ""
    strategy_id: str | None = None
    critical: bool = False
    approval_of: str = ""


class QuietHours(Frozen):
    """When nothing makes a noise, in the person's own time; an end before the start is next day's.

    Attributes:
        starts: `HH:MM`, the first quiet minute.
        ends: `HH:MM`, the first loud one.
        timezone: IANA name, e.g. `Europe/Berlin`.
        days: days of the week of the start, 1 = Monday to 7 = Sunday (ISO 8601).
    """

    starts: str = Field(pattern=_CLOCK)
    ends: str = Field(pattern=_CLOCK)
    timezone: str = Field(max_length=64)
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("must be an IANA name such as America/New_York") from error
        return name

    @field_validator("days")
    @classmethod
    def _days_of_the_week(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or not set(days) <= set(range(1, 8)):
            raise ValueError("must be some of 1 (Monday) to 7 (Sunday)")
        return tuple(sorted(set(days)))

    @model_validator(mode="after")
    def _some_time(self) -> QuietHours:
        if self.starts == self.ends:
            raise ValueError("must end at another time than they start")
        return self

    def until(self, now: datetime) -> datetime | None:
        """When the quiet hours that hold at `now` end, in UTC; None = it is not quiet.

        An hour that the clock skips counts as the moment of the skip; of one that it shows twice,
        the first is meant.
        """
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        for day in (today - timedelta(days=1), today):
            if day.isoweekday() not in self.days:
                continue
            last = day if self.starts < self.ends else day + timedelta(days=1)
            ends = self._instant(last, self.ends)
            if self._instant(day, self.starts) <= now < ends:
                return ends
        return None

    def _instant(self, day: date, clock: str) -> datetime:
        """A time on a person's wall as an instant."""
        local = datetime.combine(day, time.fromisoformat(clock), ZoneInfo(self.timezone))
        return local.astimezone(UTC)


class NotificationSettings(Frozen):
    """What a person has set; what they have not is as their role has it."""

    kinds: dict[EventKind, Loudness] = Field(default_factory=dict)
    quiet_hours: QuietHours | None = None

    @field_validator("kinds")
    @classmethod
    def _settable(cls, kinds: dict[EventKind, Loudness]) -> dict[EventKind, Loudness]:
        if refused := sorted(PERSONAL & kinds.keys()):
            raise ValueError(f"{refused[0]} cannot be set")
        return kinds

    def loudness(self, kind: EventKind, role: Role) -> Loudness:
        """How a person of that role is told of a kind."""
        if kind in PERSONAL:
            return Loudness.ON
        if kind not in _RECEIVABLE[role]:
            return Loudness.OFF
        default = Loudness.SILENT if kind in _QUIET_BY_DEFAULT else Loudness.ON
        return self.kinds.get(kind, default)


def receivable(role: Role) -> tuple[EventKind, ...]:
    """Kinds that somebody of that role may be told of, in their order."""
    return tuple(kind for kind in SETTABLE if kind in _RECEIVABLE[role])


class Recipient(NamedTuple):
    """Somebody who may be told things.

    Attributes:
        strategies: those that they may be told of; None = all.
    """

    user: str
    role: Role
    strategies: frozenset[str] | None
    settings: NotificationSettings = NotificationSettings()

    def loudness(self, event: Event) -> Loudness:
        """How they are told of it; OFF too where it is not theirs to know."""
        theirs = event.kind in PERSONAL or event.strategy_id in (self.strategies or ())
        if self.role is Role.DEVELOPER and not theirs:
            return Loudness.OFF
        return self.settings.loudness(event.kind, self.role)

    def version_of(self, event: Event) -> Event:
        """An event as they may read it."""
        text = event.results_text if self.role is Role.INVESTOR else event.text
        link = _RESULTS_LINK if self.role is Role.INVESTOR else event.link
        return event.model_copy(update={"text": text, "results_text": "", "link": link})


class Delivery(NamedTuple):
    """How one event goes out by one channel."""

    silent: bool
    not_before: datetime


def delivery(
    event: Event, recipient: Recipient, channel: ChannelKind, now: datetime
) -> Delivery | None:
    """How somebody is told of an event by a channel; None = not by this one.

    Telegram can be silent; what cannot waits until the quiet hours are over.
    """
    loudness = recipient.loudness(event)
    if loudness is Loudness.OFF:
        return None
    quiet = recipient.settings.quiet_hours
    until = None if event.critical or quiet is None else quiet.until(now)
    if channel is ChannelKind.TELEGRAM:
        return Delivery(silent=loudness is Loudness.SILENT or until is not None, not_before=now)
    if loudness is Loudness.SILENT:
        return None
    return Delivery(silent=False, not_before=until or now)
