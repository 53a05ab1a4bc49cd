"""The queue of one subscription: who may have which message when. Pure: no I/O, no clock.

Rules, as the service has them:

- A message is leased to one consumer at a time, until it is acked, nacked, its deadline passes or
  the consumer goes; then it is delivered again, after the retry policy's back-off if there is one.
- `delivery_attempt` is 1 + nacks + expiries; it is counted always and shown with a dead-letter
  policy only. A message whose attempts are used up is parked in `exhausted` until the caller has
  forwarded it (`discard`) or could not (`revive`).
- Ordering: see `messages.Lane`. An ack of an ordered message counts only for its current lease, so
  everything behind a failed message comes again; an unordered one may be acked late.
- A consumer never holds more than its limits, but for a single message larger than its byte limit.
"""

from __future__ import annotations

import heapq
from collections import deque

from services.pubsub_local.messages import (
    UNLISTED,
    Consumer,
    Delivery,
    Lane,
    Message,
    Policy,
    parse_ack_id,
)

_HEAP_SLACK = 1024


class SubscriptionQueue:
    """The un-acked messages of one subscription. Times are seconds on the caller's clock.

    Attributes:
        exhausted: messages that belong on the dead-letter topic now; the caller takes them.
        failed: row id → failures that changed since the caller last cleared it.
    """

    def __init__(self, policy: Policy, *, first_lease: int = 1) -> None:
        self.policy = policy
        self.exhausted: list[Message] = []
        self.failed: dict[int, int] = {}
        self.leased_count = 0
        self._messages: dict[int, Message] = {}
        self._consumers: dict[int, Consumer] = {}
        self._ready: deque[Message | Lane] = deque()
        self._bound: dict[int, deque[Message | Lane]] = {}
        self._lanes: dict[str, Lane] = {}
        self._leases: list[tuple[float, int, int]] = []
        self._delayed: list[tuple[float, int]] = []
        self._next_lease = first_lease
        self._shared_turn = False

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._messages

    def published_before(self, instant: float) -> list[int]:
        """Row ids of messages older than `instant`, Unix seconds."""
        return [row for row, message in self._messages.items() if message.published_at < instant]

    def oldest_published_at(self) -> float | None:
        """Unix seconds of the oldest un-acked message: the first, as they are added in order."""
        return next((message.published_at for message in self._messages.values()), None)

    def add(self, message: Message) -> None:
        """Queue a message; callers add in the order of publishing."""
        self._messages[message.row_id] = message
        if not (self.policy.ordered and message.ordering_key):
            self._ready.append(message)
            return
        lane = self._lanes.setdefault(message.ordering_key, Lane())
        lane.waiting.append(message)
        self._announce(lane)

    def open(self, consumer: int, limits: Consumer) -> None:
        """Let `consumer`, a number above 0, take messages."""
        self._consumers[consumer] = limits
        self._bound[consumer] = deque()

    def set_lease_seconds(self, consumer: int, seconds: float) -> None:
        """Change how long the next deliveries to `consumer` are leased."""
        self._consumers[consumer].lease_seconds = seconds

    def leave(self, consumer: int) -> None:
        """Forget a consumer that keeps what it holds until the deadlines: a Pull call."""
        self._consumers.pop(consumer, None)
        self._bound.pop(consumer, None)

    def close(self, consumer: int, now: float) -> None:
        """Forget a consumer that is gone; what it held failed, and is ready without a back-off."""
        holder = self._consumers.get(consumer)
        for message in list(holder.leased.values()) if holder else ():
            if message.lease:  # else it went back with an earlier one of its lane
                self._fail(message, now, pause=False)
        self.leave(consumer)

    def may_take(self, consumer: int) -> bool:
        """Whether it is worth asking `take`; it may still find nothing."""
        return self._consumers[consumer].has_room() and bool(self._ready or self._bound[consumer])

    def take(
        self, consumer: int, now: float, *, max_messages: int, max_bytes: int
    ) -> list[Delivery]:
        """Lease ready messages to `consumer`; `max_bytes` may be exceeded by the last one."""
        holder = self._consumers[consumer]
        taken: list[Delivery] = []
        size = 0
        while len(taken) < max_messages and size < max_bytes:
            message = self._next_for(consumer, holder)
            if message is None:
                break
            taken.append(self._lease(message, consumer, holder, now))
            size += len(message.body)
        return taken

    def ack(self, ack_id: str) -> int | None:
        """Drop a message that is done; its row id, or None where the ack changes nothing."""
        row_id, lease = parse_ack_id(ack_id)
        message = self._messages.get(row_id)
        if message is None:
            return None
        if message.lease != lease and self.policy.ordered and message.ordering_key:
            return None
        self.discard(row_id)
        return row_id

    def modify(self, ack_id: str, seconds: float, now: float) -> None:
        """Move the deadline of a current lease to `now + seconds`; 0 is a nack."""
        row_id, lease = parse_ack_id(ack_id)
        message = self._messages.get(row_id)
        if message is None or message.lease != lease:
            return
        if seconds <= 0:
            self._fail(message, now)
            return
        deadline = now + seconds
        if deadline < message.deadline:  # a later one is found when the earlier entry comes up
            heapq.heappush(self._leases, (deadline, lease, row_id))
        message.deadline = deadline

    def advance(self, now: float) -> None:
        """End leases that are over and make messages ready whose back-off is."""
        while self._leases and self._leases[0][0] <= now:
            _, lease, row_id = heapq.heappop(self._leases)
            message = self._messages.get(row_id)
            if message is None or message.lease != lease:
                continue
            if message.deadline > now:
                heapq.heappush(self._leases, (message.deadline, lease, row_id))
            else:
                self._fail(message, now)
        while self._delayed and self._delayed[0][0] <= now:
            _, row_id = heapq.heappop(self._delayed)
            if row_id in self._messages:
                self._make_ready(self._messages[row_id])

    def next_wake(self) -> float | None:
        """When `advance` may have something to do."""
        return min((heap[0][0] for heap in (self._leases, self._delayed) if heap), default=None)

    def discard(self, row_id: int) -> None:
        """Drop a message in whatever state it is."""
        message = self._messages.pop(row_id, None)
        if message is None:
            return
        self._end_lease(message)
        self.failed.pop(row_id, None)
        lane = self._lanes.get(message.ordering_key)
        if lane is None:
            return  # an unkeyed one left in the shared line is passed over there
        if lane.leased.pop(row_id, None) is None and message in lane.waiting:
            lane.waiting.remove(message)
        self._unblock(lane, row_id)
        if not lane.waiting and not lane.leased:
            del self._lanes[message.ordering_key]

    def revive(self, row_id: int, now: float) -> None:
        """Deliver an exhausted message again: its dead-letter topic is not there."""
        message = self._messages.get(row_id)
        if message is not None:
            self._delay(message, now)

    def _next_for(self, consumer: int, holder: Consumer) -> Message | None:
        """Alternate between the consumer's own keys and the shared line, so neither starves."""
        self._shared_turn = not self._shared_turn
        lines = (0, consumer) if self._shared_turn else (consumer, 0)
        return self._pop(lines[0], consumer, holder) or self._pop(lines[1], consumer, holder)

    def _pop(self, line: int, consumer: int, holder: Consumer) -> Message | None:
        entries = self._bound[line] if line else self._ready
        while entries:
            head = entries[0]
            message = _head_of(head, line) if isinstance(head, Lane) else head
            if message is None or message.row_id not in self._messages:
                entries.popleft()
                continue
            if not holder.has_room(len(message.body)):
                return None
            entries.popleft()
            if isinstance(head, Lane):
                head.leased[message.row_id] = head.waiting.popleft()
                head.owner = consumer
                head.listed_in = UNLISTED
                self._announce(head)
            return message
        return None

    def _announce(self, lane: Lane) -> None:
        """Put a lane with something to deliver into the line of whoever may take it."""
        if not lane.waiting or lane.blocked_by or lane.listed_in == lane.owner:
            return
        if lane.owner == 0:
            self._ready.append(lane)
        elif lane.owner in self._bound:
            self._bound[lane.owner].append(lane)
        else:
            return
        lane.listed_in = lane.owner

    def _unblock(self, lane: Lane, row_id: int) -> None:
        if lane.blocked_by == row_id:
            lane.blocked_by = 0
        if not lane.leased:
            lane.owner = 0
        self._announce(lane)

    def _lease(self, message: Message, consumer: int, holder: Consumer, now: float) -> Delivery:
        message.lease = self._next_lease
        message.consumer = consumer
        message.deadline = now + holder.lease_seconds
        self._next_lease += 1
        self.leased_count += 1
        holder.leased[message.row_id] = message
        holder.leased_bytes += len(message.body)
        heapq.heappush(self._leases, (message.deadline, message.lease, message.row_id))
        attempt = message.failures + 1 if self.policy.max_attempts else 0
        return Delivery(f"{message.row_id}-{message.lease}", message.body, attempt)

    def _end_lease(self, message: Message) -> None:
        if not message.lease:
            return
        message.lease = 0
        self.leased_count -= 1
        holder = self._consumers.get(message.consumer)
        if holder and holder.leased.pop(message.row_id, None):
            holder.leased_bytes -= len(message.body)
        if len(self._leases) > 2 * self.leased_count + _HEAP_SLACK:
            self._forget_ended_leases()

    def _forget_ended_leases(self) -> None:
        current = self._messages
        self._leases = [
            entry
            for entry in self._leases
            if entry[2] in current and current[entry[2]].lease == entry[1]
        ]
        heapq.heapify(self._leases)

    def _fail(self, message: Message, now: float, *, pause: bool = True) -> None:
        message.failures += 1
        self.failed[message.row_id] = message.failures
        lane = self._lanes.get(message.ordering_key)
        for released in lane.rewind(message) if lane else (message,):
            self._end_lease(released)
        if self.policy.max_attempts and message.failures >= self.policy.max_attempts:
            self.exhausted.append(message)
            if lane:
                lane.blocked_by = message.row_id
        elif pause:
            self._delay(message, now)
        else:
            self._make_ready(message)

    def _delay(self, message: Message, now: float) -> None:
        seconds = self.policy.backoff_seconds(message.failures)
        if seconds <= 0:
            self._make_ready(message)
            return
        lane = self._lanes.get(message.ordering_key)
        if lane:
            lane.blocked_by = message.row_id
        heapq.heappush(self._delayed, (now + seconds, message.row_id))

    def _make_ready(self, message: Message) -> None:
        lane = self._lanes.get(message.ordering_key)
        if lane:
            self._unblock(lane, message.row_id)
        else:
            self._ready.append(message)


def _head_of(lane: Lane, line: int) -> Message | None:
    """The next message of a lane met in a line, unless it stands there no more or is blocked."""
    if lane.listed_in != line:
        return None
    if lane.waiting and not lane.blocked_by:
        return lane.waiting[0]
    lane.listed_in = UNLISTED
    return None
