"""HTTP of the audit log: who did what, from where; read only."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import StreamingResponse

from services.common.callers import Caller, allow
from services.dashboard_creator.audit_log import Acts, AuditLog, Filters
from services.dashboard_creator.auth_api import PROBLEMS
from services.domain.users import Permission
from services.domain.values import Instant

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
_Word = Annotated[str, Query(max_length=100)]


def add_audit_routes(app: FastAPI, log: AuditLog) -> None:
    """Serve whoever sees what operators see."""

    @app.get("/api/v1/audit", responses=PROBLEMS, tags=["audit"])
    def list_audit(
        _by: Reader,
        filters: Annotated[Filters, Depends(_filters)],
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        before: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Acts:
        """Who did what, newest first; `next` is `before` of the next page.

        With `q` a page looks through 2,000 acts: it may hold few, and have a next one.
        """
        return log.page(filters, before=before, limit=limit)

    @app.get(
        "/api/v1/audit.csv",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **PROBLEMS},
        tags=["audit"],
    )
    def export_audit(
        _by: Reader, filters: Annotated[Filters, Depends(_filters)]
    ) -> StreamingResponse:
        """The same as CSV, all of it."""
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(log.csv(filters), media_type="text/csv", headers=headers)


def _filters(
    who: _Word = "",
    what: _Word = "",
    since: Instant | None = None,
    until: Instant | None = None,
    q: _Word = "",
) -> Filters:
    return Filters(who=who, what=what, since=since, until=until, q=q)
