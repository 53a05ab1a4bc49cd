"""HTTP of the fault drill: begin one, and look at it and at the last one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI

from services.common.callers import Caller, allow
from services.dashboard_creator.acting import ACTS, READS, Reader, Reason
from services.dashboard_creator.drills import Drill, Drills, DrillSize
from services.domain.users import Permission
from services.domain.values import Frozen

Administrator = Annotated[Caller, Depends(allow(Permission.ADMINISTER))]


class StartDrill(Frozen):
    """How large it is to be, and why it is run; it takes much of the machine meanwhile."""

    size: DrillSize = DrillSize()
    reason: Reason


def add_drill_routes(app: FastAPI, drills: Drills) -> None:
    """Serve the fault drill."""

    @app.get("/api/v1/drill", responses=READS, tags=["system"])
    def get_drill(_by: Reader) -> Drill:
        """The drill that runs, with what it told, and what the last one found."""
        return drills.state()

    @app.post("/api/v1/drill", status_code=202, responses=ACTS, tags=["acts"])
    def start_drill(asked: StartDrill, caller: Administrator) -> Drill:
        """Begin a drill on the mock broker, in a scratch home and processes of its own."""
        return drills.start(asked.size, asked.reason, by=caller.name)
