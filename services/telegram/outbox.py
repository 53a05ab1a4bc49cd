"""Sends what is in the outbox: one message a channel at a time, as often as it takes.

A row is SENDING before its message leaves. Where the process dies before it has heard the answer,
nobody knows whether the message arrived: it goes again, and says that it may be a repeat.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.notification_channels import disable
from services.common.notifications import DeliveryStatus, notify
from services.common.store import Document, Store, from_document
from services.domain.errors import ConfigurationError, TransientError
from services.domain.notifications import ChannelKind, Event, EventKind
from services.telegram.errors import ChannelRefuses, Later, NotDeliverable
from services.telegram.replies import Button, Offer
from services.telegram.texts import Frame, Message, as_html, as_plain

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.5
_ROWS_AT_ONCE: Final = 2000
#: Events that one message sums up.
_MOST_EVENTS: Final = 500
_BACKOFF_MOST: Final = timedelta(minutes=5)
#: What is older is in the history, and is no news.
GIVE_UP_AFTER: Final = timedelta(hours=24)
#: Approvals that wait and are each a message of their own, with buttons; more are summed up.
_MOST_OFFERS: Final = 5
#: Telegram takes one message a second in one chat.
_PACE: Final = timedelta(seconds=1)


class Chats(Protocol):
    """Sends to chats of Telegram."""

    def is_connected(self) -> bool:
        """Whether there is any use in trying."""

    def send(
        self, chat_id: int, text: str, *, silent: bool, buttons: tuple[Button, ...] = ()
    ) -> None:
        """Raises: Later, ChannelRefuses, NotDeliverable, TransientError."""


class Batch(NamedTuple):
    """What goes to one channel in one message."""

    channel: Document
    rows: list[Document]

    @property
    def events(self) -> list[Event]:
        """In the order in which they happened."""
        found = [from_document(Event, row["event"]) for row in self.rows]
        return sorted(found, key=lambda event: event.at)

    @property
    def silent(self) -> bool:
        """Without a sound, where every one of them is."""
        return all(row["silent"] for row in self.rows)

    @property
    def repeated(self) -> bool:
        """Whether one of them may have been sent before."""
        return any(row["status"] == DeliveryStatus.SENDING for row in self.rows)


def is_due(rows: Sequence[Document], now: datetime, window: timedelta) -> bool:
    """Whether a channel's rows go now: the oldest has waited for its like, or one cannot wait."""
    if len(rows) >= _MOST_EVENTS:
        return True
    return any(
        row["event"].get("critical")
        or row["event"]["kind"] == EventKind.TEST
        or row["attempts"]
        or now - row["created_at"] >= window
        for row in rows
    )


def next_batch(rows: Sequence[Document]) -> list[Document]:
    """What goes next to a chat that may answer approvals: one of them alone, or the others.

    Buttons belong to one message, so each approval is one; what cannot wait goes before them.
    """
    offered = [row for row in rows if _is_offered(row)]
    others = [row for row in rows if not _is_offered(row)]
    urgent = any(row["event"].get("critical") for row in others)
    if not offered or len(offered) > _MOST_OFFERS or urgent:
        return (others if urgent else list(rows))[:_MOST_EVENTS]
    return offered[:1]


def _is_offered(row: Document) -> bool:
    return bool(row["event"].get("approval_of"))


def next_try(attempts: int, now: datetime) -> datetime:
    """When a failed message is tried again: 1, 2, 4 … seconds later, at most five minutes."""
    return now + min(timedelta(seconds=2 ** min(attempts - 1, 10)), _BACKOFF_MOST)


class Outbox:
    """One sender, whoever holds the lease.

    Args:
        store: where the outbox is.
        lease: of this daemon.
        chats: Telegram; None = there is no bot, and what is for chats waits.
        offer: what a chat may press below the alert of a signal that waits; None = nothing.
        post: sends a message to a URL of apprise.
        open_url: the URL of a channel again, from its seal.
        window_seconds: in which what happens becomes one message.
        frame: what every message has.
    """

    def __init__(  # noqa: PLR0913 - its ways out, by name
        self,
        store: Store,
        lease: Lease,
        *,
        chats: Chats | None,
        offer: Callable[[int, str], Offer | None],
        post: Callable[[str, Message], None],
        open_url: Callable[[str], str],
        window_seconds: float,
        frame: Frame,
    ) -> None:
        self._store = store
        self._lease = lease
        self._chats = chats
        self._offer = offer
        self._post = post
        self._open_url = open_url
        self._window = timedelta(seconds=window_seconds)
        self._frame = frame
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox")

    def start(self) -> None:
        """Send in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message that is being sent; the rest waits in the outbox."""
        self._stop.set()
        self._thread.join(timeout=20)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                if self._lease.held():
                    self.send_due()
            except (PyMongoError, TransientError) as error:
                _log.warning("the outbox waits: %s", type(error).__name__)
                self._stop.wait(1)
            except Exception:  # noqa: BLE001 - one message that fails may not keep the others
                _log.exception("the outbox waits")
                self._stop.wait(5)

    def send_due(self) -> int:
        """Send one message to every channel that has something due; how many were sent.

        Asked for channel by channel: while one is not reached, nobody reads what waits for it.
        """
        sent = 0
        for channel in list(self._store["notification_channels"].find({})):
            if self._stop.is_set() or not self._lease.held():
                break
            if self._is_reachable(channel):
                sent += self._send_some(channel)
        return sent

    def _is_reachable(self, channel: Document) -> bool:
        not_before = channel.get("not_before")
        if not_before is not None and utc_now() < not_before:
            return False
        if channel["kind"] != ChannelKind.TELEGRAM or channel["status"] != "ACTIVE":
            return True
        return self._chats is not None and self._chats.is_connected()

    def _send_some(self, channel: Document) -> bool:
        now = utc_now()
        query = {"open": True, "channel_id": channel["_id"], "next_try_at": {"$lte": now}}
        found = self._store["notification_outbox"].find(query).limit(_ROWS_AT_ONCE)
        rows = sorted(found, key=lambda row: row["created_at"])
        if rows and channel["status"] != "ACTIVE":
            self._give_up(rows, "the channel is not in use any more")
            return False
        old = [row for row in rows if now - row["created_at"] > GIVE_UP_AFTER]
        if old:
            self._give_up(old, "it could not be sent for a day; it is in the history")
            rows = rows[len(old) :]
        if not rows or not is_due(rows, now, self._window):
            return False
        is_chat = channel["kind"] == ChannelKind.TELEGRAM
        return self._send(Batch(channel, next_batch(rows) if is_chat else rows[:_MOST_EVENTS]))

    def _send(self, batch: Batch) -> bool:
        self._mark(batch.rows, {"status": DeliveryStatus.SENDING})
        try:
            self._hand_over(batch)
        except ChannelRefuses as error:
            self._refused(batch, str(error))
        except Later as error:
            until = utc_now() + timedelta(seconds=error.seconds)
            self._set_channel(batch, {"not_before": until, "last_error": str(error)})
            self._failed(batch.rows, str(error), until)
        except NotDeliverable as error:
            self._set_channel(batch, {"last_error": str(error)})
            self._give_up(batch.rows, str(error))
        except (TransientError, ConfigurationError) as error:
            attempts = max(row["attempts"] for row in batch.rows)
            until = next_try(attempts + 1, utc_now())
            self._set_channel(batch, {"not_before": until, "last_error": str(error)})
            self._failed(batch.rows, str(error), until)
        else:
            self._sent(batch)
            return True
        return False

    def _hand_over(self, batch: Batch) -> None:
        frame = self._frame._replace(repeated=batch.repeated)
        if batch.channel["kind"] == ChannelKind.TELEGRAM:
            assert self._chats is not None  # noqa: S101 - looked at before
            events, buttons = self._offered(batch)
            text, chat_id = as_html(events, frame), batch.channel["chat_id"]
            self._chats.send(chat_id, text, silent=batch.silent, buttons=buttons)
        else:
            url = self._open_url(batch.channel["sealed_url"])
            self._post(url, as_plain(batch.events, frame))

    def _offered(self, batch: Batch) -> tuple[list[Event], tuple[Button, ...]]:
        """The events of a message, and its buttons where it is one signal that waits."""
        events = batch.events
        if len(events) != 1 or not events[0].approval_of:
            return events, ()
        offer = self._offer(batch.channel["chat_id"], events[0].approval_of)
        if offer is None:
            return events, ()
        return [events[0].model_copy(update={"text": offer.text})], offer.buttons

    def _sent(self, batch: Batch) -> None:
        now = utc_now()
        changes = {"status": DeliveryStatus.SENT, "sent_at": now, "error": ""}
        self._mark(batch.rows, changes, ended=True)
        pace = now + _PACE if batch.channel["kind"] == ChannelKind.TELEGRAM else None
        self._set_channel(batch, {"not_before": pace, "last_sent_at": now, "last_error": ""})

    def _failed(self, rows: Sequence[Document], why: str, until: datetime) -> None:
        _log.warning("%s notifications wait until %s: %s", len(rows), f"{until:%H:%M:%S}", why)
        changes = {"status": DeliveryStatus.FAILED, "next_try_at": until, "error": why}
        self._mark(rows, changes, tried=True)

    def _give_up(self, rows: Sequence[Document], why: str) -> None:
        _log.warning("%s notifications are not sent: %s", len(rows), why)
        self._mark(rows, {"status": DeliveryStatus.GIVEN_UP, "error": why}, ended=True)

    def _refused(self, batch: Batch, why: str) -> None:
        """The other side wants nothing of us: stop, and say so where the person will see it."""
        self._give_up(batch.rows, why)
        row = disable(self._store, batch.channel["_id"], why)
        if row is None:
            return
        now = utc_now()
        notice = Event(
            event_id=f"CHANNEL_DISABLED|{row['_id']}|{int(now.timestamp() * 1000)}",
            kind=EventKind.CHANNEL_DISABLED,
            at=now,
            title=f"{row['service']} {row['name']} is disabled: {why}",
            text="Nothing goes there any more. Link or enter it again in the settings.",
            link="/settings/notifications",
        )
        notify(self._store, [notice], only=str(row["user"]))

    def _mark(
        self,
        rows: Sequence[Document],
        changes: dict[str, Any],
        *,
        ended: bool = False,
        tried: bool = False,
    ) -> None:
        update: dict[str, Any] = {"$set": changes}
        if ended:
            update["$unset"] = {"open": ""}
        if ended or tried:
            update["$inc"] = {"attempts": 1}
        updates = [UpdateOne({"_id": row["_id"]}, update) for row in rows]
        if updates:
            self._store["notification_outbox"].bulk_write(updates, ordered=False)

    def _set_channel(self, batch: Batch, changes: dict[str, Any]) -> None:
        batch.channel.update(changes)
        self._store["notification_channels"].update_one(
            {"_id": batch.channel["_id"]}, {"$set": changes}
        )
