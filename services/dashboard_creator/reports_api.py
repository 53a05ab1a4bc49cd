"""HTTP of daily reports."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.investor import investor_day
from services.dashboard_creator.investor_models import InvestorDay
from services.dashboard_creator.report_models import DailyReport
from services.dashboard_creator.reports import Reports
from services.domain.users import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Investor = Annotated[Caller, Depends(allow(Permission.RESULTS))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]
_REFUSALS: Final = problem_responses(401, 403, 422)


def add_report_routes(app: FastAPI, reports: Reports) -> None:
    """Serve the daily reports."""

    @app.get("/api/v1/reports/daily", responses=_REFUSALS, tags=["reports"])
    def get_daily_report(
        _caller: Reader,
        day: Annotated[
            date | None, Query(alias="date", description="UTC; none = the newest")
        ] = None,
    ) -> DailyReport:
        """The report of a day as it was made; of a day without one as it would be now."""
        return reports.report(day)

    @app.get("/api/v1/investor/daily", responses=_REFUSALS, tags=["investor"])
    def get_investor_day(
        _caller: Investor,
        day: Annotated[
            date | None, Query(alias="date", description="UTC; none = the newest")
        ] = None,
    ) -> InvestorDay:
        """The results of a day in percent; no amount, account, strategy or trade."""
        return investor_day(reports.report(day))

    @app.post("/api/v1/reports/daily", responses=_REFUSALS, tags=["reports"])
    def make_daily_report(
        caller: Trader, day: Annotated[date, Query(alias="date", description="UTC")]
    ) -> DailyReport:
        """Make the report of a day anew, in place of the one that is kept."""
        return reports.make_anew(day, by=caller.name)
