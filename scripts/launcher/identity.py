"""Which process is ours: pid and birth, so that a pid used again is never mistaken for ours."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import NamedTuple

import psutil


class Identity(NamedTuple):
    """One process for good: no other has the same pid and birth."""

    pid: int
    birth: str


def of(pid: int) -> Identity | None:
    """The identity of a process that exists now, even as a zombie."""
    birth = _birth(pid)
    return Identity(pid, birth) if birth else None


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    if _birth(identity.pid) != identity.birth:
        return False
    try:
        return bool(psutil.Process(identity.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def send(identity: Identity, number: signal.Signals) -> None:
    """Signal that very process; nothing happens when it is gone."""
    if is_alive(identity):
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return


def write(file: Path, identity: Identity) -> None:
    """Keep `identity` in `file`, at once or not at all."""
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(identity._asdict()))
    draft.replace(file)


def read(file: Path) -> Identity | None:
    """The identity in `file`; None where there is none that can be read."""
    try:
        document = json.loads(file.read_text())
        return Identity(int(document["pid"]), str(document["birth"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _birth(pid: int) -> str | None:
    """Boot and clock ticks since it: unlike a wall-clock time it survives a clock that is set."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _birth_without_proc(pid)
    return f"{boot}:{ticks}"


def _birth_without_proc(pid: int) -> str | None:
    try:
        return str(round(psutil.Process(pid).create_time()))
    except psutil.Error:
        return None
