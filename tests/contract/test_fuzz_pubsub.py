"""Requests with a few bytes wrong: the local server answers each, or refuses it by name.

UNKNOWN and INTERNAL are a handler that broke.
"""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types
from hypothesis import given
from hypothesis import strategies as st

from services.pubsub_local.server import PubSubServer
from tests.support.fuzz import BOUNDED, spliced

TOPIC, FEED = "projects/p/topics/orders", "projects/p/subscriptions/desk"
LONG = Duration(seconds=2**62, nanos=-(2**31))
REQUESTS = {
    "Publisher/CreateTopic": [
        types.Topic(name=TOPIC, labels={"a": "b"}, message_retention_duration=LONG)
    ],
    "Publisher/UpdateTopic": [
        types.UpdateTopicRequest(topic={"name": TOPIC}, update_mask="labels")
    ],
    "Publisher/GetTopic": [types.GetTopicRequest(topic=TOPIC)],
    "Publisher/ListTopics": [types.ListTopicsRequest(project="projects/p", page_size=-1)],
    "Publisher/ListTopicSubscriptions": [
        types.ListTopicSubscriptionsRequest(topic=TOPIC, page_token="x")
    ],
    "Publisher/DeleteTopic": [types.DeleteTopicRequest(topic=f"{TOPIC}2")],
    "Publisher/Publish": [
        types.PublishRequest(
            topic=TOPIC,
            messages=[{"data": b"x", "attributes": {"a": "b"}, "ordering_key": "k"}],
        )
    ],
    "Subscriber/CreateSubscription": [
        types.Subscription(
            name=FEED,
            topic=TOPIC,
            ack_deadline_seconds=10,
            dead_letter_policy={"dead_letter_topic": TOPIC, "max_delivery_attempts": 5},
            retry_policy={"minimum_backoff": {"seconds": 1}, "maximum_backoff": LONG},
        )
    ],
    "Subscriber/UpdateSubscription": [
        types.UpdateSubscriptionRequest(
            subscription={"name": FEED, "ack_deadline_seconds": 20, "retry_policy": {}},
            update_mask="ackDeadlineSeconds,retryPolicy",
        )
    ],
    "Subscriber/GetSubscription": [types.GetSubscriptionRequest(subscription=FEED)],
    "Subscriber/ListSubscriptions": [types.ListSubscriptionsRequest(project="projects/p")],
    "Subscriber/ModifyAckDeadline": [
        types.ModifyAckDeadlineRequest(
            subscription=FEED, ack_ids=["1", "x:y"], ack_deadline_seconds=0
        )
    ],
    "Subscriber/Acknowledge": [types.AcknowledgeRequest(subscription=FEED, ack_ids=["1-2", "é"])],
    "Subscriber/Pull": [
        types.PullRequest(subscription=FEED, max_messages=2**31 - 1, return_immediately=True)
    ],
    "Subscriber/StreamingPull": [
        types.StreamingPullRequest(
            subscription=FEED,
            stream_ack_deadline_seconds=10,
            modify_deadline_seconds=[5],
            modify_deadline_ack_ids=["1"],
            max_outstanding_bytes=-1,
        )
    ],
}
BODIES = {
    name: [type(each).serialize(each) for each in requests] for name, requests in REQUESTS.items()
}
EVERY = tuple(body for bodies in BODIES.values() for body in bodies)
BROKEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


class Caller:
    """Sends bytes to a method, as they are."""

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address)

    def ask(self, name, body):
        """The status that it ends with; None = it was answered."""
        path = f"/google.pubsub.v1.{name}"
        try:
            if name.endswith("StreamingPull"):
                stream = self._channel.stream_stream(path)(iter([body]), timeout=0.5)
                next(iter(stream), None)
                stream.cancel()
            else:
                self._channel.unary_unary(path)(body, timeout=20)
        except grpc.RpcError as error:
            return error.code(), error.details()
        return None

    def close(self):
        self._channel.close()


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    server = PubSubServer(host="127.0.0.1", port=0, path=tmp_path_factory.mktemp("bus"))
    made = Caller(f"127.0.0.1:{server.start()}")
    for name in ("Publisher/CreateTopic", "Subscriber/CreateSubscription"):
        simple = {"Publisher/CreateTopic": types.Topic(name=TOPIC)}
        body = simple.get(name, types.Subscription(name=FEED, topic=TOPIC))
        assert made.ask(name, type(body).serialize(body)) is None
    yield made
    made.close()
    server.stop(grace=1)


@BOUNDED
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_a_request_is_answered_or_refused_by_name(caller, name, data):
    body = data.draw(st.one_of(spliced(*BODIES[name], *EVERY), st.binary(max_size=60)))
    ended = caller.ask(name, body)
    assert ended is None or ended[0] not in BROKEN, (name, body, ended)
    if ended is not None and ended[0] is not grpc.StatusCode.DEADLINE_EXCEEDED:
        assert ended[1]


def test_what_is_no_message_is_an_invalid_argument(caller):
    for name in sorted(BODIES):
        code, words = caller.ask(name, b"\x0a\xff\xff\xff\xff")
        assert code is grpc.StatusCode.INVALID_ARGUMENT, name
        assert "cannot be read" in words
