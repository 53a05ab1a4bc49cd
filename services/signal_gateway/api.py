"""HTTP of the gateway: translates, decides nothing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from services.common.http import add_routes
from services.common.ops import Health
from services.common.problems import add_problems, problem_responses
from services.signal_gateway.service import GatewayService


class SignalReceipt(BaseModel):
    """The signal is stored; `duplicate` says that it was before."""

    signal_id: str
    status: str = "RECEIVED"
    duplicate: bool


_PROBLEMS = problem_responses(400, 401, 403, 404, 409, 413, 503)


def create_app(service: GatewayService, health: Health, *, max_body_bytes: int) -> FastAPI:
    """The gateway's HTTP interface."""
    app = FastAPI(title="Mathematricks signal gateway", version="1")
    app.state.service = service
    app.state.max_body_bytes = max_body_bytes
    add_routes(app, health)

    add_problems(app)

    @app.post(
        "/api/v1/signals",
        status_code=202,
        response_model=SignalReceipt,
        responses={200: {"model": SignalReceipt}, **_PROBLEMS},
        openapi_extra={"requestBody": {"content": {"application/json": {"example": _EXAMPLE}}}},
    )
    def post_signal(
        request: Request,
        response: Response,
        body: Annotated[bytes, Depends(_limited_body)],
        authorization: Annotated[str | None, Header()] = None,
    ) -> SignalReceipt:
        """Send one signal. 202 once it is stored, 200 for a repeat of the same one."""
        receipt = service.receive(body, bearer=_bearer(authorization), remote=_remote(request))
        response.status_code = 200 if receipt.duplicate else 202
        return SignalReceipt(signal_id=receipt.signal_id, duplicate=receipt.duplicate)

    @app.get("/api/v1/signals/{signal_id}", responses=_PROBLEMS)
    def get_signal(
        signal_id: str, authorization: Annotated[str | None, Header()] = None
    ) -> dict[str, Any]:
        """What became of one of your signals: status, times, decision steps, orders."""
        return service.life_of(signal_id, bearer=_bearer(authorization))

    return app


async def _limited_body(request: Request) -> bytes:
    """The body, read no further than the limit. Raises: Refusal."""
    limit: int = request.app.state.max_body_bytes
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() else 0
    body = bytearray()
    if size <= limit:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                break
    size = max(size, len(body))
    if size > limit:
        service: GatewayService = request.app.state.service
        remote = _remote(request)
        raise await run_in_threadpool(service.refuse_oversized, size, limit=limit, remote=remote)
    return bytes(body)


def _bearer(header: str | None) -> str | None:
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _remote(request: Request) -> str:
    return request.client.host if request.client else "unknown"


_EXAMPLE = {
    "strategy_name": "SPX_1-D_Opt",
    "signalID": "my-unique-id-1",
    "signal_type": "ENTRY",
    "account_equity": 500000,
    "signal_legs": [
        {
            "instrument": "AAPL",
            "instrument_type": "STOCK",
            "action": "BUY",
            "direction": "LONG",
            "quantity": 10,
            "order_type": "MARKET",
            "price": 150.0,
        }
    ],
}
