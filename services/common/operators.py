"""Finds the person behind a key or a session, for every HTTP interface."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NamedTuple

from fastapi import FastAPI
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.credentials import hash_key, is_valid
from services.common.kept import Kept
from services.common.origin import RemoteAddress
from services.common.problems import Refusal
from services.common.sessions import hash_token, is_open, see
from services.common.store import Document, Store
from services.domain.users import Permission, User

#: Until a revoked key, an ended session or a changed role is noticed everywhere.
KEY_SECONDS: Final = 1.0
_USED: Final = timedelta(minutes=1)


class ByKey(NamedTuple):
    """Somebody's key; `scopes` is all that it may be used for."""

    user: User
    scopes: frozenset[Permission]


class BySession(NamedTuple):
    """Somebody who logged in."""

    user: User
    session_id: str
    csrf_token: str


class Operators:
    """Finds persons by their keys and their sessions.

    Args:
        store: the database.
        cache_seconds: until a revoked key or an ended session stops opening.
    """

    def __init__(self, store: Store, *, cache_seconds: float = 0.0) -> None:
        self._store = store
        self._by_key = Kept(self._find_key, seconds=cache_seconds)
        self._by_token = Kept(self._find_session, seconds=cache_seconds)

    def by_key(self, key: str) -> ByKey:
        """Whose key this is. Raises: Refusal (401): it opens nothing."""
        digest, now = hash_key(key), utc_now()
        found = self._by_key(digest)
        user = user_of(found) if found is not None else None
        mine = [each for each in _credentials(found) if each["key_hash"] == digest]
        if user is None or not user.is_active or not any(is_valid(each, now) for each in mine):
            raise Refusal(401, "WRONG_KEY", "this key is unknown, expired or revoked")
        self._use(user.name, mine[0])
        return ByKey(user, scopes_of(mine[0]))

    def by_token(self, token: str) -> BySession:
        """Whose session this is. Raises: Refusal (401): it is over, or never was."""
        found, now = self._by_token(hash_token(token)), utc_now()
        if found is None or not is_open(found[0], found[1], now):
            raise Refusal(401, "SESSION_ENDED", "this session is over: log in again")
        row, user = found
        see(self._store, row, now)
        return BySession(user, row["session_id"], row["csrf_token"])

    def _find_key(self, digest: str) -> Document | None:
        return self._store["users"].find_one({"credentials.key_hash": digest})

    def _find_session(self, digest: str) -> tuple[Document, User] | None:
        row = self._store["sessions"].find_one({"_id": digest})
        found = self._store["users"].find_one({"_id": row["user"]}) if row else None
        return (row, user_of(found)) if row and found else None

    def _use(self, name: str, credential: Document) -> None:
        """Note that a key is in use, at most once a minute."""
        now, last = utc_now(), credential.get("last_used_at")
        if last is None or last < now - _USED:
            credential["last_used_at"] = now  # of the row that is kept in memory, too
            with suppress(PyMongoError):  # nobody is refused because this cannot be noted
                self._store["users"].update_one(
                    {"_id": name, "credentials.credential_id": credential["credential_id"]},
                    {"$set": {"credentials.$.last_used_at": now}},
                )


def user_of(document: Document) -> User:
    """A stored user."""
    return User.model_validate({**document, "name": document["_id"]})


def scopes_of(credential: Document) -> frozenset[Permission]:
    """What a key may be used for; one without scopes is for all that its owner may do."""
    named = credential.get("scopes")
    return frozenset(Permission) if named is None else frozenset(map(Permission, named))


def _credentials(document: Document | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (document or {}).get("credentials", [])
    return found


def admit_operators(
    app: FastAPI, operators: Operators, *, on_refusal: Callable[[str], None] = lambda _: None
) -> None:
    """Have `callers.allow` answer for the routes of `app`.

    Args:
        app: whose routes.
        operators: who there is.
        on_refusal: gets addresses whose key or session opened nothing.
    """
    app.state.operators, app.state.on_refusal = operators, on_refusal
    app.add_middleware(RemoteAddress)
