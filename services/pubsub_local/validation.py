"""What the service accepts: names, limits and settings, with the reason in words. Pure."""

from __future__ import annotations

import re
from typing import Final

from services.pubsub_local.errors import invalid, unimplemented
from services.pubsub_local.messages import Policy
from services.pubsub_local.wire import ProtoMessage

MAX_REQUEST_BYTES: Final = 10_000_000
MAX_MESSAGES: Final = 1000
_MAX_ATTRIBUTES: Final = 100
_MAX_ATTRIBUTE_KEY_BYTES: Final = 256
_MAX_ATTRIBUTE_VALUE_BYTES: Final = 1024
_MAX_ORDERING_KEY_BYTES: Final = 1024
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100
_DEFAULT_ACK_DEADLINE: Final = 10
_DEFAULT_ATTEMPTS: Final = 5
_DEFAULT_BACKOFF: Final = (10.0, 600.0)
_MAX_BACKOFF: Final = 600.0
_DAY: Final = 86_400
RETENTION_SECONDS: Final = (600, 7 * _DAY, 31 * _DAY)
DELETED_TOPIC: Final = "_deleted-topic_"
_ID: Final = r"(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}"
_TOPIC: Final = re.compile(rf"projects/[^/]+/topics/{_ID}")
_SUBSCRIPTION: Final = re.compile(rf"projects/[^/]+/subscriptions/{_ID}")
_PROJECT: Final = re.compile(r"projects/[^/]+")
_NOT_HERE: Final = {
    "filter": "A subscription filter",
    "enable_exactly_once_delivery": "Exactly-once delivery",
    "retain_acked_messages": "Retaining acked messages",
    "bigquery_config": "Delivery to BigQuery",
    "bigtable_config": "Delivery to Bigtable",
    "cloud_storage_config": "Delivery to Cloud Storage",
    "message_transforms": "A message transform",
    "schema_settings": "A schema",
    "ingestion_data_source_settings": "Ingestion from another source",
    "kms_key_name": "Encryption with one's own key",
}


def check_topic_name(name: str) -> None:
    """projects/P/topics/T, T a letter and 2 to 254 more characters."""
    if not _TOPIC.fullmatch(name):
        raise invalid(_bad_name("topic", "projects/{project}/topics/{topic}", name))


def check_subscription_name(name: str) -> None:
    """projects/P/subscriptions/S, S a letter and 2 to 254 more characters."""
    if not _SUBSCRIPTION.fullmatch(name):
        expected = "projects/{project}/subscriptions/{subscription}"
        raise invalid(_bad_name("subscription", expected, name))


def check_project(name: str) -> None:
    """projects/P."""
    if not _PROJECT.fullmatch(name):
        raise invalid(f"project must be projects/{{project}}, was {name!r}")


def _bad_name(what: str, expected: str, name: str) -> str:
    return (
        f"{what} name must be {expected}, its id a letter and 2 to 254 letters, digits or -_.~+%"
        f" and not begin with goog; was {name!r}"
    )


def check_message(message: ProtoMessage) -> None:
    """A message has data or attributes, and both within the limits."""
    if not message.data and not message.attributes:
        raise invalid("a message must have data or at least one attribute, had neither")
    if len(message.ordering_key.encode()) > _MAX_ORDERING_KEY_BYTES:
        raise invalid(f"ordering key must be at most {_MAX_ORDERING_KEY_BYTES} bytes")
    if message.attributes:
        _check_attributes(message.attributes)


def _check_attributes(attributes: ProtoMessage) -> None:
    if len(attributes) > _MAX_ATTRIBUTES:
        raise invalid(f"attributes must be at most {_MAX_ATTRIBUTES}, were {len(attributes)}")
    for key, value in attributes.items():
        if not 0 < len(key.encode()) <= _MAX_ATTRIBUTE_KEY_BYTES:
            raise invalid(f"attribute keys must be 1 to {_MAX_ATTRIBUTE_KEY_BYTES} bytes: {key!r}")
        if len(value.encode()) > _MAX_ATTRIBUTE_VALUE_BYTES:
            limit = _MAX_ATTRIBUTE_VALUE_BYTES
            raise invalid(f"attribute values must be at most {limit} bytes: {key!r}")


def check_publish(request: ProtoMessage) -> None:
    """A request has 1 to 1,000 messages, 10 MB together."""
    check_topic_name(request.topic)
    if not 0 < len(request.messages) <= MAX_MESSAGES:
        raise invalid(f"messages must be 1 to {MAX_MESSAGES}, were {len(request.messages)}")
    if request.ByteSize() > MAX_REQUEST_BYTES:
        raise invalid(
            f"request must be at most {MAX_REQUEST_BYTES} bytes, was {request.ByteSize()}"
        )
    for message in request.messages:
        check_message(message)


def ack_deadline(seconds: int, *, lowest: int = 10) -> int:
    """A lease in seconds: `lowest` to 600."""
    if not lowest <= seconds <= 600:
        raise invalid(f"ack deadline must be {lowest} to 600 seconds, was {seconds}")
    return seconds


def page_size(asked: int) -> int:
    """How many names to list at once."""
    if asked < 0:
        raise invalid(f"page_size must not be below 0, was {asked}")
    return min(asked or _DEFAULT_PAGE, _MAX_PAGE)


def check_topic(topic: ProtoMessage) -> None:
    """A topic to be created or updated."""
    check_topic_name(topic.name)
    _refuse_unavailable(topic)


def complete_subscription(settings: ProtoMessage) -> None:
    """Check the settings of a subscription and fill in the service's defaults, in place."""
    check_subscription_name(settings.name)
    if settings.topic != DELETED_TOPIC:
        check_topic_name(settings.topic)
    _refuse_unavailable(settings)
    if settings.push_config.push_endpoint:
        raise unimplemented("Push delivery")
    settings.ack_deadline_seconds = ack_deadline(
        settings.ack_deadline_seconds or _DEFAULT_ACK_DEADLINE
    )
    shortest, usual, longest = RETENTION_SECONDS
    retention = settings.message_retention_duration
    retention.seconds = retention.seconds or usual
    if not shortest <= retention.seconds <= longest:
        raise invalid(f"message retention must be {shortest} to {longest} seconds, was {retention}")
    if settings.HasField("dead_letter_policy"):
        _complete_dead_letter_policy(settings.dead_letter_policy)
    if settings.HasField("retry_policy"):
        _complete_retry_policy(settings.retry_policy)


def _refuse_unavailable(settings: ProtoMessage) -> None:
    for descriptor, _ in settings.ListFields():
        if descriptor.name in _NOT_HERE:
            raise unimplemented(_NOT_HERE[descriptor.name])


def _complete_dead_letter_policy(policy: ProtoMessage) -> None:
    check_topic_name(policy.dead_letter_topic)
    policy.max_delivery_attempts = policy.max_delivery_attempts or _DEFAULT_ATTEMPTS
    if not 5 <= policy.max_delivery_attempts <= 100:
        found = policy.max_delivery_attempts
        raise invalid(f"max_delivery_attempts must be 5 to 100, was {found}")


def _seconds(duration: ProtoMessage) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _complete_retry_policy(policy: ProtoMessage) -> None:
    lowest, highest = _DEFAULT_BACKOFF
    if not policy.HasField("minimum_backoff"):
        policy.minimum_backoff.seconds = int(lowest)
    if not policy.HasField("maximum_backoff"):
        policy.maximum_backoff.seconds = int(highest)
    shortest, longest = _seconds(policy.minimum_backoff), _seconds(policy.maximum_backoff)
    if not 0 <= shortest <= longest <= _MAX_BACKOFF:
        raise invalid(
            f"back-off must be 0 <= minimum <= maximum <= {_MAX_BACKOFF:g} seconds,"
            f" was {shortest:g} and {longest:g}"
        )


def policy_of(settings: ProtoMessage) -> Policy:
    """The delivery rules in a checked Subscription."""
    retry, dead_letter = settings.retry_policy, settings.dead_letter_policy
    return Policy(
        ordered=settings.enable_message_ordering,
        minimum_backoff_seconds=_seconds(retry.minimum_backoff),
        maximum_backoff_seconds=_seconds(retry.maximum_backoff),
        max_attempts=dead_letter.max_delivery_attempts,
    )
