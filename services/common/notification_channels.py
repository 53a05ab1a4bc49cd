"""Ways that notifications leave by: a linked Telegram chat, URLs of apprise, sealed."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.client_session import ClientSession

from services.common.apprise_urls import service_of
from services.common.audit import audit
from services.common.clock import utc_now
from services.common.outward import Network
from services.common.people import person
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import Declined
from services.domain.notifications import ChannelKind, Recipient
from services.domain.users import Role

#: How long a code opens the way for a chat.
LINK_SECONDS: Final = 600
_MOST_CHANNELS: Final = 10
#: Nothing that looks like something else.
_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_CODE_LENGTH: Final = 10


def channels_of(store: Store, user: str) -> list[Document]:
    """Somebody's channels, oldest first, without their secrets."""
    found = store["notification_channels"].find({"user": user}, {"sealed_url": 0})
    return sorted(found, key=lambda row: row["created_at"])


def add_apprise(
    store: Store,
    vault: Vault,
    recipient: Recipient,
    *,
    url: str,
    name: str,
    networks: Sequence[Network] = (),
) -> str:
    """Keep a URL of apprise, sealed; the id of the channel.

    Args:
        store: where.
        vault: that seals it.
        recipient: whose it is.
        url: of apprise.
        name: that they give it; "" = that of its service.
        networks: of our own, that channels of operators may reach.

    Raises:
        Declined: apprise cannot use it, or there are too many.
    """
    inside = networks if recipient.role in {Role.ADMIN, Role.OPERATOR} else ()
    service = service_of(url.strip(), networks=inside)
    row: Document = {
        "_id": f"ch_{uuid.uuid4().hex[:16]}",
        "user": recipient.user,
        "kind": ChannelKind.APPRISE,
        "name": name.strip() or service,
        "service": service,
        "sealed_url": vault.seal(url.strip()),
        **_fresh(),
    }

    def work(session: ClientSession) -> None:
        query = {"user": recipient.user}
        held = list(store["notification_channels"].find(query, {"_id": 1}, session=session))
        if len(held) >= _MOST_CHANNELS:
            raise Declined("TOO_MANY_CHANNELS", f"{_MOST_CHANNELS} channels are enough: remove one")
        store["notification_channels"].insert_one(row, session=session)
        _audit(store, "CHANNEL_ADDED", row, by=recipient.user, session=session)

    store.transaction(work)
    return str(row["_id"])


def _fresh() -> Document:
    return {
        "status": "ACTIVE",
        "why": "",
        "created_at": utc_now(),
        "not_before": None,
        "last_sent_at": None,
        "last_error": "",
    }


def remove(store: Store, user: str, channel_id: str) -> bool:
    """Forget one of somebody's channels, secret and all; False = they have none of that id."""

    def work(session: ClientSession) -> bool:
        query = {"_id": channel_id, "user": user}
        row = store["notification_channels"].find_one(query, session=session)
        if row is None:
            return False
        store["notification_channels"].delete_one({"_id": channel_id}, session=session)
        _audit(store, "CHANNEL_REMOVED", row, by=user, session=session)
        return True

    return store.transaction(work)


def disable(store: Store, channel_id: str, why: str) -> Document | None:
    """Stop using a channel that refuses us; what it was, None = it was not in use."""

    def work(session: ClientSession) -> Document | None:
        query = {"_id": channel_id, "status": "ACTIVE"}
        row = store["notification_channels"].find_one(query, session=session)
        if row is None:
            return None
        changes = {"status": "DISABLED", "why": why, "disabled_at": utc_now()}
        store["notification_channels"].update_one(
            {"_id": channel_id}, {"$set": changes}, session=session
        )
        _audit(store, "CHANNEL_DISABLED", row | changes, by="telegram", session=session)
        return row

    return store.transaction(work)


def _audit(store: Store, what: str, row: Document, *, by: str, session: ClientSession) -> None:
    facts: dict[str, Any] = {
        "channel_id": row["_id"],
        **{name: row[name] for name in ("user", "kind", "name", "why", "chat_id") if name in row},
    }
    audit(store, what, service="notifications", by=by, facts=facts, session=session)


def telegram_channel_id(user: str) -> str:
    """Id of the one chat that somebody may link."""
    return f"telegram|{user}"


def start_link(store: Store, user: str) -> tuple[str, datetime]:
    """A code that links the chat it is sent from to this person, once; and until when."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
    expires_at = utc_now() + timedelta(seconds=LINK_SECONDS)

    def work(session: ClientSession) -> None:
        store["notification_links"].delete_many({"user": user}, session=session)
        row = {"_id": _digest(code), "user": user, "expires_at": expires_at}
        store["notification_links"].insert_one(row, session=session)
        audit(
            store,
            "TELEGRAM_LINK_STARTED",
            service="notifications",
            by=user,
            facts={"expires_at": expires_at},
            session=session,
        )

    store.transaction(work)
    return code, expires_at


def finish_link(store: Store, code: str, *, chat_id: int, chat_name: str) -> Recipient | None:
    """Link a chat to whoever asked for the code; None = it opens nothing."""

    def work(session: ClientSession) -> str | None:
        query = {"_id": _digest(code.strip().upper())}
        row = store["notification_links"].find_one(query, session=session)
        if row is None or row["expires_at"] <= utc_now():
            return None
        store["notification_links"].delete_one(query, session=session)
        user = str(row["user"])
        channels = store["notification_channels"]
        channels.delete_many({"chat_id": chat_id}, session=session)
        channel: Document = {
            "_id": telegram_channel_id(user),
            "user": user,
            "kind": ChannelKind.TELEGRAM,
            "name": chat_name,
            "service": "Telegram",
            "chat_id": chat_id,
            **_fresh(),
        }
        channels.replace_one({"_id": channel["_id"]}, channel, upsert=True, session=session)
        _audit(store, "TELEGRAM_LINKED", channel, by=f"telegram:{user}", session=session)
        return user

    found = store.transaction(work)
    return person(store, found) if found else None


def person_of_chat(store: Store, chat_id: int) -> Recipient | None:
    """Whose chat this is; None = a stranger's, or of somebody who may not log in any more."""
    query = {"chat_id": chat_id, "status": "ACTIVE"}
    row = store["notification_channels"].find_one(query, {"user": 1})
    return person(store, str(row["user"])) if row else None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
