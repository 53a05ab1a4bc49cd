"""What a message carries that is forwarded to a dead-letter topic. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.pubsub_local import wire
from services.pubsub_local.wire import ProtoMessage

_PREFIX: Final = "CloudPubSubDeadLetterSource"


def dead_letter(body: bytes, *, subscription: str, attempts: int) -> ProtoMessage:
    """The message with the attributes that Google adds to say where it comes from.

    Args:
        body: the encoded PubsubMessage.
        subscription: full name of the subscription that could not deliver it.
        attempts: deliveries that failed.
    """
    message = wire.PubsubMessage.FromString(body)
    _, project, _, subscription_id = subscription.split("/")
    published = message.publish_time.seconds + message.publish_time.nanos / 1e9
    message.attributes[f"{_PREFIX}DeliveryCount"] = str(attempts)
    message.attributes[f"{_PREFIX}Subscription"] = subscription_id
    message.attributes[f"{_PREFIX}SubscriptionProject"] = project
    message.attributes[f"{_PREFIX}TopicPublishTime"] = datetime.fromtimestamp(
        published, UTC
    ).isoformat(timespec="milliseconds")
    return message
