"""The overview in one answer, against the real database."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from services.common.operators import Operators
from services.common.ops import Health
from services.common.store import Store
from services.dashboard_creator.api import create_app
from services.dashboard_creator.overview_api import add_overview_routes
from services.dashboard_creator.overview_service import OverviewPages
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.dashboard_creator.summary_store import SummaryStore
from tests.support.http import http_client
from tests.support.rows import add_operator


@pytest.fixture
def http(store: Store) -> Iterator[httpx.Client]:
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=0
    )
    app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
    pages = OverviewPages(
        OverviewStore(store),
        SummaryStore(store),
        trading_mode="paper",
        max_age_seconds=60,
        refresh_seconds=0,
    )
    add_overview_routes(app, pages)
    with http_client(app, key=add_operator(store)) as client:
        yield client


@pytest.mark.parametrize("span", ["1D", "1W", "1M", "YTD", "ALL"])
def test_an_empty_system_has_an_overview(http: httpx.Client, span: str):
    answer = http.get("/api/v1/overview", params={"range": span})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["figures"]["equity"] is None
    assert page["figures"]["missing"] == "no account has been read yet"
    assert (page["strategies"], page["curve"], page["needs_person"]["total"]) == ([], [], 0)
