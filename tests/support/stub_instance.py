"""A supervisor over stub processes: `python -m tests.support.stub_instance NAME:PORT:BEHAVIOR …`.

Everything of it is real but the table and the incidents, which go to `incidents.txt` of MT_HOME.
Behavior `database` is no stub: the embedded database, as the table has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.launcher import child
from scripts.launcher.home import REPOSITORY, Home
from scripts.launcher.incidents import Incident
from scripts.launcher.report import Reporter
from scripts.launcher.supervisor import Stage, Supervisor
from scripts.launcher.table import Process

PATIENCE_S = 20.0
#: More than the embedded database needs, and what a test fills within seconds.
DATABASE_BYTES = 90 * 2**20


class IncidentFile:
    def __init__(self, home: Home) -> None:
        self._file = home.root / "incidents.txt"

    def put(self, incident: Incident) -> None:
        with self._file.open("a") as file:
            file.write(f"{incident.kind} {incident.key}: {incident.sentence}\n")


def process(text: str) -> Process:
    name, port, behavior = text.split(":")
    if behavior == "database":
        program = str(Path(sys.executable).with_name("secantusd-py"))
        storage = str(Home.from_environment().root / "database")
        options = ("--host", "127.0.0.1", "--port", port, "--storage-path", storage)
        command = (program, *options, "--sync-on-commit", "--log-level", "WARNING")
        return Process(
            name,
            command,
            int(port),
            probe="mongodb",
            patience_s=PATIENCE_S,
            most_bytes=DATABASE_BYTES,
        )
    stub = REPOSITORY / "tests" / "support" / "stub_process.py"
    patience_s = 1.0 if behavior == "unready" else PATIENCE_S
    command = (sys.executable, "-P", str(stub), port, behavior)
    return Process(name, command, int(port), patience_s=patience_s)


def main() -> int:
    child.GROWN_S = 0.0
    child.STORAGE_LOOK_S = 0.3
    home = Home.from_environment()
    supervisor = Supervisor(
        home=home,
        environment={"MT_SUPERVISED": "1"},
        reporter=Reporter(),
        incidents=IncidentFile(home),
        trading_mode="paper",
        outside_patience_s=0.5,
    )
    table = [process(text) for text in sys.argv[1:]]
    return supervisor.run([Stage(table, lambda: None)])


if __name__ == "__main__":
    sys.exit(main())
