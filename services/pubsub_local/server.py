"""The gRPC server: methods by name, statuses from `Refused`, start and stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from services.pubsub_local import wire
from services.pubsub_local.errors import Refused, invalid, unimplemented
from services.pubsub_local.exchange import Exchange
from services.pubsub_local.journal import Journal
from services.pubsub_local.publisher_api import PublisherApi
from services.pubsub_local.stream import StreamingPull
from services.pubsub_local.subscriber_api import SubscriberApi, too_many_calls
from services.pubsub_local.wire import ProtoMessage

#: What grpc makes of a function; its type is not the same in every version of the stubs.
RpcHandler: TypeAlias = Any
_PACKAGE: Final = "/google.pubsub.v1."
_MAX_WAITING_CALLS: Final = 96
_MAX_CALLS: Final = _MAX_WAITING_CALLS + 32
_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
    ("grpc.max_receive_message_length", 24 * 2**20),  # so that 10 MB is refused with a reason
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 20_000),  # a peer that is silent for 30 s is gone
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class PubSubServer:
    """Google's Pub/Sub for one machine, durable in `path`."""

    def __init__(self, *, host: str, port: int, path: Path) -> None:
        self._address = f"{host}:{port}"
        self._path = path
        self._exchange: Exchange | None = None
        self._server: grpc.Server | None = None

    def start(self) -> int:
        """Serve; the port, which is a free one where 0 was asked for.

        Raises:
            sqlite3.Error: the journal cannot be used, for example by a second server.
            RuntimeError: the address cannot be listened on.
        """
        journal = Journal(self._path)
        server = grpc.server(
            ThreadPoolExecutor(_MAX_CALLS, thread_name_prefix="call"), options=_OPTIONS
        )
        try:
            port = int(server.add_insecure_port(self._address))
        except RuntimeError:
            journal.close()
            raise
        self._exchange = exchange = Exchange(journal)
        methods: RpcHandler = _Methods(exchange)
        server.add_generic_rpc_handlers((methods,))
        exchange.start()
        server.start()
        self._server = server
        return port

    def stop(self, grace: float) -> None:
        """End streams with UNAVAILABLE, let calls finish for `grace` seconds, close the journal."""
        if self._exchange is None or self._server is None:
            return
        stopped = self._server.stop(grace)
        self._exchange.stop_delivery()
        stopped.wait()
        self._exchange.close()
        self._exchange = self._server = None

    def counters(self) -> dict[str, int]:
        """Topics, subscriptions, and over all subscriptions: messages, leases, streams, age."""
        exchange = self._exchange
        if exchange is None:
            return {}
        feeds = [feed.counters() for feed in exchange.feeds()]
        now = time.time()
        ages = [now - feed.oldest_published_at for feed in feeds if feed.oldest_published_at]
        return {
            "topics": len(exchange.topics()),
            "subscriptions": len(feeds),
            "backlog_messages": sum(feed.backlog for feed in feeds),
            "leased_messages": sum(feed.leased for feed in feeds),
            "open_streams": sum(feed.streams for feed in feeds),
            "oldest_unacked_seconds": int(max(ages, default=0.0)),
        }


class _CallDetails(Protocol):
    method: str


class _Methods:
    """Finds the method of a call; what Google has and this server has not says so."""

    def __init__(self, exchange: Exchange) -> None:
        publisher, subscriber = PublisherApi(exchange), SubscriberApi(exchange)
        waiting = threading.BoundedSemaphore(_MAX_WAITING_CALLS)
        self._handlers = {
            "Publisher/CreateTopic": _unary(publisher.create_topic, "Topic"),
            "Publisher/UpdateTopic": _unary(publisher.update_topic, "UpdateTopicRequest"),
            "Publisher/Publish": _unary(publisher.publish, "PublishRequest"),
            "Publisher/GetTopic": _unary(publisher.get_topic, "GetTopicRequest"),
            "Publisher/ListTopics": _unary(publisher.list_topics, "ListTopicsRequest"),
            "Publisher/ListTopicSubscriptions": _unary(
                publisher.list_topic_subscriptions, "ListTopicSubscriptionsRequest"
            ),
            "Publisher/DeleteTopic": _unary(publisher.delete_topic, "DeleteTopicRequest"),
            "Subscriber/CreateSubscription": _unary(subscriber.create_subscription, "Subscription"),
            "Subscriber/GetSubscription": _unary(
                subscriber.get_subscription, "GetSubscriptionRequest"
            ),
            "Subscriber/UpdateSubscription": _unary(
                subscriber.update_subscription, "UpdateSubscriptionRequest"
            ),
            "Subscriber/ListSubscriptions": _unary(
                subscriber.list_subscriptions, "ListSubscriptionsRequest"
            ),
            "Subscriber/DeleteSubscription": _unary(
                subscriber.delete_subscription, "DeleteSubscriptionRequest"
            ),
            "Subscriber/ModifyAckDeadline": _unary(
                subscriber.modify_ack_deadline, "ModifyAckDeadlineRequest"
            ),
            "Subscriber/Acknowledge": _unary(subscriber.acknowledge, "AcknowledgeRequest"),
            "Subscriber/Pull": _pull(subscriber, waiting),
            "Subscriber/StreamingPull": _streaming_pull(StreamingPull(exchange), waiting),
        }

    def service(self, handler_call_details: _CallDetails) -> RpcHandler | None:
        """The handler of one call."""
        method = str(handler_call_details.method)
        if not method.startswith(_PACKAGE):
            return None
        name = method.removeprefix(_PACKAGE)
        return self._handlers.get(name) or _missing(name)


def _abort(context: grpc.ServicerContext, refused: Refused) -> NoReturn:
    context.abort(refused.code, refused.sentence)
    raise AssertionError("abort raises")


@contextmanager
def _one_of(waiting: threading.Semaphore) -> Iterator[None]:
    """Keep threads for calls that do not wait, so that acks and publishes always get through."""
    if not waiting.acquire(blocking=False):
        raise too_many_calls(_MAX_WAITING_CALLS)
    try:
        yield
    finally:
        waiting.release()


def _read(request: ProtoMessage, body: bytes) -> ProtoMessage:
    """A message of the wire. Raises: Refused; what grpc itself reads would end as INTERNAL."""
    try:
        return request.FromString(body)
    except DecodeError as error:
        name = request.DESCRIPTOR.name
        raise invalid(f"the {name} of {len(body)} bytes cannot be read: {error}") from error


def _unary(answer: Callable[[ProtoMessage], ProtoMessage], request: str) -> RpcHandler:
    expected = wire.message_class(request)

    def handle(body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return bytes(answer(_read(expected, body)).SerializeToString())
        except Refused as refused:
            _abort(context, refused)

    return grpc.unary_unary_rpc_method_handler(handle)


def _pull(subscriber: SubscriberApi, waiting: threading.Semaphore) -> RpcHandler:
    expected = wire.message_class("PullRequest")

    def handle(body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            request = _read(expected, body)
            with _one_of(waiting):
                return subscriber.pull(request, context)
        except Refused as refused:
            _abort(context, refused)

    return grpc.unary_unary_rpc_method_handler(handle)


def _streaming_pull(stream: StreamingPull, waiting: threading.Semaphore) -> RpcHandler:
    expected = wire.message_class("StreamingPullRequest")

    def handle(bodies: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        requests = (_read(expected, body) for body in bodies)
        try:
            with _one_of(waiting):
                yield from stream.serve(requests, context)
        except Refused as refused:
            _abort(context, refused)

    return grpc.stream_stream_rpc_method_handler(handle)


def _missing(name: str) -> RpcHandler:
    def handle(_request: bytes, context: grpc.ServicerContext) -> None:
        _abort(context, unimplemented(name))

    return grpc.unary_unary_rpc_method_handler(handle)
