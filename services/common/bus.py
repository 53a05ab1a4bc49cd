"""The bus: doorbells between processes, through Google Cloud Pub/Sub or a server that speaks it.

A message names what has changed in the store; whoever receives it looks there. So a message may be
lost, doubled, late or out of order without harm, and nothing is published that is not yet stored.

How messages are received and acknowledged is in `subscriber.py`. Publishing is bounded here: the
client by itself retries for ten minutes, and for ever with message ordering.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import grpc
from google.api_core import exceptions as google_errors
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from services.common import topology
from services.common.settings import CommonSettings
from services.domain.errors import TransientError

_log = logging.getLogger(__name__)
SCHEMA_VERSION = 1
_PUBLISH_TIMEOUT_SECONDS = 5.0
#: A server that comes back is found within a second: without these the client's stream waits ten.
_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    (
        "grpc.service_config",
        json.dumps(
            {
                "methodConfig": [
                    {
                        "name": [
                            {"service": "google.pubsub.v1.Subscriber", "method": "StreamingPull"}
                        ],
                        "waitForReady": True,
                    }
                ]
            }
        ),
    ),
]


class Ring(NamedTuple):
    """One doorbell: who it is for, and what it says: ids, never content."""

    key: str
    fields: Mapping[str, str]


class _PublisherLike(Protocol):
    def publish(self, *, request: dict[str, Any], timeout: float, retry: None) -> object: ...


def insecure_channel(host: str) -> grpc.Channel:
    """A channel to a server without credentials: the local one, or Google's emulator."""
    return grpc.insecure_channel(host, options=_CHANNEL_OPTIONS)


def _publisher_client(settings: CommonSettings) -> PublisherClient:
    host = settings.pubsub_host
    if host is None:
        return PublisherClient()
    return PublisherClient(transport=PublisherGrpcTransport(channel=insecure_channel(host)))


class Publisher:
    """Rings doorbells. A failure is logged, not raised: the sweeper rings again."""

    def __init__(self, settings: CommonSettings) -> None:
        # The generated client publishes at once in the caller's thread with the time-out given
        # here; the batching client above it would add a thread and retries nobody asked for.
        self._client: _PublisherLike = _publisher_client(settings)
        self._project = settings.project_id

    def ring(self, topic: str, rings: Sequence[Ring]) -> bool:
        """Publish doorbells in one request; True when the bus has them."""
        messages = [
            {
                "data": json.dumps({"schema": str(SCHEMA_VERSION), **ring.fields}).encode(),
                "attributes": {"key": ring.key},
            }
            for ring in rings
        ]
        if not messages:
            return True
        try:
            self._client.publish(
                request={
                    "topic": f"projects/{self._project}/topics/{topic}",
                    "messages": messages,
                },
                timeout=_PUBLISH_TIMEOUT_SECONDS,
                retry=None,
            )
        except google_errors.GoogleAPICallError as error:
            _log.warning("could not publish to %s, the sweeper will: %s", topic, error.message)
            return False
        return True


def create_topology(settings: CommonSettings) -> None:
    """Create every topic, dead-letter topic and subscription that is not there yet.

    Raises:
        TransientError: the bus cannot be reached or refuses.
    """
    host = settings.pubsub_host
    publisher = _publisher_client(settings)
    if host is None:
        subscriber = SubscriberClient()
    else:
        transport = SubscriberGrpcTransport(channel=insecure_channel(host))
        subscriber = SubscriberClient(transport=transport)
    project = f"projects/{settings.project_id}"
    try:
        with publisher, subscriber:
            dead = [each.dead_letter_topic for each in topology.SUBSCRIPTIONS]
            for topic in (*topology.TOPICS, *dead):
                _create(publisher.create_topic, {"name": f"{project}/topics/{topic}"})
            for each in topology.SUBSCRIPTIONS:
                _create(subscriber.create_subscription, _subscription_request(project, each))
    except google_errors.GoogleAPICallError as error:
        raise TransientError(f"Pub/Sub topics could not be created: {error.message}") from error


def _create(create: Callable[..., object], request: dict[str, Any]) -> None:
    try:
        # The client's own retries go on for ten minutes where a name does not resolve.
        create(request=request, timeout=10.0, retry=None)
    except google_errors.AlreadyExists:
        return


def _subscription_request(project: str, subscription: topology.Subscription) -> dict[str, Any]:
    return {
        "name": f"{project}/subscriptions/{subscription.name}",
        "topic": f"{project}/topics/{subscription.topic}",
        "ack_deadline_seconds": topology.ACK_DEADLINE_SECONDS,
        "retry_policy": {
            "minimum_backoff": _duration(topology.RETRY_MINIMUM_SECONDS),
            "maximum_backoff": _duration(topology.RETRY_MAXIMUM_SECONDS),
        },
        "dead_letter_policy": {
            "dead_letter_topic": f"{project}/topics/{subscription.dead_letter_topic}",
            "max_delivery_attempts": topology.MAX_DELIVERY_ATTEMPTS,
        },
    }


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))
