"""HTTP of the gateway: translates, decides nothing."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from services.common.bodies import BodyLimit
from services.common.http import add_routes, bearer_of
from services.common.ops import Health
from services.common.problems import Problem, Refusal, add_problems, problem_responses
from services.signal_gateway.arrivals import Receipt
from services.signal_gateway.authentication import Claim
from services.signal_gateway.examples import ALERT_EXAMPLES, SIGNAL_EXAMPLES
from services.signal_gateway.lint import LintReport
from services.signal_gateway.models import BatchReceipt, SignalLife, SignalReceipt
from services.signal_gateway.service import GatewayService

#: Of what people send; and who looks after it by itself.
_MOST_BYTES: Final = 65_536
_OWN_LIMIT: Final = frozenset({"/api/v1/signals", "/api/v1/signals/lint"})
_DOORS: Final = ("/webhook", "/postback/")
_PROBLEMS = problem_responses(400, 401, 403, 404, 409, 413, 429, 503)


def _most_bytes(path: str) -> int | None:
    """Of what people send; the doors of senders and brokers look after their own."""
    return None if path in _OWN_LIMIT or path.startswith(_DOORS) else _MOST_BYTES


def create_app(service: GatewayService, health: Health, *, max_body_bytes: int) -> FastAPI:
    """The gateway's HTTP interface."""
    app = FastAPI(
        title="Mathematricks signal gateway",
        version="1",
        openapi_url=None,  # for callers only
        description="Where strategies send their signals. Formats: docs/signal-format.md.",
    )
    app.state.service = service
    app.state.max_body_bytes = max_body_bytes
    app.add_middleware(BodyLimit, most_bytes=_most_bytes)
    add_routes(app, health)
    add_problems(app)

    _add_signals(app, service)
    _add_alerts(app, service)
    return app


def _add_signals(app: FastAPI, service: GatewayService) -> None:
    @app.post(
        "/api/v1/signals",
        status_code=202,
        response_model=SignalReceipt | BatchReceipt,
        responses={200: {"model": SignalReceipt}, 207: {"model": BatchReceipt}, **_PROBLEMS},
        openapi_extra=_body("application/json", SIGNAL_EXAMPLES),
        tags=["signals"],
    )
    def post_signal(
        request: Request,
        response: Response,
        body: Annotated[bytes, Depends(_limited_body)],
        claim: Annotated[Claim, Depends(_claim)],
    ) -> SignalReceipt | BatchReceipt:
        """Send one signal, or an array of up to 100.

        202 once it is stored, 200 for a repeat of the same one, 207 where an array had both stored
        and refused signals.
        """
        answer = service.post(body, claim, remote=_remote(request))
        if isinstance(answer, Receipt):
            response.status_code = 200 if answer.duplicate else 202
            return SignalReceipt(**answer._asdict())
        batch = _batch(answer)
        response.status_code = 207 if batch.refused else 202
        return batch

    @app.post(
        "/api/v1/signals/lint",
        response_model=LintReport,
        responses=_PROBLEMS,
        openapi_extra=_body("application/json", SIGNAL_EXAMPLES | ALERT_EXAMPLES),
        tags=["signals"],
    )
    def lint_signal(
        request: Request,
        body: Annotated[bytes, Depends(_limited_body)],
        claim: Annotated[Claim, Depends(_claim)],
    ) -> LintReport:
        """Ask what would happen to a payload; nothing is stored or traded.

        Takes whatever any door takes. With a key it knows your strategy's defaults too.
        """
        return service.lint(body, claim, remote=_remote(request))

    @app.get(
        "/api/v1/signals/{signal_id}",
        response_model=SignalLife,
        responses=_PROBLEMS,
        tags=["signals"],
    )
    def get_signal(
        request: Request, signal_id: str, claim: Annotated[Claim, Depends(_claim)]
    ) -> SignalLife:
        """What became of one of your signals: its road, decision, orders, fills."""
        life = SignalLife.model_validate(service.life_of(signal_id, claim, remote=_remote(request)))
        if len(life.paths) > 1:
            life.confirmation = f"confirmed by {len(life.paths)} paths"
        return life


def _add_alerts(app: FastAPI, service: GatewayService) -> None:
    @app.post(
        "/webhook/{token}",
        response_model=SignalReceipt,
        responses=_PROBLEMS,
        openapi_extra=_body("text/plain", ALERT_EXAMPLES),
        tags=["signals"],
    )
    def post_alert(
        request: Request, token: str, body: Annotated[bytes, Depends(_limited_body)]
    ) -> SignalReceipt:
        """Send an alert: JSON or lines of `key: value`. 200 once it is stored."""
        answer = service.alert(body, token=token, remote=_remote(request))
        return SignalReceipt(**answer._asdict())

    @app.post("/webhook", response_model=SignalReceipt, responses=_PROBLEMS, tags=["signals"])
    def post_alert_with_passphrase(
        request: Request, body: Annotated[bytes, Depends(_limited_body)]
    ) -> SignalReceipt:
        """The same, with the secret as `passphrase` in the body."""
        answer = service.alert(body, token=None, remote=_remote(request))
        return SignalReceipt(**answer._asdict())


def _batch(answers: list[Receipt | Refusal]) -> BatchReceipt:
    results = [
        SignalReceipt(**each._asdict())
        if isinstance(each, Receipt)
        else Problem(code=each.code, message=str(each), field=each.field)
        for each in answers
    ]
    refused = sum(isinstance(each, Refusal) for each in answers)
    return BatchReceipt(accepted=len(answers) - refused, refused=refused, results=results)


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


async def _claim(
    authorization: Annotated[str | None, Header()] = None,
    x_mt_key: Annotated[str | None, Header()] = None,
    x_mt_timestamp: Annotated[str | None, Header()] = None,
    x_mt_signature: Annotated[str | None, Header()] = None,
) -> Claim:
    """What the headers say about who is asking."""
    return Claim(bearer_of(authorization), x_mt_key, x_mt_timestamp, x_mt_signature)


def _remote(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _body(media: str, examples: dict[str, dict[str, object]]) -> dict[str, object]:
    """For OpenAPI: a body that is read as bytes, with examples."""
    return {"requestBody": {"required": True, "content": {media: {"examples": examples}}}}
