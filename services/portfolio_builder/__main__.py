"""Wiring of the portfolio builder."""

from __future__ import annotations

from decimal import Decimal

from fastapi import FastAPI

from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.leases import Lease
from services.common.migrations import open_store
from services.common.operators import KEY_SECONDS, Operators
from services.common.settings import PortfolioSettings
from services.common.store import Store
from services.portfolio_builder.allocation_api import add_allocation_routes
from services.portfolio_builder.allocation_caps import AllocationCaps
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.api import add_whatif_routes, create_app
from services.portfolio_builder.jobs.runner import LEASE as STUDIES
from services.portfolio_builder.jobs.runner import StudyRunner, environment_of
from services.portfolio_builder.jobs.service import StudyJobs
from services.portfolio_builder.live_records import LiveRecords
from services.portfolio_builder.record_api import add_live_routes, add_record_routes
from services.portfolio_builder.scheduled import LEASE as REOPTIMIZATION
from services.portfolio_builder.scheduled import Reoptimizer
from services.portfolio_builder.scheduled_api import add_reoptimization_routes
from services.portfolio_builder.service import PortfolioBuilder
from services.portfolio_builder.store import PortfolioStore
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_api import add_strategy_routes
from services.portfolio_builder.study_api import add_study_routes
from services.portfolio_builder.track_records import TrackRecords


def build(process: Process[PortfolioSettings]) -> None:
    """Store → answers → HTTP; queued studies → worker processes; planned times → studies."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    builder = PortfolioBuilder(PortfolioStore(store), most_signals=settings.whatif_most_signals)
    app = create_app(process.health, Operators(store, cache_seconds=KEY_SECONDS))
    add_whatif_routes(app, builder)
    add_strategy_routes(app, Strategies(store))
    add_record_routes(app, TrackRecords(store), max_bytes=settings.record_max_bytes)
    live = LiveRecords(store)
    add_live_routes(app, live)
    process.add(live)
    max_total_ratio = settings.max_total_allocation_pct / 100
    kept = AllocationStore(store)
    allocations = Allocations(kept, max_total_ratio=max_total_ratio)
    add_allocation_routes(app, allocations, AllocationCaps(kept))
    _add_studies(process, store, app, StudyJobs(store, allocations), max_total_ratio)
    serve_http(process, app)


def _add_studies(
    process: Process[PortfolioSettings],
    store: Store,
    app: FastAPI,
    studies: StudyJobs,
    max_total_ratio: Decimal,
) -> None:
    settings = process.settings
    runner = StudyRunner(
        studies.jobs,
        Lease(store, STUDIES, ttl_seconds=settings.lease_ttl_s),
        environment=environment_of(settings.mt_home),
        most_seconds=settings.study_max_minutes * 60,
        after=studies.after,
        on_death=process.fail,
    )
    reoptimizer = Reoptimizer(
        store,
        studies,
        Lease(store, REOPTIMIZATION, ttl_seconds=settings.lease_ttl_s),
        cron=settings.reoptimize_cron,
    )
    add_study_routes(app, studies, max_total_ratio=max_total_ratio)
    add_reoptimization_routes(app, reoptimizer)
    process.health.add("studies", runner.state)
    process.add(runner)
    process.add(reoptimizer)


if __name__ == "__main__":
    main("portfolio_builder", PortfolioSettings, build)
