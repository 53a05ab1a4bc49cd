"""How one call is carried out and answered, with the fault that waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from anyio import sleep
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brokers.mock.faults import BEFORE, Fault, FaultKind, Faults, Step
from brokers.mock.messages import NOT_TAKEN
from brokers.mock.rates import Rates
from brokers.mock.twists import PLAIN, Twist

_K = FaultKind
_CUT_AFTER = frozenset({_K.DISCONNECT_AFTER_ACCEPT, _K.HIDE_ORDER})
_JSON = "application/json"
_UNTIL_CUT_SECONDS = 0.01


class CuttingConnections:
    """The outermost layer, because only it knows the connection: ends it instead of a `cut`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry out one request."""
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        cutting = False

        async def sends(message: Message) -> None:
            nonlocal cutting
            headers = message.get("headers", ())
            cutting = cutting or (b"x-cut", b"1") in headers
            if cutting and transport is not None:
                transport.abort()
                await sleep(_UNTIL_CUT_SECONDS)  # an answer would be made up for a link that lives
            else:
                await send(message)

        await self._app(scope, receive, sends)


class Calls:
    """All calls of all accounts."""

    def __init__(self, faults: Faults, rates: Rates, latency_ms: Callable[[], float]) -> None:
        self._faults = faults
        self._rates = rates
        self._latency_ms = latency_ms

    def run(self, account_id: str, step: Step, carry_out: Callable[[Twist], Response]) -> Response:
        """Carry out a call as far as its fault lets it get, and answer as that lets it."""
        if self._faults.is_out(account_id):
            return problem(NOT_TAKEN, "out of order: nothing was taken", 503)
        fault = self._faults.next_for(account_id, step)
        throttled = fault is not None and fault.kind is _K.THROTTLE
        if throttled or not self._rates.takes(account_id, step):
            return problem(NOT_TAKEN, "too many calls: nothing was taken", 429)
        if fault is None:
            answer = carry_out(PLAIN)
        elif fault.kind in BEFORE:
            answer = _unanswered(fault)
        else:
            answer = _answered(fault, carry_out(fault.twist))
        if latency := self._latency_ms():
            time.sleep(latency / 1000)
        if step is Step.STREAM and self._faults.is_out(account_id):
            return problem(NOT_TAKEN, "out of order: nothing was taken", 503)
        return answer


def _unanswered(fault: Fault) -> Response:
    if fault.kind is _K.DISCONNECT_BEFORE_ACCEPT:
        return cut()
    if fault.kind is _K.ERROR_BEFORE_ACCEPT:
        return problem("INTERNAL", "something went wrong", 500)
    return _silence(fault)


def _answered(fault: Fault, answer: Response) -> Response:
    if fault.kind is _K.ACCEPT_THEN_SILENCE:
        return _silence(fault)
    if fault.kind in _CUT_AFTER:
        return cut()
    if fault.kind is _K.ERROR_AFTER_ACCEPT:
        return problem("INTERNAL", "something went wrong", 500)
    if fault.kind is _K.GARBAGE_ANSWER:
        return Response("<html>proxy error</html>", media_type="text/html")
    if fault.kind is _K.DELAY_ANSWER:
        time.sleep(fault.seconds)
    return answer


def _silence(fault: Fault) -> Response:
    time.sleep(fault.seconds)
    return problem("NO_ANSWER", "the broker does not say what became of the call", 504)


def cut() -> Response:
    """No answer: the connection ends."""
    return Response(status_code=500, headers={"X-Cut": "1"})


def problem(code: str, message: str, status: int) -> Response:
    """Code and sentence."""
    return JSONResponse({"code": code, "message": message}, status)


def raw(body: str) -> Response:
    """JSON that is text already."""
    return Response(body, media_type=_JSON)
