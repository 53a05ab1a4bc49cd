"""Watches raw signals and makes standardised ones of them, whatever dies in between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from bson import ObjectId
from pymongo.change_stream import ChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from services.common.bell import Rings
from services.common.bus import Ring
from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.leases import Lease
from services.common.logs import road
from services.common.metrics import STAGE_LATENCY
from services.common.store import Document, Store, to_document
from services.common.topology import STANDARDIZED_SIGNALS
from services.domain.errors import InvalidSignal, TransientError
from services.domain.fields import Fields
from services.domain.intake import Intake, strategy_name_of, take_in
from services.domain.payloads import READERS, SECRETS, Payload
from services.domain.signals import Signal, signal_id_for
from services.domain.words import SignalStatus
from services.signal_ingestion.store import IngestionStore, signal_document

_log = logging.getLogger(__name__)
_SAVE_TOKEN_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
#: After a look that found nothing: every write of anybody ends a wait on the embedded database,
#: which opens 17 tables for the next one.
_REST_SECONDS = 0.02
_OVERLAP = timedelta(seconds=5)


class Ingestion:
    """One stream, read by whoever holds the lease."""

    def __init__(
        self,
        store: Store,
        publisher: Rings,
        lease: Lease,
        *,
        overlap_seconds: float,
        catch_up_seconds: float,
    ) -> None:
        self._plain_store = store
        self._store = IngestionStore(store)
        self._publisher = publisher
        self._lease = lease
        self._overlap = timedelta(seconds=overlap_seconds)
        self._catch_up_seconds = catch_up_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingestion")
        self._caught_up = False

    def start(self) -> None:
        """Read in a thread, from where the last process stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the signal at hand, save the token, end."""
        self._stop.set()
        self._thread.join(timeout=15)

    def state(self) -> str:
        """For /health. Raises: TransientError until the backlog of the start is read."""
        if not self._lease.held():
            return "standing by: another replica holds the lease"
        if not self._caught_up:
            raise TransientError("catching up")
        return "watching"

    def _run(self) -> None:
        while not self._stop.is_set():
            for found in self.reading():
                if not found:
                    self._stop.wait(_REST_SECONDS)
            self._stop.wait(_PAUSE_SECONDS)

    def reading(self) -> Iterator[bool]:
        """Read until stopped, or until the lease or the stream is lost.

        Yields: for each look at the stream whether it had something.
        """
        try:
            if self._lease.held():
                yield from self._read_until_stopped()
        except OperationFailure as error:
            # Whatever stops a stream for good (history lost, a token it does not know) is
            # cured by the scan that the next start begins with.
            _log.warning("change stream lost, catching up by scan: %s", error.details)
            self._forget_token()
        except (PyMongoError, TransientError) as error:
            _log.warning("ingestion pauses: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the signals behind it must flow
            _log.exception("ingestion pauses")
        self._caught_up = False

    def _forget_token(self) -> None:
        try:
            self._store.forget_token()
        except PyMongoError as error:
            _log.warning("the token could not be reset: %s", type(error).__name__)

    def _read_until_stopped(self) -> Iterator[bool]:
        token, saved_at = self._store.checkpoint()
        with self._store.watch(token) as stream:  # first the stream, then the scan: they overlap
            self.catch_up(saved_at and saved_at - self._overlap)
            self._caught_up = True
            yield from self._follow(stream)

    def _follow(self, stream: ChangeStream[Document]) -> Iterator[bool]:
        saved, scanned = 0.0, time.monotonic()
        looked_back = scanned
        scanned_at = read_at = utc_now()
        while not self._stop.is_set() and self._lease.held():
            event = stream.try_next()
            if event is not None:
                self.ingest(event["fullDocument"])
            else:
                read_at = utc_now()
            now = time.monotonic()
            if now - saved > _SAVE_TOKEN_SECONDS and stream.resume_token is not None:
                self._store.save_checkpoint(stream.resume_token, read_at=read_at)
                saved = now
            if now - scanned > self._catch_up_seconds:
                # What the stream has lost is found by the time in its id: of the gateway's clock.
                is_time = now - looked_back > self._overlap.total_seconds() / 2
                back, looked_back = (self._overlap, now) if is_time else (_OVERLAP, looked_back)
                found = self.catch_up(scanned_at - back)
                scanned, scanned_at = now, utc_now()
                if found:
                    _log.warning("the scan found %s signals that the stream had not", found)
            yield event is not None
        if stream.resume_token is not None:
            self._store.save_checkpoint(stream.resume_token, read_at=read_at)

    def catch_up(self, since: datetime | None) -> int:
        """Ingest every raw signal since then that has no successor; how many there were."""
        found = 0
        for batch in self._store.raw_since(since):
            if self._stop.is_set():
                break
            known = self._store.known([name for raw in batch for name in _names(raw)])
            # A document without ids of ours was written by another collector: reading it again
            # tells whether it is a signal of its own or one more path of a known one.
            found += sum(
                self.ingest(raw) for raw in batch if not known.issuperset(_names(raw) or {""})
            )
        return found

    def ingest(self, raw: Document) -> bool:
        """Make a raw signal a standardised or a quarantined one; False = it was there already."""
        arrival = _arrival(raw)
        if any(name in raw for name in SECRETS):  # another collector left it there
            self._store.forget_secrets(raw["_id"])
        if not _names(raw) and self._store.known([arrival.quarantine_id]):
            return False  # only a person lets it go, by replay
        try:
            strategy, payload = self._read(raw)
            intake = take_in(
                payload,
                strategy_id=strategy["_id"],
                received_at=arrival.received_at,
                defaults=strategy.get("signal_defaults"),
                sent_at=arrival.sent_at,
            )
        except InvalidSignal as error:
            return self._quarantine(arrival, raw, error)
        if "replay_of" in raw:
            intake = _replayed(intake, raw)
        intake = intake.keyed(arrival.key or intake.key or arrival.fallback_key)
        new = [self._insert(signal, intake, raw) for signal in intake.signals]
        return any(new) or self._repeat(intake, arrival, raw)

    def _read(self, raw: Document) -> tuple[Document, Payload]:
        """Whose signal it is, and what was sent. Raises: InvalidSignal."""
        refused = raw.get("refused")
        if refused:
            raise InvalidSignal(refused["code"], refused["sentence"], field=refused["field"])
        payload = _payload(raw)
        name = Fields(raw).text("strategy_name") or strategy_name_of(payload)
        if name is None:
            raise InvalidSignal("MISSING_FIELD", "strategy_name is missing", field="strategy_name")
        strategy = self._store.strategy(name)
        if strategy is None:
            raise InvalidSignal("UNKNOWN_STRATEGY", f"there is no strategy {name!r}")
        return strategy, payload

    def _insert(self, signal: Signal, intake: Intake, raw: Document) -> bool:
        document = signal_document(
            signal.signal_id,
            strategy_id=signal.strategy_id,
            raw_id=raw["_id"],
            received_at=signal.received_at,
            status=SignalStatus.STANDARDIZED,
            more={
                "undecided": True,
                "external_id": signal.external_id,
                "intent": signal.intent,
                "content_hash": intake.content_hash,
                "signal": to_document(signal),
            },
        )
        if not self._store.insert_signal(document):
            return False
        ring = Ring(signal.strategy_id, {"signal_id": signal.signal_id})
        self._publisher.ring(STANDARDIZED_SIGNALS, [ring])
        waited = (utc_now() - signal.received_at).total_seconds() * 1000
        STAGE_LATENCY.labels("standardized").observe(waited)
        road(
            "STANDARDIZED",
            signal.signal_id,
            began_at=signal.received_at,
            strategy=signal.strategy_id,
            ms=f"{waited:.0f}",
        )
        return True

    def _repeat(self, intake: Intake, arrival: _Arrival, raw: Document) -> bool:
        """A signal that is known: the same document again, one more path, or a key used twice."""
        signal_id = intake.signals[-1].signal_id
        known = self._store.origin(signal_id)
        if known is None or known["raw_id"] == raw["_id"]:
            return False
        if known.get("content_hash") != intake.content_hash:
            error = InvalidSignal(
                "KEY_REUSED",
                f"another signal with the id {intake.key!r} was received before: "
                "a new signal needs a new signalID",
                field="signalID",
            )
            return self._quarantine(arrival._replace(key=""), raw, error)
        path = {"source": arrival.source, "received_at": arrival.received_at}
        if self._store.add_path(known["raw_id"], path):
            road("CONFIRMED", signal_id, strategy=intake.strategy_id, path=arrival.source)
        return False

    def _quarantine(self, arrival: _Arrival, raw: Document, error: InvalidSignal) -> bool:
        signal_id = arrival.quarantine_id
        reason = {"code": error.code, "sentence": str(error), "field": error.field}
        document = signal_document(
            signal_id,
            strategy_id=arrival.strategy_id,
            raw_id=raw["_id"],
            received_at=arrival.received_at,
            status=SignalStatus.QUARANTINED,
            more={"quarantine": reason},
        )
        if not self._store.insert_signal(document):
            return False
        road("QUARANTINED", signal_id, code=error.code)
        raise_incident(
            self._plain_store,
            kind="SIGNAL_QUARANTINED",
            key=signal_id,
            sentence=f"a signal of {arrival.strategy_id} cannot be read: {error}",
            facts=reason,
        )
        return True


class _Arrival(NamedTuple):
    """What a raw document says of itself, whatever its body is; the same on every reading.

    Attributes:
        key: what the gateway made; "" for a document of another collector.
        fallback_key: identity of one that has no other.
    """

    strategy_id: str
    key: str
    fallback_key: str
    source: str
    received_at: datetime
    sent_at: datetime | None

    @property
    def quarantine_id(self) -> str:
        """What it is called where it cannot be read."""
        return signal_id_for(self.strategy_id, self.key or self.fallback_key)


def _arrival(raw: Document) -> _Arrival:
    name, key, source = (raw.get(field) for field in ("strategy_name", "idempotency_key", "source"))
    received_at, raw_id = raw.get("received_at"), raw["_id"]
    if not isinstance(received_at, datetime):
        received_at = raw_id.generation_time if isinstance(raw_id, ObjectId) else utc_now()
    sent_at = raw.get("sent_at")
    return _Arrival(
        strategy_id=name if isinstance(name, str) and name else "unknown",
        key=key if isinstance(key, str) else "",
        fallback_key=f"raw:{raw_id}",
        source=source if isinstance(source, str) and source else "direct",
        received_at=received_at,
        sent_at=sent_at if isinstance(sent_at, datetime) else None,
    )


def _names(raw: Document) -> list[str]:
    """Ids of the signals that a raw document makes, where the gateway wrote them down."""
    names = raw.get("signal_ids")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    return names


def _replayed(intake: Intake, raw: Document) -> Intake:
    """What an operator sends again: the payload or a part of it, with its age as it was or new."""
    changes = {"replay_of": raw["replay_of"]} | ({"occurred_at": None} if raw.get("fresh") else {})
    if "follows" in raw:
        changes["follows"] = raw["follows"]
    signals = [signal.model_copy(update=changes) for signal in intake.signals]
    part = raw.get("part")
    return intake._replace(signals=tuple(signals if part is None else [signals[part]]))


def _payload(raw: Document) -> Payload:
    """What the sender posted: the body that the gateway kept, or the document itself."""
    body = raw.get("body")
    if body is None:
        return raw
    if not isinstance(body, str):
        raise InvalidSignal("BAD_TEXT", f"body must be text, was a {type(body).__name__}")
    reader = READERS.get(str(raw.get("reader", "json")))
    if reader is None:
        raise InvalidSignal("UNKNOWN_VALUE", "reader must be json, text or letter", field="reader")
    return reader(body)
