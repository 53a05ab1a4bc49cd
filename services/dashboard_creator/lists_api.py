"""HTTP of the lists: a page as JSON, or all of it as CSV with the same filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.csv_export import Page, lines
from services.dashboard_creator.filters import (
    DeadLetterFilter,
    DeadLetterQuery,
    DecisionFilter,
    DecisionQuery,
    FillFilter,
    FillQuery,
    IncidentFilter,
    IncidentQuery,
    OrderFilter,
    OrderQuery,
    PositionFilter,
    PositionQuery,
    SignalFilter,
    SignalQuery,
)
from services.dashboard_creator.list_models import (
    DeadLetterList,
    DecisionList,
    DecisionRow,
    FillList,
    FillRow,
    IncidentList,
    OrderLine,
    OrderList,
    PositionList,
    PositionRow,
    SignalList,
    SignalRow,
)
from services.dashboard_creator.lists import Lists, check_own
from services.dashboard_creator.pages import DeadLetter, Incident
from services.domain.users import Permission

Own = Annotated[Caller, Depends(allow(Permission.OWN))]
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
_READS: Final = problem_responses(401, 403, 422, 503)
_CSV: Final[dict[str, Any]] = {
    "response_class": StreamingResponse,
    "responses": {**_READS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    "tags": ["exports"],
}
_EXPORT_PAGE: Final = 200


def add_list_routes(app: FastAPI, lists: Lists) -> None:
    """Every list and its export."""
    _add_signals(app, lists)
    _add_orders(app, lists)
    _add_fills(app, lists)
    _add_decisions(app, lists)
    _add_positions(app, lists)
    _add_troubles(app, lists)


def _add_signals(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/signals", responses=_READS, tags=["lists"])
    def get_signals(query: Annotated[SignalQuery, Query()], caller: Own) -> SignalList:
        """Signals, the newest first; `q` is an id of ours or of the sender, or a symbol."""
        return lists.signals(query, caller)

    @app.get("/api/v1/signals.csv", **_CSV)
    def export_signals(query: Annotated[SignalFilter, Query()], caller: Own) -> StreamingResponse:
        """All signals of these filters."""
        check_own(caller, query.strategy_id)
        return _export("signals", SignalRow, _pages(query, SignalQuery, lists.signals, caller))


def _add_orders(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/orders", responses=_READS, tags=["lists"])
    def get_orders(query: Annotated[OrderQuery, Query()], caller: Own) -> OrderList:
        """Orders, those without a known outcome on top, then the newest."""
        return lists.orders(query, caller)

    @app.get("/api/v1/orders.csv", **_CSV)
    def export_orders(query: Annotated[OrderFilter, Query()], caller: Own) -> StreamingResponse:
        """All orders of these filters."""
        check_own(caller, query.strategy_id)
        return _export("orders", OrderLine, _pages(query, OrderQuery, lists.orders, caller))


def _add_fills(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/fills", responses=_READS, tags=["lists"])
    def get_fills(query: Annotated[FillQuery, Query()], caller: Own) -> FillList:
        """Executions that count, the newest first."""
        return lists.fills(query, caller)

    @app.get("/api/v1/fills.csv", **_CSV)
    def export_fills(query: Annotated[FillFilter, Query()], caller: Own) -> StreamingResponse:
        """All executions of these filters."""
        check_own(caller, query.strategy_id)
        return _export("fills", FillRow, _pages(query, FillQuery, lists.fills, caller))


def _add_decisions(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/decisions", responses=_READS, tags=["lists"])
    def get_decisions(query: Annotated[DecisionQuery, Query()], caller: Own) -> DecisionList:
        """Decisions with their reasons, those on the newest signals first."""
        return lists.decisions(query, caller)

    @app.get("/api/v1/decisions.csv", **_CSV)
    def export_decisions(
        query: Annotated[DecisionFilter, Query()], caller: Own
    ) -> StreamingResponse:
        """All decisions of these filters."""
        check_own(caller, query.strategy_id)
        pages = _pages(query, DecisionQuery, lists.decisions, caller)
        return _export("decisions", DecisionRow, pages)


def _add_positions(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/positions", responses=_READS, tags=["lists"])
    def get_positions(query: Annotated[PositionQuery, Query()], caller: Own) -> PositionList:
        """What is held, by strategy, account or instrument, with mark and reconciliation."""
        return lists.positions(query, caller)

    @app.get("/api/v1/positions.csv", **_CSV)
    def export_positions(
        query: Annotated[PositionFilter, Query()], caller: Own
    ) -> StreamingResponse:
        """All positions of these filters."""
        check_own(caller, query.strategy_id)
        pages = _pages(query, PositionQuery, lists.positions, caller)
        return _export("positions", PositionRow, pages)


def _add_troubles(app: FastAPI, lists: Lists) -> None:
    @app.get("/api/v1/incidents", responses=_READS, tags=["lists"])
    def get_incidents(query: Annotated[IncidentQuery, Query()], _by: Reader) -> IncidentList:
        """What a person must see, last seen first."""
        return lists.incidents(query)

    @app.get("/api/v1/incidents.csv", **_CSV)
    def export_incidents(
        query: Annotated[IncidentFilter, Query()], caller: Reader
    ) -> StreamingResponse:
        """All incidents of these filters."""
        pages = _pages(query, IncidentQuery, lambda asked, _: lists.incidents(asked), caller)
        return _export("incidents", Incident, pages)

    @app.get("/api/v1/dead-letters", responses=_READS, tags=["lists"])
    def get_dead_letters(query: Annotated[DeadLetterQuery, Query()], _by: Reader) -> DeadLetterList:
        """Messages that could not be handled, last failed first."""
        return lists.dead_letters(query)

    @app.get("/api/v1/dead-letters.csv", **_CSV)
    def export_dead_letters(
        query: Annotated[DeadLetterFilter, Query()], caller: Reader
    ) -> StreamingResponse:
        """All failed messages of these filters."""
        pages = _pages(query, DeadLetterQuery, lambda asked, _: lists.dead_letters(asked), caller)
        return _export("dead-letters", DeadLetter, pages)


def _pages(
    asked: BaseModel, query: type[Any], page: Callable[[Any, Caller], Page], caller: Caller
) -> Callable[[str | None], Page]:
    """One page after the other with the same filters."""
    fields = {**asked.model_dump(), "limit": _EXPORT_PAGE}
    return lambda before: page(query(**fields, before=before), caller)


def _export(
    name: str, row: type[BaseModel], pages: Callable[[str | None], Page]
) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(lines(row, pages), media_type="text/csv", headers=headers)
