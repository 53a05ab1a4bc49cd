"""A pid that was used again is never mistaken for ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.launcher import drain, identity
from scripts.launcher.home import Home
from scripts.launcher.identity import Identity

NO_SUCH_PID = 2**22 + 1  # above the largest pid_max of Linux


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def known(process: subprocess.Popen[bytes]) -> Identity:
    found = identity.of(process.pid)
    assert found
    return found


def test_running_process_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    assert identity.is_alive(known(sleeper))


def test_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    ours = known(sleeper)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    assert not identity.is_alive(ours)


def test_unknown_pid_has_no_identity() -> None:
    assert identity.of(NO_SUCH_PID) is None
    assert not identity.is_alive(Identity(NO_SUCH_PID, "x"))


def test_same_pid_with_another_birth_is_another_process() -> None:
    assert not identity.is_alive(Identity(os.getpid(), "boot:1"))


def test_another_process_with_our_pid_is_not_signaled(sleeper: subprocess.Popen[bytes]) -> None:
    identity.send(Identity(sleeper.pid, "boot:1"), signal.SIGKILL)
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.2)


def test_pid_file_gives_back_what_was_written(tmp_path: Path) -> None:
    identity.write(tmp_path / "cerebro.pid", Identity(12, "boot:34"))
    assert identity.read(tmp_path / "cerebro.pid") == Identity(12, "boot:34")
    assert [file.name for file in tmp_path.iterdir()] == ["cerebro.pid"]


@pytest.mark.parametrize("text", ["", "12", "{}", '{"pid": "x", "birth": 1}', "null", "[1]", "\0"])
def test_damaged_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pid").write_text(text)
    assert identity.read(tmp_path / "x.pid") is None


def test_gateway_ends_first_and_database_last(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    home = Home(tmp_path)
    home.make()
    for name in ("mongodb", "cerebro", "supervisor", "signal_gateway", "stranger", "pubsub_local"):
        identity.write(home.pids / f"{name}.pid", known(sleeper))
    assert list(drain.running(home)) == [
        "supervisor",
        "stranger",
        "signal_gateway",
        "cerebro",
        "pubsub_local",
        "mongodb",
    ]


def test_only_living_processes_run(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = Home(tmp_path)
    home.make()
    identity.write(home.pids / "cerebro.pid", known(sleeper))
    identity.write(home.pids / "execution.pid", Identity(os.getpid(), "boot:1"))
    assert list(drain.running(home)) == ["cerebro"]


def test_stale_pid_files_are_forgotten(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = Home(tmp_path)
    home.make()
    identity.write(home.pids / "cerebro.pid", known(sleeper))
    identity.write(home.pids / "execution.pid", Identity(NO_SUCH_PID, "boot:1"))
    drain.forget(home)
    assert [file.stem for file in home.pids.iterdir()] == ["cerebro"]
