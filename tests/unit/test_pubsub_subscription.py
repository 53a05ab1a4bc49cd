"""The queue of one subscription: leases, order, back-off, dead letters, limits."""

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.pubsub_local.messages import Consumer, Message, Policy
from services.pubsub_local.subscription import SubscriptionQueue

LEASE = 10.0
MANY = 10**9


def make_message(row_id, *, key="", size=10):
    return Message(row_id=row_id, body=b"x" * size, ordering_key=key, published_at=float(row_id))


def make_queue(policy=None, *, messages=(), consumers=(1,)):
    queue = SubscriptionQueue(policy or Policy())
    for consumer in consumers:
        queue.open(consumer, Consumer(lease_seconds=LEASE))
    for message in messages:
        queue.add(message)
    return queue


def take(queue, consumer=1, now=0.0, limit=100):
    return queue.take(consumer, now, max_messages=limit, max_bytes=MANY)


def rows(deliveries):
    return [int(delivery.ack_id.partition("-")[0]) for delivery in deliveries]


def keyed(key, *row_ids):
    return [make_message(row_id, key=key) for row_id in row_ids]


class TestLeases:
    def test_a_leased_message_is_not_delivered_elsewhere(self):
        queue = make_queue(messages=[make_message(1)], consumers=(1, 2))
        assert rows(take(queue, 1)) == [1]
        assert take(queue, 2) == []

    def test_an_acked_message_is_gone(self):
        queue = make_queue(messages=[make_message(1)])
        [delivery] = take(queue)
        assert queue.ack(delivery.ack_id) == 1
        queue.advance(now=1000.0)
        assert take(queue, now=1000.0) == []
        assert len(queue) == 0

    def test_a_lease_that_is_over_is_delivered_again(self):
        queue = make_queue(messages=[make_message(1)], consumers=(1, 2))
        take(queue, 1, now=0.0)
        assert queue.next_wake() == LEASE
        queue.advance(now=LEASE)
        assert rows(take(queue, 2, now=LEASE)) == [1]

    def test_an_extended_lease_holds_until_its_new_deadline(self):
        queue = make_queue(messages=[make_message(1)])
        [delivery] = take(queue)
        queue.modify(delivery.ack_id, 30.0, now=5.0)
        queue.advance(now=34.0)
        assert take(queue, now=34.0) == []
        queue.advance(now=35.0)  # 5 + 30
        assert rows(take(queue, now=35.0)) == [1]

    def test_a_shortened_lease_ends_early(self):
        queue = make_queue(messages=[make_message(1)])
        [delivery] = take(queue)
        queue.modify(delivery.ack_id, 2.0, now=1.0)
        assert queue.next_wake() == 3.0
        queue.advance(now=3.0)
        assert rows(take(queue, now=3.0)) == [1]

    def test_a_nack_of_an_old_delivery_does_not_touch_the_new_lease(self):
        queue = make_queue(messages=[make_message(1)], consumers=(1, 2))
        [old] = take(queue, 1)
        queue.advance(now=LEASE)
        take(queue, 2, now=LEASE)
        queue.modify(old.ack_id, 0, now=LEASE)
        assert take(queue, 1, now=LEASE) == []

    def test_a_late_ack_of_an_unordered_message_counts(self):
        queue = make_queue(messages=[make_message(1)])
        [old] = take(queue)
        queue.advance(now=LEASE)
        assert queue.ack(old.ack_id) == 1
        assert take(queue, now=LEASE) == []

    def test_what_a_lost_consumer_held_is_ready_at_once_in_spite_of_back_off(self):
        policy = Policy(minimum_backoff_seconds=5, maximum_backoff_seconds=60)
        queue = make_queue(policy, messages=[make_message(1)], consumers=(1, 2))
        take(queue, 1)
        queue.close(1, now=1.0)
        assert rows(take(queue, 2, now=1.0)) == [1]

    def test_what_a_pull_call_took_stays_leased_when_the_call_is_over(self):
        queue = make_queue(messages=[make_message(1)], consumers=(1, 2))
        take(queue, 1)
        queue.leave(1)
        assert take(queue, 2) == []
        queue.advance(now=LEASE)
        assert rows(take(queue, 2, now=LEASE)) == [1]

    def test_ended_leases_do_not_pile_up(self):
        queue = make_queue()
        for row_id in range(1, 10_001):
            queue.add(make_message(row_id))
            [delivery] = take(queue)
            queue.ack(delivery.ack_id)
        assert len(queue._leases) < 2000


class TestLimits:
    def test_a_consumer_holds_at_most_its_messages(self):
        queue = make_queue(messages=[make_message(row_id) for row_id in range(1, 6)], consumers=())
        queue.open(1, Consumer(lease_seconds=LEASE, max_messages=2))
        first, _ = take(queue)
        assert take(queue) == []
        queue.ack(first.ack_id)
        assert rows(take(queue)) == [3]

    def test_a_consumer_holds_at_most_its_bytes(self):
        queue = make_queue(messages=[make_message(row_id, size=40) for row_id in (1, 2, 3)])
        queue.open(2, Consumer(lease_seconds=LEASE, max_bytes=100))
        assert rows(take(queue, 2)) == [1, 2]  # 40 + 40; a third would make 120

    def test_a_message_above_the_byte_limit_is_delivered_alone(self):
        queue = make_queue(messages=[make_message(1, size=500), make_message(2)], consumers=())
        queue.open(1, Consumer(lease_seconds=LEASE, max_bytes=100))
        assert rows(take(queue)) == [1]


class TestOrder:
    ORDERED = Policy(ordered=True)

    def test_a_key_stays_with_one_consumer_while_something_of_it_is_leased(self):
        queue = make_queue(self.ORDERED, messages=keyed("a", 1, 2), consumers=(1, 2))
        assert rows(take(queue, 1, limit=1)) == [1]
        assert take(queue, 2) == []
        assert rows(take(queue, 1)) == [2]

    def test_a_key_is_free_for_others_when_all_of_it_is_acked(self):
        queue = make_queue(self.ORDERED, messages=keyed("a", 1, 2), consumers=(1, 2))
        [first] = take(queue, 1, limit=1)
        queue.ack(first.ack_id)
        assert rows(take(queue, 2)) == [2]

    def test_keys_do_not_wait_for_each_other(self):
        messages = [*keyed("a", 1), *keyed("b", 2), make_message(3)]
        queue = make_queue(self.ORDERED, messages=messages, consumers=(1, 2))
        assert rows(take(queue, 1, limit=1)) == [1]
        assert rows(take(queue, 2)) == [2, 3]

    def test_a_nack_brings_the_later_ones_again_behind_it(self):
        queue = make_queue(self.ORDERED, messages=keyed("a", 1, 2, 3))
        first, second, _ = take(queue)
        queue.ack(first.ack_id)
        queue.modify(second.ack_id, 0, now=1.0)
        assert rows(take(queue, now=1.0)) == [2, 3]

    def test_only_the_failed_message_counts_an_attempt(self):
        queue = make_queue(Policy(ordered=True, max_attempts=5), messages=keyed("a", 1, 2))
        first, _ = take(queue)
        queue.modify(first.ack_id, 0, now=1.0)
        assert [delivery.attempt for delivery in take(queue, now=1.0)] == [2, 1]

    def test_a_late_ack_does_not_remove_a_message_that_is_to_come_again(self):
        queue = make_queue(self.ORDERED, messages=keyed("a", 1, 2))
        first, second = take(queue)
        queue.modify(first.ack_id, 0, now=1.0)
        assert queue.ack(second.ack_id) is None
        assert rows(take(queue, now=1.0)) == [1, 2]

    def test_the_whole_key_waits_for_the_back_off_of_its_first_message(self):
        policy = Policy(ordered=True, minimum_backoff_seconds=4, maximum_backoff_seconds=60)
        queue = make_queue(policy, messages=keyed("a", 1, 2))
        first, _ = take(queue)
        queue.modify(first.ack_id, 0, now=0.0)
        queue.add(make_message(3, key="a"))
        queue.advance(now=3.9)
        assert take(queue, now=3.9) == []
        queue.advance(now=4.0)
        assert rows(take(queue, now=4.0)) == [1, 2, 3]

    def test_without_the_flag_keys_mean_nothing(self):
        queue = make_queue(messages=keyed("a", 1, 2), consumers=(1, 2))
        assert rows(take(queue, 1, limit=1)) == [1]
        assert rows(take(queue, 2)) == [2]

    def test_a_busy_key_does_not_starve_messages_without_one(self):
        queue = make_queue(self.ORDERED, messages=keyed("a", *range(1, 50)))
        take(queue, limit=1)
        queue.add(make_message(100))
        assert 100 in rows(take(queue, limit=2))


class TestRetryAndDeadLetters:
    def test_back_off_doubles_from_minimum_to_maximum(self):
        policy = Policy(minimum_backoff_seconds=2, maximum_backoff_seconds=10)
        # 2, 2·2, 2·4, then min(16, 10)
        assert [policy.backoff_seconds(failures) for failures in (1, 2, 3, 4)] == [2, 4, 8, 10]

    def test_without_a_policy_a_nack_is_delivered_again_at_once(self):
        queue = make_queue(messages=[make_message(1)])
        [delivery] = take(queue)
        queue.modify(delivery.ack_id, 0, now=0.0)
        assert rows(take(queue)) == [1]

    def test_a_lease_that_is_over_backs_off_too(self):
        policy = Policy(minimum_backoff_seconds=5, maximum_backoff_seconds=60)
        queue = make_queue(policy, messages=[make_message(1)])
        take(queue)
        queue.advance(now=LEASE)
        assert take(queue, now=LEASE) == []
        queue.advance(now=LEASE + 5)
        assert rows(take(queue, now=LEASE + 5)) == [1]

    def test_attempts_are_shown_with_a_dead_letter_policy_only(self):
        assert take(make_queue(messages=[make_message(1)]))[0].attempt == 0
        queue = make_queue(Policy(max_attempts=5), messages=[make_message(1)])
        assert take(queue)[0].attempt == 1

    def test_a_message_is_exhausted_after_its_attempts_and_not_delivered_meanwhile(self):
        queue = make_queue(Policy(max_attempts=5), messages=[make_message(1)])
        for attempt in range(1, 6):
            [delivery] = take(queue)
            assert delivery.attempt == attempt
            queue.modify(delivery.ack_id, 0, now=0.0)
        assert [message.row_id for message in queue.exhausted] == [1]
        assert take(queue) == []

    def test_a_message_that_could_not_be_forwarded_is_delivered_again(self):
        queue = make_queue(Policy(max_attempts=5), messages=[make_message(1)])
        for _ in range(5):
            queue.modify(take(queue)[0].ack_id, 0, now=0.0)
        queue.revive(1, now=0.0)
        assert take(queue)[0].attempt == 6

    def test_a_forwarded_message_frees_its_key(self):
        queue = make_queue(Policy(ordered=True, max_attempts=5), messages=keyed("a", 1, 2))
        for _ in range(5):
            queue.modify(take(queue, limit=1)[0].ack_id, 0, now=0.0)
        assert take(queue) == []
        queue.discard(1)
        assert rows(take(queue)) == [2]

    def test_failures_are_reported_for_the_journal(self):
        queue = make_queue(messages=[make_message(1)])
        queue.modify(take(queue)[0].ack_id, 0, now=0.0)
        assert queue.failed == {1: 1}


class QueueMachine(RuleBasedStateMachine):
    """Any order of events: nothing is lost, leased twice, out of order or above a limit."""

    policy = Policy()
    limit = 3

    def __init__(self):
        super().__init__()
        self.queue = SubscriptionQueue(self.policy)
        self.now = 0.0
        self.numbers = count(1)
        self.consumers = set()
        self.published = {}  # row id → key, un-acked
        self.held = {}  # row id → (consumer, ack id), as consumers see it

    def sync(self):
        """Drop from `held` what the queue has taken back."""
        for row_id in list(self.held):
            message = self.queue._messages.get(row_id)
            if message is None or f"{row_id}-{message.lease}" != self.held[row_id][1]:
                del self.held[row_id]

    @rule(key=st.sampled_from(["", "a", "b"]))
    def publish(self, key):
        row_id = next(self.numbers)
        self.queue.add(make_message(row_id, key=key))
        self.published[row_id] = key

    @rule()
    def open(self):
        consumer = next(self.numbers)
        self.queue.open(consumer, Consumer(lease_seconds=LEASE, max_messages=self.limit))
        self.consumers.add(consumer)

    @precondition(lambda self: self.consumers)
    @rule(choice=st.randoms(use_true_random=False), limit=st.integers(1, 4))
    def take(self, choice, limit):
        consumer = choice.choice(sorted(self.consumers))
        for delivery in take(self.queue, consumer, self.now, limit):
            row_id = rows([delivery])[0]
            assert row_id in self.published, "a message came after its ack"
            assert row_id not in self.held, "a message was leased twice"
            self.check_order(row_id, consumer)
            self.held[row_id] = (consumer, delivery.ack_id)

    def check_order(self, row_id, consumer):
        key = self.published[row_id]
        if not (self.policy.ordered and key):
            return
        for earlier in (r for r, k in self.published.items() if k == key and r < row_id):
            assert earlier in self.held, "a later message of a key overtook an earlier one"
            assert self.held[earlier][0] == consumer, "two consumers had one key"

    @precondition(lambda self: self.held)
    @rule(choice=st.randoms(use_true_random=False))
    def ack(self, choice):
        row_id = choice.choice(sorted(self.held))
        assert self.queue.ack(self.held.pop(row_id)[1]) == row_id
        del self.published[row_id]

    @precondition(lambda self: self.held)
    @rule(choice=st.randoms(use_true_random=False), seconds=st.sampled_from([0, 3, 30]))
    def modify(self, choice, seconds):
        row_id = choice.choice(sorted(self.held))
        self.queue.modify(self.held[row_id][1], seconds, self.now)
        self.sync()

    @precondition(lambda self: self.consumers)
    @rule(choice=st.randoms(use_true_random=False), killed=st.booleans())
    def go(self, choice, killed):
        consumer = choice.choice(sorted(self.consumers))
        self.consumers.remove(consumer)
        if killed:
            self.queue.close(consumer, self.now)
        else:
            self.queue.leave(consumer)
        self.sync()

    @rule(seconds=st.sampled_from([0.5, 4.0, 40.0]))
    def wait(self, seconds):
        self.now += seconds
        self.queue.advance(self.now)
        self.sync()

    @rule(there=st.booleans())
    def forward_dead_letters(self, there):
        exhausted, self.queue.exhausted = self.queue.exhausted, []
        for message in exhausted:
            if there:
                self.queue.discard(message.row_id)
                self.published.pop(message.row_id, None)
            else:
                self.queue.revive(message.row_id, self.now)
        self.sync()

    @invariant()
    def nothing_is_lost(self):
        assert set(self.queue._messages) == set(self.published)
        assert self.queue.leased_count == len(self.held)

    @invariant()
    def limits_hold(self):
        for consumer in self.consumers:
            assert sum(1 for holder, _ in self.held.values() if holder == consumer) <= self.limit

    def teardown(self):
        """Whatever has happened: a patient consumer gets every message that is left."""
        for consumer in self.consumers:
            self.queue.close(consumer, self.now)
        self.queue.open(10**6, Consumer(lease_seconds=LEASE))
        delivered = set()
        for _ in range(4):
            self.now += 1000.0
            self.queue.advance(self.now)
            exhausted, self.queue.exhausted = self.queue.exhausted, []
            for message in exhausted:
                self.queue.revive(message.row_id, self.now)
            self.now += 1000.0
            self.queue.advance(self.now)
            delivered |= set(rows(take(self.queue, 10**6, self.now, MANY)))
        assert delivered == set(self.published)


class OrderedMachine(QueueMachine):
    policy = Policy(
        ordered=True, minimum_backoff_seconds=3, maximum_backoff_seconds=20, max_attempts=3
    )


class OrderedWithoutBackoffMachine(QueueMachine):
    policy = Policy(ordered=True)


TestUnorderedProperties = QueueMachine.TestCase
TestOrderedProperties = OrderedMachine.TestCase
TestOrderedWithoutBackoffProperties = OrderedWithoutBackoffMachine.TestCase
