"""What the supervisor knows, kept in a file, so that it can be read also after its death."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from scripts.launcher.home import Home
from scripts.launcher.table import Probe, Process

ProcessState = Literal["up", "restarting", "misconfigured"]


class ProcessRecord(BaseModel):
    """One process of the instance."""

    model_config = ConfigDict(frozen=True)

    name: str
    host: str
    port: int
    ports: tuple[int, ...]
    probe: Probe
    url: str
    restarts: int
    state: ProcessState


class Record(BaseModel):
    """The instance as the supervisor last saw it."""

    model_config = ConfigDict(frozen=True)

    pid: int
    state: Literal["starting", "running"]
    started_at: datetime
    trading_mode: Literal["paper", "live"]
    processes: tuple[ProcessRecord, ...]


def describe(process: Process, *, restarts: int, state: ProcessState) -> ProcessRecord:
    """One process as it stands in the record."""
    return ProcessRecord(
        name=process.name,
        host=process.host,
        port=process.port,
        ports=process.listens_on,
        probe=process.probe,
        url=process.url,
        restarts=restarts,
        state=state,
    )


def write(home: Home, record: Record) -> None:
    """Keep `record`, at once or not at all."""
    draft = home.record.with_suffix(".draft")
    draft.write_text(record.model_dump_json(indent=1))
    draft.replace(home.record)


def read(home: Home) -> Record | None:
    """The last record; None where there is none that can be read."""
    try:
        return Record.model_validate_json(home.record.read_bytes())
    except (OSError, ValidationError):
        return None
