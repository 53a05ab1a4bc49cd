"""The gateway as tests talk to it: the real app on the real store, in this process."""

from __future__ import annotations

import json
from contextlib import contextmanager

from fastapi.testclient import TestClient

from services.common.ops import Health
from services.signal_gateway.api import create_app
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore

MAX_BODY_BYTES = 262144


@contextmanager
def gateway(store):
    """A client of a gateway that keeps nothing in memory between requests."""
    service = GatewayService(GatewayStore(store), Authenticator(store, cache_seconds=0))
    app = create_app(service, Health("signal_gateway"), max_body_bytes=MAX_BODY_BYTES)
    with TestClient(app) as opened:
        opened.service = service
        yield opened


def post(client, body, key=None, path="/api/v1/signals", **headers):
    """POST a body, as JSON unless it is bytes or text."""
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    return client.post(path, content=content, headers={**bearer, **headers})
