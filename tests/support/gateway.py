"""The gateway as tests talk to it: the real app on the real store, in this process."""

from __future__ import annotations

import json
from contextlib import contextmanager

from cryptography.fernet import Fernet
from fastapi.testclient import TestClient

from services.common.ops import Health
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.signal_gateway.api import create_app
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.credentials import Credentials
from services.signal_gateway.kill_api import add_kill_routes
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.operator_api import add_operator_routes
from services.signal_gateway.postback_api import Postbacks, add_postback_routes
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore
from tests.support.rows import SilentPublisher

MAX_BODY_BYTES = 262144
SECRET_KEY = Fernet.generate_key().decode()


@contextmanager
def gateway(store, *, answer_seconds=10, publisher=None, **limits):
    """A client of a gateway that keeps nothing in memory between requests."""
    vault = Vault(CommonSettings(mt_secret_key=SECRET_KEY))
    rates = RateLimits(store, limits)
    authenticator = Authenticator(
        store, rates, vault, cache_seconds=0, signature_window_seconds=300
    )
    service = GatewayService(
        GatewayStore(store), authenticator, rates, answer_seconds=answer_seconds
    )
    app = create_app(service, Health("signal_gateway"), max_body_bytes=MAX_BODY_BYTES)
    credentials = Credentials(store, vault)
    add_operator_routes(app, store, credentials, rates)
    add_kill_routes(app, store, timeout_seconds=60)
    postbacks = Postbacks(store, vault, rates, publisher or SilentPublisher())
    add_postback_routes(app, postbacks)
    with TestClient(app) as opened:
        opened.service, opened.credentials, opened.vault = service, credentials, vault
        yield opened


def post(client, body, key=None, path="/api/v1/signals", **headers):
    """POST a body, as JSON unless it is bytes or text."""
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    return client.post(path, content=content, headers={**bearer, **headers})
