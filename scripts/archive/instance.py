"""The database of an instance, whether it runs now or not."""

from __future__ import annotations

import fcntl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.launcher import drain, probes, table
from scripts.launcher.home import Home
from services.common.settings import CommonSettings
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError

_STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


def runs(home: Home) -> bool:
    """Whether any process of this instance lives."""
    return bool(drain.running(home))


@contextmanager
def opened(settings: CommonSettings, home: Home) -> Iterator[Store]:
    """The store; an embedded database that is stopped runs for as long as it is needed.

    Raises:
        ConfigurationError: MONGODB_URI cannot be used, or the database cannot be started.
        TransientError: the database does not answer.
    """
    if not settings.embedded_database or runs(home):
        with _store(settings) as store:
            yield store
        return
    home.make()
    with (home.run / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # start.py waits for none of this
        except OSError as error:
            raise TransientError("the instance is just being started: try again") from error
        with _database(settings, home), _store(settings) as store:
            yield store


@contextmanager
def _store(settings: CommonSettings) -> Iterator[Store]:
    store = Store.connect(settings)
    try:
        store.ping()
        yield store
    finally:
        store.close()


@contextmanager
def _database(settings: CommonSettings, home: Home) -> Iterator[None]:
    (process,) = (
        each for each in table.infrastructure(settings, mock_broker=False) if each.name == "mongodb"
    )
    if probes.embedded_database(process.port).ready:
        raise ConfigurationError(
            f"port {process.port} is taken by another database: set MT_PORT_OFFSET"
        )
    with (home.logs / "mongodb.out").open("ab") as output:
        database = subprocess.Popen(process.command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + process.patience_s
        while not probes.embedded_database(process.port).ready:
            if database.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError("the database does not start: see logs/mongodb.out")
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        database.terminate()
        try:
            database.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            database.kill()
            database.wait()
