"""HTTP of the portfolio builder: every route wants a person who may."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import Field

from services.common.bodies import BodyLimit
from services.common.callers import Caller, add_description, allow
from services.common.http import add_routes
from services.common.operators import Operators, admit_operators
from services.common.ops import Health
from services.common.problems import add_problems, problem_responses
from services.decision.whatif import Change, WhatIf
from services.domain.users import Permission
from services.portfolio_builder.service import PortfolioBuilder

_PROBLEMS = problem_responses(401, 403, 422, 500, 503)
#: Bytes of a request; a thousand strategies with their ratios are 100 kB.
_MOST_BYTES = 1_048_576


def _most_bytes(path: str) -> int | None:
    """Uploads of records have a limit of their own."""
    return None if path.endswith("/records") else _MOST_BYTES


class WhatIfQuestion(Change):
    """What is to be otherwise, and of which signals.

    Attributes:
        days: how far back.
        strategy_id: only of this strategy.
        most: so many differences are told at most, the newest; totals are of all.
    """

    days: Annotated[float, Field(gt=0, le=3650)] = 7
    strategy_id: str | None = None
    most: Annotated[int, Field(ge=1, le=1000)] = 100


def create_app(health: Health, operators: Operators) -> FastAPI:
    """The HTTP interface, to which each part adds its routes."""
    app = FastAPI(
        title="Mathematricks portfolio builder",
        version="1",
        responses=_PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
        openapi_url=None,  # for callers only
    )
    app.add_middleware(BodyLimit, most_bytes=_most_bytes)
    add_problems(app)
    admit_operators(app, operators)
    add_description(app)
    add_routes(app, health)
    return app


def add_whatif_routes(app: FastAPI, builder: PortfolioBuilder) -> None:
    """What changes of allocations and limits would have made of real signals."""

    @app.post("/api/v1/whatif")
    def post_whatif(
        question: WhatIfQuestion, _by: Annotated[Caller, Depends(allow(Permission.READ))]
    ) -> WhatIf:
        """How the signals of the last days would be decided under other allocations or limits.

        Changes nothing.
        """
        return builder.what_if(
            question, days=question.days, strategy_id=question.strategy_id, most=question.most
        )
