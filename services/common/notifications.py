"""Notifications as they are stored: a history for each person, an outbox for each channel.

Ids follow from the event, so that telling the same thing twice writes nothing new. The outbox is
written first and the history last: whoever dies between them does it again, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.people import people, settings_of_row
from services.common.store import Document, Store, are_repeats, to_document
from services.domain.notifications import (
    ChannelKind,
    Event,
    Loudness,
    NotificationSettings,
    Recipient,
    delivery,
)

#: Unread ones are counted among so many of the newest.
MOST_COUNTED: Final = 200
#: How much wider each window of a page is, where gaps have left it short.
_WIDER: Final = 8


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
    rows = {row["_id"]: row for row in _notifications(events, told, now)}
    known = store["notifications"].find({"_id": {"$in": list(rows)}}, {"_id": 1})
    for row in list(known):
        del rows[row["_id"]]
    if not rows:
        return 0
    ways = _ways(store)
    fresh = {(row["user"], row["event_id"]) for row in rows.values()}
    leaving = [
        _delivery(event, recipient, way, now)
        for event in events
        for recipient in told
        if (recipient.user, event.event_id) in fresh
        for way in ways.get(recipient.user, ())
    ]
    _insert(store, "notification_outbox", [each for each in leaving if each is not None])
    return _insert(store, "notifications", _numbered(store, list(rows.values())))


def _numbered(store: Store, rows: list[Document]) -> list[Document]:
    """Give each person's rows the numbers that come next; what dies here leaves a gap."""
    by_user: dict[str, list[Document]] = {}
    for row in rows:
        by_user.setdefault(row["user"], []).append(row)
    for user, theirs in by_user.items():
        first = _take_numbers(store, user, len(theirs))
        for number, row in enumerate(theirs, start=first):
            row["number"] = number
    return rows


def _take_numbers(store: Store, user: str, count: int) -> int:
    """The first of so many numbers that nobody else has."""
    counters = store["notification_counters"]
    while True:
        last = _counter(store, user)[0]
        if not last:
            counters.update_one({"_id": user}, {"$setOnInsert": {"last": 0}}, upsert=True)
        changed = counters.update_one({"_id": user, "last": last}, {"$set": {"last": last + count}})
        if changed.modified_count:
            return last + 1


def _counter(store: Store, user: str) -> tuple[int, int]:
    """The last number that was given, and up to which all were read."""
    found = store["notification_counters"].find_one({"_id": user}) or {}
    return int(found.get("last", 0)), int(found.get("read_up_to", 0))


def _ways(store: Store) -> dict[str, list[_Way]]:
    found: dict[str, list[_Way]] = {}
    query = {"status": "ACTIVE"}
    for row in store["notification_channels"].find(query, {"user": 1, "kind": 1}):
        found.setdefault(row["user"], []).append(_Way(row["_id"], ChannelKind(row["kind"])))
    return found


def _notifications(
    events: Iterable[Event], told: Sequence[Recipient], now: datetime
) -> Iterable[Document]:
    for event in events:
        for recipient in told:
            loudness = recipient.loudness(event)
            if loudness is not Loudness.OFF:
                yield {
                    "_id": f"{event.event_id}|{recipient.user}",
                    "user": recipient.user,
                    **to_document(recipient.version_of(event)),
                    "silent": loudness is Loudness.SILENT,
                    "unread": True,
                    "created_at": now,
                }


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
        if not are_repeats(error):
            raise
        return int(error.details["nInserted"])


def page(
    store: Store, user: str, *, unread: bool, before: int | None, limit: int
) -> tuple[list[Document], int | None]:
    """Somebody's notifications, the newest first, and where the next page starts.

    Read in windows of numbers: the embedded database reads all that a query matches before it sorts
    and cuts.
    """
    last, read_up_to = _counter(store, user)
    upper = last + 1 if before is None else before
    lowest = read_up_to if unread else 0
    query: Document = {"unread": True, "user": user} if unread else {"user": user}
    rows: list[Document] = []
    width = limit + 1
    while upper > lowest + 1 and len(rows) <= limit:
        lower = max(lowest, upper - 1 - width)
        window = {**query, "number": {"$gt": lower, "$lt": upper}}
        found = store["notifications"].find(window)
        rows += sorted(found, key=lambda row: row["number"], reverse=True)
        upper, width = lower + 1, width * _WIDER
    for row in rows:
        row["unread"] = row.get("unread", False) and row["number"] > read_up_to
    more = rows[limit - 1]["number"] if len(rows) > limit else None
    return rows[:limit], more


def unread_count(store: Store, user: str) -> int:
    """How many of the newest `MOST_COUNTED` they have not read."""
    last, read_up_to = _counter(store, user)
    first = max(read_up_to, last - MOST_COUNTED)
    query = {"unread": True, "user": user, "number": {"$gt": first}}
    return store["notifications"].count_documents(query)


def mark_read(store: Store, user: str, ids: Sequence[str] | None) -> int:
    """Mark some of somebody's notifications as read, or all; how many unread ones fewer that is."""
    before = unread_count(store, user)
    if ids is None:
        newest, _ = page(store, user, unread=False, before=None, limit=1)
        # Not the last number that was given: its row may be still to come.
        up_to = newest[0]["number"] if newest else 0
        store["notification_counters"].update_one({"_id": user}, {"$max": {"read_up_to": up_to}})
    else:
        update = {"$set": {"read_at": utc_now()}, "$unset": {"unread": ""}}
        updates = [UpdateOne({"_id": each, "user": user, "unread": True}, update) for each in ids]
        if updates:
            store["notifications"].bulk_write(updates, ordered=False)
    return max(0, before - unread_count(store, user))
