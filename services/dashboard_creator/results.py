"""Wiring of results: summaries, overview, dashboards, reports and what serves them."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import FastAPI

from services.common.daemon import Process
from services.common.leases import Lease
from services.common.settings import DashboardSettings
from services.common.store import Store
from services.dashboard_creator.dashboards import MadeDashboards
from services.dashboard_creator.dashboards_api import add_dashboard_routes, add_sender_routes
from services.dashboard_creator.investor_api import add_investor_routes
from services.dashboard_creator.jobs import ResultJobs
from services.dashboard_creator.overview_api import add_overview_routes
from services.dashboard_creator.overview_service import OverviewPages, PageTerms
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.processes import Processes
from services.dashboard_creator.reports import Reports
from services.dashboard_creator.reports_api import add_report_routes
from services.dashboard_creator.results_store import ResultsStore
from services.dashboard_creator.senders import Senders
from services.dashboard_creator.service_strip import ServiceStrip
from services.dashboard_creator.summaries import LEASE, Summaries
from services.dashboard_creator.summary_store import SummaryStore


class Results(NamedTuple):
    """What keeps results, and what makes their pages."""

    rows: SummaryStore
    made: MadeDashboards
    reports: Reports


def add_results(process: Process[DashboardSettings], app: FastAPI, store: Store) -> None:
    """Changes → rows of days → pages."""
    settings = process.settings
    results = add_result_routes(app, store, settings)
    lease = Lease(store, LEASE, ttl_seconds=settings.lease_ttl_s)
    summaries = Summaries(results.rows, lease, every_seconds=settings.dashboard_refresh_s)
    process.health.add("summaries", summaries.state)
    process.add(summaries)
    process.add(
        ResultJobs(
            results.made,
            results.reports,
            cron=settings.daily_report_cron,
            held=lease.held,
            on_death=process.fail,
        )
    )


def add_result_routes(app: FastAPI, store: Store, settings: DashboardSettings) -> Results:
    """Rows of days → pages."""
    rows, facts = SummaryStore(store), OverviewStore(store)
    overview = OverviewPages(
        facts,
        rows,
        PageTerms(
            trading_mode=settings.trading_mode,
            max_age_seconds=float(settings.account_max_age_s),
            refresh_seconds=min(settings.dashboard_refresh_s, 2.0),
        ),
        services=ServiceStrip(Processes(settings).rows),
    )
    add_overview_routes(app, overview)
    kept = ResultsStore(store)
    senders = Senders(kept, facts)
    made = MadeDashboards(kept, facts, rows, overview, senders)
    add_dashboard_routes(app, made)
    add_sender_routes(app, senders, made)
    add_investor_routes(
        app,
        facts,
        overview,
        show_names=settings.show_strategy_names_to_investors,
        refresh_seconds=settings.dashboard_refresh_s,
    )
    reports = Reports(kept, facts, rows, overview, trading_mode=settings.trading_mode)
    add_report_routes(app, reports)
    return Results(rows, made, reports)
