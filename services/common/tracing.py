"""Traces of signals for OpenTelemetry: off unless `TRACES_URL` names a collector.

The trace of a signal follows from its id, so every process adds to the same one without being told:
through the change stream, doorbells that ring for many signals, sweeps and restarts, where nothing
that travels with a message would arrive. Each line on the road of a signal is a span. They leave in
a thread of their own, and what the collector does not take is dropped: no signal waits for it.
The form is OTLP in JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
from datetime import UTC, datetime
from typing import Any, Final

import urllib3

_log = logging.getLogger(__name__)
#: The first step of a signal; all others are its children.
_ROOT: Final = "RECEIVED"
_SERVER, _INTERNAL = 2, 1
_MOST_WAITING: Final = 10_000
_BATCH: Final = 200
_TIMEOUT_SECONDS: Final = 5.0


class Traces(logging.Handler):
    """Makes a span of each line on the road of a signal, and sends them in batches."""

    def __init__(self, service: str, url: str) -> None:
        super().__init__()
        self._service = service
        self._url = url
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_SECONDS)
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._answers = True
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line; never waits."""
        try:
            self._waiting.put_nowait(span_of(record))
        except queue.Full:
            return

    def close(self) -> None:
        """Send what waits, then end; logging calls it when the process ends."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout=_TIMEOUT_SECONDS)
        super().close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = [first], False
            while len(batch) < _BATCH and not ended and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    ended = True
                else:
                    batch.append(following)
            self._send(batch)
            if ended:
                return

    def _send(self, spans: list[dict[str, Any]]) -> None:
        resource = {"attributes": [_attribute("service.name", self._service)]}
        scopes = [{"scope": {"name": "mathematricks"}, "spans": spans}]
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}
        try:
            status = self._http.request("POST", self._url, json=body).status
            problem = "" if status < 300 else f"it answered {status}"
        except urllib3.exceptions.HTTPError as error:
            problem = type(error).__name__
        if problem and self._answers:
            _log.warning("traces are lost, the collector at TRACES_URL: %s", problem)
        self._answers = not problem


def span_of(record: logging.LogRecord) -> dict[str, Any]:
    """A line on the road (`logs.road`) as a span of its signal's trace."""
    fields = record.__dict__
    signal_id = fields["signal_id"]
    ended_at = datetime.fromtimestamp(record.created, UTC)
    began_at = fields.get("began_at") or ended_at
    is_root = record.getMessage() == _ROOT
    span: dict[str, Any] = {
        "traceId": _digest(signal_id, 16),
        "spanId": _digest(f"{signal_id}|{_ROOT}", 8) if is_root else os.urandom(8).hex(),
        "name": record.getMessage(),
        "kind": _SERVER if is_root else _INTERNAL,
        "startTimeUnixNano": _nanoseconds(min(began_at, ended_at)),
        "endTimeUnixNano": _nanoseconds(ended_at),
        "attributes": [
            _attribute(name, value)
            for name, value in {"signal_id": signal_id, **fields["facts"]}.items()
        ],
    }
    if not is_root:
        span["parentSpanId"] = _digest(f"{signal_id}|{_ROOT}", 8)
    return span


def _digest(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * size]


def _nanoseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1_000_000) * 1000)


def _attribute(name: str, value: object) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": str(value)}}
