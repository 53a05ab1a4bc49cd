"""HTTP of the top bar."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.frame import Frame
from services.dashboard_creator.frames import Frames
from services.domain.users import Permission


def add_frame_routes(app: FastAPI, frames: Frames) -> None:
    """What every page shows on top."""

    @app.get("/api/v1/frame", responses=problem_responses(401, 403, 503), tags=["frame"])
    def get_frame(caller: Annotated[Caller, Depends(allow(Permission.SELF))]) -> Frame:
        """Environment, trading state, equity and today's P&L, and what waits for a person."""
        return frames.frame(caller)
