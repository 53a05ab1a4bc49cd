"""Runs a service as it is, and writes down which commands it sends to the database.

    python -m scripts.bench.commands FILE services.cerebro

The file is written anew twice a second: for each command, collection and the fields it asks by how
often it was sent, and how many milliseconds its answers took together. Which index a database uses
follows from the fields, with the embedded one from their order, too.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import monitoring

_EVERY_SECONDS = 0.5
#: Ending what one has is no work of a signal.
_LEFT_OUT = frozenset({"hello", "ping", "endSessions"})


class Commands(monitoring.CommandListener):
    """Counts what all clients of a process send; answers that fail count too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: dict[tuple[int, int], str] = {}
        self._seen: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Remember what it is about: the answer does not say."""
        if event.command_name in _LEFT_OUT:
            return
        about: Any = event.command.get(event.command_name)
        if event.command_name == "getMore":
            about = event.command.get("collection")
        name = about if isinstance(about, str) else "-"
        self._open[_key(event)] = f"{event.command_name} {name} {_asked_by(event.command)}".rstrip()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count it."""
        self._ended(event)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """It was work all the same."""
        self._ended(event)

    def _ended(
        self, event: monitoring.CommandSucceededEvent | monitoring.CommandFailedEvent
    ) -> None:
        name = self._open.pop(_key(event), None)
        if name is None:
            return
        milliseconds = event.duration_micros / 1000
        with self._lock:
            row = self._seen[name]
            row[0] += 1
            row[1] += milliseconds

    def write(self) -> None:
        """Replace the file by what was seen so far."""
        with self._lock:
            commands = {name: list(row) for name, row in self._seen.items()}
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(commands))
        draft.replace(self._path)

    def keep_writing(self) -> None:
        """Until the process ends."""
        while True:
            self.write()
            time.sleep(_EVERY_SECONDS)


def _asked_by(command: Mapping[str, Any]) -> str:
    """Fields of its filter in their order; of several changes, those of the first."""
    changes = command.get("updates") or command.get("deletes") or [{}]
    asked: Mapping[str, Any] = command.get("filter") or changes[0].get("q") or {}
    return ",".join(asked)


def _key(
    event: monitoring.CommandStartedEvent
    | monitoring.CommandSucceededEvent
    | monitoring.CommandFailedEvent,
) -> tuple[int, int]:
    return event.request_id, event.connection_id[1] or 0


def main() -> None:
    """Listen to every client that the service will make, then be the service."""
    path, module = Path(sys.argv[1]), sys.argv[2]
    commands = Commands(path)
    monitoring.register(commands)
    threading.Thread(target=commands.keep_writing, daemon=True).start()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
