"""Topics, subscriptions and the way of a message between them."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from services.pubsub_local import wire
from services.pubsub_local.alarm import Alarm
from services.pubsub_local.commits import GroupCommit
from services.pubsub_local.dead_letters import dead_letter
from services.pubsub_local.errors import Refused, already_exists, not_found, unavailable
from services.pubsub_local.feed import Feed, stopping
from services.pubsub_local.journal import Journal, PendingRow
from services.pubsub_local.messages import Message, Outgoing, stamp
from services.pubsub_local.validation import DELETED_TOPIC, policy_of
from services.pubsub_local.wire import ProtoMessage

_log = logging.getLogger(__name__)
_RETENTION_CHECK_SECONDS: Final = 600.0


class _Publication:
    """Messages for every subscription that their topic has when they are written."""

    def __init__(self, exchange: Exchange, topic: str, messages: Sequence[Outgoing]) -> None:
        self._exchange = exchange
        self._topic = topic
        self._messages = messages
        self._queued: list[tuple[Feed, list[Message]]] = []

    def rows(self) -> list[PendingRow]:
        published_at = time.time()
        rows = []
        for feed in self._exchange.feeds_of(self._topic):
            queued = []
            for message in self._messages:
                row_id = self._exchange.next_number()
                rows.append(PendingRow(row_id, feed.subscription_id, 0, message.body))
                queued.append(Message(row_id, message.body, message.ordering_key, published_at))
            self._queued.append((feed, queued))
        return rows

    def committed(self) -> None:
        for feed, messages in self._queued:
            feed.add(messages)


class Exchange:
    """Everything the server knows. Changes of topics and subscriptions are durable on return."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._commits = GroupCommit(journal)
        self._alarm = Alarm(self._tick)
        first = journal.count_start() << 32  # ids of this start are above those of all before
        self._numbers = itertools.count(first)
        self._first_lease = first
        self._topics: dict[str, ProtoMessage] = {}
        self._feeds: dict[str, Feed] = {}
        self._subscribed: dict[str, list[Feed]] = {}
        self._retention_due_at = 0.0
        self._load()

    def start(self) -> None:
        """Begin to expire leases and write behind."""
        self._commits.start()
        self._alarm.start()

    def stop_delivery(self) -> None:
        """End every stream with UNAVAILABLE."""
        for feed in list(self._feeds.values()):
            feed.close(stopping())

    def close(self) -> None:
        """Stop the threads and write what is left."""
        self._alarm.stop()
        self._commits.stop()
        self._journal.close()

    def next_number(self) -> int:
        """An id that no start of this server gives again."""
        return next(self._numbers)

    def topic(self, name: str) -> ProtoMessage:
        """The Topic; raises NOT_FOUND."""
        if name not in self._topics:
            raise not_found(name)
        return self._topics[name]

    def topics(self) -> list[ProtoMessage]:
        """Every Topic by name."""
        return [topic for _, topic in sorted(self._topics.items())]

    def feed(self, name: str) -> Feed:
        """The subscription; raises NOT_FOUND."""
        feed = self._feeds.get(name)
        if feed is None:
            raise not_found(name)
        return feed

    def feeds(self) -> list[Feed]:
        """Every subscription by name."""
        return [feed for _, feed in sorted(self._feeds.items())]

    def feeds_of(self, topic: str) -> list[Feed]:
        """Subscriptions of one topic; raises NOT_FOUND."""
        self.topic(topic)
        return self._subscribed[topic]

    def create_topic(self, topic: ProtoMessage) -> None:
        """Add a topic; raises ALREADY_EXISTS."""
        with self._commits.exclusive:
            if topic.name in self._topics:
                raise already_exists(topic.name)
            self._save_topic(topic)
            self._subscribed[topic.name] = []

    def replace_topic(self, topic: ProtoMessage) -> None:
        """Change a topic's settings."""
        with self._commits.exclusive:
            self.topic(topic.name)
            self._save_topic(topic)

    def delete_topic(self, name: str) -> None:
        """Remove a topic; its subscriptions stay and keep their messages."""
        with self._commits.exclusive:
            orphans = list(self.feeds_of(name))
            bodies = []
            for feed in orphans:
                settings = _copy(feed.settings)
                settings.topic = DELETED_TOPIC
                bodies.append((feed, settings))
            with _storing():
                self._journal.delete_topic(
                    name, [(feed.subscription_id, s.SerializeToString()) for feed, s in bodies]
                )
            del self._topics[name], self._subscribed[name]
            for feed, settings in bodies:
                feed.reconfigure(settings, policy_of(settings))

    def create_subscription(self, settings: ProtoMessage) -> None:
        """Add a subscription; raises ALREADY_EXISTS, or NOT_FOUND for its topics."""
        with self._commits.exclusive:
            if settings.name in self._feeds:
                raise already_exists(settings.name)
            subscribed = self.feeds_of(settings.topic)
            self._check_dead_letter_topic(settings)
            with _storing():
                subscription_id = self._journal.add_subscription(
                    settings.name, settings.SerializeToString()
                )
            feed = self._add_feed(subscription_id, settings)
            subscribed.append(feed)

    def replace_subscription(self, settings: ProtoMessage) -> None:
        """Change a subscription's settings, but not its topic."""
        with self._commits.exclusive:
            feed = self.feed(settings.name)
            self._check_dead_letter_topic(settings)
            with _storing():
                self._journal.save_subscription(feed.subscription_id, settings.SerializeToString())
            feed.reconfigure(settings, policy_of(settings))

    def delete_subscription(self, name: str) -> None:
        """Remove a subscription and its messages; its streams end with NOT_FOUND."""
        with self._commits.exclusive:
            feed = self.feed(name)
            with _storing():
                self._journal.delete_subscription(feed.subscription_id)
            del self._feeds[name]
            if feed in self._subscribed.get(feed.settings.topic, ()):
                self._subscribed[feed.settings.topic].remove(feed)
        feed.close(not_found(name))

    def publish(self, topic: str, messages: Sequence[ProtoMessage]) -> list[str]:
        """Store and deliver checked PubsubMessages; their ids. Raises NOT_FOUND.

        Stamps id and time into `messages`.
        """
        self.topic(topic)
        numbers = [self.next_number() for _ in messages]
        now = time.time()
        outgoing = [
            stamp(message, number, now) for message, number in zip(messages, numbers, strict=True)
        ]
        self._commits.publish(_Publication(self, topic, outgoing))
        return [str(number) for number in numbers]

    def _tick(self, now: float) -> float:
        """Whatever is due; when to come again."""
        wakes = []
        for feed in list(self._feeds.values()):
            wakes.append(feed.tick(now))
            for message in feed.take_exhausted():
                self._forward(feed, message)
        if now >= self._retention_due_at:
            self._retention_due_at = now + _RETENTION_CHECK_SECONDS
            self._drop_stale()
        return min(*wakes, self._retention_due_at) if wakes else self._retention_due_at

    def _forward(self, feed: Feed, message: Message) -> None:
        """Move a message to the dead-letter topic in one transaction, or keep it."""
        settings = feed.settings
        topic = settings.dead_letter_policy.dead_letter_topic
        letter = dead_letter(message.body, subscription=settings.name, attempts=message.failures)
        outgoing = stamp(letter, self.next_number(), time.time())
        publication = _Publication(self, topic, [outgoing])
        try:
            self._commits.publish(publication, replaced=[message.row_id])
        except Refused as refused:
            _log.warning("dead letter of %s stays there: %s", settings.name, refused.sentence)
            feed.revive(message.row_id)
            return
        feed.discard([message.row_id])

    def _drop_stale(self) -> None:
        for feed in self.feeds():
            retention_seconds = feed.settings.message_retention_duration.seconds
            dropped = feed.discard_published_before(time.time() - retention_seconds)
            if dropped:
                _log.warning("%d messages of %s outlived their retention", dropped, feed.name)

    def _check_dead_letter_topic(self, settings: ProtoMessage) -> None:
        if settings.HasField("dead_letter_policy"):
            self.topic(settings.dead_letter_policy.dead_letter_topic)

    def _save_topic(self, topic: ProtoMessage) -> None:
        with _storing():
            self._journal.save_topic(topic.name, topic.SerializeToString())
        self._topics[topic.name] = topic

    def _add_feed(self, subscription_id: int, settings: ProtoMessage) -> Feed:
        feed = Feed(
            subscription_id=subscription_id,
            settings=settings,
            policy=policy_of(settings),
            commits=self._commits,
            alarm=self._alarm,
            first_lease=self._first_lease,
        )
        self._feeds[settings.name] = feed
        return feed

    def _load(self) -> None:
        """Take up what the journal holds; un-acked messages are simply ready again."""
        for name, body in self._journal.topics():
            self._topics[name] = wire.Topic.FromString(body)
            self._subscribed[name] = []
        feeds = {}
        for subscription_id, body in self._journal.subscriptions():
            settings = wire.Subscription.FromString(body)
            feeds[subscription_id] = feed = self._add_feed(subscription_id, settings)
            if settings.topic in self._subscribed:
                self._subscribed[settings.topic].append(feed)
        for row in self._journal.pending():
            if row.subscription_id in feeds:
                feeds[row.subscription_id].add([_from_row(row)])


def _from_row(row: PendingRow) -> Message:
    message = wire.PubsubMessage.FromString(row.body)
    published_at = message.publish_time.seconds + message.publish_time.nanos / 1e9
    return Message(row.row_id, row.body, message.ordering_key, published_at, row.failures)


def _copy(message: ProtoMessage) -> ProtoMessage:
    twin = type(message)()
    twin.CopyFrom(message)
    return twin


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(f"the change could not be stored: {error}") from error
