"""Processes of a benchmark beside the database: started as the launcher does, and ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
import urllib3

from scripts.bench.embedded import WAIT_SECONDS, until_works
from services.common.settings import REPOSITORY, CommonSettings


@contextmanager
def running(module: str, settings: CommonSettings, health: str = "") -> Iterator[psutil.Process]:
    """`python -m module`, once it answers on the port named `health`, if any; ended in the end."""
    process = subprocess.Popen([sys.executable, "-m", module], cwd=REPOSITORY)
    try:
        if health:
            until_works(lambda: _ask(settings, health))
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _ask(settings: CommonSettings, name: str) -> None:
    urllib3.request("GET", f"http://127.0.0.1:{settings.port(name)}/health", retries=False)


class CpuShares:
    """What each process needs of one core, from the beginning to `stop`."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = processes
        self._begin = {name: _seconds(process) for name, process in processes.items()}

    def stop(self) -> dict[str, float]:
        """CPU seconds of each since the beginning."""
        return {name: _seconds(each) - self._begin[name] for name, each in self._processes.items()}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
