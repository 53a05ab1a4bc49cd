"""The life of a process: settings, logs, signals, parts started in order and stopped in reverse.

Exit codes: 0 after a drain, 78 for a wrong setting (not restarted), 1 when a part died, so that
the supervisor starts the process again: start-up is recovery.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, Protocol, TypeVar

from services.common import clock, logs
from services.common.ops import Health, OpsServer
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.versions import running_version
from services.domain.errors import ConfigurationError

_log = logging.getLogger(__name__)
EXIT_CONFIGURATION = 78
_LOOK_FOR_SIGNALS_SECONDS = 0.5
S = TypeVar("S", bound=CommonSettings)


class Part(Protocol):
    """Something with a life of its own inside a process."""

    def start(self) -> None:
        """Begin; returns once it runs."""

    def stop(self) -> None:
        """End; returns once nothing of it runs."""


class Process(Generic[S]):
    """One running process: collects its parts, runs them, ends them."""

    def __init__(self, service: str, settings: S) -> None:
        self.service = service
        self.settings = settings
        self.health = Health(service)
        self.health.tell("version", running_version(settings.mt_commit))
        self._parts: list[Part] = []
        self._closers: list[Callable[[], None]] = []
        self._stopping = threading.Event()
        self._failure: str | None = None

    def add(self, part: Part) -> None:
        """Run `part` for the life of the process."""
        self._parts.append(part)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What runs for its life, in the order of its start."""
        return tuple(self._parts)

    def on_exit(self, close: Callable[[], None]) -> None:
        """Call `close` after every part has stopped."""
        self._closers.append(close)

    def fail(self, sentence: str) -> None:
        """End the process with an error; the supervisor starts it anew."""
        self._failure = sentence
        self._stopping.set()

    def serve_ops(self, port_name: str | None = None) -> None:
        """Answer /health and /metrics on this service's port, or on the one of that name."""
        settings = self.settings
        port = settings.port(port_name or self.service)
        self.add(OpsServer(self.health, host=settings.mt_bind_host, port=port))

    def run(self) -> int:
        """Start the parts, wait for SIGTERM, SIGINT or a failure, stop them; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        started: list[Part] = []
        try:
            for part in self._parts:
                part.start()
                started.append(part)
            # What is here now stays to the end: a full pass of the garbage collector over it,
            # every minute or so, would stop each thread for a tenth of a second.
            gc.collect()
            gc.freeze()
            _log.info("%s is running", self.service)
            # Python runs a signal's handler in this thread, and only when it wakes: a signal that
            # the kernel gives to another thread would wait for ever.
            while not self._stopping.wait(_LOOK_FOR_SIGNALS_SECONDS):
                pass
        finally:
            for part in reversed(started):
                part.stop()
            for close in reversed(self._closers):
                close()
        if self._failure:
            _log.error("%s ends: %s", self.service, self._failure)
            return 1
        _log.info("%s has drained and ends", self.service)
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


def main(service: str, settings: type[S], build: Callable[[Process[S]], None]) -> None:
    """Run one process from its `__main__`: `build` adds its parts."""
    try:
        clock.skew_by(service, os.environ)
        loaded = load(settings)
        logs.set_up(
            service,
            directory=loaded.mt_home / "logs",
            level=loaded.log_level,
            log_format=loaded.log_format,
            traces_url=loaded.traces_url,
        )
        process = Process(service, loaded)
        build(process)
        exit_code = process.run()
    except ConfigurationError as error:
        print(f"configuration error: {error}", file=sys.stderr)  # noqa: T201 - the operator's line
        sys.exit(EXIT_CONFIGURATION)
    sys.exit(exit_code)
