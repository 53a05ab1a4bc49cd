"""Everything that the pages of the UI read, as one process: routes without what works behind them.

The dashboards are at `/`, account data at `/account-data`, the portfolio builder at `/portfolio`.
"""

from __future__ import annotations

from decimal import Decimal

from fastapi import FastAPI

from services.account_data.api import create_app as create_accounts
from services.account_data.readings import Readings
from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.operators import KEY_SECONDS, Operators
from services.common.ops import Health
from services.common.settings import AccountDataSettings, DashboardSettings
from services.common.settings_file import load
from services.common.store import Store
from services.common.vault import Vault
from services.dashboard_creator.acts_api import add_act_routes
from services.dashboard_creator.api import create_app
from services.dashboard_creator.identity import add_identity
from services.dashboard_creator.notifications_api import add_notification_routes
from services.dashboard_creator.reading import add_reading
from services.dashboard_creator.results import add_result_routes
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.portfolio_builder.allocation_api import add_allocation_routes
from services.portfolio_builder.allocation_caps import AllocationCaps
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.api import create_app as create_portfolio
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_api import add_strategy_routes


def build(process: Process[DashboardSettings]) -> None:
    """Store → lists and pages → HTTP."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=2
    )
    operators = Operators(store, cache_seconds=KEY_SECONDS)
    app = create_app(dashboards, process.health, operators)
    vault = Vault(settings)
    add_identity(app, store, settings)
    feed = add_reading(app, store, settings, dashboards)
    add_notification_routes(app, store, vault)
    add_result_routes(app, store, settings)
    add_act_routes(app, store, kill_timeout_seconds=settings.kill_timeout_s)
    app.mount("/account-data", _account_data(process, store, operators))
    app.mount("/portfolio", _portfolio(process.health, store, operators))
    serve_http(process, app)
    process.add(feed)


def _account_data(
    process: Process[DashboardSettings], store: Store, operators: Operators
) -> FastAPI:
    currency = load(AccountDataSettings).fund_currency
    readings = Readings(store, max_age_seconds=60, fund_currency=currency)
    process.add(readings)
    return create_accounts(readings, process.health, operators)


def _portfolio(health: Health, store: Store, operators: Operators) -> FastAPI:
    app = create_portfolio(health, operators)
    kept = AllocationStore(store)
    add_strategy_routes(app, Strategies(store))
    add_allocation_routes(app, Allocations(kept, max_total_ratio=Decimal(1)), AllocationCaps(kept))
    return app


if __name__ == "__main__":
    main("dashboard_creator", DashboardSettings, build)
