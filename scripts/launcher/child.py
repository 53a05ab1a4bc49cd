"""One process of ours, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from scripts.launcher import identity, probes
from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from scripts.launcher.home import REPOSITORY, Home
from scripts.launcher.identity import Identity
from scripts.launcher.policy import RestartPolicy, Verdict
from scripts.launcher.probes import Trouble
from scripts.launcher.record import ProcessState
from scripts.launcher.table import Process

_LARGEST_OUTPUT_BYTES = 10_000_000
#: Between looks at a database, and how many in a row must find the same trouble. A transaction may
#: take long where the machine is full.
STORAGE_LOOK_S = 3.0
_TROUBLED_LOOKS = {Trouble.BROKEN: 3, Trouble.STUCK: 8}
#: Between looks at how much memory one uses, which is also how long it may take to end.
_MEMORY_LOOK_S = 10.0
#: So old it has to be: a limit that is too low must not keep it from working.
GROWN_S = 600.0


class Child:
    """Runs one process of the table, and starts it again when told to."""

    def __init__(self, process: Process, home: Home, environment: Mapping[str, str]) -> None:
        self.process = process
        self.identity: Identity | None = None
        self.restarts = 0
        self.restart_at: float | None = None
        self.misconfigured = False
        self.spawned_at = 0.0
        self._policy = RestartPolicy()
        self._home = home
        self._environment = {**os.environ, **environment, **process.environment}
        self._output = home.logs / f"{process.name}.out"
        self._output_began = 0
        self._popen: subprocess.Popen[bytes] | None = None
        self._storage_look_at = 0.0
        self._trouble: Trouble | None = None
        self._looks = 0
        self._memory_look_at = 0.0
        self._told_to_end = False

    @property
    def state(self) -> ProcessState:
        """How it stands in the record."""
        if self.misconfigured:
            return "misconfigured"
        return "up" if self.restart_at is None else "restarting"

    @property
    def pid_file(self) -> Path:
        """Where its identity is kept."""
        return self._home.pids / f"{self.process.name}.pid"

    def spawn(self) -> None:
        """Start it in a session of its own, so that Ctrl-C and our death do not reach it."""
        self.restart_at = None
        self._rotate_output()
        with self._output.open("ab") as output:
            self._output_began = output.tell()
            try:
                self._popen = subprocess.Popen(
                    self.process.command,
                    cwd=self._home.root,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise ScriptError(
                    f"{self.process.name} cannot be started: {error.strerror} "
                    f"({self.process.command[0]})"
                ) from error
        self.spawned_at = time.monotonic()
        self._storage_look_at, self._trouble = self.spawned_at + STORAGE_LOOK_S, None
        self._memory_look_at, self._told_to_end = self.spawned_at + GROWN_S, False
        self.identity = identity.of(self._popen.pid)
        if self.identity:
            identity.write(self.pid_file, self.identity)

    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal) once it has died."""
        return self._popen.poll() if self._popen else None

    def bury(self, now: float) -> Verdict | None:
        """Note that it died; None when it must not start again."""
        code = self.exit_code()
        self.pid_file.unlink(missing_ok=True)
        self._popen = None
        if code == EXIT_CONFIGURATION:
            self.misconfigured = True
            return None
        verdict = self._policy.died(now=now, alive_s=now - self.spawned_at)
        self._policy = verdict.policy
        self.restart_at = now + verdict.delay_s
        return verdict

    def trouble(self, now: float) -> Trouble | None:
        """What a database that runs has been found with, look after look."""
        if self.process.probe == "mongodb" and now >= self._storage_look_at:
            found = probes.database_trouble(self.process.port)
            self._storage_look_at = time.monotonic() + STORAGE_LOOK_S
            self._looks = self._looks + 1 if found is self._trouble else 1
            self._trouble = found
        lasts = self._trouble and self._looks >= _TROUBLED_LOOKS[self._trouble]
        return self._trouble if lasts else None

    def is_too_large(self, now: float) -> bool:
        """Whether it uses more memory than it may, or has not ended since it was told to."""
        if not self.process.most_bytes or now < self._memory_look_at or not self.identity:
            return False
        self._memory_look_at = now + _MEMORY_LOOK_S
        try:
            used: int = psutil.Process(self.identity.pid).memory_info().rss
        except psutil.Error:  # it has just died
            return False
        return used > self.process.most_bytes

    def end(self) -> None:
        """Let it end in good order; where it was told before, at once. It is started again."""
        if self._popen and not self._told_to_end:
            self._told_to_end = True
            self._popen.terminate()
        else:
            self.kill()

    def kill(self) -> None:
        """End it at once; it is buried and started again as after any death."""
        self._trouble = None
        if self._popen:
            self._popen.kill()

    def ask(self) -> probes.Answer:
        """How it is; only its own answer counts, not that of whoever else has the port."""
        process = self.process
        if process.probe == "mongodb":
            return probes.embedded_database(process.port)
        answer = probes.health(process.host, process.port)
        pid = answer.report.get("pid")
        if self._popen and pid not in (None, self._popen.pid):
            return probes.Answer(False, f"another process (pid {pid}) answers on its port", {})
        return answer

    def last_words(self, lines: int = 8) -> list[str]:
        """The end of what it wrote since its last start."""
        with self._output.open("rb") as output:
            output.seek(self._output_began)
            text = output.read()[-8000:].decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()][-lines:]

    def _rotate_output(self) -> None:
        if self._output.exists() and self._output.stat().st_size > _LARGEST_OUTPUT_BYTES:
            self._output.replace(self._output.with_suffix(".out.1"))


def environment(
    *, home: Home, port_offset: int, trading_mode: str, use_mock_broker: bool
) -> dict[str, str]:
    """What every process of the instance is told."""
    return {
        "MT_HOME": str(home.root),
        "MT_PORT_OFFSET": str(port_offset),
        "TRADING_MODE": trading_mode,
        "USE_MOCK_BROKER": "true" if use_mock_broker else "false",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "MT_SUPERVISED": "1",
    }
