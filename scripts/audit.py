#!/usr/bin/env python3
"""Ask whether a dependency has a known weakness: `python3 scripts/audit.py [--strict]`.

Python's by pip-audit (`pip install pip-audit`), the web UI's by `npm audit`. Both ask services on
the internet; what cannot be asked is skipped, with its reason, unless `--strict`. Exit code 1 where
a weakness is found. CI runs it where DEPENDENCY_AUDIT=1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    from scripts.launcher import venv

    venv.enter_existing()

_PATIENCE_SECONDS = 300


class Verdict(NamedTuple):
    """Of one tool.

    Attributes:
        skipped: why nothing is known, or not of everything; None = it has answered for all.
        weaknesses: package and what it is called, a line each.
    """

    skipped: str | None
    weaknesses: tuple[str, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Ask both; exit code 1 where one has found something, or with --strict was skipped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strict", action="store_true", help="what is skipped has failed")
    strict = parser.parse_args(argv).strict
    failed = False
    for name, verdict in (("python", of_python()), ("web UI", of_web_ui())):
        if verdict.skipped is not None:
            print(f"{name}: skipped, {verdict.skipped}")
        if verdict.skipped is None or verdict.weaknesses:
            print(f"{name}: {len(verdict.weaknesses) or 'no'} known weaknesses")
        for line in verdict.weaknesses:
            print(f"  {line}")
        failed |= bool(verdict.weaknesses) or (strict and verdict.skipped is not None)
    return 1 if failed else 0


def of_python() -> Verdict:
    """What runs, by requirements.txt."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    return pip_verdict(*_run([*command, "-r", str(REPOSITORY / "requirements.txt")]))


def of_web_ui() -> Verdict:
    """What is built into the web UI, by its lock file."""
    npm = shutil.which("npm")
    if npm is None:
        return Verdict("npm is not installed")
    return npm_verdict(*_run([npm, "audit", "--json", "--omit=dev"], REPOSITORY / "frontend-admin"))


def pip_verdict(output: str, complaint: str) -> Verdict:
    """What pip-audit has said; anything but a list of dependencies means that it could not ask."""
    try:
        dependencies = json.loads(output)["dependencies"]
        found = tuple(
            f"{each['name']} {each['version']}: {weakness['id']}"
            for each in dependencies
            for weakness in each.get("vulns", ())
        )
        # What could not be asked about is listed too, with a reason in the place of an answer.
        unasked = [each["skip_reason"] for each in dependencies if "skip_reason" in each]
    except (ValueError, KeyError, TypeError):
        return Verdict(_last(complaint))
    if unasked:
        return Verdict(f"{len(unasked)} of {len(dependencies)} packages: {unasked[0]}", found)
    return Verdict(None, found)


def npm_verdict(output: str, complaint: str) -> Verdict:
    """The same of npm audit, which tells its own failures as JSON, too."""
    try:
        found = json.loads(output)["vulnerabilities"]
        lines = tuple(f"{name}: {each['severity']}" for name, each in sorted(found.items()))
    except (ValueError, KeyError, TypeError):
        return Verdict(_last(complaint))
    return Verdict(None, lines)


def _run(command: Sequence[str], folder: Path = REPOSITORY) -> tuple[str, str]:
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {_PATIENCE_SECONDS} s"
    return ended.stdout, ended.stderr


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it gave no answer"


if __name__ == "__main__":
    sys.exit(main())
