"""test.py inside `.venv`: every check of a change, each one run even when an earlier one failed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from scripts.launcher.home import REPOSITORY
from services.common.settings_file import known_names

_BIN = Path(sys.executable).parent
_FAST = ("unit", "contract")
_FOLDERS = (*_FAST, "simulation", "broker_conformance", "integration", "e2e")
#: More failures than these are no matter of a busy machine.
_MOST_AGAIN = 3
_TESTS_FAILED = 1


class Step(NamedTuple):
    """One check.

    Attributes:
        beside: it runs beside the next ones, and is told after them.
    """

    heading: str
    command: tuple[str, ...]
    beside: bool = False


class Outcome(NamedTuple):
    """How a check went."""

    heading: str
    exit_code: int
    seconds: float


def main() -> int:
    """Run all checks; 0 only when every one passed."""
    parser = argparse.ArgumentParser(
        prog="test.py", description="Everything that a change must pass; .ci/run calls it."
    )
    parser.add_argument("--fast", action="store_true", help="lint, unit and contract tests only")
    fast = parser.parse_args().fast
    all_steps = steps(fast=fast)
    outcomes = [_once_more(each, all_steps) for each in _run_all(all_steps)]
    for heading, exit_code, seconds in outcomes:
        result = "ok  " if exit_code == 0 else "FAIL"
        print(f"  {result}  {heading:<14} {seconds:6.1f} s", flush=True)
    return 1 if any(outcome.exit_code for outcome in outcomes) else 0


def steps(*, fast: bool) -> list[Step]:
    """The checks, in order; pytest last, so that its closing lines are near the end.

    What runs beside begins first, so that it has the processor while linters use half of it. Whole
    instances run one after the other there: they wait most of all. The front end has its own tools.
    Of the rest three at a time: most tests wait for a server half of their time. Neighbours stay
    together, for they share servers, until somebody has nothing left to do.
    """
    python = sys.executable
    found = folders(fast=fast, tests=REPOSITORY / "tests")
    whole = [name for name in found if name == "tests/e2e"]
    parts = [name for name in found if name not in whole]
    pytest = (python, "-m", "pytest", "-o")
    alone, with_others = (f"cache_dir=.pytest_cache/{name}" for name in ("e2e", "rest"))
    return [
        *([Step("pytest e2e", (*pytest, alone, *whole), beside=True)] if whole else []),
        *([] if fast else [Step("front end", (python, "-m", "scripts.launcher.ui_check"), True)]),
        Step("ruff format", (python, "-m", "ruff", "format", "--check", ".")),
        Step("ruff check", (python, "-m", "ruff", "check", ".")),
        Step("mypy", (python, "-m", "mypy")),
        Step("lint-imports", (str(_BIN / "lint-imports"),)),
        Step("pytest", (*pytest, with_others, *parts, "-n", "3", "--dist", "worksteal")),
    ]


def folders(*, fast: bool, tests: Path) -> list[str]:
    """Folders with tests: the quick ones first, and any that is not named here last."""
    found = {file.relative_to(tests).parts[0] for file in tests.glob("*/**/test_*.py")}
    order: Iterable[str] = _FAST if fast else (*_FOLDERS, *sorted(found - set(_FOLDERS)))
    return [str(tests.relative_to(tests.parent) / name) for name in order if name in found]


def _run_all(steps: Sequence[Step]) -> list[Outcome]:
    """One after the other; those that run beside are told once the others have ended."""
    outcomes: list[Outcome] = []
    beside: list[_Beside] = []
    for step in steps:
        if step.beside:
            beside.append(_Beside(step))
            continue
        print(f"\n=== {step.heading}", flush=True)
        began = time.monotonic()
        exit_code = _begin(step, None).wait()
        outcomes.append(Outcome(step.heading, exit_code, time.monotonic() - began))
    return [*outcomes, *(each.outcome() for each in beside)]


def _once_more(outcome: Outcome, all_steps: Sequence[Step]) -> Outcome:
    """Run a few failed tests again, one after the other on a machine that has nothing else to do.

    A run of everything keeps the machine fuller than any user does, and a test that waits may wait
    in vain. Its first failure is told above and named here: whoever reads it has something to mend.
    """
    step = next(each for each in all_steps if each.heading == outcome.heading)
    if outcome.exit_code != _TESTS_FAILED or "pytest" not in step.command:
        return outcome
    cache = REPOSITORY / step.command[step.command.index("-o") + 1].partition("=")[2]
    failed = json.loads((cache / "v" / "cache" / "lastfailed").read_text())
    if len(failed) > _MOST_AGAIN:
        return outcome
    print(f"\n=== {outcome.heading}: failed beside others, now alone", flush=True)
    for name in failed:
        print(f"UNSTABLE, to be mended even where it passes now: {name}", flush=True)
    again = Step(outcome.heading, (*_without_workers(step.command), "--last-failed"))
    began = time.monotonic()
    exit_code = _begin(again, None).wait()
    return Outcome(outcome.heading, exit_code, outcome.seconds + time.monotonic() - began)


def _without_workers(command: Sequence[str]) -> Sequence[str]:
    return command[: command.index("-n")] if "-n" in command else command


class _Beside:
    """A step that runs while others do; what it says is kept until it is told."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is told
        self._began = time.monotonic()
        self._running = _begin(step, self._said)

    def outcome(self) -> Outcome:
        """Wait for its end, and tell what it said."""
        exit_code = self._running.wait()
        seconds = time.monotonic() - self._began
        with self._said as said:
            said.seek(0)
            words = said.read().decode(errors="replace")
        print(f"\n=== {self._step.heading}\n{words}", flush=True)
        return Outcome(self._step.heading, exit_code, seconds)


def _begin(step: Step, said: IO[bytes] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        step.command,
        cwd=REPOSITORY,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=None if said is None else subprocess.STDOUT,
    )


def _environment() -> dict[str, str]:
    """Without any setting of the person who types this: tests never reach their database."""
    ours = {name: value for name, value in os.environ.items() if name not in known_names()}
    return {**ours, "REQUIRE_SERVERS": "1"}
