"""The HTTP interface of every service, as its own wiring makes it; built, and not started."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from services.account_data.__main__ import build as build_account_data
from services.common.daemon import Process
from services.common.http import HttpServer
from services.common.settings import (
    AccountDataSettings,
    DashboardSettings,
    GatewaySettings,
    PortfolioSettings,
)
from services.dashboard_creator.__main__ import build as build_dashboards
from services.domain.users import Permission
from services.portfolio_builder.__main__ import build as build_portfolio
from services.signal_gateway.__main__ import build as build_gateway

#: Services whose routes people call; web only hands requests on to them.
INTERFACES = {
    "signal_gateway": (GatewaySettings, build_gateway),
    "account_data": (AccountDataSettings, build_account_data),
    "portfolio_builder": (PortfolioSettings, build_portfolio),
    "dashboard_creator": (DashboardSettings, build_dashboards),
}


class Served(NamedTuple):
    """One route and one method of it, with what it asks for; None = it asks nobody who they are."""

    service: str
    method: str
    path: str
    permission: Permission | None
    own: bool

    def __str__(self):
        return f"{self.service} {self.method} {self.path}"


@contextmanager
def interface(name, connection):
    """The app of a service."""
    settings, build = INTERFACES[name]
    process = Process(name, settings(**connection))
    build(process)
    (server,) = (part for part in process._parts if isinstance(part, HttpServer))
    try:
        yield server._server.config.app
    finally:
        for close in process._closers:
            close()


def routes_of(name, app: FastAPI):
    """Everything that an app answers, also what its description leaves out."""
    for route in app.routes:
        methods = sorted(getattr(route, "methods", None) or {"GET"})
        dependant = route.dependant if isinstance(route, APIRoute) else None
        asked = [] if dependant is None else list(_asked(dependant))
        for method in methods:
            permission, own = asked[0] if asked else (None, False)
            yield Served(name, method, route.path, permission, own)


def _asked(dependant: Dependant):
    found = getattr(dependant.call, "permission", None)
    if found is not None:
        yield found, dependant.call.own
    for each in dependant.dependencies:
        yield from _asked(each)
