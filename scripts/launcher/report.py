"""What the supervisor tells: to its log, and to whoever waits for the start."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from services.common.clock import utc_now


class Reporter:
    """Tells a person who looks on: in the terminal, or at the other end of a pipe to start.py."""

    def __init__(self, progress_fd: int | None = None) -> None:
        self._progress_fd = progress_fd
        self._attached = progress_fd is None

    def line(self, text: str) -> None:
        """One line of progress, also for the log."""
        now = "" if self._attached else f"{utc_now():%Y-%m-%dT%H:%M:%SZ}  "
        with contextlib.suppress(OSError):  # a full disk or a closed terminal
            print(f"{now}{text}", flush=True)
        self._send({"line": text})

    def secret(self, text: str) -> None:
        """One line for the person only, never for a log file."""
        if self._attached:
            print(text, flush=True)
        self._send({"line": text})

    def started(self) -> None:
        """All is ready; nobody waits any more."""
        self._finish({"exit": 0})

    def failed(self, sentence: str, exit_code: int) -> None:
        """The start has failed and nothing of it is left running."""
        if self._attached:
            print(sentence, file=sys.stderr, flush=True)
        else:
            print(f"{utc_now():%Y-%m-%dT%H:%M:%SZ}  not started: {sentence}", flush=True)
        self._finish({"exit": exit_code, "sentence": sentence})

    def _finish(self, message: dict[str, Any]) -> None:
        self._send(message)
        if self._progress_fd is not None:
            os.close(self._progress_fd)
            self._progress_fd = None

    def _send(self, message: dict[str, Any]) -> None:
        if self._progress_fd is not None:
            with contextlib.suppress(BrokenPipeError):  # whoever waited has gone
                os.write(self._progress_fd, json.dumps(message).encode() + b"\n")
