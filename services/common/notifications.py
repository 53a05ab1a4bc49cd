"""Notifications as they are stored: a history for each person, an outbox for each channel.

Ids follow from the event, so that telling the same thing twice writes nothing new. The outbox is
written first and the history last: whoever dies between them does it again, and nothing is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import DESCENDING, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.people import people, settings_of_row
from services.common.store import Document, Store, to_document
from services.domain.notifications import (
    ChannelKind,
    Event,
    Loudness,
    NotificationSettings,
    Recipient,
    delivery,
)

_DUPLICATE: Final = 11000
_READ_AT_ONCE: Final = 500
#: More unread ones than this are not counted.
MOST_COUNTED: Final = 1000


class DeliveryStatus:
    """Where a delivery stands; only the last two are its end."""

    PENDING: Final = "PENDING"
    SENDING: Final = "SENDING"  # handed over; without an answer nobody knows whether it arrived
    FAILED: Final = "FAILED"  # tried in vain, and tried again at `next_try_at`
    SENT: Final = "SENT"
    GIVEN_UP: Final = "GIVEN_UP"


class _Way(NamedTuple):
    """A channel that is in use."""

    channel_id: str
    kind: ChannelKind


def settings_of(store: Store, user: str) -> NotificationSettings:
    """What somebody has set."""
    return settings_of_row(store["notification_settings"].find_one({"_id": user}))


def save_settings(store: Store, user: str, settings: NotificationSettings) -> None:
    """Keep what somebody has set for themselves, with before and after in the audit log."""

    def work(session: ClientSession) -> None:
        before = store["notification_settings"].find_one({"_id": user}, session=session)
        after = to_document(settings)
        store["notification_settings"].replace_one(
            {"_id": user}, after, upsert=True, session=session
        )
        facts = {"before": before, "after": after}
        audit(
            store,
            "NOTIFICATION_SETTINGS_SET",
            service="notifications",
            by=user,
            facts=facts,
            session=session,
        )

    store.transaction(work)


def notify(store: Store, events: Sequence[Event], *, only: str | None = None) -> int:
    """Tell everybody whom it concerns, or one person; how many new notifications that made."""
    if not events:
        return 0
    told = [each for each in people(store) if only is None or each.user == only]
    now = utc_now()
    ways = _ways(store)
    rows = {row["_id"]: row for row in _notifications(events, told, now)}
    known = store["notifications"].find({"_id": {"$in": list(rows)}}, {"_id": 1})
    for row in list(known):
        del rows[row["_id"]]
    if not rows:
        return 0
    fresh = {(row["user"], row["event_id"]) for row in rows.values()}
    by_user = {each.user: each for each in told}
    outgoing = [
        _delivery(event, by_user[user], way, now)
        for event in events
        for user in by_user
        if (user, event.event_id) in fresh
        for way in ways.get(user, ())
    ]
    _insert(store, "notification_outbox", [each for each in outgoing if each is not None])
    return _insert(store, "notifications", list(rows.values()))


def _ways(store: Store) -> dict[str, list[_Way]]:
    found: dict[str, list[_Way]] = {}
    query = {"status": "ACTIVE"}
    for row in store["notification_channels"].find(query, {"user": 1, "kind": 1}):
        found.setdefault(row["user"], []).append(_Way(row["_id"], ChannelKind(row["kind"])))
    return found


def _notifications(
    events: Iterable[Event], told: Sequence[Recipient], now: datetime
) -> Iterable[Document]:
    for number, event in enumerate(events):
        for recipient in told:
            loudness = recipient.loudness(event)
            if loudness is not Loudness.OFF:
                yield {
                    "_id": f"{event.event_id}|{recipient.user}",
                    "user": recipient.user,
                    "place": _place(now, number, event.event_id),
                    **to_document(recipient.version_of(event)),
                    "silent": loudness is Loudness.SILENT,
                    "unread": True,
                    "created_at": now,
                }


def _place(now: datetime, number: int, event_id: str) -> str:
    """A key that sorts by time and is never the same twice: what pages are cut by."""
    digest = hashlib.sha256(event_id.encode()).hexdigest()[:8]
    return f"{int(now.timestamp() * 1000):015d}-{number:06d}-{digest}"


def _delivery(event: Event, recipient: Recipient, way: _Way, now: datetime) -> Document | None:
    how = delivery(event, recipient, way.kind, now)
    if how is None:
        return None
    return outgoing(recipient.version_of(event), way.channel_id, now) | {
        "silent": how.silent,
        "next_try_at": how.not_before,
    }


def outgoing(event: Event, channel_id: str, now: datetime) -> Document:
    """One event on its way out by one channel."""
    return {
        "_id": f"{channel_id}|{event.event_id}",
        "channel_id": channel_id,
        "event": to_document(event),
        "silent": False,
        "status": DeliveryStatus.PENDING,
        "open": True,
        "attempts": 0,
        "next_try_at": now,
        "created_at": now,
        "sent_at": None,
        "error": "",
    }


def send_test(store: Store, channel_id: str, event: Event) -> None:
    """Put a test on its way by one channel."""
    _insert(store, "notification_outbox", [outgoing(event, channel_id, utc_now())])


def _insert(store: Store, collection: str, rows: Sequence[Document]) -> int:
    """Insert what is not there yet; how many those were."""
    if not rows:
        return 0
    try:
        return len(store[collection].insert_many(rows, ordered=False).inserted_ids)
    except BulkWriteError as error:
        if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
            raise
        return int(error.details["nInserted"])


def page(
    store: Store, user: str, *, unread: bool, before: str | None, limit: int
) -> tuple[list[Document], str | None]:
    """Somebody's notifications, the newest first, and where the next page starts."""
    query: Document = {"unread": True, "user": user} if unread else {"user": user}
    if before is not None:
        query["place"] = {"$lt": before}
    found = store["notifications"].find(query).sort("place", DESCENDING).limit(limit + 1)
    rows = list(found)
    more = rows[limit - 1]["place"] if len(rows) > limit else None
    return rows[:limit], more


def unread_count(store: Store, user: str) -> int:
    """How many they have not read; `MOST_COUNTED` where there are more."""
    query = {"unread": True, "user": user}
    return store["notifications"].count_documents(query, limit=MOST_COUNTED)


def mark_read(store: Store, user: str, ids: Sequence[str] | None) -> int:
    """Mark some of somebody's notifications as read, or all; how many that changed."""
    notifications = store["notifications"]
    changed = 0
    query: Document = {"unread": True, "user": user}
    if ids is not None:
        query["_id"] = {"$in": list(ids)}
    while rows := list(notifications.find(query, {"_id": 1}).limit(_READ_AT_ONCE)):
        now = utc_now()
        update = {"$set": {"read_at": now}, "$unset": {"unread": ""}}
        updates = [UpdateOne({"_id": row["_id"]}, update) for row in rows]
        changed += notifications.bulk_write(updates, ordered=False).modified_count
    return changed
