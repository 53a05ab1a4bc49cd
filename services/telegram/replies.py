"""What goes between the bot and the commands: plain values, no library."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from services.telegram.texts import MOST_LETTERS, letters

_MORE: Final = "\n… and more"


class Incoming(NamedTuple):
    """A message, or a press of a button.

    Attributes:
        is_private: from a chat with one person; in groups nobody knows who reads and types.
        text: what was typed, or what the button carries.
        sent_at: when it was typed; None of a button.
    """

    chat_id: int
    is_private: bool
    name: str
    text: str
    sent_at: datetime | None = None


class Button(NamedTuple):
    """Something to press; `data` comes back."""

    text: str
    data: str


class Offer(NamedTuple):
    """What an alert says in place of its text, and what can be pressed below it."""

    text: str
    buttons: tuple[Button, ...]


class Reply(NamedTuple):
    """One message back; `follow` is a kill run whose proof is shown in it as it comes."""

    html: str
    buttons: tuple[Button, ...] = ()
    follow: str = ""


class Answers(Protocol):
    """Whoever knows what to answer; it may block, and is never called in the loop."""

    def text(self, incoming: Incoming) -> list[Reply]:
        """To a message; nothing to a stranger."""

    def press(self, incoming: Incoming) -> list[Reply]:
        """To a button."""

    def proof(self, run_id: str) -> tuple[str, bool]:
        """How far a kill has come, and whether that is all."""


def reply(title: str, lines: Iterable[str] = (), buttons: tuple[Button, ...] = ()) -> Reply:
    """A message of a bold title and plain lines; whole lines, as many as fit."""
    text = f"<b>{html.escape(title, quote=False)}</b>"
    for line in lines:
        more = f"\n{html.escape(line, quote=False)}"
        if letters(f"{text}{more}{_MORE}") > MOST_LETTERS:
            text += _MORE
            break
        text += more
    return Reply(text, buttons)
