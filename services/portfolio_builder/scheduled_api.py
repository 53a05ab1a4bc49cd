"""HTTP of the scheduled re-optimization: what it asks for, and when. It never approves."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.domain.users import Permission
from services.domain.values import Count, Instant
from services.portfolio_builder.scheduled import Reoptimization, Reoptimizer, Template
from services.portfolio_builder.study_api import StudyView, view_of

_READ = problem_responses(401, 403, 422, 500, 503)
_WRITE = problem_responses(401, 403, 409, 413, 422, 429, 500, 503)
_TAGS: Final[list[str | Enum]] = ["studies"]
_PATH: Final = "/api/v1/reoptimization"
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]


class ReoptimizationBody(BaseModel):
    """What a scheduled study is to ask for; without `strategy_ids`, of every strategy in use."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True
    study: Template = Template()
    version: Count
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class ReoptimizationView(Reoptimization):
    """What is to happen, and when.

    Attributes:
        cron: planned times, UTC, from REOPTIMIZE_CRON; empty = none.
        next_at: the next of them.
    """

    cron: str
    next_at: Instant | None


def add_reoptimization_routes(app: FastAPI, reoptimizer: Reoptimizer) -> None:
    """Serve who may."""

    def view(wanted: Reoptimization) -> ReoptimizationView:
        # Not through a dump: the template would be checked as the request that it is not.
        fields = {name: getattr(wanted, name) for name in Reoptimization.model_fields}
        planned = {"cron": reoptimizer.cron, "next_at": reoptimizer.next_planned()}
        return ReoptimizationView(**fields, **planned)

    @app.get(_PATH, responses=_READ, tags=_TAGS)
    def get_reoptimization(_by: Reader) -> ReoptimizationView:
        """What a scheduled study asks for, and when the next one is."""
        return view(reoptimizer.wanted())

    @app.put(_PATH, responses=_WRITE, tags=_TAGS)
    def put_reoptimization(body: ReoptimizationBody, by: Admin) -> ReoptimizationView:
        """Change what a scheduled study asks for, or switch it off."""
        return view(
            reoptimizer.set(
                body.study,
                enabled=body.enabled,
                version=body.version,
                by=by.name,
                reason=body.reason,
            )
        )

    @app.post(f"{_PATH}/run", status_code=202, responses=_WRITE, tags=_TAGS)
    def run_reoptimization(by: Admin) -> StudyView:
        """Run that study now; its result becomes a proposal, which a person approves, or not."""
        return view_of(reoptimizer.run_now(by=by.name))
