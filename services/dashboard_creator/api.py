"""HTTP of the dashboards: pages of JSON."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from fastapi.routing import APIRoute

from services.common.bodies import BodyLimit
from services.common.callers import Caller, add_description, allow
from services.common.http import add_routes
from services.common.operators import Operators, admit_operators
from services.common.ops import Health
from services.common.problems import add_problems, problem_responses
from services.dashboard_creator.models import QuarantinedSignal
from services.dashboard_creator.pages import Dashboard, Endpoint, Index
from services.dashboard_creator.service import Dashboards
from services.domain.users import Permission

#: Of any request; what people type is far less.
_MOST_BYTES: Final = 262_144
_PROBLEMS = problem_responses(401, 403, 404, 422, 500, 503)
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Limit = Annotated[int, Query(ge=1, le=500, description="at most so many, newest first")]


def create_app(dashboards: Dashboards, health: Health, operators: Operators) -> FastAPI:
    """The HTTP interface, to which each part adds its routes."""
    app = FastAPI(
        title="Mathematricks dashboards",
        version="1",
        responses=_PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
        openapi_url=None,  # for callers only
    )
    app.add_middleware(BodyLimit, most_bytes=lambda _path: _MOST_BYTES)
    add_problems(app)
    admit_operators(app, operators)
    add_description(app)
    _add_index(app)
    _add_signals(app, dashboards)
    add_routes(app, health)
    return app


def _add_index(app: FastAPI) -> None:
    @app.get("/")
    def get_index(_by: Annotated[Caller, Depends(allow(Permission.SELF))]) -> Index:
        """What can be asked here."""
        routes = [
            route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema
        ]
        return Index(
            endpoints=tuple(
                Endpoint(path=route.path_format, what=route.description.partition("\n")[0])
                for route in routes
            )
        )


def _add_signals(app: FastAPI, dashboards: Dashboards) -> None:
    @app.get("/api/v1/dashboard")
    def get_dashboard(_by: Reader) -> Dashboard:
        """All on one page: fund, accounts, strategies, the last signals, what needs a person."""
        return dashboards.dashboard()

    @app.get("/api/v1/quarantine")
    def get_quarantine(_by: Reader, limit: Limit = 50) -> list[QuarantinedSignal]:
        """Signals that could not be read, and why."""
        return dashboards.quarantine(limit=limit)
