"""A bus that loses, doubles, reorders, delays and repeats; behind the clients of the services."""

from __future__ import annotations

import threading

from google.api_core import exceptions as google_errors

from services.common import topology
from services.common.bus import Publisher

#: Who listens in the simulation.
SUBSCRIPTIONS = (
    topology.CEREBRO_SIGNALS,
    topology.EXECUTION_ORDERS,
    topology.CEREBRO_CONFIRMATIONS,
)
#: What is not acknowledged comes again after so long.
DEADLINE_SECONDS = 4.0
_BACKOFF_SECONDS = 0.25
_LONGEST_BACKOFF_SECONDS = 4.0
_BATCH = 8


class Message:
    """One delivery of one doorbell, in the form that a subscriber takes."""

    def __init__(self, bus, number, subscription, data, attributes, due):
        self._bus = bus
        self.message_id = str(number)
        self.subscription = subscription
        self.data = data
        self.attributes = attributes
        self.due = due
        self.delivery_attempt = 0

    def ack(self):
        """Done; where that is lost it comes again."""
        if self._bus.touch("ack", self.subscription) is None:
            self._bus.waiting.pop(self.message_id, None)

    def nack(self):
        """Not done: it comes again soon."""
        pause = _BACKOFF_SECONDS * 2 ** min(self.delivery_attempt, 4)
        self.due = self._bus.clock.seconds + min(pause, _LONGEST_BACKOFF_SECONDS)
        self._bus.bell.set()


class Bus:
    """All topics; `publish` is what the generated client of Pub/Sub offers."""

    def __init__(self, clock, touch, chance):
        self.clock = clock
        self.touch = touch
        self._chance = chance
        self.waiting = {}
        #: Set while there may be something sooner than was known.
        self.bell = threading.Event()
        self._numbers = 0

    def publisher(self):
        """The services' own, on this bus instead of a connection."""
        made = object.__new__(Publisher)
        made._client, made._project = self, "simulation"
        return made

    def publish(self, *, request, timeout, retry):
        """Take messages; they may be lost, come twice, late, or although the client failed."""
        action = self.touch("publish", request["topic"].rpartition("/")[2])
        if action == "fail":
            raise google_errors.ServiceUnavailable("the bus is away")
        topic = request["topic"].rpartition("/")[2]
        for each in request["messages"]:
            for subscription in SUBSCRIPTIONS:
                if subscription.topic == topic:
                    self._take(subscription.name, each)
        if action == "lost":
            raise google_errors.DeadlineExceeded("no answer from the bus")
        if action == "die":
            self.touch("die", "after publish")

    def _take(self, subscription, message):
        fate = self.touch("message", subscription)
        copies = {"drop": 0, "double": 2}.get(fate, 1)
        for _ in range(copies):
            self._numbers += 1
            # A little apart, so that what was published later may come earlier.
            delay = 0.002 + self._chance.random() * 0.02
            if fate == "delay":
                delay += self._chance.random() * 8
            due = self.clock.seconds + delay
            made = Message(
                self, self._numbers, subscription, message["data"], message["attributes"], due
            )
            self.waiting[made.message_id] = made
            self.bell.set()

    def next_due(self):
        """When the next message is to be delivered; None where there is none."""
        return min((each.due for each in self.waiting.values()), default=None)

    def take_batch(self):
        """Messages of one subscription that are due; each comes again unless it is acknowledged."""
        now = self.clock.seconds
        due = [each for each in self.waiting.values() if each.due <= now]
        if not due:
            return []
        first = self._chance.choice(due)
        batch = [each for each in due if each.subscription == first.subscription]
        self._chance.shuffle(batch)
        batch = batch[: self._chance.randint(1, _BATCH)]
        for each in batch:
            each.delivery_attempt += 1
            each.due = now + DEADLINE_SECONDS
        return batch
