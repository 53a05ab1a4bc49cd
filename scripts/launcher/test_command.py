"""test.py inside `.venv`: every check of a change, each one run even when an earlier one failed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scripts.launcher.home import REPOSITORY
from services.common.settings import known_names

_BIN = Path(sys.executable).parent
_FAST = ("unit", "contract")
_FOLDERS = (*_FAST, "broker_conformance", "integration", "e2e")


class Step(NamedTuple):
    """One check."""

    heading: str
    command: tuple[str, ...]


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
    outcomes = [_run(step) for step in steps(fast=fast)]
    for heading, exit_code, seconds in outcomes:
        result = "ok  " if exit_code == 0 else "FAIL"
        print(f"  {result}  {heading:<14} {seconds:6.1f} s", flush=True)
    return 1 if any(outcome.exit_code for outcome in outcomes) else 0


def steps(*, fast: bool) -> list[Step]:
    """The checks, in order; pytest last, so that its closing lines are near the end.

    Two at a time: most tests wait for a server half of their time. Neighbours stay together, for
    they share servers, until somebody has nothing left to do. What runs whole instances runs alone.
    """
    python = sys.executable
    found = folders(fast=fast, tests=REPOSITORY / "tests")
    alone = [name for name in found if name == "tests/e2e"]
    beside = [name for name in found if name not in alone]
    pytest = (python, "-m", "pytest")
    return [
        Step("ruff format", (python, "-m", "ruff", "format", "--check", ".")),
        Step("ruff check", (python, "-m", "ruff", "check", ".")),
        Step("mypy", (python, "-m", "mypy")),
        Step("lint-imports", (str(_BIN / "lint-imports"),)),
        Step("pytest", (*pytest, "-n", "2", "--dist", "worksteal", *beside)),
        *([Step("pytest e2e", (*pytest, *alone))] if alone else []),
    ]


def folders(*, fast: bool, tests: Path) -> list[str]:
    """Folders with tests: the quick ones first, and any that is not named here last."""
    found = {file.relative_to(tests).parts[0] for file in tests.glob("*/**/test_*.py")}
    order: Iterable[str] = _FAST if fast else (*_FOLDERS, *sorted(found - set(_FOLDERS)))
    return [str(tests.relative_to(tests.parent) / name) for name in order if name in found]


def _run(step: Step) -> Outcome:
    print(f"\n=== {step.heading}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        step.command, cwd=REPOSITORY, env=_environment(), stdin=subprocess.DEVNULL, check=False
    )
    return Outcome(step.heading, done.returncode, time.monotonic() - began)


def _environment() -> dict[str, str]:
    """Without any setting of the person who types this: tests never reach their database."""
    ours = {name: value for name, value in os.environ.items() if name not in known_names()}
    return {**ours, "REQUIRE_SERVERS": "1"}
