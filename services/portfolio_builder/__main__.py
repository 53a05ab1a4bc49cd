"""Wiring of the portfolio builder."""

from __future__ import annotations

from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.operators import KEY_SECONDS, Operators
from services.common.settings import PortfolioSettings
from services.common.store import Store
from services.portfolio_builder.allocation_api import add_allocation_routes
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.api import add_whatif_routes, create_app
from services.portfolio_builder.service import PortfolioBuilder
from services.portfolio_builder.store import PortfolioStore
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_api import add_strategy_routes


def build(process: Process[PortfolioSettings]) -> None:
    """Store → answers → HTTP."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    builder = PortfolioBuilder(PortfolioStore(store), most_signals=settings.whatif_most_signals)
    app = create_app(process.health, Operators(store, cache_seconds=KEY_SECONDS))
    add_whatif_routes(app, builder)
    add_strategy_routes(app, Strategies(store))
    max_total_ratio = settings.max_total_allocation_pct / 100
    allocations = Allocations(AllocationStore(store), max_total_ratio=max_total_ratio)
    add_allocation_routes(app, allocations)
    serve_http(process, app)


if __name__ == "__main__":
    main("portfolio_builder", PortfolioSettings, build)
