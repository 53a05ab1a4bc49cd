"""The end of a log file, for people who may see it: no other file, and no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from services.common.problems import Refusal
from services.dashboard_creator.scrub import scrubbed
from services.dashboard_creator.system_models import LogTail

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_BYTES: Final = 512 * 1024
_MOST_LETTERS: Final = 2000


def log_tail(logs: Path, service: str, lines: int) -> LogTail:
    """The last lines of `<service>.log`. Raises: Refusal (404): there is no such log."""
    path = logs / f"{service}.log"
    if (
        not _NAME.fullmatch(service)
        or not path.is_file()
        or path.resolve().parent != logs.resolve()
    ):
        raise Refusal(404, "UNKNOWN_LOG", f"there is no log of {service!r}", field="service")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(0, size - _MOST_BYTES)
        file.seek(begin)
        text = file.read(_MOST_BYTES).decode(errors="replace")
    found = scrubbed(text).splitlines()
    if begin:
        found = found[1:]  # most likely only the end of a line
    return LogTail(
        service=service,
        lines=tuple(line[:_MOST_LETTERS] for line in found[-lines:]),
        truncated=bool(begin) or len(found) > lines,
    )
