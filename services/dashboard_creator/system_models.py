"""What the page of the system says."""

from __future__ import annotations

from typing import Literal

from services.dashboard_creator.models import View
from services.dashboard_creator.readiness import AccountReadiness, Check
from services.domain.values import Instant


class ServiceRow(View):
    """One process.

    Attributes:
        state: UP, NOT_READY (it runs, and lacks something), DOWN (it does not answer).
        detail: what it lacks, in words.
        restarts: by the supervisor since the start; null where there is none.
        version: of the code that it runs; null where it does not tell.
        layout: of the database that it knows; null where it uses none.
        log: where the end of its log is asked; null where it keeps none.
    """

    name: str
    state: Literal["UP", "NOT_READY", "DOWN"]
    detail: str = ""
    uptime_s: float | None = None
    memory_mb: float | None = None
    restarts: int | None = None
    version: str | None = None
    layout: int | None = None
    log: str | None = None


class Queue(View):
    """What waits for a next step: how many, and since when the oldest.

    Attributes:
        overdue: of them, those that waited so long that the sweeper has rung again.
    """

    name: str
    waiting: int
    overdue: int
    oldest_at: Instant | None = None
    oldest_age_s: float | None = None


class System(View):
    """Services, queues, and whether each account is ready to trade."""

    generated_at: Instant
    started_at: Instant | None
    services: tuple[ServiceRow, ...]
    queues: tuple[Queue, ...]
    dead_letters: int
    failing_letters: int
    incidents: int
    checks: tuple[Check, ...]
    accounts: tuple[AccountReadiness, ...]


class LogTail(View):
    """The end of a log, the oldest line first; secrets are removed."""

    service: str
    lines: tuple[str, ...]
    truncated: bool
