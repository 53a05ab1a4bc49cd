"""Starts the processes in stages, keeps them running, drains them in reverse."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO, Any, Literal, NamedTuple

from scripts.launcher import drain, identity, record
from scripts.launcher.child import Child
from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from scripts.launcher.home import Home
from scripts.launcher.incidents import Incident, Incidents
from scripts.launcher.report import Reporter
from scripts.launcher.table import Process
from services.common.clock import utc_now

_LOOK_S = 0.05
#: A process that lacks only what is not ours to start, a broker, is waited for so long.
_OUTSIDE_PATIENCE_S = 15.0


class Stage(NamedTuple):
    """Processes that start together, and what is done once all of them are ready."""

    processes: Sequence[Process]
    then: Callable[[], None]


class Supervisor:
    """Owns every process of one instance."""

    def __init__(
        self,
        *,
        home: Home,
        environment: Mapping[str, str],
        reporter: Reporter,
        incidents: Incidents,
        trading_mode: Literal["paper", "live"],
        outside_patience_s: float = _OUTSIDE_PATIENCE_S,
    ) -> None:
        self._home = home
        self._environment = environment
        self._reporter = reporter
        self._incidents = incidents
        self._trading_mode: Literal["paper", "live"] = trading_mode
        self._outside_patience_s = outside_patience_s
        self._children: list[Child] = []
        self._stopping = False
        self._starting = True
        self._started_at = utc_now()

    def run(self, stages: Sequence[Stage]) -> int:
        """Start, watch until told to stop, drain; the exit code."""
        self._home.make()
        with (self._home.run / "supervisor.lock").open("a") as lock:
            if not _is_locked(lock):
                sentence = "already running: another supervisor has this MT_HOME"
                self._reporter.failed(f"{sentence}, use {self._home.command('stop.py')}", 1)
                return 1
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            return self._run_locked(stages)

    def _run_locked(self, stages: Sequence[Stage]) -> int:
        own = identity.of(os.getpid())
        pid_file = self._home.pids / f"{drain.SUPERVISOR}.pid"
        if own:
            identity.write(pid_file, own)
        failure: ScriptError | None = None
        try:
            for stage in stages:
                self._start(stage)
            self._starting = False
            self._record()
            self._reporter.started()
            self._watch()
        except ScriptError as error:
            failure = error
        finally:
            self._drain()
            pid_file.unlink(missing_ok=True)
        if failure:
            self._reporter.failed(str(failure), failure.exit_code)
        return failure.exit_code if failure else 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, stage: Stage) -> None:
        for process in stage.processes:
            child = Child(process, self._home, self._environment)
            self._children.append(child)
            child.spawn()
        self._record()
        for child in self._children[len(self._children) - len(stage.processes) :]:
            self._wait_ready(child)
        self._refuse_to_go_on_when_told_to_stop()
        stage.then()
        self._refuse_to_go_on_when_told_to_stop()

    def _wait_ready(self, child: Child) -> None:
        began = time.monotonic()
        first_spawned_at = child.spawned_at
        detail = "it has not answered yet"
        while time.monotonic() - began < child.process.patience_s:
            self._refuse_to_go_on_when_told_to_stop()
            self._look_after_all()
            if child.restart_at is None:
                answer = child.ask()
                if answer.ready:
                    took = time.monotonic() - first_spawned_at
                    name, url = child.process.name, child.process.url
                    self._reporter.line(f"  ok  {name:<18} ready in {took:.1f} s   {url}")
                    return
                detail = answer.detail
                waited_s = time.monotonic() - began
                if answer.report.get("usable") and waited_s > self._outside_patience_s:
                    name = child.process.name
                    self._reporter.line(f"  !!  {name:<18} runs, and is not ready yet: {detail}")
                    return
            time.sleep(_LOOK_S)
        raise ScriptError(
            f"{child.process.name} is not ready after {child.process.patience_s:g} s: {detail} "
            f"(see logs/{child.process.name}.out and .log)"
        )

    def _refuse_to_go_on_when_told_to_stop(self) -> None:
        if self._stopping:
            raise ScriptError("stopped before everything was ready")

    def _watch(self) -> None:
        while not self._stopping:
            try:
                self._look_after_all()
            except OSError as error:  # a full disk must not end what still trades
                self._reporter.line(f"  !!  the supervisor's own files: {error}")
                time.sleep(1)
            time.sleep(_LOOK_S)

    def _look_after_all(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.restart_at is not None and now >= child.restart_at:
                self._restart(child, now)
            elif child.exit_code() is not None:
                self._on_death(child, now)
            elif trouble := child.trouble(now):
                self._reporter.line(f"  !!  {child.process.name} {trouble}: it is killed")
                child.kill()
            elif child.is_too_large(now):
                most = f"more than {child.process.most_bytes // 2**20} MB of memory"
                self._reporter.line(f"  !!  {child.process.name} uses {most}: it is started anew")
                child.end()

    def _restart(self, child: Child, now: float) -> None:
        child.restarts += 1
        try:
            child.spawn()
        except ScriptError as error:
            if self._starting:
                raise
            verdict = child.bury(now)
            again = f"next try in {verdict.delay_s:g} s" if verdict else "not tried again"
            self._reporter.line(f"  !!  {error}; {again}")
        self._record()

    def _on_death(self, child: Child, now: float) -> None:
        name, code = child.process.name, child.exit_code()
        words = child.last_words()
        verdict = child.bury(now)
        if verdict is None:
            self._on_wrong_setting(name, words)
        elif self._starting and verdict.incident:
            last = "\n".join(f"    {word}" for word in words)
            raise ScriptError(f"{last}\n{name} died three times while starting ({_cause(code)})")
        else:
            last_word = words[-1] if words else "it wrote nothing"
            sentence = f"{name} died ({_cause(code)}): {last_word}"
            self._reporter.line(f"  !!  {sentence}; restart in {verdict.delay_s:g} s")
            if verdict.incident:
                self._raise(name, f"three deaths within a minute; {sentence}", {"exit_code": code})
        self._record()

    def _on_wrong_setting(self, name: str, words: list[str]) -> None:
        sentence = f"{name}: {words[-1] if words else 'configuration error'}"
        if self._starting:
            raise ScriptError(sentence, exit_code=EXIT_CONFIGURATION)
        self._reporter.line(f"  !!  {sentence}; it is not started again")
        self._raise(name, sentence, {"exit_code": EXIT_CONFIGURATION})

    def _raise(self, name: str, sentence: str, facts: dict[str, Any]) -> None:
        self._incidents.put(Incident("PROCESS_DIES", name, sentence, facts))

    def _drain(self) -> None:
        alive = [(c.process.name, c.identity) for c in reversed(self._children) if c.identity]
        drain.end(alive, tell=self._reporter.line)
        for child in self._children:
            child.exit_code()
            child.pid_file.unlink(missing_ok=True)
        self._home.record.unlink(missing_ok=True)

    def _record(self) -> None:
        """Keep what status.py and stop.py want to know; they read it also after our death."""
        processes = [
            record.describe(child.process, restarts=child.restarts, state=child.state)
            for child in self._children
        ]
        known = record.Record(
            pid=os.getpid(),
            state="starting" if self._starting else "running",
            started_at=self._started_at,
            trading_mode=self._trading_mode,
            processes=tuple(processes),
        )
        record.write(self._home, known)


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _is_locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
