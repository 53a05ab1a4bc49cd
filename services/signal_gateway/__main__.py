"""Wiring of the gateway."""

from __future__ import annotations

from services.common.bus import Publisher
from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.leases import Lease
from services.common.migrations import open_store
from services.common.settings import GatewaySettings
from services.common.store import Store
from services.common.vault import Vault
from services.signal_gateway.api import create_app
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.credentials import Credentials
from services.signal_gateway.imap import MailboxAddress
from services.signal_gateway.kill_api import add_kill_routes
from services.signal_gateway.letters import Letters
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.mailbox import MailboxReader
from services.signal_gateway.operator_api import add_operator_routes
from services.signal_gateway.postback_api import Postbacks, add_postback_routes
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore


def build(process: Process[GatewaySettings]) -> None:
    """Store → who may send, and how much → service → HTTP."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    process.health.add("mongodb", store.state)
    limits = RateLimits(
        store,
        {
            "strategy": settings.rate_limit_strategy_per_min,
            "address": settings.rate_limit_address_per_min,
            "failures": settings.rate_limit_failures_per_min,
            "lint": settings.rate_limit_lint_per_min,
        },
    )
    vault = Vault(settings)
    authenticator = Authenticator(
        store,
        limits,
        vault,
        cache_seconds=settings.credential_cache_s,
        signature_window_seconds=settings.signature_window_s,
    )
    service = GatewayService(
        GatewayStore(store), authenticator, limits, answer_seconds=settings.gateway_answer_s
    )
    app = create_app(service, process.health, max_body_bytes=settings.gateway_max_body_bytes)
    add_operator_routes(app, store, Credentials(store, vault), limits)
    add_kill_routes(app, store, timeout_seconds=settings.kill_timeout_s)
    add_postback_routes(app, Postbacks(store, vault, limits, Publisher(settings)))
    _read_mailbox(process, store, service)
    serve_http(process, app, trusted_proxies=settings.gateway_trusted_proxies)


def _read_mailbox(process: Process[GatewaySettings], store: Store, service: GatewayService) -> None:
    """The e-mail door, where the settings name a mailbox; one replica reads it."""
    settings = process.settings
    address = MailboxAddress.of(settings)
    if address is None:
        return
    letters = Letters(store, service)
    lease = Lease(store, "mailbox", ttl_seconds=settings.lease_ttl_s)
    reader = MailboxReader(
        store,
        settings,
        address=address,
        lease=lease,
        deliver=letters.deliver,
        refuse=letters.refuse,
    )
    process.add(lease)
    process.add(reader)
    process.health.add("mailbox", reader.state)


if __name__ == "__main__":
    main("signal_gateway", GatewaySettings, build)
