"""HTTP of the system page: processes, queues, readiness, logs, latency."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.latency import LatencyAnswer
from services.dashboard_creator.system_models import LogTail, System
from services.dashboard_creator.systems import Systems
from services.domain.users import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
_READS: Final = problem_responses(401, 403, 404, 422, 503)


def add_system_routes(app: FastAPI, systems: Systems) -> None:
    """How everything is."""

    @app.get("/api/v1/system", responses=_READS, tags=["system"])
    def get_system(_by: Reader) -> System:
        """Services, queues, and whether each account is ready to trade."""
        return systems.system()

    @app.get("/api/v1/system/logs/{service}", responses=_READS, tags=["system"])
    def get_log(
        service: str, _by: Reader, lines: Annotated[int, Query(ge=1, le=2000)] = 200
    ) -> LogTail:
        """The end of a service's log, without secrets."""
        return systems.log(service, lines)

    @app.get("/api/v1/latency", responses=_READS, tags=["system"])
    def get_latency(
        _by: Reader, hours: Annotated[float, Query(gt=0, le=24 * 366)] = 24
    ) -> LatencyAnswer:
        """Percentiles and histogram of each stage over the last hours."""
        return systems.latency(hours)
