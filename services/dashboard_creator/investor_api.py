"""HTTP of the investor's view."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, FastAPI

from services.common.callers import Caller, allow
from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.problems import problem_responses
from services.dashboard_creator.investor import investor_view
from services.dashboard_creator.investor_models import InvestorView
from services.dashboard_creator.overview_page import main_type
from services.dashboard_creator.overview_service import OverviewPages
from services.dashboard_creator.overview_store import OverviewStore
from services.domain.users import Permission

Investor = Annotated[Caller, Depends(allow(Permission.RESULTS))]
_REFUSALS: Final = problem_responses(401, 403)
_ALL: Final = "all"


def add_investor_routes(
    app: FastAPI,
    facts: OverviewStore,
    overview: OverviewPages,
    *,
    show_names: bool,
    refresh_seconds: float,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Serve the investor's view."""

    def build(_key: str) -> InvestorView:
        account_type = main_type(facts.accounts())
        fund = facts.fund(account_type)
        return investor_view(
            overview.fund_days(account_type),
            facts.allocation_ratios(),
            account_type=account_type,
            currency=fund.currency if fund else "USD",
            show_names=show_names,
            now=clock(),
        )

    page = Kept(build, seconds=refresh_seconds)

    @app.get("/api/v1/investor", responses=_REFUSALS, tags=["investor"])
    def get_investor_view(_caller: Investor) -> InvestorView:
        """Performance, curve, months and allocation; no account and no position."""
        return page(_ALL)
