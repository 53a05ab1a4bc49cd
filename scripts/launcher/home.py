"""Where one instance keeps its things. Standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """The directories of one instance."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """`MT_HOME`, or the repository."""
        return cls(Path(os.environ.get("MT_HOME") or REPOSITORY).resolve())

    @property
    def logs(self) -> Path:
        """What processes write."""
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        """Which processes are ours."""
        return self.logs / "pids"

    @property
    def run(self) -> Path:
        """The supervisor's record and lock."""
        return self.root / ".data" / "run"

    @property
    def record(self) -> Path:
        """What the supervisor knows, for status.py and stop.py."""
        return self.run / "supervisor.json"

    def make(self) -> None:
        """Create what is missing.

        Raises:
            ScriptError: the directory cannot be used.
        """
        try:
            for directory in (self.pids, self.run):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ScriptError(
                f"MT_HOME {self.root} cannot be used: {error.strerror} ({error.filename})",
                exit_code=EXIT_CONFIGURATION,
            ) from error

    def command(self, script: str) -> str:
        """The line to type for `script` of this instance."""
        names = ("MT_HOME", "MT_PORT_OFFSET")
        chosen = [
            f"{name}={os.environ[name]}"
            for name in names
            if os.environ.get(name) not in {None, "", str(REPOSITORY)}
        ]
        return " ".join([*chosen, "python3", f"scripts/{script}"])
