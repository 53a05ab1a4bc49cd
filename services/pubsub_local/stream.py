"""StreamingPull: one thread sends what the feed has, another reads acks and deadlines.

The stream ends with the client (its leases are then free at once), with the subscription
(NOT_FOUND) or with the server (UNAVAILABLE, upon which clients connect again).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import grpc

from services.pubsub_local import validation, wire
from services.pubsub_local.errors import Refused, invalid
from services.pubsub_local.exchange import Exchange
from services.pubsub_local.feed import Feed, Tap
from services.pubsub_local.messages import Consumer
from services.pubsub_local.subscriber_api import encode_deliveries
from services.pubsub_local.wire import ProtoMessage


class StreamingPull:
    """The StreamingPull method."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def serve(
        self, requests: Iterator[ProtoMessage], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Send messages until one side ends.

        Raises:
            Refused: how the stream ends, unless the client ended it.
        """
        opening = next(requests, None)
        if opening is None:
            return
        feed, tap = self._open(opening)
        if not context.add_callback(lambda: feed.detach(tap)):
            feed.detach(tap)
            return
        _Reader(feed, tap, requests).start(opening)
        properties = wire.ORDERING_ENABLED if feed.settings.enable_message_ordering else b""
        try:
            while deliveries := feed.next_deliveries(tap, wait_seconds=math.inf):
                yield encode_deliveries(deliveries) + properties
        finally:
            feed.detach(tap)

    def _open(self, opening: ProtoMessage) -> tuple[Feed, Tap]:
        validation.check_subscription_name(opening.subscription)
        feed = self._exchange.feed(opening.subscription)
        limits = Consumer(
            lease_seconds=validation.ack_deadline(opening.stream_ack_deadline_seconds),
            max_messages=opening.max_outstanding_messages,
            max_bytes=opening.max_outstanding_bytes,
        )
        return feed, feed.attach(limits)


class _Reader:
    """What the client says on the stream after it is open."""

    def __init__(self, feed: Feed, tap: Tap, requests: Iterator[ProtoMessage]) -> None:
        self._feed = feed
        self._tap = tap
        self._requests = requests

    def start(self, opening: ProtoMessage) -> None:
        threading.Thread(target=self._run, args=(opening,), name="stream", daemon=True).start()

    def _run(self, opening: ProtoMessage) -> None:
        try:
            self._apply(opening)
            for request in self._requests:
                self._apply(request)
        except Refused as refused:
            self._feed.end(self._tap, refused)
        except grpc.RpcError:
            pass  # the client is gone
        self._feed.detach(self._tap)

    def _apply(self, request: ProtoMessage) -> None:
        """Take acks and deadlines; an empty request is a sign of life."""
        if request.ack_ids:
            self._feed.acknowledge(request.ack_ids)
        if request.modify_deadline_ack_ids:
            self._feed.modify_deadlines(_changes(request))
        if request.stream_ack_deadline_seconds:
            seconds = validation.ack_deadline(request.stream_ack_deadline_seconds)
            self._feed.set_lease_seconds(self._tap, seconds)


def _changes(request: ProtoMessage) -> list[tuple[str, int]]:
    ack_ids, seconds = request.modify_deadline_ack_ids, request.modify_deadline_seconds
    if len(ack_ids) != len(seconds):
        raise invalid(
            "modify_deadline_ack_ids and modify_deadline_seconds must be equally many,"
            f" were {len(ack_ids)} and {len(seconds)}"
        )
    deadlines = [validation.ack_deadline(asked, lowest=0) for asked in seconds]
    return list(zip(ack_ids, deadlines, strict=True))
