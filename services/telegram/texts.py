"""Messages: one event in full, several as a summary that fits; everything escaped. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.domain.notifications import Event, EventKind

#: Letters that Telegram takes in one message, counted as it does: in UTF-16.
MOST_LETTERS: Final = 4096
_MOST_LINES: Final = 20
#: Letters of a line that counts what is left out.
_COUNT: Final = 30
#: Of one event in full, by channels that are no chat.
_LONGEST_PLAIN: Final = 20_000
_ONE_MANY: Final = {
    EventKind.INCIDENT_OPENED: ("incident", "incidents"),
    EventKind.INCIDENT_CLEARED: ("incident cleared", "incidents cleared"),
    EventKind.FILL: ("fill", "fills"),
    EventKind.DENIAL: ("denial", "denials"),
    EventKind.REJECTION: ("rejection", "rejections"),
    EventKind.EXPIRY: ("expiry", "expiries"),
    EventKind.APPROVAL_WAITING: ("approval", "approvals"),
    EventKind.KILL_REQUESTED: ("kill requested", "kills requested"),
    EventKind.KILL_PROVEN: ("kill proven", "kills proven"),
    EventKind.KILL_NOT_PROVEN: ("kill NOT proven", "kills NOT proven"),
    EventKind.CONTROL_CHANGED: ("control changed", "controls changed"),
    EventKind.ALLOCATION_PROPOSED: ("allocation proposed", "allocations proposed"),
    EventKind.ALLOCATION_APPROVED: ("allocation approved", "allocations approved"),
    EventKind.SERVICE_DOWN: ("service down", "services down"),
    EventKind.SERVICE_UP: ("service up", "services up"),
    EventKind.DAILY_REPORT: ("daily report", "daily reports"),
    EventKind.CHANNEL_DISABLED: ("channel disabled", "channels disabled"),
    EventKind.TEST: ("test", "tests"),
}
#: What a person must read first.
_FIRST: Final = (
    EventKind.KILL_NOT_PROVEN,
    EventKind.SERVICE_DOWN,
    EventKind.INCIDENT_OPENED,
    EventKind.KILL_REQUESTED,
    EventKind.APPROVAL_WAITING,
    EventKind.REJECTION,
    EventKind.DENIAL,
)


class Frame(NamedTuple):
    """What every message has.

    Attributes:
        mode: PAPER or LIVE: of the system.
        public_url: of the user interface; "" = messages have no links.
        repeated: whether they may have been sent before: nobody has heard the answer.
    """

    mode: str
    public_url: str = ""
    repeated: bool = False


class Message(NamedTuple):
    """Title and body in plain text."""

    title: str
    body: str


def letters(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def as_html(events: Sequence[Event], frame: Frame) -> str:
    """A Telegram message; never too long, and never broken off inside a tag."""
    if len(events) == 1:
        return _one(events[0], frame)
    head = f"<b>{_head(frame, f'{len(events)} events')}</b>"
    link = _link("/settings/notifications", frame)
    rest = "\nThe whole list is in the history."
    room = MOST_LETTERS - letters(f"{head}{rest}{link}")
    return f"{head}{_fitted(_groups(events), room)}{rest}{link}"


def as_plain(events: Sequence[Event], frame: Frame) -> Message:
    """The same for channels that know no HTML, at the same length."""
    if len(events) == 1:
        event = events[0]
        link = f"{frame.public_url}{event.link}" if frame.public_url and event.link else ""
        body = "\n".join(part for part in (cut(event.text, _LONGEST_PLAIN), link) if part)
        return Message(_head(frame, event.title), body or event.title)
    lines: list[str] = []
    for name, titles in _groups(events):
        lines += [name, *(f"• {title}" for title in titles[:_MOST_LINES])]
        if len(titles) > _MOST_LINES:
            lines.append(f"… and {len(titles) - _MOST_LINES} more")
    return Message(_head(frame, f"{len(events)} events"), cut("\n".join(lines), MOST_LETTERS))


def cut(text: str, most: int) -> str:
    """The beginning of a plain text."""
    if letters(text) <= most:
        return text
    kept = text[: most - 1]
    while letters(kept) > most - 1:
        kept = kept[: -(letters(kept) - most + 1)]
    return f"{kept}…"


def escaped(text: str, most: int) -> str:
    """The beginning of a text, escaped, at most so long after that."""
    whole = html.escape(text, quote=False)
    while letters(whole) > most:
        if letters(text) <= 1:
            return ""
        text = cut(text, max(1, letters(text) - max(1, (letters(whole) - most) // 5)))
        whole = html.escape(text, quote=False)
    return whole


def _head(frame: Frame, text: str) -> str:
    again = " · may be a repeat" if frame.repeated else ""
    return f"{frame.mode}{again} · {text}"


def _one(event: Event, frame: Frame) -> str:
    head = f"<b>{escaped(_head(frame, event.title), 1000)}</b>"
    link = _link(event.link, frame)
    room = MOST_LETTERS - letters(f"{head}{link}") - 1
    text = f"\n{escaped(event.text, room)}" if event.text else ""
    return f"{head}{text}{link}"


def _link(path: str, frame: Frame) -> str:
    if not frame.public_url or not path:
        return ""
    return f'\n<a href="{html.escape(frame.public_url.rstrip("/") + path)}">open</a>'


def _groups(events: Sequence[Event]) -> list[tuple[str, list[str]]]:
    """Titles by kind and subject, each group with its name: `12 fills in SPX_1-D_Opt`."""
    found: dict[tuple[EventKind, str], list[str]] = {}
    for event in events:
        found.setdefault((event.kind, event.subject), []).append(event.title)
    rank = {kind: place for place, kind in enumerate(_FIRST)}
    keys = sorted(found, key=lambda key: rank.get(key[0], len(rank)))
    return [(_name(*key, len(found[key])), found[key]) for key in keys]


def _name(kind: EventKind, subject: str, count: int) -> str:
    word = _ONE_MANY[kind][count > 1]
    return f"{count} {word} {subject}".rstrip()


def _fitted(groups: list[tuple[str, list[str]]], room: int) -> str:
    """Groups with as many of their lines as fit; each has room for the count of what does not."""
    names = [f"\n\n<b>{escaped(name, 200)}</b>" for name, _ in groups]
    room -= _COUNT
    while sum(letters(name) + _COUNT for name in names) > room:
        names.pop()  # more groups than a message holds
    room -= sum(letters(name) + _COUNT for name in names)
    text = ""
    for name, (_, titles) in zip(names, groups, strict=False):
        text += name
        for place, title in enumerate(titles):
            line = f"\n• {escaped(title, 300)}"
            if place == _MOST_LINES or letters(line) > room:
                text += f"\n… and {len(titles) - place} more"
                break
            text += line
            room -= letters(line)
    left = len(groups) - len(names)
    return f"{text}\n\n… and {left} kinds more" if left else text
