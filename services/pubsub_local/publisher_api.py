"""`google.pubsub.v1.Publisher`: topics, and messages that come in."""

from __future__ import annotations

from services.pubsub_local import validation, wire
from services.pubsub_local.errors import unimplemented
from services.pubsub_local.exchange import Exchange
from services.pubsub_local.paging import apply_mask, page
from services.pubsub_local.wire import ProtoMessage


class PublisherApi:
    """One method per RPC; each takes the request and returns the response, or raises Refused."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def publish(self, request: ProtoMessage) -> ProtoMessage:
        """Store messages; answers once they are durable."""
        validation.check_publish(request)
        message_ids = self._exchange.publish(request.topic, request.messages)
        return wire.PublishResponse(message_ids=message_ids)

    def create_topic(self, topic: ProtoMessage) -> ProtoMessage:
        """Add a topic."""
        validation.check_topic(topic)
        self._exchange.create_topic(topic)
        return topic

    def get_topic(self, request: ProtoMessage) -> ProtoMessage:
        """One topic."""
        validation.check_topic_name(request.topic)
        return self._exchange.topic(request.topic)

    def update_topic(self, request: ProtoMessage) -> ProtoMessage:
        """Change labels or retention."""
        validation.check_topic_name(request.topic.name)
        topic = apply_mask(
            self._exchange.topic(request.topic.name),
            request.topic,
            request.update_mask.paths,
            changeable={"labels", "message_retention_duration"},
        )
        self._exchange.replace_topic(topic)
        return topic

    def list_topics(self, request: ProtoMessage) -> ProtoMessage:
        """Topics of a project by name."""
        validation.check_project(request.project)
        prefix = f"{request.project}/topics/"
        topics = [topic for topic in self._exchange.topics() if topic.name.startswith(prefix)]
        shown, token = page(topics, request, name_of=lambda topic: str(topic.name))
        return wire.ListTopicsResponse(topics=shown, next_page_token=token)

    def list_topic_subscriptions(self, request: ProtoMessage) -> ProtoMessage:
        """Names of a topic's subscriptions."""
        validation.check_topic_name(request.topic)
        names = sorted(feed.name for feed in self._exchange.feeds_of(request.topic))
        shown, token = page(names, request, name_of=str)
        return wire.ListTopicSubscriptionsResponse(subscriptions=shown, next_page_token=token)

    def delete_topic(self, request: ProtoMessage) -> ProtoMessage:
        """Remove a topic; its subscriptions stay."""
        validation.check_topic_name(request.topic)
        self._exchange.delete_topic(request.topic)
        return wire.Empty()

    def list_topic_snapshots(self, _request: ProtoMessage) -> ProtoMessage:
        """Not here."""
        raise unimplemented("A snapshot")

    def detach_subscription(self, _request: ProtoMessage) -> ProtoMessage:
        """Not here."""
        raise unimplemented("Detaching a subscription")
