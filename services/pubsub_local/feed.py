"""One subscription at run time: its queue behind a lock, and the calls that wait for messages."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.pubsub_local.alarm import Alarm
from services.pubsub_local.commits import GroupCommit
from services.pubsub_local.errors import Refused, invalid, unavailable
from services.pubsub_local.messages import Consumer, Delivery, Message, Policy
from services.pubsub_local.subscription import SubscriptionQueue
from services.pubsub_local.wire import ProtoMessage

_MAX_MESSAGES_PER_RESPONSE: Final = 100
_MAX_BYTES_PER_RESPONSE: Final = 1_000_000
_consumer_numbers = itertools.count(1)


@dataclass(eq=False)
class Tap:
    """One StreamingPull or Pull call that waits on a feed."""

    consumer: int
    wake: threading.Condition
    waiting: bool = False
    ended: bool = False
    refused: Refused | None = None


@dataclass(frozen=True)
class FeedCounters:
    """What operators watch of one subscription."""

    backlog: int
    leased: int
    streams: int
    oldest_published_at: float | None


class Feed:
    """Delivers the messages of one subscription.

    Attributes:
        settings: the Subscription as clients see it.
    """

    def __init__(
        self, *, subscription_id: int, settings: ProtoMessage, policy: Policy, commits: GroupCommit,
        alarm: Alarm, first_lease: int,
    ) -> None:  # fmt: skip
        self.subscription_id = subscription_id
        self.settings = settings
        self._queue = SubscriptionQueue(policy, first_lease=first_lease)
        self._commits = commits
        self._alarm = alarm
        self._lock = threading.Lock()
        self._taps: list[Tap] = []
        self._closed: Refused | None = None

    @property
    def name(self) -> str:
        """Full name of the subscription."""
        return str(self.settings.name)

    def counters(self) -> FeedCounters:
        """State of the backlog."""
        with self._lock:
            queue = self._queue
            oldest = queue.oldest_published_at()
            return FeedCounters(len(queue), queue.leased_count, len(self._taps), oldest)

    def reconfigure(self, settings: ProtoMessage, policy: Policy) -> None:
        """Deliver by new settings from now on."""
        with self._lock:
            self.settings = settings
            self._queue.policy = policy

    def add(self, messages: Iterable[Message]) -> None:
        """Queue messages that are in the journal."""
        with self._lock:
            for message in messages:
                self._queue.add(message)
            self._wake()

    def attach(self, limits: Consumer) -> Tap:
        """Begin to wait for messages.

        Raises:
            Refused: the subscription has just been deleted, or the server stops.
        """
        with self._lock:
            if self._closed:
                raise self._closed
            tap = Tap(next(_consumer_numbers), threading.Condition(self._lock))
            self._queue.open(tap.consumer, limits)
            self._taps.append(tap)
            return tap

    def detach(self, tap: Tap, *, keep_leases: bool = False) -> None:
        """End `tap`; what it held is delivered again at once, unless the call answers with it."""
        with self._lock:
            tap.ended = True
            tap.wake.notify()
            if tap not in self._taps:
                return
            self._taps.remove(tap)
            if keep_leases:
                self._queue.leave(tap.consumer)
            else:
                self._queue.close(tap.consumer, time.monotonic())
            self._settle()

    def end(self, tap: Tap, refused: Refused) -> None:
        """End `tap` with a status."""
        tap.refused = refused
        self.detach(tap)

    def close(self, refused: Refused) -> None:
        """End every call: the subscription is deleted, or the server stops."""
        with self._lock:
            self._closed = refused
            taps = list(self._taps)
        for tap in taps:
            self.end(tap, refused)

    def next_deliveries(
        self, tap: Tap, *, max_messages: int = _MAX_MESSAGES_PER_RESPONSE, wait_seconds: float
    ) -> list[Delivery]:
        """Lease messages to `tap`; nothing once the time is over or the tap has ended.

        Raises:
            Refused: the tap was ended with a status.
        """
        give_up_at = time.monotonic() + wait_seconds
        with self._lock:
            while not tap.ended:
                now = time.monotonic()
                deliveries = self._queue.take(
                    tap.consumer, now, max_messages=max_messages, max_bytes=_MAX_BYTES_PER_RESPONSE
                )
                if deliveries or now >= give_up_at:
                    self._set_alarm()
                    return deliveries
                tap.waiting = True
                tap.wake.wait(min(give_up_at - now, threading.TIMEOUT_MAX))
                tap.waiting = False
        if tap.refused:
            raise tap.refused
        return []

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Drop messages that are done; ids that are over change nothing.

        Raises:
            Refused: not an ack id of this server.
        """
        with self._lock:
            try:
                gone = [row_id for ack_id in ack_ids if (row_id := self._queue.ack(ack_id))]
            except ValueError as error:
                raise _bad_ack_id(error) from error
            self._wake()
        if gone:
            self._commits.write_later(gone=gone)

    def modify_deadlines(self, changes: Iterable[tuple[str, int]]) -> None:
        """Extend leases by seconds from now; 0 is a nack.

        Raises:
            Refused: not an ack id of this server.
        """
        now = time.monotonic()
        with self._lock:
            try:
                for ack_id, seconds in changes:
                    self._queue.modify(ack_id, seconds, now)
            except ValueError as error:
                raise _bad_ack_id(error) from error
            finally:
                self._settle()

    def set_lease_seconds(self, tap: Tap, seconds: float) -> None:
        """Change how long the next deliveries to `tap` are leased."""
        with self._lock:
            if not tap.ended:
                self._queue.set_lease_seconds(tap.consumer, seconds)

    def tick(self, now: float) -> float:
        """Do what is due; when to come again."""
        with self._lock:
            self._queue.advance(now)
            self._settle()
            wake = self._queue.next_wake()
            return math.inf if wake is None else wake

    def take_exhausted(self) -> list[Message]:
        """Messages for the dead-letter topic; each must be discarded or revived."""
        with self._lock:
            exhausted, self._queue.exhausted = self._queue.exhausted, []
            return [message for message in exhausted if message.row_id in self._queue]

    def revive(self, row_id: int) -> None:
        """Deliver an exhausted message again."""
        with self._lock:
            self._queue.revive(row_id, time.monotonic())
            self._settle()

    def discard(self, row_ids: Iterable[int]) -> None:
        """Drop messages that were forwarded or are too old."""
        with self._lock:
            for row_id in row_ids:
                self._queue.discard(row_id)
            self._wake()

    def discard_published_before(self, instant: float) -> int:
        """Drop messages older than the retention; how many."""
        with self._lock:
            stale = self._queue.published_before(instant)
        self.discard(stale)
        self._commits.write_later(gone=stale)
        return len(stale)

    def _settle(self) -> None:
        """After deadlines have moved or leases ended; the caller holds the lock."""
        if self._queue.failed:
            self._commits.write_later(failed=self._queue.failed)
            self._queue.failed = {}
        if self._queue.exhausted:
            self._alarm.no_later_than(0.0)
        self._set_alarm()
        self._wake()

    def _set_alarm(self) -> None:
        wake = self._queue.next_wake()
        if wake is not None:
            self._alarm.no_later_than(wake)

    def _wake(self) -> None:
        for tap in self._taps:
            if tap.waiting and self._queue.may_take(tap.consumer):
                tap.wake.notify()


def _bad_ack_id(error: ValueError) -> Refused:
    return invalid(f"ack ids must come from a delivery of this subscription: {error}")


def stopping() -> Refused:
    """Why every call ends when the server stops."""
    return unavailable("the server is shutting down")
