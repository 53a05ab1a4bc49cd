"""What a subscription's queue is made of: messages, consumers, lanes of one ordering key."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.pubsub_local.wire import ProtoMessage

#: `Lane.listed_in` of a lane that stands in no line; 0 is the shared line.
UNLISTED: Final = -1
_MAX_DOUBLINGS: Final = 32


@dataclass(frozen=True, slots=True)
class Policy:
    """What the subscription's settings say about delivery.

    Attributes:
        ordered: deliver messages of one ordering key in order.
        minimum_backoff_seconds: pause before the second delivery; doubles with each failure.
        maximum_backoff_seconds: limit of that pause; 0 = deliver again at once.
        max_attempts: deliveries until a message goes to the dead-letter topic; 0 = no such topic.
    """

    ordered: bool = False
    minimum_backoff_seconds: float = 0.0
    maximum_backoff_seconds: float = 0.0
    max_attempts: int = 0

    def backoff_seconds(self, failures: int) -> float:
        """Pause before a message is delivered again."""
        doubled = self.minimum_backoff_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS)
        return min(doubled, self.maximum_backoff_seconds)


@dataclass(slots=True, eq=False)
class Message:
    """One un-acked message of one subscription.

    Attributes:
        row_id: key in the journal; grows with the order of publishing.
        body: the encoded PubsubMessage.
        ordering_key: empty where order does not matter.
        published_at: Unix seconds.
        failures: nacks and lease expiries so far.
        lease: number of the current lease; 0 = not delivered.
        deadline: when the lease ends, on the queue's clock.
        consumer: who holds the lease.
    """

    row_id: int
    body: bytes
    ordering_key: str
    published_at: float
    failures: int = 0
    lease: int = 0
    deadline: float = 0.0
    consumer: int = 0


class Outgoing(NamedTuple):
    """A published message with its id and time, ready to be stored."""

    body: bytes
    ordering_key: str


class Delivery(NamedTuple):
    """One message on its way to a consumer."""

    ack_id: str
    body: bytes
    attempt: int


def parse_ack_id(ack_id: str) -> tuple[int, int]:
    """Row id and lease number.

    Raises:
        ValueError: not an ack id of this server.
    """
    row_id, _, lease = ack_id.partition("-")
    return int(row_id), int(lease)


@dataclass(slots=True)
class Consumer:
    """One stream, or one Pull call; limits of 0 mean none."""

    lease_seconds: float
    max_messages: int = 0
    max_bytes: int = 0
    leased: dict[int, Message] = field(default_factory=dict)
    leased_bytes: int = 0

    def has_room(self, size: int = 0) -> bool:
        """Whether `size` more bytes fit; one message always fits an idle consumer."""
        if not self.leased:
            return True
        if self.max_messages > 0 and len(self.leased) >= self.max_messages:
            return False
        return self.max_bytes <= 0 or self.leased_bytes + max(size, 1) <= self.max_bytes


@dataclass(slots=True, eq=False)
class Lane:
    """The un-acked messages of one ordering key, in order.

    A lane belongs to one consumer while any of its messages is leased: that consumer gets the rest
    of the key, in order, and nobody else does. A failed message takes the leased ones behind it
    back with it, so that they are delivered again behind it.

    Attributes:
        waiting: not leased, all behind those that are.
        leased: delivered to `owner`, in order.
        owner: consumer that the lane is bound to; 0 = none.
        blocked_by: row id of the message whose back-off or forwarding the lane waits for.
        listed_in: the line in which the lane stands: 0 = shared, else a consumer's own.
    """

    waiting: deque[Message] = field(default_factory=deque)
    leased: dict[int, Message] = field(default_factory=dict)
    owner: int = 0
    blocked_by: int = 0
    listed_in: int = UNLISTED

    def rewind(self, failed: Message) -> list[Message]:
        """Take `failed` and all leased after it out of lease, oldest first."""
        behind = [message for row_id, message in self.leased.items() if row_id >= failed.row_id]
        for message in reversed(behind):
            del self.leased[message.row_id]
            self.waiting.appendleft(message)
        return behind


def stamp(message: ProtoMessage, number: int, published_at: float) -> Outgoing:
    """Give a PubsubMessage its id and its time (Unix seconds), and encode it."""
    message.message_id = str(number)
    seconds = int(published_at)
    message.publish_time.seconds = seconds
    message.publish_time.nanos = int((published_at - seconds) * 1_000_000_000)
    return Outgoing(message.SerializeToString(), message.ordering_key)
