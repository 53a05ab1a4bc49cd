"""HTTP for processes that serve it; apart from `ops`, so that the others need not carry FastAPI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp

from services.common.daemon import Process
from services.common.ops import Health
from services.common.settings import CommonSettings


def serve_http(process: Process[Any], app: ASGIApp, *, trusted_proxies: str = "") -> None:
    """Serve `app` on the port of the process.

    The web service forwards to us from this machine, so its word on who asked is always believed.

    Args:
        process: whose.
        app: what.
        trusted_proxies: addresses whose X-Forwarded-For is believed, separated by commas; left out
            = those of TRUSTED_PROXIES.
    """
    settings: CommonSettings = process.settings
    port = settings.port(process.service)
    ourselves = f"127.0.0.1,{settings.reachable_host.strip('[]')}"
    trusted = f"{trusted_proxies or settings.trusted_proxies},{ourselves}"
    host = settings.mt_bind_host
    process.add(HttpServer(app, host, port, on_death=process.fail, trusted_proxies=trusted))


def add_routes(app: FastAPI, health: Health) -> None:
    """Serve `/health` and `/metrics` from a process that has HTTP anyway."""

    @app.get("/health", tags=["operations"])
    def health_report(response: Response) -> dict[str, Any]:
        """Live by answering; 503 until every dependency is usable."""
        report = health.report()
        response.status_code = 200 if report["ready"] else 503
        return report

    @app.get("/metrics", tags=["operations"])
    def metrics() -> Response:
        """Prometheus text format."""
        return Response(health.metrics(), media_type=CONTENT_TYPE_LATEST)


def bearer_of(header: str | None) -> str | None:
    """The key of an Authorization header; None where it has none."""
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


class HttpServer:
    """One application on one port, as a part of a process."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        on_death: Callable[[str], None],
        trusted_proxies: str = "",
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=5,
        )
        self.app = app
        self._server = uvicorn.Server(config)
        self._on_death = on_death
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def _serve(self) -> None:
        try:
            self._server.run()
        except SystemExit as error:
            self._on_death(f"the HTTP server could not start (uvicorn exit code {error.code})")
            return
        if not self._server.should_exit:
            self._on_death("the HTTP server ended by itself")

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what is under way, then free the port."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
