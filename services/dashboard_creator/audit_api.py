"""HTTP of the audit log: who did what, from where; read only."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import StreamingResponse

from services.common.callers import Caller, allow
from services.dashboard_creator.audit_log import Act, Acts, AuditFilter, AuditLog, AuditQuery
from services.dashboard_creator.auth_api import PROBLEMS
from services.dashboard_creator.csv_export import lines
from services.domain.users import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
_EXPORT_PAGE = 500


def add_audit_routes(app: FastAPI, log: AuditLog) -> None:
    """Serve whoever sees what operators see."""

    @app.get("/api/v1/audit", responses=PROBLEMS, tags=["audit"])
    def list_audit(_by: Reader, query: Annotated[AuditQuery, Query()]) -> Acts:
        """Who did what, newest first; `next` is `before` of the next page.

        With `q` a page may have few rows, or none, and a next one.
        """
        return log.page(query)

    @app.get(
        "/api/v1/audit.csv",
        response_class=StreamingResponse,
        responses={**PROBLEMS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        tags=["audit"],
    )
    def export_audit(_by: Reader, asked: Annotated[AuditFilter, Query()]) -> StreamingResponse:
        """The same as CSV, all of it."""

        def page(before: str | None) -> Acts:
            return log.page(AuditQuery(**asked.model_dump(), limit=_EXPORT_PAGE, before=before))

        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(lines(Act, page), media_type="text/csv", headers=headers)
