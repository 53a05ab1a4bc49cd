"""Wiring of the web server."""

from __future__ import annotations

from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.settings import REPOSITORY, WebSettings
from services.web.addresses import SERVICES
from services.web.api import create_app
from services.web.forwarding import Forwarder
from services.web.pages import Pages

_LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))


def build(process: Process[WebSettings]) -> None:
    """Services and files → HTTP; /health apart, for 5173 is what the world sees."""
    settings = process.settings
    forwarder = Forwarder(
        {name: f"http://{settings.host_of(name)}:{settings.port(name)}" for name in SERVICES},
        most_bytes=_most_bytes(settings),
    )
    dist = settings.web_ui_dir or REPOSITORY / "frontend-admin" / "dist"
    pages = Pages(dist, settings.mt_home / ".data" / "run" / "ui.txt")
    process.health.add("ui", pages.state, outside=True)
    app = create_app(forwarder, pages, names=_names(settings))
    serve_http(process, app)
    process.add(forwarder)
    process.serve_ops("web_ops")


def _names(settings: WebSettings) -> frozenset[str] | None:
    """By which names browsers may ask; None = any, where the operator has opened it to the net."""
    named = {name.strip().lower() for name in settings.web_allowed_hosts.split(",")} - {""}
    alone = settings.reachable_host in _LOOPBACK and not settings.binds_everywhere
    if "*" in named or (not named and not alone):
        return None
    return _LOOPBACK | {settings.reachable_host} | named


def _most_bytes(settings: WebSettings) -> dict[str, int]:
    """What each takes at most: uploaded records, and else little; each checks its own again."""
    forms = 1_048_576
    return {
        "signal_gateway": settings.gateway_max_body_bytes,
        "account_data": forms,
        "portfolio_builder": settings.record_max_bytes + forms,
        "dashboard_creator": forms,
    }


if __name__ == "__main__":
    main("web", WebSettings, build)
