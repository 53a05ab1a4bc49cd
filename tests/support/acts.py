"""The dashboards with everything that people do there, as an HTTP client of one of them."""

from __future__ import annotations

from contextlib import contextmanager

from services.common.operators import Operators
from services.common.ops import Health
from services.dashboard_creator.acts_api import add_act_routes
from services.dashboard_creator.api import create_app
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from tests.support.http import http_client
from tests.support.rows import add_operator


@contextmanager
def acts_client(store, name="olga", role="ADMIN", *, key=None, **fields):
    """A client that sends the key of a person with this role; `key` of one who is there."""
    if key is None:
        key = add_operator(store, name)
        store["users"].update_one({"_id": name}, {"$set": {"role": role, **fields}})
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=0
    )
    app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
    add_act_routes(app, store, kill_timeout_seconds=30)
    with http_client(app, key=key) as client:
        yield client


def code_of(answer):
    """Status and machine code of a refusal."""
    return answer.status_code, answer.json().get("code")
