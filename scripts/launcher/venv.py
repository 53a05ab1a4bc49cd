"""The repository's own `.venv`: made, filled and entered. Standard library only.

A stamp in `.venv` tells which requirements were installed for which Python, so a later run costs
one short look; an install that was interrupted leaves no stamp and is done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from scripts.launcher.errors import ScriptError
from scripts.launcher.home import REPOSITORY

VENV = REPOSITORY / ".venv"
_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off")
_APT = (
    "this Python cannot make a virtual environment: install the missing part "
    "(Debian and Ubuntu: apt-get install python3-venv) and run this again"
)


def enter(requirements: str, *contained: str) -> None:
    """Go on inside `.venv` with `requirements` installed; ends the process where it cannot.

    Args:
        requirements: file name in the repository.
        contained: requirement files that `requirements` includes.
    """
    try:
        prepare(VENV, REPOSITORY / requirements, *(REPOSITORY / name for name in contained))
    except ScriptError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("stopped while .venv was being made; the next start goes on with it\n")
        sys.exit(130)
    _re_enter()


def enter_existing() -> None:
    """Go on inside `.venv` if there is one; ends the process with what to do if not."""
    if not python_of(VENV).exists():
        sys.stderr.write(f"there is no {VENV} yet: run python3 scripts/start.py, which makes it\n")
        sys.exit(1)
    _re_enter()


def _re_enter() -> None:
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    python = str(python_of(VENV))
    sys.stdout.flush()
    os.execv(python, [python, *sys.argv])  # noqa: S606 - our own script, our own interpreter


def python_of(venv: Path) -> Path:
    """The interpreter of `venv`."""
    return venv / "bin" / "python"


def prepare(venv: Path, requirements: Path, *contained: Path) -> None:
    """Make `venv` and install `requirements` unless its stamp says that this was done.

    Raises:
        ScriptError: the environment cannot be made or filled.
    """
    lock = os.open(venv.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts at once: the second waits for the first
        version = python_version(venv)
        files = (requirements, *contained)
        if version and all(is_stamped(venv, file, version) for file in files):
            return
        if not version or stamped_python(venv) not in (None, version):
            version = _make(venv)
        _install(venv, requirements)
        for file in files:
            stamp_file(venv, file).write_text(stamp(file, version))
    finally:
        os.close(lock)


def stamp(requirements: Path, version: str) -> str:
    """What tells one installed state from another."""
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {version}\n"


def stamp_file(venv: Path, requirements: Path) -> Path:
    """Where the stamp of one requirements file is kept."""
    return venv / f".{requirements.name}.stamp"


def is_stamped(venv: Path, requirements: Path, version: str) -> bool:
    """Whether `requirements`, as they are now, were installed for this Python."""
    file = stamp_file(venv, requirements)
    return file.is_file() and file.read_text() == stamp(requirements, version)


def stamped_python(venv: Path) -> str | None:
    """The Python that `venv` was filled for, as far as a stamp says."""
    for file in venv.glob(".*.stamp"):
        return file.read_text().split()[-1]
    return None


def python_version(venv: Path) -> str | None:
    """Version of a usable interpreter with pip in `venv`; None where there is none."""
    question = "import sys, pip; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        answer = subprocess.run(
            [python_of(venv), "-c", question], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _make(venv: Path) -> str:
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise ScriptError(_APT)
    _say(f"making {venv} with Python {sys.version.split()[0]}")
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    version = python_version(venv)
    if "ensurepip" in made.stdout + made.stderr and not version:
        raise ScriptError(_APT)
    if made.returncode or not version:
        last = (made.stdout + made.stderr).strip().splitlines()[-1:] or ["no reason given"]
        raise ScriptError(f"{venv} could not be made: {last[0]}")
    return version


def _install(venv: Path, requirements: Path) -> None:
    _say(f"installing {requirements.name} into {venv} (about a minute the first time)")
    began = time.monotonic()
    command = [str(python_of(venv)), *_PIP, "-r", str(requirements)]
    lines: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as pip:
        for line in pip.stdout or ():
            lines.append(line.rstrip())
            _show_progress(line)
    if pip.returncode:
        raise ScriptError(
            "\n".join([*lines, f"pip could not install {requirements.name} (see above)"])
        )
    _say(f"installed {requirements.name} in {time.monotonic() - began:.0f} s")


def _show_progress(line: str) -> None:
    if sys.stdout.isatty() and line.startswith(("Collecting", "Installing")):
        sys.stdout.write(f"\r\033[K  ..  {line.strip()[:70]}\r")
        sys.stdout.flush()


def _say(sentence: str) -> None:
    clear = "\r\033[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{clear}  ..  {sentence}\n")
    sys.stdout.flush()
