"""An instance in a home and at ports of its own, and the operators' commands typed in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.launcher import drain, identity, ports
from scripts.launcher.home import REPOSITORY, Home
from services.common.settings_file import known_names
from tests.support.servers import free_port

#: How long a command, or what a test waits for, may take.
SECONDS = 30.0


@dataclass
class Instance:
    """One home, and the commands typed in it."""

    home: Home
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def type(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "scripts" / script), *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def supervise(self, *table: str) -> subprocess.Popen[str]:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "tests.support.stub_instance", *table],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(supervisor)
        return supervisor

    def status(self) -> dict[str, Any]:
        return json.loads(self.type("status.py", "--json").stdout)

    def pid(self, name: str) -> int:
        known = identity.read(self.home.pids / f"{name}.pid")
        return known.pid if known else 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < until, "it did not come to that"
            time.sleep(0.02)

    def wait_running(self) -> None:
        def runs() -> bool:
            assert self.started[-1].poll() is None, self.started[-1].communicate()
            try:
                return json.loads(self.home.record.read_text())["state"] == "running"
            except OSError:
                return False

        self.wait_for(runs)

    def assert_nothing_runs(self) -> None:
        assert drain.running(self.home) == {}
        assert not self.home.record.exists()


@contextmanager
def instance_in(root: Path) -> Iterator[Instance]:
    """An instance that is ended, with all it started, when the test is."""
    ours = {name: value for name, value in os.environ.items() if name not in known_names()}
    offset = ports.free_offset()
    ours |= {"MT_HOME": str(root), "MT_PORT_OFFSET": str(offset)}
    made = Instance(Home(root), ours)
    try:
        yield made
    finally:
        drain.end(drain.running(made.home).items(), tell=lambda _: None, grace_s=0)
        for process in made.started:
            process.kill()
            process.communicate()


def stub(name: str, behavior: str = "ready") -> str:
    """A line of the table of `Instance.supervise`."""
    return f"{name}:{free_port()}:{behavior}"
