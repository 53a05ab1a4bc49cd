"""Sessions of people who logged in: kept in the store, so that ending one ends it everywhere."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.store import Document, Store
from services.domain.users import User

COOKIE: Final = "mt_session"
_TOUCH: Final = timedelta(minutes=1)
_MOST_SHOWN: Final = 100
_MOST_AGENT_LETTERS: Final = 300


class Lifetime(NamedTuple):
    """How long a session lasts: without a request, and at all."""

    idle: timedelta = timedelta(hours=12)
    absolute: timedelta = timedelta(days=7)


class Opened(NamedTuple):
    """A new session; the token goes into the cookie and is nowhere else."""

    token: str
    csrf_token: str
    session_id: str
    expires_at: datetime


class Visitor(NamedTuple):
    """Whose browser it is."""

    address: str
    user_agent: str = ""


def hash_token(token: str) -> str:
    """What is stored of a token, and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def open_session(
    store: Store,
    user: User,
    visitor: Visitor,
    *,
    lifetime: Lifetime,
    session: ClientSession | None = None,
) -> Opened:
    """A session for somebody who has proven who they are; every log-in has a new one."""
    now = utc_now()
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    session_id, expires_at = secrets.token_hex(8), now + lifetime.absolute
    store["sessions"].insert_one(
        {
            "_id": hash_token(token),
            "session_id": session_id,
            "user": user.name,
            "epoch": user.session_epoch,
            "csrf_token": csrf_token,
            "created_at": now,
            "last_seen_at": now,
            "idle_seconds": int(lifetime.idle.total_seconds()),
            "expires_at": expires_at,
            "address": visitor.address,
            "user_agent": visitor.user_agent[:_MOST_AGENT_LETTERS],
        },
        session=session,
    )
    return Opened(token, csrf_token, session_id, expires_at)


def is_open(row: Document, user: User, now: datetime) -> bool:
    """Whether a stored session still admits its user."""
    idle_since = now - timedelta(seconds=row["idle_seconds"])
    return (
        user.is_active
        and row["epoch"] == user.session_epoch
        and now < row["expires_at"]
        and idle_since < row["last_seen_at"]
    )


def see(store: Store, row: Document, now: datetime) -> None:
    """Note that a session is in use, at most once a minute."""
    if row["last_seen_at"] < now - _TOUCH:
        with suppress(PyMongoError):  # nobody is refused because this cannot be noted
            store["sessions"].update_one(
                {"_id": row["_id"], "last_seen_at": {"$lt": now - _TOUCH}},
                {"$set": {"last_seen_at": now}},
            )


def sessions_of(store: Store, user: User) -> list[Document]:
    """Somebody's open sessions, the newest first, without what they are checked by."""
    shown = {"_id": 0, "csrf_token": 0}
    query = {"user": user.name, "epoch": user.session_epoch}
    found = store["sessions"].find(query, shown).sort("created_at", DESCENDING).limit(_MOST_SHOWN)
    now = utc_now()
    return [row for row in found if is_open(row, user, now)]


def end_session(
    store: Store, name: str, session_id: str, *, session: ClientSession | None = None
) -> bool:
    """End one of somebody's sessions; False where they have no such."""
    query = {"user": name, "session_id": session_id}
    return store["sessions"].delete_one(query, session=session).deleted_count > 0
