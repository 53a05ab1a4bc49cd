"""Wiring of the gateway."""

from __future__ import annotations

from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.settings import GatewaySettings
from services.common.store import Store
from services.signal_gateway.api import create_app
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore


def build(process: Process[GatewaySettings]) -> None:
    """Store → service → HTTP."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    authenticator = Authenticator(store, cache_seconds=settings.credential_cache_s)
    service = GatewayService(GatewayStore(store), authenticator)
    app = create_app(service, process.health, max_body_bytes=settings.gateway_max_body_bytes)
    serve_http(process, app)


if __name__ == "__main__":
    main("signal_gateway", GatewaySettings, build)
