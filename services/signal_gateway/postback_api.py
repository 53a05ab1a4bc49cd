"""HTTP of the gateway for brokers: they say that an order has changed, and execution asks them.

Nothing of what is said is believed but that: a forged postback, or a thousand, cost a question.
"""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, SecretStr

from brokers.zerodha.postback import Postback, read_postback
from services.common.broker_secrets import secrets_of
from services.common.bus import Publisher, Ring
from services.common.problems import Refusal, problem_responses
from services.common.store import Store
from services.common.topology import TRADING_ORDERS
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.signal_gateway.limits import RateLimits

_log = logging.getLogger(__name__)
_PROBLEMS = problem_responses(400, 403, 404, 413, 429, 503)
_MAX_BODY_BYTES = 16_384


class Heard(BaseModel):
    """That a postback was taken."""

    ok: bool = True


class Postbacks:
    """Checks who is speaking, and rings execution."""

    def __init__(
        self, store: Store, vault: Vault, limits: RateLimits, publisher: Publisher
    ) -> None:
        self._store = store
        self._vault = vault
        self._limits = limits
        self._publisher = publisher

    def hear(self, account_id: str, body: bytes, *, remote: str) -> None:
        """Have the broker of an account asked about its orders now.

        Raises:
            Refusal: 400 no postback, 403 not proven, 404 no such account, 429 too many, 503 we
                cannot check it.
        """
        self._limits.spend("address", remote)
        query = {"_id": account_id, "status": "ACTIVE"}
        row = self._store["trading_accounts"].find_one(query, {"broker": 1})
        if row is None or str(row.get("broker")).upper() != "ZERODHA":
            self._limits.spend("failures", remote)
            raise Refusal(404, "UNKNOWN_ACCOUNT", f"no account {account_id!r} is at Zerodha")
        try:
            postback = read_postback(body)
        except ValueError as error:
            raise Refusal(400, "INVALID_POSTBACK", str(error)) from error
        if not postback.is_genuine(self._api_secret(account_id)):
            self._limits.spend("failures", remote)
            raise Refusal(403, "WRONG_CHECKSUM", "the checksum does not prove this postback")
        self._ring(account_id, postback)

    def _api_secret(self, account_id: str) -> SecretStr:
        try:
            found = secrets_of(self._store, self._vault, account_id).get("api_secret")
        except ConfigurationError as error:
            _log.error("postbacks of account %s: %s", account_id, error)
            found = None
        if found is None:
            raise Refusal(503, "NO_SECRET", "this postback cannot be checked here")
        return found

    def _ring(self, account_id: str, postback: Postback) -> None:
        fields = {
            "account_id": account_id,
            "client_order_id": postback.tag or postback.order_id,
            "ask": "1",
        }
        # Where the bus is away the order is asked about by the time, seconds later.
        self._publisher.ring(TRADING_ORDERS, [Ring(account_id, fields)])


def add_postback_routes(app: FastAPI, postbacks: Postbacks) -> None:
    """Serve brokers, by the proof that each has."""

    @app.post(
        "/postback/zerodha/{account_id}",
        response_model=Heard,
        responses=_PROBLEMS,
        tags=["brokers"],
    )
    def zerodha(
        request: Request, account_id: str, body: Annotated[bytes, Depends(_small_body)]
    ) -> Heard:
        """Kite says that an order has changed; its address goes into the app's settings at Kite."""
        remote = request.client.host if request.client else "unknown"
        postbacks.hear(account_id, body, remote=remote)
        return Heard()


async def _small_body(request: Request) -> bytes:
    """The body, read no further than the limit. Raises: Refusal."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            sentence = f"a postback has at most {_MAX_BODY_BYTES} bytes"
            raise Refusal(413, "BODY_TOO_LARGE", sentence)
    return bytes(body)
