"""HTTP of the pages of one thing: a signal, an order, a failed message; and of the search."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.list_models import DeadLetterPage, SearchAnswer
from services.dashboard_creator.models import SignalPage
from services.dashboard_creator.order_page import OrderPage
from services.dashboard_creator.search import Search
from services.dashboard_creator.signal_pages import SignalPages
from services.domain.users import Permission

Own = Annotated[Caller, Depends(allow(Permission.OWN))]
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
_READS: Final = problem_responses(401, 403, 404, 422, 503)


def add_thing_routes(app: FastAPI, pages: SignalPages, search: Search) -> None:
    """Pages of one thing each."""

    @app.get("/api/v1/signals/{signal_id}", responses=_READS, tags=["pages"])
    def get_signal(signal_id: str, caller: Own) -> SignalPage:
        """Everything of one signal: sentence, road, decision, orders, fills, what arrived."""
        return pages.signal(signal_id, caller)

    @app.get("/api/v1/orders/{order_id}", responses=_READS, tags=["pages"])
    def get_order(order_id: str, caller: Own) -> OrderPage:
        """Everything of one order: events, the broker's words, fills, orders made for it."""
        return pages.order(order_id, caller)

    @app.get("/api/v1/dead-letters/{letter_id:path}", responses=_READS, tags=["pages"])
    def get_dead_letter(letter_id: str, _by: Reader) -> DeadLetterPage:
        """One failed message with payload, error and traceback, without secrets."""
        return pages.dead_letter(letter_id)

    @app.get("/api/v1/search", responses=_READS, tags=["search"])
    def search_all(
        caller: Own, q: Annotated[str, Query(min_length=1, max_length=200)]
    ) -> SearchAnswer:
        """Signals, orders, strategies, accounts and instruments by id or beginning of a name."""
        return search.find(q, caller)
