"""The read side of the dashboards as a process of its own, without the summaries that it grows."""

from __future__ import annotations

from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.operators import KEY_SECONDS, Operators
from services.common.settings import DashboardSettings
from services.common.store import Store
from services.dashboard_creator.api import create_app
from services.dashboard_creator.reading import add_reading
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore


def build(process: Process[DashboardSettings]) -> None:
    """Store → lists → HTTP."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=2
    )
    app = create_app(dashboards, process.health, Operators(store, cache_seconds=KEY_SECONDS))
    feed = add_reading(app, store, settings, dashboards)
    serve_http(process, app)
    process.add(feed)


if __name__ == "__main__":
    main("dashboard_creator", DashboardSettings, build)
