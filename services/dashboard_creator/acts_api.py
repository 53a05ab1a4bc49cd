"""What people do from the UI: one place that adds all routes of acts."""

from __future__ import annotations

from fastapi import FastAPI

from services.common.store import Store
from services.dashboard_creator.approvals_api import add_approval_routes
from services.dashboard_creator.close_api import add_close_routes
from services.dashboard_creator.controls_api import add_control_routes
from services.dashboard_creator.evidence_api import add_evidence_routes
from services.dashboard_creator.limits_api import add_limit_routes
from services.dashboard_creator.order_acts_api import add_order_acts
from services.dashboard_creator.trouble_acts_api import add_trouble_acts


def add_act_routes(app: FastAPI, store: Store, *, kill_timeout_seconds: float) -> None:
    """Serve everything that a person may do here; each act is in the audit log."""
    add_order_acts(app, store)
    add_close_routes(app, store, timeout_seconds=kill_timeout_seconds)
    add_control_routes(app, store)
    add_limit_routes(app, store)
    add_approval_routes(app, store)
    add_trouble_acts(app, store)
    add_evidence_routes(app, store)
