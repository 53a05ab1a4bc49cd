"""The web UI, built where its sources have changed: `python -m scripts.launcher.ui_build`.

The build goes into a draft beside `dist` and takes its place once it is whole, so that a failed
one, or two at once, leave what is served as it was. The stamp in `dist` is a hash of the sources:
no clock, so a fresh checkout of the same sources is not built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from gzip import compress
from pathlib import Path
from typing import Any

from scripts.launcher import node
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import REPOSITORY, Home
from scripts.launcher.node import Node, Say

Packages = Mapping[str, Mapping[str, Any]]
UI = REPOSITORY / "frontend-admin"
_STAMP = ".stamp"
_NOT_SOURCES = ("node_modules", "dist", "testing")
_PACKED = (".html", ".js", ".css", ".svg", ".json", ".txt", ".map")
_SMALLEST_PACKED = 1024
_INSTALL_S = 900.0
_BUILD_S = 300.0


def build_for(home: Home, say: Say) -> bool:
    """Build the UI of an instance; where that cannot be, its web server tells people why."""
    home.make()
    reason = home.run / "ui.txt"
    reason.unlink(missing_ok=True)
    try:
        ensure(UI, say, log=home.logs / "ui_build.log")
    except ScriptError as error:
        older = " (an older build is served)" if (UI / "dist" / "index.html").exists() else ""
        reason.write_text(str(error), encoding="utf-8")
        say(f"the web UI is not built{older}: {error}")
        return False
    return True


def ensure(
    ui: Path, say: Say, *, log: Path | None = None, find_node: Callable[[Say], Node] = node.find
) -> bool:
    """Build `ui` unless its `dist` is of the present sources; whether it was built now.

    Raises:
        ScriptError: it cannot be; what was there before is left.
    """
    if not (ui / "package.json").is_file():
        raise ScriptError(f"there are no sources of the web UI in {ui}")
    with _alone(ui):
        wanted = stamp(ui)
        if built_of(ui) == wanted:
            return False
        began = time.monotonic()
        tools = find_node(say)
        install(ui, tools, say, log=log)
        say("building the web UI")
        draft = ui / ".dist-draft"
        shutil.rmtree(draft, ignore_errors=True)
        vite = ui / "node_modules" / "vite" / "bin" / "vite.js"
        command = (tools.node, str(vite), "build", "--outDir", str(draft), "--logLevel", "warn")
        run(command, ui, tools, log=log, seconds=_BUILD_S)
        pack(draft)
        (draft / _STAMP).write_text(wanted)
        _take_the_place(draft, ui / "dist")
        say(f"built the web UI in {time.monotonic() - began:.0f} s")
        return True


def install(ui: Path, tools: Node, say: Say, *, log: Path | None = None) -> None:
    """Bring the packages that the lock names, unless they are there.

    Raises:
        ScriptError: npm cannot.
    """
    if is_installed(ui):
        return
    say("installing the packages of the web UI (about a minute, once)")
    run((tools.npm, "ci"), ui, tools, log=log, seconds=_INSTALL_S)


def is_installed(ui: Path) -> bool:
    """Whether `node_modules` has what the lock names."""
    try:
        lock = json.loads((ui / "package-lock.json").read_bytes())
        installed = json.loads((ui / "node_modules" / ".package-lock.json").read_bytes())
    except (OSError, ValueError):
        return False
    return agree(lock.get("packages", {}), installed.get("packages", {}))


def agree(
    lock: Mapping[str, Mapping[str, Any]], installed: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Whether every package has the version of the lock; those of other platforms may be absent."""
    return all(
        path == ""
        or (path not in installed and package.get("optional", False))
        or installed.get(path, {}).get("version") == package.get("version")
        for path, package in lock.items()
    ) and all(path in lock for path in installed)


def stamp(ui: Path) -> str:
    """What tells one state of the sources from another; tests are no sources."""
    digest = hashlib.sha256()
    for file in sorted(sources(ui)):
        digest.update(f"{file.relative_to(ui).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def sources(ui: Path) -> Iterator[Path]:
    """Every file that the build can depend on."""
    for folder, names, files in os.walk(ui):
        names[:] = [name for name in names if name not in _NOT_SOURCES and name[0] != "."]
        for name in files:
            if name[0] != "." and ".test." not in name:
                yield Path(folder) / name


def built_of(ui: Path) -> str | None:
    """Stamp of what is served; None where nothing is."""
    dist = ui / "dist"
    try:
        return (dist / _STAMP).read_text() if (dist / "index.html").is_file() else None
    except OSError:
        return None


def pack(dist: Path) -> None:
    """Compress every text once, so that the web server need not do it for each visitor."""
    for file in [each for each in dist.rglob("*") if each.suffix in _PACKED and each.is_file()]:
        content = file.read_bytes()
        if len(content) >= _SMALLEST_PACKED:
            file.with_name(f"{file.name}.gz").write_bytes(compress(content, 9, mtime=0))


def run(
    command: tuple[str, ...], ui: Path, tools: Node, *, log: Path | None, seconds: float
) -> None:
    """Run a tool in `ui`; what it says goes to `log`.

    Raises:
        ScriptError: it failed; with its last words.
    """
    name = " ".join(Path(part).name if "/" in part else part for part in command[:2])
    try:
        ended = subprocess.run(
            command,
            cwd=ui,
            env=dict(tools.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ScriptError(f"{name} did not end within {seconds:g} s") from error
    except OSError as error:
        raise ScriptError(f"{name} cannot be run: {error.strerror}") from error
    said = ended.stdout.decode(errors="replace")
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(command)}\n{said}")
    if ended.returncode:
        raise ScriptError(f"{name} failed ({ended.returncode}): {_last_words(said)}")


def _last_words(said: str) -> str:
    """Why a tool failed: its first line that says error, else its last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "code" not in line.lower()]
    return next(iter(errors or lines[-1:]), "it said nothing")[:300]


@contextmanager
def _alone(ui: Path) -> Iterator[None]:
    """One build at a time; whoever waits finds it done."""
    lock = os.open(ui, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _take_the_place(draft: Path, dist: Path) -> None:
    before = dist.with_name(".dist-before")
    shutil.rmtree(before, ignore_errors=True)
    if dist.exists():
        dist.rename(before)
    draft.rename(dist)
    shutil.rmtree(before, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(0 if build_for(Home.from_environment(), lambda line: print(line, flush=True)) else 1)
