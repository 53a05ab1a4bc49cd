"""Logging, set up once per process, in the two formats operators know, or JSON for machines.

`logs/<service>.log`: `|LEVEL|Message|Timestamp|file:name.py:line No.N|`
`logs/signal_processing.log`: `Timestamp | [SERVICE] | signal_id | STAGE | k=v …`, all processes.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path

from services.common.metrics import STEPS
from services.common.tracing import Traces

_ROAD = logging.getLogger("signal_processing")
#: Libraries whose INFO lines carry nothing for an operator, or a secret.
#: Libraries whose debugging lines hold whole requests, with the secrets in them.
_QUIET = (
    "httpx",
    "urllib3",
    "google",
    "pymongo",
    "uvicorn.error",
    "apscheduler",
    "kiteconnect",
    "websockets",
    "ib_async",
    "ib_insync",
    "httpcore",
)
#: Libraries whose very errors quote tokens and addresses with secrets in them; what fails there is
#: told by the code that calls them.
_MUTE = ("telegram", "apprise")
_LOG_BYTES = 20 * 1024 * 1024


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = (
            f"|{record.levelname}|{record.getMessage()}|{_timestamp(record)}"
            f"|file:{record.filename}:line No.{record.lineno}|"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _RoadFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in record.__dict__["facts"].items())
        return " | ".join(
            (
                _timestamp(record),
                f"[{record.__dict__['service'].upper()}]",
                record.__dict__["signal_id"],
                record.getMessage(),
                facts,
            )
        )


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _timestamp(record),
            "level": record.levelname,
            "message": record.getMessage(),
            "file": f"{record.filename}:{record.lineno}",
        }
        for name in ("service", "signal_id", "facts"):
            if name in record.__dict__:
                line[name] = record.__dict__[name]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Service(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__["service"] = self._service
        return True


def set_up(
    service: str, *, directory: Path, level: str, log_format: str, traces_url: str = ""
) -> None:
    """Point the logging of this process at its files; warnings also go to stderr.

    Args:
        service: whose.
        directory: of the files.
        level: least important lines.
        log_format: text or json.
        traces_url: collector of the traces of signals; empty = there are none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    as_json = log_format == "json"
    root = logging.getLogger()
    root.setLevel(level)
    file = RotatingFileHandler(directory / f"{service}.log", maxBytes=_LOG_BYTES, backupCount=5)
    file.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.WARNING)
    console.setFormatter(_TextFormatter())
    root.handlers = [file, console]
    road = WatchedFileHandler(directory / "signal_processing.log")
    road.setFormatter(_JsonFormatter() if as_json else _RoadFormatter())
    road.addFilter(_Service(service))
    file.addFilter(_Service(service))
    _ROAD.handlers = [road, *([Traces(service, traces_url)] if traces_url else [])]
    _ROAD.propagate = False
    _ROAD.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _MUTE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)


def road(stage: str, signal_id: str, *, began_at: datetime | None = None, **facts: object) -> None:
    """One line on the road of a signal: which stage it reached, with the numbers that matter.

    It is a count of `/metrics` and, where traces are on, a span as well.

    Args:
        stage: a word of a closed set.
        signal_id: whose road.
        began_at: when what has ended with this stage began; None = just now.
        facts: of the line.
    """
    extra = {"signal_id": signal_id, "facts": facts, "began_at": began_at}
    _ROAD.info(stage, extra=extra)
    STEPS.labels(stage).inc()
