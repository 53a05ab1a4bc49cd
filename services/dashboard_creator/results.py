"""Wiring of results: summaries, overview, dashboards, reports and what serves them."""

from __future__ import annotations

from fastapi import FastAPI

from services.common.daemon import Process
from services.common.leases import Lease
from services.common.settings import DashboardSettings
from services.common.store import Store
from services.dashboard_creator.overview_api import add_overview_routes
from services.dashboard_creator.overview_service import OverviewPages
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.summaries import LEASE, Summaries
from services.dashboard_creator.summary_store import SummaryStore


def add_results(process: Process[DashboardSettings], app: FastAPI, store: Store) -> None:
    """Changes → rows of days → pages."""
    settings = process.settings
    rows = SummaryStore(store)
    summaries = Summaries(
        rows,
        Lease(store, LEASE, ttl_seconds=settings.lease_ttl_s),
        every_seconds=settings.dashboard_refresh_s,
    )
    process.health.add("summaries", summaries.state)
    process.add(summaries)
    overview = OverviewPages(
        OverviewStore(store),
        rows,
        trading_mode=settings.trading_mode,
        max_age_seconds=float(settings.account_max_age_s),
        refresh_seconds=min(settings.dashboard_refresh_s, 2.0),
    )
    add_overview_routes(app, overview)
