"""Crash points: a closed list, off unless asked for, at the visit that was asked for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.common.failpoints import EXIT_CODE, FailPoint, armed_by, failpoint
from services.domain.errors import ConfigurationError


def visits_before_death(crash_at: str, *, visits: int = 5) -> tuple[int, int]:
    """Visit a point in a process of its own: how often it was left alive, and the exit code."""
    program = (
        "from services.common.failpoints import FailPoint, failpoint\n"
        f"for _ in range({visits}):\n"
        "    failpoint(FailPoint.ANSWERED)\n"
        "    failpoint(FailPoint.INTENT_STORED)\n"
        "    print('alive', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"CRASH_AT": crash_at} if crash_at else {},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.count("alive"), done.returncode


def test_without_the_variable_every_point_is_passed() -> None:
    for point in FailPoint:
        failpoint(point)
    assert visits_before_death("") == (5, 0)


def test_the_process_dies_at_the_first_visit_with_the_code_of_a_kill() -> None:
    assert visits_before_death("execution.intent_stored") == (0, EXIT_CODE)


def test_the_process_dies_at_the_visit_that_was_asked_for() -> None:
    assert visits_before_death("execution.intent_stored:3") == (2, EXIT_CODE)


def test_another_point_is_passed() -> None:
    assert visits_before_death("execution.booked") == (5, 0)


def test_a_pause_stands_still_until_it_is_told_to_go_on() -> None:
    program = (
        "from services.common.failpoints import FailPoint, failpoint\n"
        "failpoint(FailPoint.INTENT_STORED)\n"
    )
    paused = subprocess.Popen(
        [sys.executable, "-c", program], env={"PAUSE_AT": "execution.intent_stored"}
    )
    try:
        _, status = os.waitpid(paused.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(60) == 0
    finally:
        paused.kill()


def test_a_held_thread_waits_for_its_file_and_the_others_go_on(tmp_path: Path) -> None:
    program = (
        "import threading\n"
        "from services.common.failpoints import FailPoint, failpoint\n"
        "held = threading.Thread(target=failpoint, args=(FailPoint.BOOKED,))\n"
        "held.start()\n"
        "failpoint(FailPoint.SENT)\n"
        "print('the others go on', flush=True)\n"
        "held.join()\n"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"HOLD_AT": "execution.booked", "MT_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "the others go on\n"
        assert held.poll() is None
        (tmp_path / "go_on").touch()
        held.communicate(timeout=60)
        assert held.returncode == 0
    finally:
        held.kill()


@pytest.mark.parametrize("wanted", ["execution.nowhere", "intent_stored", "execution.sent:0"])
def test_what_names_no_point_stops_the_start(wanted: str) -> None:
    with pytest.raises(ConfigurationError, match="expected one of "):
        armed_by({"CRASH_AT": wanted})


def test_no_process_that_trades_live_can_be_armed() -> None:
    with pytest.raises(ConfigurationError, match="where money is real"):
        armed_by({"CRASH_AT": "execution.sent", "TRADING_MODE": "live"})


def test_a_crash_and_a_pause_at_once_stop_the_start() -> None:
    with pytest.raises(ConfigurationError, match="expected one of them"):
        armed_by({"CRASH_AT": "execution.sent", "PAUSE_AT": "execution.sent"})
