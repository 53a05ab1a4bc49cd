"""What the local Pub/Sub server keeps over its own end, clean or not."""

import contextlib
import threading

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import types
from grpc import StatusCode

from services.pubsub_local import wire
from tests.contract.pubsub_support import PATIENCE, Bus, LocalServer, bodies


@pytest.fixture
def server(tmp_path):
    server = LocalServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bus(server):
    bus = Bus(server.host)
    yield bus
    bus.close()


def restart(server, how):
    how()
    server.start()
    return Bus(server.host)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_unacked_survives(server, bus, end):
    dead_topic = bus.topic()
    policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
    topic, subscription = bus.pair(dead_letter_policy=policy, enable_message_ordering=True)
    orphan_topic, orphan = bus.pair()
    bus.publisher.delete_topic(topic=orphan_topic)
    bus.publish(topic, "acked")
    bus.ack(subscription, *bus.pull(subscription))
    bus.publish(topic, "failed", key="a", signal_id="s-1")
    bus.nack(subscription, *bus.pull(subscription))
    bus.publish(topic, "leased", key="b")
    bus.pull(subscription, 2)
    bus.publish(topic, "ready")  # its commit also takes the ack and the nack with it

    again = restart(server, getattr(server, end))
    try:
        assert again.subscriber.get_subscription(subscription=orphan).topic == "_deleted-topic_"
        deliveries = again.pull(subscription, 3)
        assert sorted(bodies(deliveries)) == ["failed", "leased", "ready"]
        [failed] = [d for d in deliveries if d.message.data == b"failed"]
        assert dict(failed.message.attributes) == {"signal_id": "s-1"}
        assert (failed.message.ordering_key, failed.delivery_attempt) == ("a", 2)
        again.ack(subscription, *deliveries)
        assert again.pull_now(subscription) == []
        with pytest.raises(exceptions.AlreadyExists):
            again.publisher.create_topic(name=topic)
    finally:
        again.close()


def test_ids_are_not_given_twice(server, bus):
    topic, _ = bus.pair()
    before = bus.publish(topic, "one", "two")
    again = restart(server, server.kill)
    try:
        after = again.publish(topic, "three", "four")
        assert len({*before, *after}) == 4
    finally:
        again.close()


def test_every_answered_message_survives_a_kill_in_mid_flight(server, bus):
    topic, subscription = bus.pair()
    answered = []
    enough = threading.Event()

    def publish_until_it_fails():
        with contextlib.suppress(exceptions.GoogleAPICallError):
            while True:
                request = {"topic": topic, "messages": [{"data": b"text"}]}
                response = bus.publisher.publish(request=request, retry=None, timeout=PATIENCE)
                answered.extend(response.message_ids)
                if len(answered) == 200:
                    enough.set()

    publisher = threading.Thread(target=publish_until_it_fails)
    publisher.start()
    assert enough.wait(timeout=PATIENCE)
    server.kill()
    publisher.join(timeout=PATIENCE)
    server.start()
    again = Bus(server.host)
    try:
        deliveries = again.pull(subscription, len(answered)) + again.pull_now(subscription)
        assert set(answered) <= {delivery.message.message_id for delivery in deliveries}
    finally:
        again.close()


def test_streams_end_with_unavailable_when_the_server_stops(server, bus):
    topic, subscription = bus.pair()
    with bus.stream(subscription) as stream:
        bus.publish(topic, "one")
        stream.receive()
        server.stop()
        assert stream.status() is StatusCode.UNAVAILABLE


def test_a_high_level_subscriber_goes_on_after_a_restart(server, bus):
    topic, subscription = bus.pair()
    received = threading.Event()

    def on_message(message):
        message.ack()
        received.set()

    future = bus.subscriber.subscribe(subscription, on_message)
    server.kill()
    server.start()
    bus.publish(topic, "one")
    assert received.wait(timeout=PATIENCE)
    future.cancel()
    future.result(timeout=PATIENCE)


def test_two_servers_do_not_share_a_journal(server, tmp_path):
    second = LocalServer(tmp_path)
    with pytest.raises(AssertionError, match="has ended"):
        second.start()
    second._process.wait(timeout=PATIENCE)
    second._process = None


def test_the_wire_format_is_googles():
    ours_alone = {"Empty", "Timestamp", "Duration", "FieldMask"}
    for name in wire.MESSAGES.keys() - ours_alone:
        google = getattr(types, name).pb().DESCRIPTOR
        for field in wire.message_class(name).DESCRIPTOR.fields:
            theirs = google.fields_by_name[field.name]
            assert (theirs.number, theirs.is_repeated) == (field.number, field.is_repeated)
            if theirs.enum_type is None:
                assert theirs.type == field.type, f"{name}.{field.name}"
