"""The messages of `google.pubsub.v1` that this server reads or writes, by their field numbers.

Declared here because importing `google.pubsub_v1` brings the whole client: 30 MB and half a second,
and message wrappers too slow for a server. The classes live in a descriptor pool of their own, so
both may be loaded in one process. Fields that are not named here survive a round trip as unknown
fields. A test compares every number and type with Google's.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

#: Protobuf builds its classes at run time, so there is no static type to name.
ProtoMessage: TypeAlias = Any
_PACKAGE: Final = "google.pubsub.v1"
_PAGE: Final = "page_size=2 int32, page_token=3 string"
_NEXT_PAGE: Final = "next_page_token=2 string"

#: `name=number type`; `[]` repeats, `{}` is a map of strings, a capital letter a message of ours.
MESSAGES: Final[dict[str, str]] = {
    "Empty": "",
    "Timestamp": "seconds=1 int64, nanos=2 int32",
    "Duration": "seconds=1 int64, nanos=2 int32",
    "FieldMask": "paths=1 string[]",
    "PubsubMessage": "data=1 bytes, attributes=2 {}, message_id=3 string,"
    " publish_time=4 Timestamp, ordering_key=5 string",
    "Topic": "name=1 string, labels=2 {}, kms_key_name=5 string, schema_settings=6 Empty,"
    " message_retention_duration=8 Duration, ingestion_data_source_settings=10 Empty,"
    " message_transforms=13 Empty[]",
    "GetTopicRequest": "topic=1 string",
    "UpdateTopicRequest": "topic=1 Topic, update_mask=2 FieldMask",
    "PublishRequest": "topic=1 string, messages=2 PubsubMessage[]",
    "PublishResponse": "message_ids=1 string[]",
    "ListTopicsRequest": f"project=1 string, {_PAGE}",
    "ListTopicsResponse": f"topics=1 Topic[], {_NEXT_PAGE}",
    "ListTopicSubscriptionsRequest": f"topic=1 string, {_PAGE}",
    "ListTopicSubscriptionsResponse": f"subscriptions=1 string[], {_NEXT_PAGE}",
    "DeleteTopicRequest": "topic=1 string",
    "PushConfig": "push_endpoint=1 string",
    "DeadLetterPolicy": "dead_letter_topic=1 string, max_delivery_attempts=2 int32",
    "RetryPolicy": "minimum_backoff=1 Duration, maximum_backoff=2 Duration",
    "ExpirationPolicy": "ttl=1 Duration",
    "Subscription": "name=1 string, topic=2 string, push_config=4 PushConfig,"
    " ack_deadline_seconds=5 int32, retain_acked_messages=7 bool,"
    " message_retention_duration=8 Duration, labels=9 {}, enable_message_ordering=10 bool,"
    " expiration_policy=11 ExpirationPolicy, filter=12 string,"
    " dead_letter_policy=13 DeadLetterPolicy, retry_policy=14 RetryPolicy, detached=15 bool,"
    " enable_exactly_once_delivery=16 bool, bigquery_config=18 Empty, state=19 enum,"
    " cloud_storage_config=22 Empty, message_transforms=25 Empty[], bigtable_config=27 Empty",
    "GetSubscriptionRequest": "subscription=1 string",
    "UpdateSubscriptionRequest": "subscription=1 Subscription, update_mask=2 FieldMask",
    "ListSubscriptionsRequest": f"project=1 string, {_PAGE}",
    "ListSubscriptionsResponse": f"subscriptions=1 Subscription[], {_NEXT_PAGE}",
    "DeleteSubscriptionRequest": "subscription=1 string",
    "PullRequest": "subscription=1 string, return_immediately=2 bool, max_messages=3 int32",
    "ModifyAckDeadlineRequest": "subscription=1 string, ack_deadline_seconds=3 int32,"
    " ack_ids=4 string[]",
    "AcknowledgeRequest": "subscription=1 string, ack_ids=2 string[]",
    "StreamingPullRequest": "subscription=1 string, ack_ids=2 string[],"
    " modify_deadline_seconds=3 int32[], modify_deadline_ack_ids=4 string[],"
    " stream_ack_deadline_seconds=5 int32, client_id=6 string,"
    " max_outstanding_messages=7 int64, max_outstanding_bytes=8 int64",
}

_SCALARS: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "enum": FieldDescriptorProto.TYPE_INT32,  # same bytes; only the number matters here
}


def _declare_map(message: ProtoMessage, field: ProtoMessage) -> None:
    """A map is a repeated message of key and value, as `protoc` writes it."""
    entry_name = "".join(part.capitalize() for part in field.name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    for number, name in ((1, "key"), (2, "value")):
        string = FieldDescriptorProto.TYPE_STRING
        entry.field.add(name=name, number=number, type=string, label=field.LABEL_OPTIONAL)
    field.label = field.LABEL_REPEATED
    field.type = field.TYPE_MESSAGE
    field.type_name = f".{_PACKAGE}.{message.name}.{entry_name}"


def _declare_field(message: ProtoMessage, declaration: str) -> None:
    name, _, rest = declaration.strip().partition("=")
    number, _, kind = rest.partition(" ")
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind.endswith("[]") else field.LABEL_OPTIONAL
    kind = kind.removesuffix("[]")
    if kind == "{}":
        _declare_map(message, field)
    elif kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="pubsub_local.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for declaration in filter(None, fields.split(",")):
            _declare_field(message, declaration)
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in MESSAGES
    }


_CLASSES = _classes()
Empty: ProtoMessage = _CLASSES["Empty"]
Timestamp: ProtoMessage = _CLASSES["Timestamp"]
PubsubMessage: ProtoMessage = _CLASSES["PubsubMessage"]
Topic: ProtoMessage = _CLASSES["Topic"]
Subscription: ProtoMessage = _CLASSES["Subscription"]
PublishResponse: ProtoMessage = _CLASSES["PublishResponse"]
ListTopicsResponse: ProtoMessage = _CLASSES["ListTopicsResponse"]
ListTopicSubscriptionsResponse: ProtoMessage = _CLASSES["ListTopicSubscriptionsResponse"]
ListSubscriptionsResponse: ProtoMessage = _CLASSES["ListSubscriptionsResponse"]


def message_class(name: str) -> ProtoMessage:
    """The class of one message by its name in `google.pubsub.v1`."""
    return _CLASSES[name]


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def received_message(ack_id: str, body: bytes, delivery_attempt: int) -> bytes:
    """One `received_messages` entry of a PullResponse or StreamingPullResponse, encoded by hand.

    The stored bytes of the message go out as they are: nothing is parsed to be delivered.

    Args:
        ack_id: ASCII.
        body: an encoded PubsubMessage.
        delivery_attempt: 0 leaves the field out.
    """
    ack = ack_id.encode()
    inner = b"".join((b"\x0a", _varint(len(ack)), ack, b"\x12", _varint(len(body)), body))
    if delivery_attempt:
        inner += b"\x18" + _varint(delivery_attempt)
    return b"".join((b"\x0a", _varint(len(inner)), inner))


#: `subscription_properties { message_ordering_enabled: true }` of a StreamingPullResponse.
ORDERING_ENABLED: Final = b"\x22\x02\x10\x01"
