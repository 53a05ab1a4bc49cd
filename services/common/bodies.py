"""How large the body of a request may be: refused before it fills the memory."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.problems import Problem


class BodyLimit:
    """ASGI middleware that answers 413 to larger bodies, announced or not.

    Args:
        app: what it stands before.
        most_bytes: how large the body of a request to this path may be; None = whoever serves it
            looks after that.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: Callable[[str], int | None]) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, then hand it on."""
        most = self._most_bytes(scope["path"]) if scope["type"] == "http" else None
        if most is None:
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            await _refused(most, int(announced))(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":  # the client has gone
                return
            body += message.get("body", b"")
            if len(body) > most:
                await _refused(most, len(body))(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        await self._app(scope, _replay(bytes(body), receive), send)


def _refused(most: int, found: int) -> JSONResponse:
    sentence = f"the body may have {most} bytes at most, had {found} or more"
    problem = Problem(code="BODY_TOO_LARGE", message=sentence)
    return JSONResponse(problem.model_dump(), status_code=413, headers={"Connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
