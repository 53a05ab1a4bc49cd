"""A whole service as a process of its own, to let it die in the middle of something."""

from __future__ import annotations

import os
import subprocess
import sys

from services.common.settings import CommonSettings
from tests.support.execution_process import wait_until
from tests.support.servers import REPOSITORY, free_port

_ON_PORT = (
    "import runpy; from services.common.settings import PORTS; PORTS['{name}'] = {port}; "
    "runpy.run_module('services.{name}', run_name='__main__', alter_sys=True)"
)


class ServiceProcess:
    """One `python -m services.<name>` on the database and bus of a test.

    Attributes:
        port: where it listens.
    """

    def __init__(self, name, connection, home, *, crash_at="", **environment):
        home.mkdir(parents=True, exist_ok=True)
        settings = CommonSettings(**connection)
        self.port = free_port()
        self._log = home / f"{name}.out"
        known = {
            "MT_HOME": str(home),
            "MT_PORT_OFFSET": "0",
            "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
            "CRASH_AT": crash_at,
        }
        if settings.pubsub_emulator_host:
            known["PUBSUB_EMULATOR_HOST"] = settings.pubsub_emulator_host
            known["PUBSUB_PROJECT_ID"] = settings.pubsub_project_id
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _ON_PORT.format(name=name, port=self.port)],
                cwd=REPOSITORY,
                env={**os.environ, **known, **environment},
                stdout=output,
                stderr=output,
            )

    def ends(self):
        """Its exit code once it has ended."""
        wait_until(lambda: self._process.poll() is not None, self.tail)
        return self._process.returncode

    def kill(self):
        """As a crash would (kill -9); harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)

    def tail(self):
        """What it said last."""
        return f"it lives on:\n{self._log.read_text(errors='replace')[-3000:]}"
