"""What Pub/Sub promises, on the local server and on Google's emulator where it is installed.

Google's emulator differs from Google's service in places; such a test says so and is run on the
local server only, which follows the service.
"""

import contextlib
import queue
import subprocess
import sys
import threading
import time

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode

from tests.contract.pubsub_support import (
    PATIENCE,
    PROJECT,
    REPOSITORY,
    Bus,
    LocalServer,
    bodies,
    free_port,
    google_emulator,
    google_emulator_command,
)


@pytest.fixture(scope="module", params=["local", "google"])
def bus(request, tmp_path_factory):
    home = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        if request.param == "local":
            server = LocalServer(home)
            server.start()
            stack.callback(server.stop)
            host = server.host
        else:
            port = free_port()
            command = google_emulator_command(port)
            if command is None:
                pytest.skip("Google's emulator is not installed (see google_emulator_command)")
            host = f"127.0.0.1:{port}"
            stack.enter_context(google_emulator(command, host, home))
        clients = Bus(host, is_google=request.param == "google")
        stack.callback(clients.close)
        yield clients


@pytest.fixture
def service_bus(bus):
    """For rules that Google's service has and its emulator has not."""
    if bus.is_google:
        pytest.skip("Google's emulator differs from Google's service here")
    return bus


class TestTopics:
    def test_a_created_topic_is_found_and_listed(self, bus):
        name = bus.topic()
        assert bus.publisher.get_topic(topic=name).name == name
        assert name in [topic.name for topic in bus.publisher.list_topics(project=PROJECT)]

    def test_a_topic_exists_once(self, bus):
        name = bus.topic()
        with pytest.raises(exceptions.AlreadyExists):
            bus.publisher.create_topic(name=name)

    def test_an_unknown_topic_is_not_found(self, bus):
        name = bus.topic_name()
        for call in (bus.publisher.get_topic, bus.publisher.delete_topic):
            with pytest.raises(exceptions.NotFound):
                call(topic=name)
        with pytest.raises(exceptions.NotFound):
            bus.publish(name, "text")

    @pytest.mark.parametrize("topic_id", ["ab", "1abc", "goog-topic", "a b c", ""])
    def test_a_bad_name_is_refused(self, service_bus, topic_id):
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.publisher.create_topic(name=f"{PROJECT}/topics/{topic_id}")

    def test_a_list_comes_in_pages(self, bus):
        names = {bus.topic() for _ in range(5)}
        pages = list(bus.publisher.list_topics(request={"project": PROJECT, "page_size": 2}).pages)
        listed = [topic.name for page in pages for topic in page.topics]
        assert all(len(page.topics) <= 2 for page in pages)
        assert names <= set(listed)
        assert len(listed) == len(set(listed))

    def test_labels_can_be_changed(self, service_bus):
        name = service_bus.topic()
        changed = service_bus.publisher.update_topic(
            topic={"name": name, "labels": {"kind": "doorbell"}}, update_mask={"paths": ["labels"]}
        )
        assert dict(changed.labels) == {"kind": "doorbell"}
        assert dict(service_bus.publisher.get_topic(topic=name).labels) == {"kind": "doorbell"}

    def test_a_deleted_topic_leaves_its_subscription_with_the_messages(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "before")
        bus.publisher.delete_topic(topic=topic)
        assert bus.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
        assert bodies(bus.pull(subscription)) == ["before"]

    def test_a_topic_of_the_same_name_does_not_take_the_old_subscription_back(self, bus):
        topic, subscription = bus.pair()
        bus.publisher.delete_topic(topic=topic)
        bus.publisher.create_topic(name=topic)
        assert list(bus.publisher.list_topic_subscriptions(topic=topic)) == []
        bus.publish(topic, "after")
        assert bus.pull_now(subscription) == []


class TestSubscriptions:
    def test_a_created_subscription_is_found_and_listed(self, bus):
        topic, name = bus.pair()
        found = bus.subscriber.get_subscription(subscription=name)
        assert (found.name, found.topic, found.ack_deadline_seconds) == (name, topic, 10)
        listed = bus.subscriber.list_subscriptions(project=PROJECT)
        assert name in [subscription.name for subscription in listed]
        assert list(bus.publisher.list_topic_subscriptions(topic=topic)) == [name]

    def test_a_subscription_exists_once(self, bus):
        topic, name = bus.pair()
        with pytest.raises(exceptions.AlreadyExists):
            bus.subscriber.create_subscription(name=name, topic=topic)

    def test_its_topic_must_exist(self, bus):
        with pytest.raises(exceptions.NotFound):
            bus.subscription(bus.topic_name())

    def test_an_unknown_subscription_is_not_found(self, bus):
        name = bus.subscription_name()
        calls = [
            lambda: bus.subscriber.get_subscription(subscription=name),
            lambda: bus.subscriber.delete_subscription(subscription=name),
            lambda: bus.subscriber.pull(subscription=name, max_messages=1),
            lambda: bus.subscriber.acknowledge(subscription=name, ack_ids=["1-1"]),
        ]
        for call in calls:
            with pytest.raises(exceptions.NotFound):
                call()

    def test_a_name_of_two_characters_is_refused(self, bus):
        topic = bus.topic()
        with pytest.raises(exceptions.InvalidArgument):
            bus.subscriber.create_subscription(name=f"{PROJECT}/subscriptions/ab", topic=topic)

    @pytest.mark.parametrize("seconds", [-1, 9, 601])
    def test_an_ack_deadline_outside_10_to_600_seconds_is_refused(self, service_bus, seconds):
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.subscription(service_bus.topic(), ack_deadline_seconds=seconds)

    @pytest.mark.parametrize("attempts", [4, 101])
    def test_delivery_attempts_outside_5_to_100_are_refused(self, bus, attempts):
        policy = {"dead_letter_topic": bus.topic(), "max_delivery_attempts": attempts}
        with pytest.raises(exceptions.BadRequest):  # the emulator says OUT_OF_RANGE
            bus.subscription(bus.topic(), dead_letter_policy=policy)

    def test_a_dead_letter_topic_must_exist(self, service_bus):
        policy = {"dead_letter_topic": service_bus.topic_name(), "max_delivery_attempts": 5}
        with pytest.raises(exceptions.NotFound):
            service_bus.subscription(service_bus.topic(), dead_letter_policy=policy)

    def test_a_back_off_above_600_seconds_is_refused(self, service_bus):
        policy = {"minimum_backoff": Duration(seconds=1), "maximum_backoff": Duration(seconds=601)}
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.subscription(service_bus.topic(), retry_policy=policy)

    @pytest.mark.parametrize(
        "settings",
        [
            {"filter": 'attributes.kind = "order"'},
            {"enable_exactly_once_delivery": True},
            {"retain_acked_messages": True},
            {"push_config": {"push_endpoint": "https://example.com/push"}},
        ],
    )
    def test_what_the_local_server_has_not_is_refused_and_not_ignored(self, service_bus, settings):
        with pytest.raises(exceptions.MethodNotImplemented, match="not available"):
            service_bus.subscription(service_bus.topic(), **settings)

    def test_seek_says_that_it_is_not_available(self, service_bus):
        _, subscription = service_bus.pair()
        with pytest.raises(exceptions.MethodNotImplemented, match="Seek"):
            service_bus.subscriber.seek(request={"subscription": subscription})

    def test_settings_can_be_changed(self, service_bus):
        topic, name = service_bus.pair()
        service_bus.subscriber.update_subscription(
            subscription={"name": name, "ack_deadline_seconds": 77, "topic": topic},
            update_mask={"paths": ["ack_deadline_seconds"]},
        )
        found = service_bus.subscriber.get_subscription(subscription=name)
        assert (found.ack_deadline_seconds, found.topic) == (77, topic)

    def test_ordering_cannot_be_changed(self, service_bus):
        _, name = service_bus.pair()
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.subscriber.update_subscription(
                subscription={"name": name, "enable_message_ordering": True},
                update_mask={"paths": ["enable_message_ordering"]},
            )

    def test_deleting_one_ends_its_streams_with_not_found(self, bus):
        topic, subscription = bus.pair()
        with bus.stream(subscription) as stream:
            bus.publish(topic, "one")
            stream.receive()  # the stream is open
            bus.subscriber.delete_subscription(subscription=subscription)
            assert stream.status() is StatusCode.NOT_FOUND

    def test_a_new_one_of_the_same_name_starts_empty(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "old")
        bus.subscriber.delete_subscription(subscription=subscription)
        bus.subscriber.create_subscription(name=subscription, topic=topic)
        assert bus.pull_now(subscription) == []


class TestPublish:
    def test_a_message_arrives_as_it_was_sent(self, bus):
        topic, subscription = bus.pair()
        [message_id] = bus.publish(topic, "body", key="k", signal_id="s-1")
        [delivery] = bus.pull(subscription)
        message = delivery.message
        assert (message.data, message.message_id, message.ordering_key) == (
            b"body",
            message_id,
            "k",
        )
        assert dict(message.attributes) == {"signal_id": "s-1"}
        assert message.publish_time.timestamp() == pytest.approx(time.time(), abs=60)
        assert delivery.delivery_attempt == 0

    def test_every_subscription_gets_every_message(self, bus):
        topic, first = bus.pair()
        second = bus.subscription(topic)
        bus.publish(topic, "one")
        assert bodies(bus.pull(first)) == bodies(bus.pull(second)) == ["one"]

    def test_a_subscription_gets_nothing_published_before_it(self, bus):
        topic = bus.topic()
        bus.publish(topic, "early")
        assert bus.pull_now(bus.subscription(topic)) == []

    def test_ids_are_different_and_in_the_order_of_the_request(self, bus):
        topic, subscription = bus.pair()
        message_ids = bus.publish(topic, *map(str, range(20)))
        received = {d.message.message_id: d.message.data for d in bus.pull(subscription, 20)}
        assert [received[message_id] for message_id in message_ids] == [
            str(number).encode() for number in range(20)
        ]

    def test_a_message_needs_data_or_attributes(self, bus):
        with pytest.raises(exceptions.InvalidArgument):
            bus.publish(bus.topic(), "")

    def test_attributes_alone_are_enough(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "", kind="empty")
        assert len(bus.pull(subscription)) == 1

    @pytest.mark.parametrize(
        "attributes",
        [
            {f"key{number}": "value" for number in range(101)},
            {"k" * 257: "value"},
            {"key": "v" * 1025},
        ],
        ids=["101 attributes", "key of 257 bytes", "value of 1025 bytes"],
    )
    def test_attributes_above_the_limits_are_refused(self, service_bus, attributes):
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.publish(service_bus.topic(), "text", **attributes)

    def test_attributes_at_the_limits_are_accepted(self, bus):
        attributes = {f"{number:0256d}": "v" * 1024 for number in range(100)}
        assert bus.publish(bus.topic(), "text", **attributes)

    def test_a_request_above_10_megabytes_is_refused(self, service_bus):
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.publish(service_bus.topic(), "x" * 10_000_001)

    def test_a_message_of_9_megabytes_arrives(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "x" * 9_000_000)
        assert len(bus.pull(subscription)[0].message.data) == 9_000_000


class TestLeases:
    def test_an_acked_message_does_not_come_again(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "one")
        [delivery] = bus.pull(subscription)
        bus.extend(subscription, 1, delivery)
        bus.ack(subscription, delivery)
        time.sleep(1.2)  # longer than the lease
        assert bus.pull_now(subscription) == []

    def test_a_leased_message_is_not_delivered_to_others(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "one")
        bus.pull(subscription)
        assert bus.pull_now(subscription) == []

    def test_a_nacked_message_comes_again(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "one")
        [first] = bus.pull(subscription)
        bus.nack(subscription, first)
        [second] = bus.pull(subscription)
        assert second.message.message_id == first.message.message_id

    def test_a_message_comes_again_when_its_lease_is_over(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "one")
        [first] = bus.pull(subscription)
        bus.extend(subscription, 1, first)
        [second] = bus.pull(subscription)
        assert second.message.message_id == first.message.message_id

    def test_an_ack_of_something_already_acked_is_accepted(self, bus):
        topic, subscription = bus.pair()
        bus.publish(topic, "one")
        deliveries = bus.pull(subscription)
        bus.ack(subscription, *deliveries)
        bus.ack(subscription, *deliveries)

    @pytest.mark.parametrize("seconds", [-1, 601])
    def test_a_lease_outside_0_to_600_seconds_is_refused(self, service_bus, seconds):
        topic, subscription = service_bus.pair()
        service_bus.publish(topic, "one")
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.extend(subscription, seconds, *service_bus.pull(subscription))

    def test_an_ack_id_of_nobody_is_refused(self, service_bus):
        _, subscription = service_bus.pair()
        with pytest.raises(exceptions.InvalidArgument):
            service_bus.subscriber.acknowledge(subscription=subscription, ack_ids=["nonsense"])

    def test_a_pull_waits_for_a_message(self, bus):
        topic, subscription = bus.pair()
        late = threading.Timer(0.2, lambda: bus.publish(topic, "late"))
        late.start()
        assert bodies(bus.pull(subscription)) == ["late"]
        late.join()

    def test_a_pull_for_nothing_is_refused(self, bus):
        _, subscription = bus.pair()
        with pytest.raises(exceptions.InvalidArgument):
            bus.subscriber.pull(subscription=subscription, max_messages=0)


class TestStreams:
    def test_messages_and_acks_travel_on_one_stream(self, bus):
        topic, subscription = bus.pair()
        with bus.stream(subscription) as stream:
            bus.publish(topic, "one", "two")
            deliveries = stream.receive(2)
            assert sorted(bodies(deliveries)) == ["one", "two"]
            stream.ack(*deliveries)
            bus.publish(topic, "three")
            stream.ack(*stream.receive())
            stream.half_close()
            stream.status()
        assert bus.pull_now(subscription) == []

    def test_a_nack_on_the_stream_brings_the_message_again(self, bus):
        topic, subscription = bus.pair()
        with bus.stream(subscription) as stream:
            bus.publish(topic, "one")
            [first] = stream.receive()
            stream.send(modify_deadline_ack_ids=[first.ack_id], modify_deadline_seconds=[0])
            [second] = stream.receive()
            assert second.message.message_id == first.message.message_id

    def test_two_streams_share_the_messages(self, service_bus):
        topic, subscription = service_bus.pair()
        with (
            service_bus.stream(subscription, max_outstanding_messages=5) as one,
            service_bus.stream(subscription, max_outstanding_messages=5) as two,
        ):
            service_bus.publish(topic, *map(str, range(10)))
            assert sorted(bodies(one.receive(5) + two.receive(5))) == [str(n) for n in range(10)]

    def test_a_stream_gets_no_more_messages_than_it_asked_for(self, service_bus):
        topic, subscription = service_bus.pair()
        with service_bus.stream(subscription, max_outstanding_messages=2) as stream:
            service_bus.publish(topic, *"abcde")
            deliveries = stream.receive(2)
            assert stream.receives_nothing()
            stream.ack(deliveries[0])
            stream.receive(1)
            assert stream.receives_nothing()

    def test_a_stream_gets_no_more_bytes_than_it_asked_for(self, service_bus):
        topic, subscription = service_bus.pair()
        with service_bus.stream(subscription, max_outstanding_bytes=2500) as stream:
            service_bus.publish(topic, *("x" * 1000 for _ in range(4)))
            deliveries = stream.receive(2)  # a third would make more than 3,000 bytes
            assert stream.receives_nothing()
            stream.ack(*deliveries)
            stream.receive(2)

    def test_what_a_closed_stream_held_comes_again_at_once(self, service_bus):
        topic, subscription = service_bus.pair()
        with service_bus.stream(subscription) as stream:
            service_bus.publish(topic, "one")
            stream.receive()
        assert bodies(service_bus.pull(subscription)) == ["one"]  # the lease was 60 s

    def test_a_stream_of_an_unknown_subscription_is_not_found(self, bus):
        with bus.stream(bus.subscription_name()) as stream:
            assert stream.status() is StatusCode.NOT_FOUND

    def test_a_stream_deadline_below_10_seconds_is_refused(self, bus):
        _, subscription = bus.pair()
        with bus.stream(subscription, stream_ack_deadline_seconds=5) as stream:
            assert stream.status() is StatusCode.INVALID_ARGUMENT

    def test_an_empty_request_keeps_the_stream_open(self, bus):
        topic, subscription = bus.pair()
        with bus.stream(subscription) as stream:
            stream.send()
            bus.publish(topic, "one")
            assert bodies(stream.receive()) == ["one"]


class TestOrdering:
    def test_messages_of_a_key_come_in_order(self, bus):
        topic, subscription = bus.pair(enable_message_ordering=True)
        with bus.stream(subscription) as stream:
            for number in range(20):
                bus.publish(topic, f"a{number}", key="a")
                bus.publish(topic, f"b{number}", key="b")
            received = bodies(stream.receive(40))
        for key in "ab":
            mine = [body for body in received if body.startswith(key)]
            assert mine == [f"{key}{number}" for number in range(20)]

    def test_a_key_is_not_on_two_streams(self, bus):
        topic, subscription = bus.pair(enable_message_ordering=True)
        with (
            bus.stream(subscription, max_outstanding_messages=1) as one,
            bus.stream(subscription, max_outstanding_messages=1) as two,
        ):
            bus.publish(topic, "first", "second", key="a")
            streams = {"one": one, "two": two}
            idle = [name for name, stream in streams.items() if stream.receives_nothing()]
            assert len(idle) == 1

    def test_after_a_nack_the_later_ones_come_again_in_order(self, service_bus):
        topic, subscription = service_bus.pair(enable_message_ordering=True)
        with service_bus.stream(subscription) as stream:
            service_bus.publish(topic, *"12345", key="a")
            deliveries = stream.receive(5)
            stream.ack(*deliveries[:2])
            service_bus.nack(subscription, deliveries[2])
            assert bodies(stream.receive(3)) == ["3", "4", "5"]

    def test_a_pull_leaves_a_key_alone_while_something_of_it_is_out(self, service_bus):
        topic, subscription = service_bus.pair(enable_message_ordering=True)
        service_bus.publish(topic, "1", "2", key="a")
        [first] = service_bus.pull(subscription, 1)
        assert service_bus.pull_now(subscription) == []
        service_bus.ack(subscription, first)
        assert bodies(service_bus.pull_now(subscription)) == ["2"]


class TestRetryPolicy:
    def settings(self, minimum_seconds):
        return {
            "retry_policy": {
                "minimum_backoff": Duration(nanos=int(minimum_seconds * 1e9)),
                "maximum_backoff": Duration(seconds=2),
            }
        }

    def test_a_nacked_message_waits_for_the_back_off(self, service_bus):
        topic, subscription = service_bus.pair(**self.settings(0.4))
        service_bus.publish(topic, "one")
        waits = []
        for _ in range(2):
            [delivery] = service_bus.pull(subscription)
            nacked_at = time.monotonic()
            service_bus.nack(subscription, delivery)
            [delivery] = service_bus.pull(subscription)
            waits.append(time.monotonic() - nacked_at)
            service_bus.nack(subscription, delivery)
        assert waits[0] >= 0.4
        assert waits[1] >= 1.6  # third failure: 0.4 · 2 · 2

    def test_other_messages_do_not_wait_with_it(self, service_bus):
        topic, subscription = service_bus.pair(**self.settings(0.9))
        service_bus.publish(topic, "slow")
        service_bus.nack(subscription, *service_bus.pull(subscription))
        service_bus.publish(topic, "quick")
        assert bodies(service_bus.pull(subscription, 2)) == ["quick", "slow"]


class TestDeadLetters:
    def fail(self, bus, subscription, times):
        attempts = []
        for _ in range(times):
            [delivery] = bus.pull(subscription)
            attempts.append(delivery.delivery_attempt)
            bus.nack(subscription, delivery)
        return attempts

    def test_a_message_is_forwarded_after_its_attempts(self, bus):
        dead_topic, dead = bus.pair()
        policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
        topic, subscription = bus.pair(dead_letter_policy=policy)
        bus.publish(topic, "poison", signal_id="s-1")
        assert self.fail(bus, subscription, 5) == [1, 2, 3, 4, 5]
        assert bus.pull_now(subscription) == []  # the emulator forwards when it is asked next
        [letter] = bus.pull(dead)
        assert letter.message.data == b"poison"
        attributes = dict(letter.message.attributes)
        assert attributes.pop("signal_id") == "s-1"
        assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
        assert attributes["CloudPubSubDeadLetterSourceSubscription"] == subscription.split("/")[-1]
        assert attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] == "conformance"
        assert "CloudPubSubDeadLetterSourceTopicPublishTime" in attributes

    def test_without_its_topic_the_message_stays(self, service_bus):
        bus = service_bus
        dead_topic = bus.topic()
        policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
        topic, subscription = bus.pair(dead_letter_policy=policy)
        bus.publisher.delete_topic(topic=dead_topic)
        bus.publish(topic, "poison")
        assert self.fail(bus, subscription, 7) == [1, 2, 3, 4, 5, 6, 7]
        assert bodies(bus.pull(subscription)) == ["poison"]


_CONSUMER = """
import sys, time
from google.cloud import pubsub_v1
def keep(message):
    print(message.data.decode(), flush=True)
    time.sleep(600)
subscriber = pubsub_v1.SubscriberClient()
subscriber.subscribe(sys.argv[1], callback=keep).result()
"""


class TestHighLevelClient:
    @contextlib.contextmanager
    def subscribed(self, bus, subscription, callback, **limits):
        flow_control = pubsub_v1.types.FlowControl(**limits)
        future = bus.subscriber.subscribe(
            subscription, callback, flow_control=flow_control, await_callbacks_on_shutdown=True
        )
        try:
            yield future
        finally:
            future.cancel()
            future.result(timeout=PATIENCE)

    def test_callbacks_get_every_message_once(self, bus, monkeypatch):
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", bus.host)
        topic, subscription = bus.pair()
        received = queue.SimpleQueue()

        def on_message(message):
            received.put(message.data.decode())
            message.ack()

        publisher = pubsub_v1.PublisherClient()
        with self.subscribed(bus, subscription, on_message):
            futures = [publisher.publish(topic, str(n).encode()) for n in range(300)]
            assert len({future.result(timeout=PATIENCE) for future in futures}) == 300
            got = [received.get(timeout=PATIENCE) for _ in range(300)]
        publisher.stop()
        publisher.transport.close()
        assert sorted(got, key=int) == [str(n) for n in range(300)]
        assert bus.pull_now(subscription) == []

    def test_callbacks_of_a_key_run_in_order(self, bus):
        topic, subscription = bus.pair(enable_message_ordering=True)
        received = queue.SimpleQueue()

        def on_message(message):
            received.put(message.data.decode())
            message.ack()

        with self.subscribed(bus, subscription, on_message):
            bus.publish(topic, *map(str, range(10)), key="a")
            got = [received.get(timeout=PATIENCE) for _ in range(10)]
        assert got == [str(n) for n in range(10)]

    def test_a_nack_brings_the_callback_again(self, bus):
        topic, subscription = bus.pair()
        received = queue.SimpleQueue()
        refusals = iter([True, False])

        def on_message(message):
            received.put(message.message_id)
            if next(refusals):
                message.nack()
            else:
                message.ack()

        with self.subscribed(bus, subscription, on_message):
            [message_id] = bus.publish(topic, "one")
            assert [received.get(timeout=PATIENCE) for _ in range(2)] == [message_id] * 2

    def test_what_a_killed_consumer_held_goes_to_the_next_one(self, service_bus, monkeypatch):
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", service_bus.host)
        topic, subscription = service_bus.pair()
        service_bus.publish(topic, "one")
        consumer = subprocess.Popen(
            [sys.executable, "-c", _CONSUMER, subscription], stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        with consumer:
            assert consumer.stdout.readline() == b"one\n"
            consumer.kill()
        service_bus.publish(topic, "two")
        # Its leases were 60 s; nothing goes to the dead stream either.
        assert sorted(bodies(service_bus.pull(subscription, 2))) == ["one", "two"]
