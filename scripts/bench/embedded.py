"""The embedded database of a benchmark, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from scripts.launcher.table import DATABASE_ENVIRONMENT, DATABASE_OPTIONS
from services.common.settings import CommonSettings
from services.common.store import Store

WAIT_SECONDS = 30.0


@contextmanager
def embedded_database(settings: CommonSettings) -> Iterator[psutil.Process]:
    """Start it as the launcher does, wait until it answers, end it."""
    data = settings.mt_home / "database"
    command = [str(Path(sys.executable).with_name("secantusd-py")), "--host", "127.0.0.1"]
    command += ["--port", str(settings.port("mongodb")), "--storage-path", str(data)]
    command += DATABASE_OPTIONS
    database = subprocess.Popen(command, env={**os.environ, **DATABASE_ENVIRONMENT})
    try:
        until_works(lambda: Store.connect(settings).ping())
        yield psutil.Process(database.pid)
    finally:
        database.terminate()
        database.wait(WAIT_SECONDS)


def until_works(works: Callable[[], None]) -> None:
    """Try again until it does. Raises: its last error, after half a minute."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            works()
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
