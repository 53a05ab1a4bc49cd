"""Fault drills: one at a time, in a process and a scratch home of its own (`scripts/chaos.py`).

What a drill told stays in `.data/drill` of this instance. Nothing else of the instance is touched:
the drill is not even told where its database and bus are.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.settings import REPOSITORY, CommonSettings
from services.common.store import Store
from services.domain.values import Frozen, Instant

SCRIPT: Final = REPOSITORY / "scripts" / "chaos.py"
#: All that a drill gets of our environment.
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_LINES: Final = 30
_MOST_BYTES: Final = 65_536


class DrillSize(Frozen):
    """How large a drill is to be; `seed`: left out = one is drawn."""

    seed: int | None = Field(None, ge=0, le=10**9)
    signals: int = Field(200, ge=10, le=5000)
    rate: float = Field(5, ge=1, le=20)
    faults: int = Field(20, ge=0, le=200)


class DrillRule(Frozen):
    """One thing that must hold, and the first of what breaks it."""

    name: str
    broken: tuple[str, ...]
    count: int


class DrillReport(Frozen):
    """What the last finished drill found."""

    clean: bool
    started_at: Instant
    machine: str
    seed: int
    signals: int
    rate: float
    seconds: float
    accepted: int
    orders: int
    fills: int
    faults_done: int
    restarts: int
    rules: tuple[DrillRule, ...]
    log: tuple[str, ...]


class Drill(Frozen):
    """What goes on, and what the last one found; `lines`: what it has told so far."""

    running: bool
    started_by: str | None
    started_at: Instant | None
    size: DrillSize | None
    lines: tuple[str, ...]
    report: DrillReport | None


class Drills:
    """Starts drills and reads what they tell."""

    def __init__(self, store: Store, settings: CommonSettings, script: Path = SCRIPT) -> None:
        self._store = store
        self._script = script
        self._is_live = settings.trading_mode == "live"
        self._folder = settings.mt_home / ".data" / "drill"

    def start(self, size: DrillSize, reason: str, *, by: str) -> Drill:
        """Begin one.

        Raises:
            Refusal (409): one runs, or this instance trades with real money.
        """
        if self._is_live:
            sentence = "a drill takes the machine from what trades: run it where trading is paper"
            raise Refusal(409, "DRILL_IN_LIVE", sentence)
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if not _lock(lock):
                raise Refusal(409, "DRILL_RUNS", "a drill runs: wait for its end")
            facts = {"reason": reason, "before": None, "after": size.model_dump()}
            audit(self._store, "DRILL_STARTED", service="operator", by=by, facts=facts)
            self._begin(size, lock, by)
        finally:
            os.close(lock)  # the drill has it, too, and keeps it as long as it lives
        return self.state()

    def _begin(self, size: DrillSize, lock: int, by: str) -> None:
        told = {"by": by, "at": utc_now().isoformat(), "size": size.model_dump()}
        (self._folder / "started.json").write_text(json.dumps(told))
        command = [
            *(sys.executable, str(self._script)),
            *("--signals", str(size.signals), "--rate", str(size.rate)),
            *("--faults", str(size.faults), "--strategies", "4", "--accounts", "2"),
            *("--json", str(self._folder / "report.json")),
            *("--html", str(self._folder / "report.html")),
        ]
        if size.seed is not None:
            command += ["--seed", str(size.seed)]
        with (self._folder / "drill.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own script, and numbers
                command,
                cwd=REPOSITORY,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
            )
        # It outlives us, and is no zombie while we live.
        threading.Thread(target=process.wait, name="drill", daemon=True).start()

    def state(self) -> Drill:
        """What goes on, and what the last one found."""
        started = _read(self._folder / "started.json") or {}
        return Drill(
            running=self._is_running(),
            started_by=started.get("by"),
            started_at=started.get("at"),
            size=started.get("size"),
            lines=_last_lines(self._folder / "drill.log"),
            report=_report(_read(self._folder / "report.json")),
        )

    def _is_running(self) -> bool:
        try:
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(lock)
        finally:
            os.close(lock)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is none yet, or it is being written."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found


def _last_lines(path: Path) -> tuple[str, ...]:
    try:
        content = path.read_bytes()[-_MOST_BYTES:]
    except FileNotFoundError:
        return ()
    return tuple(content.decode(errors="replace").splitlines()[-_LINES:])


def _report(found: dict[str, Any] | None) -> DrillReport | None:
    if found is None:
        return None
    rules = tuple(
        DrillRule(name=name, broken=tuple(broken[:20]), count=len(broken))
        for name, broken in found["rules"].items()
    )
    same = ("clean", "started_at", "machine", "accepted", "orders", "fills", "faults_done")
    return DrillReport(
        **{name: found[name] for name in same},
        **{name: found["asked"][name] for name in ("seed", "signals", "rate")},
        restarts=found["restarts"],
        seconds=found["seconds"]["in all"],
        rules=rules,
        log=tuple(found["log"]),
    )
