"""Receiving from the bus: the acknowledgement policy lives here and nowhere else.

Done or `InvalidMessage` (recorded) → ack; `TransientError` → nack, the bus tries again with
back-off; anything else → logged, recorded in `dead_letters`, nacked, and after `MAX_FAILURES` acked
as dead with an incident. A dead letter keeps its payload: where a person wants it handled again,
it comes back here from the store, goes the same way, and is RECOVERED, or DEAD once more.

Client traps this guards against (google-cloud-pubsub 2.44): an exception in a callback ends the
whole subscription; `cancel()` loses the acks of running callbacks; ordered messages are held back.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import grpc
from google.api_core import exceptions as google_errors
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message as PubsubMessage
from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from pymongo.errors import PyMongoError

from services.common import topology
from services.common.bus import SCHEMA_VERSION, create_topology, insecure_channel
from services.common.clock import utc_now
from services.common.dead_letters import LetterStatus
from services.common.incidents import clear_incident, raise_incident
from services.common.metrics import MESSAGES
from services.common.settings import CommonSettings
from services.common.store import Document, Store
from services.domain.errors import InvalidMessage, PartlyDone, TransientError

_log = logging.getLogger(__name__)
MAX_FAILURES = 5
_BATCH = 32
_OUTSTANDING = 256
_STOP_SECONDS = 5
_REPLAY_SECONDS = 2.0

#: Takes the fields of the doorbells that are waiting, oldest first; returning means all are done,
#: and `PartlyDone` that all but some are. Any other error says what is to become of them, one by
#: one: the batch is given again as batches of one, so a handler must leave what it has done done,
#: and do nothing twice.
Handler = Callable[[Sequence[dict[str, str]]], None]


class _Message(Protocol):
    """What is handled: a message of the bus, or a dead letter once more."""

    @property
    def message_id(self) -> str: ...

    @property
    def data(self) -> bytes: ...

    @property
    def attributes(self) -> Mapping[str, str]: ...

    @property
    def delivery_attempt(self) -> int | None: ...

    def ack(self) -> None: ...

    def nack(self) -> None: ...


class _Letter:
    """A dead letter that a person wants handled again, in the form of a message."""

    delivery_attempt: int | None = 1

    def __init__(self, store: Store, row: Document, on_end: Callable[[str], None]) -> None:
        self._store = store
        self._on_end = on_end
        self.letter_id = str(row["_id"])
        self.message_id = self.letter_id
        self.data = str(row["payload"]).encode()
        self.attributes = {"key": str(row.get("key", ""))}

    def ack(self) -> None:
        """It was handled, unless it is DEAD again."""
        try:
            recovered = self._store["dead_letters"].update_one(
                {"_id": self.letter_id, "status": LetterStatus.REPLAYING},
                {"$set": {"status": LetterStatus.RECOVERED, "recovered_at": utc_now()}},
            )
            if recovered.modified_count:
                clear_incident(self._store, kind="DEAD_LETTER", key=self.letter_id)
        except PyMongoError as error:  # it is REPLAYING still, and comes again
            _log.warning("a recovery could not be recorded: %s", type(error).__name__)
        finally:
            self._on_end(self.letter_id)

    def nack(self) -> None:
        """Not now: it is REPLAYING still, and comes again."""
        self._on_end(self.letter_id)


class _Lane:
    """Messages that wait for one thread, which takes what has gathered while it was busy.

    The batch is what makes a loaded system cheaper instead of slower: a transaction over ten
    signals costs the database little more than one over a single signal.
    """

    def __init__(self, name: str, work: Callable[[Sequence[_Message]], None]) -> None:
        self._waiting: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, message: _Message) -> None:
        self._waiting.put(message)

    def stop(self) -> None:
        """Finish the batch at hand; what waits behind it stays with the bus."""
        self._waiting.put(None)
        self._thread.join(timeout=20)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch: list[_Message] = [first]
            stop = False
            while len(batch) < _BATCH and not stop:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stop = True
                else:
                    batch.append(following)
            self._work(batch)
            if stop:
                return


class Subscriber:
    """Runs one handler for one subscription, in one thread, or one for each key.

    Attributes:
        by_key: whether messages of different keys are handled apart, so that a slow one (an
            account whose broker hangs) delays only its own.
    """

    def __init__(
        self,
        settings: CommonSettings,
        store: Store,
        subscription: topology.Subscription,
        handler: Handler,
        *,
        on_death: Callable[[str], None],
        by_key: bool = False,
    ) -> None:
        self._settings = settings
        self._store = store
        self._subscription = subscription
        self._handler = handler
        self._on_death = on_death
        self._by_key = by_key
        self._stopping = threading.Event()
        self._replaying: set[str] = set()
        self._replays = threading.Thread(
            target=self._replay, name=f"{subscription.name}-replays", daemon=True
        )
        self._lanes_lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._client: pubsub_v1.SubscriberClient | None = None
        self._future: Any = None
        self._connectivity: grpc.ChannelConnectivity | None = None

    def start(self) -> None:
        """Open the stream."""
        host = self._settings.pubsub_host
        if host is None:
            self._client = pubsub_v1.SubscriberClient()
        else:
            channel = insecure_channel(host)
            channel.subscribe(self._on_connectivity)
            transport = SubscriberGrpcTransport(channel=channel)
            self._client = pubsub_v1.SubscriberClient(transport=transport)
        path = self._client.subscription_path(self._settings.project_id, self._subscription.name)
        executor = ThreadPoolExecutor(1, thread_name_prefix=self._subscription.name)
        self._future = self._client.subscribe(
            path,
            callback=self._on_message,
            flow_control=pubsub_v1.types.FlowControl(
                max_messages=_OUTSTANDING,
                max_duration_per_lease_extension=topology.ACK_DEADLINE_SECONDS,
            ),
            scheduler=ThreadScheduler(executor=executor),
            await_callbacks_on_shutdown=True,
        )
        self._future.add_done_callback(self._on_end)
        self._replays.start()

    def stop(self) -> None:
        """Stop pulling, let running handlers finish and their acks leave."""
        self._stopping.set()
        if self._future is None or self._client is None:
            return
        self._replays.join(timeout=_STOP_SECONDS)
        for lane in list(self._lanes.values()):
            lane.stop()
        self._future.cancel()
        try:
            self._future.result(timeout=_STOP_SECONDS)
        except (google_errors.GoogleAPICallError, TimeoutError) as error:
            _log.warning("subscription %s did not end cleanly: %s", self._subscription.name, error)
        self._client.close()

    def state(self) -> str:
        """For /health. Raises: TransientError while nothing can come."""
        if self._future is None or self._future.done():
            raise TransientError(f"subscription {self._subscription.name} is not running")
        if self._connectivity is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            raise TransientError("the bus cannot be reached")
        return "streaming"

    def _on_connectivity(self, connectivity: grpc.ChannelConnectivity) -> None:
        self._connectivity = connectivity

    def _on_end(self, future: Any) -> None:  # noqa: ANN401 - the library's untyped future
        if self._stopping.is_set():
            return
        error = future.exception()
        try:
            if isinstance(error, google_errors.NotFound):
                self._make_again()
        finally:
            self._on_death(f"subscription {self._subscription.name} ended: {error}")

    def _make_again(self) -> None:
        """A bus that lost all it knew: what it lacks is made, and the next start finds it."""
        try:
            create_topology(self._settings)
        except TransientError as error:
            _log.warning("%s", error)
        else:
            _log.warning("topics and subscriptions that the bus had lost are made again")

    def _on_message(self, message: PubsubMessage) -> None:
        """In the library's one callback thread: only sort into lanes, so that nothing escapes."""
        if self._stopping.is_set():
            message.nack()
            return
        self._sort(message)

    def _sort(self, message: _Message) -> None:
        key = message.attributes.get("key", "") if self._by_key else ""
        with self._lanes_lock:
            lane = self._lanes.get(key)
            if lane is None:
                name = f"{self._subscription.name}-{key}"
                lane = self._lanes[key] = _Lane(name, self.handle)
        lane.put(message)

    def _replay(self) -> None:
        """Take up again what persons want handled again; the mark in the store is the record."""
        # Found by the index on the status alone; there are never many.
        query = {"status": LetterStatus.REPLAYING}
        while not self._stopping.wait(_REPLAY_SECONDS):
            try:
                for row in self._store["dead_letters"].find(query):
                    mine = row["subscription"] == self._subscription.name
                    if mine and row["_id"] not in self._replaying:
                        self._replaying.add(row["_id"])
                        self._sort(_Letter(self._store, row, self._replaying.discard))
            except PyMongoError as error:
                _log.warning("dead letters could not be read: %s", type(error).__name__)

    def handle(self, batch: Sequence[_Message]) -> None:
        """Have messages handled, and acknowledge those that are done; nothing escapes."""
        done = self._handled_together(batch) if len(batch) > 1 else None
        if done is None:
            done = [self._outcome(message) for message in batch]
        for message, is_done in zip(batch, done, strict=True):
            if is_done:
                message.ack()
                self._count("handled")
            else:
                message.nack()
                self._count("again")

    def _count(self, outcome: str) -> None:
        MESSAGES.labels(self._subscription.name, outcome).inc()

    def _handled_together(self, batch: Sequence[_Message]) -> list[bool] | None:
        """Which of them are done; None where each one's own error must be found."""
        try:
            self._handler([_fields(message) for message in batch])
        except PartlyDone as error:
            _log.info("%s: not now: %s", self._subscription.name, error)
            return [place not in error.waiting for place in range(len(batch))]
        except Exception as error:  # noqa: BLE001 - each one's own error is found one by one
            _log.info("%s: a batch of %s: %s", self._subscription.name, len(batch), error)
            return None
        return [True] * len(batch)

    def _outcome(self, message: _Message) -> bool:
        """Handle one message; True = ack. Nothing may escape, it would end the lane."""
        try:
            self._handler([_fields(message)])
        except InvalidMessage as error:
            return self._record(message, error, dead=True)
        except TransientError as error:
            _log.info("%s: not now: %s", self._subscription.name, error)
            return False
        except Exception as error:  # noqa: BLE001 - an escape would end the lane
            _log.exception("%s: handler failed", self._subscription.name)
            return self._record(message, error, dead=False)
        if (message.delivery_attempt or 1) > 1:
            self._forget(message)
        return True

    def _record(self, message: _Message, error: Exception, *, dead: bool) -> bool:
        """Keep the failure with its payload; True when the message is dead and safely recorded."""
        key = self._letter_id(message)
        try:
            letters = self._store["dead_letters"]
            letters.update_one(
                {"_id": key},
                {
                    "$set": {
                        "subscription": self._subscription.name,
                        "topic": self._subscription.topic,
                        "payload": message.data.decode("utf-8", "replace"),
                        "key": message.attributes.get("key", ""),
                        "error": f"{type(error).__name__}: {error}",
                        "traceback": "".join(traceback.format_exception(error)),
                        "last_failed_at": utc_now(),
                    },
                    "$inc": {"failures": 1},
                    "$setOnInsert": {"status": "FAILING", "first_failed_at": utc_now()},
                },
                upsert=True,
            )
            letter = letters.find_one({"_id": key}, {"failures": 1}) or {"failures": 1}
            if not dead and letter["failures"] < MAX_FAILURES:
                return False
            letters.update_one({"_id": key}, {"$set": {"status": "DEAD"}})
            self._count("dead")
            raise_incident(
                self._store,
                kind="DEAD_LETTER",
                key=key,
                sentence=f"a message on {self._subscription.topic} could not be handled: {error}",
            )
        except PyMongoError as storing:
            _log.warning("a failure could not be recorded: %s", type(storing).__name__)
            return False
        return True

    def _letter_id(self, message: _Message) -> str:
        if isinstance(message, _Letter):
            return message.letter_id
        return f"{self._subscription.name}|{message.message_id}"

    def _forget(self, message: _Message) -> None:
        key = self._letter_id(message)
        try:
            self._store["dead_letters"].update_one(
                {"_id": key, "status": "FAILING"}, {"$set": {"status": "RECOVERED"}}
            )
        except PyMongoError as error:
            _log.warning("a recovery could not be recorded: %s", type(error).__name__)


def _fields(message: _Message) -> dict[str, str]:
    try:
        fields = json.loads(message.data)
    except ValueError as error:
        raise InvalidMessage(f"expected a JSON object, found {message.data[:80]!r}") from error
    if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
        raise InvalidMessage(f"expected an object of strings, found {message.data[:80]!r}")
    if fields.pop("schema", None) != str(SCHEMA_VERSION):
        raise InvalidMessage(f"expected schema {SCHEMA_VERSION}, found {message.data[:80]!r}")
    return fields
