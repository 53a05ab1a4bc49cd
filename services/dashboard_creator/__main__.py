"""Wiring of the dashboards."""

from __future__ import annotations

from services.common.controls import controls
from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.migrations import open_store
from services.common.operators import KEY_SECONDS, Operators
from services.common.outward import networks_of
from services.common.settings import DashboardSettings
from services.common.vault import Vault
from services.dashboard_creator.acts_api import add_act_routes
from services.dashboard_creator.api import create_app
from services.dashboard_creator.drill_api import add_drill_routes
from services.dashboard_creator.drills import Drills
from services.dashboard_creator.identity import add_identity
from services.dashboard_creator.latency_keeper import LatencyKeeper
from services.dashboard_creator.notifications_api import add_notification_routes
from services.dashboard_creator.reading import add_reading
from services.dashboard_creator.results import add_results
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.dashboard_creator.system_figures import figures_of
from services.dashboard_creator.systems import Systems


def build(process: Process[DashboardSettings]) -> None:
    """Store → dashboards → HTTP."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    dashboards = Dashboards(
        DashboardStore(store),
        trading_mode=settings.trading_mode,
        # Stale means the same here as to Cerebro, which denies entries on it.
        max_age_seconds=float(settings.account_max_age_s),
        refresh_seconds=settings.dashboard_refresh_s,
    )
    operators = Operators(store, cache_seconds=KEY_SECONDS)
    app = create_app(dashboards, process.health, operators)
    add_identity(app, store, settings)
    feed = add_reading(app, store, settings, dashboards)
    add_notification_routes(
        app, store, Vault(settings), networks_of(settings.notification_networks)
    )
    add_results(process, app, store)
    add_act_routes(app, store, kill_timeout_seconds=settings.kill_timeout_s)
    add_drill_routes(app, Drills(store, settings))
    process.add(LatencyKeeper(store))
    systems = Systems(store, settings)
    process.health.measure(lambda: figures_of(systems.system(), controls(store)))
    serve_http(process, app)
    process.add(feed)


if __name__ == "__main__":
    main("dashboard_creator", DashboardSettings, build)
