"""Who may command what: linked private chats only, by the role of the person, like over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.notification_channels import finish_link, person_of_chat
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError
from services.domain.notifications import Recipient
from services.domain.users import PERMISSIONS, Permission
from services.telegram.acts import (
    ANSWERS,
    APPROVE,
    FLATTEN,
    NO,
    NO_REASON,
    REASON,
    YES,
    Acts,
    signature,
)
from services.telegram.replies import Incoming, Offer, Reply, reply
from services.telegram.views import Views

_log = logging.getLogger(__name__)
#: What lets things go, or changes them, is not done when it arrives later than this.
_FRESH: Final = timedelta(seconds=60)
#: Strangers in the audit log: one line a chat and hour, and so many in all.
_STRANGER_SECONDS: Final = 3600.0
_MOST_STRANGERS: Final = 50
_WRONG_CODES: Final = 5

Doing = Callable[[Recipient, Incoming, str], list[Reply]]


class Command(NamedTuple):
    """One word that people may type.

    Attributes:
        permissions: any of these is enough; a developer sees their own strategies.
        acts: it changes something.
    """

    permissions: frozenset[Permission]
    help: str
    do: Doing
    acts: bool = False


class Commands:
    """Answers to what people type and press."""

    def __init__(self, store: Store, views: Views, acts: Acts) -> None:
        self._store = store
        self._views = views
        self._acts = acts
        self._strangers = Strangers(store)
        self._table = self._commands()

    def text(self, incoming: Incoming) -> list[Reply]:
        """To a message; nothing to a stranger, and nothing in a group."""
        first, _, rest = incoming.text.strip().partition(" ")
        name = first.partition("@")[0].lower()
        if incoming.is_private and name == "/start" and rest.strip():
            return self._link(incoming, rest)
        who = self._who(incoming)
        if who is None:
            return []
        if not name.startswith("/"):
            return self._guarded(who, incoming, "message", lambda: self._words(who, incoming))
        return self._command(who, incoming, name, rest.strip())

    def _command(self, who: Recipient, incoming: Incoming, name: str, words: str) -> list[Reply]:
        command = self._table.get(name.removeprefix("/"))
        if command is None:
            return [self._help(who)]
        if not self._may(who, command.permissions):
            self._refused(who, name)
            return [reply(self._views.title(f"{name}: {who.role} may not do this"))]
        if command.acts and _is_old(incoming):
            lines = [f"It was sent at {incoming.sent_at:%H:%M:%S} UTC. Send it again."]
            return [reply(self._views.title(f"{name} came too late: nothing was done"), lines)]
        return self._guarded(who, incoming, name, lambda: command.do(who, incoming, words))

    def press(self, incoming: Incoming) -> list[Reply]:
        """To a button; the chat is looked at again, whoever the message was for."""
        who = self._who(incoming)
        if who is None:
            return []
        act, _, nonce = incoming.text.partition(":")
        question = self._acts.questions.take(incoming.chat_id, nonce)
        if question is None or question["user"] != who.user:
            return [reply(self._views.title("This question has ended: nothing was done"))]
        return self._guarded(
            who, incoming, "button", lambda: self._pressed(who, incoming, act, question)
        )

    def offer(self, chat_id: int, signal_id: str) -> Offer | None:
        """What whoever reads this chat may press below the alert of a signal that waits."""
        who = person_of_chat(self._store, chat_id)
        if who is None or not self._may(who, _TRADE):
            return None
        return self._acts.offer(who, chat_id, signal_id)

    def proof(self, run_id: str) -> tuple[str, bool]:
        """How far a kill has come, and whether that is all."""
        return self._acts.proof(run_id)

    def _pressed(
        self, who: Recipient, incoming: Incoming, act: str, question: Document
    ) -> list[Reply]:
        if act == NO:
            return [reply(self._views.title("Canceled: nothing was done"))]
        if not self._may(who, _TRADE):  # the role may have changed since
            self._refused(who, str(question["act"]))
            return [reply(self._views.title(f"{who.role} may not do this"))]
        if question["act"] == APPROVE and act in ANSWERS:
            return self._acts.ask_reason(incoming, question, ANSWERS[act])
        if question["act"] == REASON and act == NO_REASON:
            return self._acts.answered(who, question, "")
        if act == YES and question["act"] not in {APPROVE, REASON}:
            return self._acts.confirmed(who, question)
        return [reply(self._views.title("This button does nothing any more"))]

    def _words(self, who: Recipient, incoming: Incoming) -> list[Reply]:
        """A message without a command: a word that confirms, or a reason that is waited for."""
        if not self._may(who, _TRADE) or _is_old(incoming):
            return [self._help(who)]
        first, _, rest = incoming.text.strip().partition(" ")
        if first.upper() == FLATTEN:
            question = self._acts.questions.take_word(incoming.chat_id, FLATTEN, rest.strip())
            if question is None:
                return [reply(self._views.title("That is not the word: nothing was done"))]
            return self._acts.confirmed(who, question)
        question = self._acts.questions.waiting_for_words(incoming.chat_id, REASON)
        if question is None:
            return [self._help(who)]
        return self._acts.answered(who, question, incoming.text)

    def _guarded(
        self, who: Recipient, incoming: Incoming, name: str, work: Callable[[], list[Reply]]
    ) -> list[Reply]:
        try:
            return work()
        except ConfigurationError as error:  # what was asked for cannot be; nothing was changed
            _log.info("%s of %s in chat %s: %s", name, who.user, incoming.chat_id, error)
            return [reply(self._views.title("Not done"), [str(error)])]

    def _link(self, incoming: Incoming, code: str) -> list[Reply]:
        """The one thing that a stranger may do, with a code that the user interface has shown."""
        if not self._strangers.may_try(incoming.chat_id):
            return []
        who = finish_link(self._store, code, chat_id=incoming.chat_id, chat_name=incoming.name[:80])
        if who is None:
            self._strangers.wrong_code(incoming)
            return []
        return [reply(self._views.title(f"This chat is linked to {who.user}"), ["/help"])]

    def _who(self, incoming: Incoming) -> Recipient | None:
        """Whose chat this is; None of a stranger's, and of a group's: nobody knows who types."""
        who = person_of_chat(self._store, incoming.chat_id) if incoming.is_private else None
        if who is None:
            self._strangers.note(incoming)
        return who

    def _may(self, who: Recipient, permissions: frozenset[Permission]) -> bool:
        return bool(PERMISSIONS[who.role] & permissions)

    def _refused(self, who: Recipient, what: str) -> None:
        facts = {"command": what, "role": who.role}
        audit(self._store, "COMMAND_REFUSED", service="telegram", by=signature(who), facts=facts)

    def _help(self, who: Recipient) -> Reply:
        lines = [
            f"/{name} {command.help}"
            for name, command in self._table.items()
            if self._may(who, command.permissions)
        ]
        return reply(self._views.title(f"{who.user}, {who.role}"), lines)

    def _commands(self) -> dict[str, Command]:
        views, acts = self._views, self._acts

        def shows(view: Callable[..., Reply]) -> Doing:
            return lambda who, _incoming, _words: [view(who, utc_now())]

        read = frozenset({Permission.READ})
        own = frozenset({Permission.READ, Permission.OWN})
        return {
            "status": Command(read, "all on one screen", shows(views.status)),
            "signals": Command(own, "the last signals", shows(views.signals)),
            "positions": Command(own, "what is open", shows(views.positions)),
            "pnl": Command(own, "what today has brought", shows(views.pnl)),
            "orders": Command(own, "working orders", shows(views.orders)),
            "accounts": Command(read, "equity, margin, age", shows(views.accounts)),
            "limits": Command(read, "limits and locks", shows(views.limits)),
            "pause": Command(_TRADE, "[SCOPE] why: no entries", acts.pause, acts=True),
            "resume": Command(_TRADE, "[SCOPE] why: entries again", acts.resume, acts=True),
            "reduce": Command(_TRADE, "[SCOPE] why: exits only", acts.reduce, acts=True),
            "flatten": Command(_TRADE, "SCOPE why: close all of it", acts.flatten, acts=True),
            "approve": Command(_TRADE, "signals that wait", acts.approvals, acts=True),
            "help": Command(
                frozenset({Permission.SELF}), "this", lambda who, _i, _w: [self._help(who)]
            ),
        }


_TRADE: Final = frozenset({Permission.TRADE})


class Strangers:
    """Chats that nobody has linked: no answer, and a line in the audit log now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[int, float] = {}
        self._wrong: deque[tuple[float, int]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def note(self, incoming: Incoming) -> None:
        """Put a stranger into the audit log, unless that was done within the hour."""
        now = time.monotonic()
        with self._lock:
            fresh = {chat: at for chat, at in self._noted.items() if now - at < _STRANGER_SECONDS}
            self._noted = fresh
            if incoming.chat_id in fresh or len(fresh) >= _MOST_STRANGERS:
                return
            fresh[incoming.chat_id] = now
        self._audit("TELEGRAM_STRANGER", incoming)

    def may_try(self, chat_id: int) -> bool:
        """Whether a chat may send one more code; one that was often wrong may not for an hour."""
        since = time.monotonic() - _STRANGER_SECONDS
        with self._lock:
            wrong = [each for at, each in self._wrong if at > since and each == chat_id]
        return len(wrong) < _WRONG_CODES

    def wrong_code(self, incoming: Incoming) -> None:
        """Note a code that opens nothing."""
        with self._lock:
            self._wrong.append((time.monotonic(), incoming.chat_id))
        self._audit("TELEGRAM_WRONG_CODE", incoming)

    def _audit(self, what: str, incoming: Incoming) -> None:
        facts = {"chat_id": incoming.chat_id, "name": incoming.name[:80]}
        by = f"telegram chat {incoming.chat_id}"
        try:
            audit(self._store, what, service="telegram", by=by, facts=facts)
        except PyMongoError as error:
            _log.warning("a stranger could not be noted: %s", type(error).__name__)


def _is_old(incoming: Incoming) -> bool:
    return incoming.sent_at is not None and utc_now() - incoming.sent_at > _FRESH
