"""HTTP of the overview: one answer for the page that people look at most."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.overview_models import Overview, Range
from services.dashboard_creator.overview_service import OverviewPages
from services.domain.users import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
REFUSALS: Final = problem_responses(401, 403)


def add_overview_routes(app: FastAPI, overview: OverviewPages) -> None:
    """Serve the overview."""

    @app.get("/api/v1/overview", responses=REFUSALS, tags=["overview"])
    def get_overview(
        _caller: Reader,
        span: Annotated[Range, Query(alias="range", description="of the curve")] = Range.MONTH,
    ) -> Overview:
        """Figures, curve, strategies, exposure, and what needs a person, in one answer."""
        return overview.page(span)
