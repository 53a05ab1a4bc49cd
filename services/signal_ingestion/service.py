"""Watches raw signals and makes standardised ones of them, whatever dies in between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pymongo.change_stream import ChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.leases import Lease
from services.common.logs import road
from services.common.ops import STAGE_LATENCY
from services.common.store import Document, Store, to_document
from services.common.topology import STANDARDIZED_SIGNALS
from services.domain.errors import InvalidSignal, TransientError
from services.domain.signals import signal_id_for
from services.domain.standardize import (
    idempotency_key_of,
    parse_json,
    standardize,
    strategy_name_of,
)
from services.domain.words import SignalStatus
from services.signal_ingestion.store import IngestionStore, signal_document

_log = logging.getLogger(__name__)
_SAVE_TOKEN_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_SCAN_OVERLAP = timedelta(seconds=5)


class _Identity(NamedTuple):
    signal_id: str
    strategy_id: str


class Ingestion:
    """One stream, read by whoever holds the lease."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
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
            try:
                if self._lease.held():
                    self._read_until_stopped()
            except OperationFailure as error:
                # Whatever stops a stream for good (history lost, a token it does not know) is
                # cured by the scan that the next start begins with.
                _log.warning("change stream lost, catching up by scan: %s", error.details)
                self._forget_token()
            except (PyMongoError, TransientError) as error:
                _log.warning("ingestion pauses: %s", error)
            self._caught_up = False
            self._stop.wait(_PAUSE_SECONDS)

    def _forget_token(self) -> None:
        try:
            self._store.forget_token()
        except PyMongoError as error:
            _log.warning("the token could not be reset: %s", type(error).__name__)

    def _read_until_stopped(self) -> None:
        token, saved_at = self._store.checkpoint()
        with self._store.watch(token) as stream:  # first the stream, then the scan: they overlap
            self.catch_up(saved_at and saved_at - self._overlap)
            self._caught_up = True
            self._follow(stream)

    def _follow(self, stream: ChangeStream[Document]) -> None:
        saved, scanned = 0.0, time.monotonic()
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
                found = self.catch_up(scanned_at - _SCAN_OVERLAP)
                scanned, scanned_at = now, utc_now()
                if found:
                    _log.warning("the scan found %s signals that the stream had not", found)
        if stream.resume_token is not None:
            self._store.save_checkpoint(stream.resume_token, read_at=read_at)

    def catch_up(self, since: datetime | None) -> int:
        """Ingest every raw signal since then that has no successor; how many there were."""
        found = 0
        for batch in self._store.raw_since(since):
            if self._stop.is_set():
                break
            by_id = {_identity(raw).signal_id: raw for raw in batch}
            known = self._store.known(list(by_id))
            found += sum(self.ingest(raw) for name, raw in by_id.items() if name not in known)
        return found

    def ingest(self, raw: Document) -> bool:
        """Make one raw signal a standardised or a quarantined one; False = it was there already."""
        identity = _identity(raw)
        received_at = raw.get("received_at")
        received_at = received_at if isinstance(received_at, datetime) else utc_now()
        try:
            payload = _payload(raw)
            if not self._store.strategy_exists(strategy_name_of(payload)):
                raise InvalidSignal(
                    "UNKNOWN_STRATEGY", f"there is no strategy {strategy_name_of(payload)!r}"
                )
            signal = standardize(payload, signal_id=identity.signal_id, received_at=received_at)
        except InvalidSignal as error:
            return self._quarantine(identity, raw, error)
        document = signal_document(
            identity.signal_id,
            strategy_id=signal.strategy_id,
            raw=raw,
            status=SignalStatus.STANDARDIZED,
            more={
                "undecided": True,
                "external_id": signal.external_id,
                "intent": signal.intent,
                "signal": to_document(signal),
            },
        )
        if not self._store.insert_signal(document):
            return False
        ring = Ring(signal.strategy_id, {"signal_id": signal.signal_id})
        self._publisher.ring(STANDARDIZED_SIGNALS, [ring])
        waited = (utc_now() - received_at).total_seconds() * 1000
        STAGE_LATENCY.labels("standardized").observe(waited)
        road("STANDARDIZED", signal.signal_id, strategy=signal.strategy_id, ms=f"{waited:.0f}")
        return True

    def _quarantine(self, identity: _Identity, raw: Document, error: InvalidSignal) -> bool:
        reason = {"code": error.code, "sentence": str(error), "field": error.field}
        document = signal_document(
            identity.signal_id,
            strategy_id=identity.strategy_id,
            raw=raw,
            status=SignalStatus.QUARANTINED,
            more={"quarantine": reason},
        )
        if not self._store.insert_signal(document):
            return False
        road("QUARANTINED", identity.signal_id, code=error.code)
        raise_incident(
            self._plain_store,
            kind="SIGNAL_QUARANTINED",
            key=identity.signal_id,
            sentence=f"a signal of {identity.strategy_id} cannot be read: {error}",
            facts=reason,
        )
        return True


def _payload(raw: Document) -> Mapping[str, Any]:
    """What the sender posted: the body that the gateway kept, or the document itself."""
    body = raw.get("body")
    if body is None:
        return raw
    if not isinstance(body, str):
        raise InvalidSignal("BAD_TEXT", f"body must be JSON text, was a {type(body).__name__}")
    return parse_json(body.encode())


def _identity(raw: Document) -> _Identity:
    """Ids of a raw signal, also of one that cannot be read: then its own `_id` is its identity."""
    name = raw.get("strategy_name")
    strategy_id = name if isinstance(name, str) and name else "unknown"
    given = raw.get("idempotency_key")
    if isinstance(given, str) and given:
        return _Identity(signal_id_for(strategy_id, given), strategy_id)
    try:
        key = idempotency_key_of(_payload(raw))
    except InvalidSignal:
        key = f"raw:{raw['_id']}"
    return _Identity(signal_id_for(strategy_id, key), strategy_id)
