"""`google.pubsub.v1.Subscriber`: subscriptions, and messages that go out one call at a time."""

from __future__ import annotations

from typing import Final

import grpc

from services.pubsub_local import validation, wire
from services.pubsub_local.errors import Refused, invalid
from services.pubsub_local.exchange import Exchange
from services.pubsub_local.messages import Consumer, Delivery
from services.pubsub_local.paging import apply_mask, page
from services.pubsub_local.validation import ack_deadline
from services.pubsub_local.wire import ProtoMessage

#: A Pull without messages answers empty after this long; clients ask again.
_PULL_WAIT_SECONDS: Final = 20.0
_CHANGEABLE: Final = {
    "ack_deadline_seconds",
    "dead_letter_policy",
    "expiration_policy",
    "labels",
    "message_retention_duration",
    "retry_policy",
}


def encode_deliveries(deliveries: list[Delivery]) -> bytes:
    """The body of a PullResponse or StreamingPullResponse."""
    return b"".join([wire.received_message(*delivery) for delivery in deliveries])


class SubscriberApi:
    """One method per RPC; each takes the request and returns the response, or raises Refused."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def create_subscription(self, settings: ProtoMessage) -> ProtoMessage:
        """Add a subscription: it gets what is published from now on."""
        validation.complete_subscription(settings)
        self._exchange.create_subscription(settings)
        return _active(settings)

    def get_subscription(self, request: ProtoMessage) -> ProtoMessage:
        """One subscription."""
        validation.check_subscription_name(request.subscription)
        return _active(self._exchange.feed(request.subscription).settings)

    def update_subscription(self, request: ProtoMessage) -> ProtoMessage:
        """Change deadlines, policies or labels."""
        wanted = request.subscription
        validation.check_subscription_name(wanted.name)
        current = self._exchange.feed(wanted.name).settings
        settings = apply_mask(current, wanted, request.update_mask.paths, changeable=_CHANGEABLE)
        validation.complete_subscription(settings)
        self._exchange.replace_subscription(settings)
        return _active(settings)

    def list_subscriptions(self, request: ProtoMessage) -> ProtoMessage:
        """Subscriptions of a project by name."""
        validation.check_project(request.project)
        prefix = f"{request.project}/subscriptions/"
        feeds = [feed for feed in self._exchange.feeds() if feed.name.startswith(prefix)]
        shown, token = page(feeds, request, name_of=lambda feed: feed.name)
        return wire.ListSubscriptionsResponse(
            subscriptions=[_active(feed.settings) for feed in shown], next_page_token=token
        )

    def delete_subscription(self, request: ProtoMessage) -> ProtoMessage:
        """Remove a subscription with its messages."""
        validation.check_subscription_name(request.subscription)
        self._exchange.delete_subscription(request.subscription)
        return wire.Empty()

    def acknowledge(self, request: ProtoMessage) -> ProtoMessage:
        """Messages are done."""
        validation.check_subscription_name(request.subscription)
        self._exchange.feed(request.subscription).acknowledge(_some(request.ack_ids))
        return wire.Empty()

    def modify_ack_deadline(self, request: ProtoMessage) -> ProtoMessage:
        """Extend leases, or give messages back with 0."""
        validation.check_subscription_name(request.subscription)
        seconds = ack_deadline(request.ack_deadline_seconds, lowest=0)
        changes = [(ack_id, seconds) for ack_id in _some(request.ack_ids)]
        self._exchange.feed(request.subscription).modify_deadlines(changes)
        return wire.Empty()

    def pull(self, request: ProtoMessage, context: grpc.ServicerContext) -> bytes:
        """Up to `max_messages`; waits for the first unless asked not to."""
        validation.check_subscription_name(request.subscription)
        if request.max_messages <= 0:
            raise invalid(f"max_messages must be above 0, was {request.max_messages}")
        feed = self._exchange.feed(request.subscription)
        tap = feed.attach(Consumer(lease_seconds=feed.settings.ack_deadline_seconds))
        if not context.add_callback(lambda: feed.detach(tap)):
            feed.detach(tap)
        wait_seconds = 0.0 if request.return_immediately else _PULL_WAIT_SECONDS
        try:
            deliveries = feed.next_deliveries(
                tap, max_messages=request.max_messages, wait_seconds=wait_seconds
            )
        finally:
            feed.detach(tap, keep_leases=True)
        return encode_deliveries(deliveries)


def _some(ack_ids: ProtoMessage) -> ProtoMessage:
    if not ack_ids:
        raise invalid("ack_ids must name at least one delivery")
    return ack_ids


def _active(settings: ProtoMessage) -> ProtoMessage:
    shown = wire.Subscription()
    shown.CopyFrom(settings)
    shown.state = 1
    return shown


def too_many_calls(limit: int) -> Refused:
    """Every thread that may wait for messages does."""
    sentence = f"at most {limit} StreamingPull and Pull calls may wait at once"
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
