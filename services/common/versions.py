"""Which code a process runs: every process tells it, so that a mixture is seen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Final

from services.common.settings import REPOSITORY

#: As pyproject.toml has it, which is not in the image.
VERSION: Final = "0.1.0"
_GIT: Final = ("describe", "--always", "--dirty=.changed", "--exclude=*", "--abbrev=12")
_GIT_SECONDS: Final = 5


def running_version(commit: str) -> str:
    """Version and commit of this process, `0.1.0+4f2a9c1b77de`, as PEP 440 writes local versions.

    Args:
        commit: that the image was built of; "" = asked of git, which may not be there.
    """
    known = commit or _commit()
    return f"{VERSION}+{known}" if known else VERSION


@cache
def _commit() -> str:
    """Commit of the files here, `.changed` where they are not as committed; "" = not known."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        return ""
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words
            [git, "--no-optional-locks", "-C", str(REPOSITORY), *_GIT],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def mixture(running: Mapping[str, str | None]) -> str:
    """Which processes run which code, where that is not all the same; "" = it is.

    Args:
        running: version by process; None = it has not told, and is not compared.
    """
    by_version: dict[str, list[str]] = {}
    for name, version in sorted(running.items()):
        if version:
            by_version.setdefault(version, []).append(name)
    if len(by_version) < 2:
        return ""
    return "; ".join(f"{version}: {', '.join(names)}" for version, names in by_version.items())
