"""What wants a second yes: a question that one chat may answer, once, for a minute."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from services.common.clock import utc_now
from services.common.store import Document, Store

#: How long a question can be answered.
SECONDS: Final = 60.0
_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


class Questions:
    """Open questions, by the nonce that a button carries or the word that is typed."""

    def __init__(self, store: Store, *, seconds: float = SECONDS) -> None:
        self._store = store
        self._seconds = seconds

    def ask(
        self,
        chat_id: int,
        user: str,
        act: str,
        *,
        until: datetime | None = None,
        **facts: Any,  # noqa: ANN401
    ) -> Document:
        """Keep a question; its `_id` is the nonce, `word` is what may be typed instead.

        It ends at `until`; None = after the seconds that a person has who asked for it.
        """
        row = {
            "_id": secrets.token_urlsafe(12),
            "word": "".join(secrets.choice(_LETTERS) for _ in range(4)),
            "chat_id": chat_id,
            "user": user,
            "act": act,
            "facts": facts,
            "open": True,
            "expires_at": until or utc_now() + timedelta(seconds=self._seconds),
        }
        self._store["telegram_questions"].insert_one(row)
        return row

    def take(self, chat_id: int, nonce: str) -> Document | None:
        """Close a question and have it; None = it was answered, is too old, or is of no such."""
        return self._take({"_id": nonce, "chat_id": chat_id})

    def take_word(self, chat_id: int, act: str, word: str) -> Document | None:
        """The same by what was typed."""
        query = {"chat_id": chat_id, "act": act, "word": word.upper(), "open": True}
        found = self._store["telegram_questions"].find_one(query, {"_id": 1})
        return self._take({"_id": found["_id"], "chat_id": chat_id}) if found else None

    def waiting_for_words(self, chat_id: int, act: str) -> Document | None:
        """The question that the next message of a chat answers; closes it."""
        query = {"chat_id": chat_id, "act": act, "open": True}
        rows = list(self._store["telegram_questions"].find(query))
        if not rows:
            return None
        newest = max(rows, key=lambda row: row["expires_at"])
        return self._take({"_id": newest["_id"], "chat_id": chat_id})

    def _take(self, query: Document) -> Document | None:
        now = utc_now()
        row = self._store["telegram_questions"].find_one(query)
        if row is None or row["expires_at"] <= now:
            return None
        changed = self._store["telegram_questions"].update_one(
            {**query, "open": True}, {"$set": {"open": False, "answered_at": now}}
        )
        return row if changed.modified_count else None
