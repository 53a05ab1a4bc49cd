"""Where the request that a thread is working on came from; the audit log says it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_ADDRESS: Final[ContextVar[str | None]] = ContextVar("remote_address", default=None)


class RemoteAddress:
    """ASGI middleware that keeps the address of whoever asks.

    Endpoints run in threads that inherit the context, so what they call need not be told.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep it for as long as the request lasts."""
        client = scope.get("client")
        token = _ADDRESS.set(client[0] if client else None)
        try:
            await self._app(scope, receive, send)
        finally:
            _ADDRESS.reset(token)


def remote_address() -> str | None:
    """Whose request this is; None where it is none: a script, or work of our own."""
    return _ADDRESS.get()
