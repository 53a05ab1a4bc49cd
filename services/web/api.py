"""HTTP of web: who may ask by which name, what is forwarded, what is a page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.problems import Problem, Refusal, add_problems
from services.web.addresses import is_forwarded, target_of
from services.web.forwarding import Forwarder
from services.web.headers import host_is_known, protection
from services.web.pages import Pages

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(forwarder: Forwarder, pages: Pages, *, names: frozenset[str] | None) -> ASGIApp:
    """The application.

    Args:
        forwarder: asks the services.
        pages: files of the UI.
        names: by which a browser may know this system; None = any.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await forwarder.close()

    app = FastAPI(title="web", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_problems(app)
    # Level 5 costs a third of level 9 and gives 2 % away; event streams are left as they are.
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)

    async def everything(request: Request) -> Response:
        raw_path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
        target = target_of(raw_path)
        if target is not None:
            return await forwarder.forward(request, target)
        path = request.url.path
        if is_forwarded(raw_path):
            raise Refusal(404, "NOT_FOUND", f"{request.method} {path} is not served here")
        if request.method not in {"GET", "HEAD"}:
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"{request.method} {path} is not served here")
        return await pages.get_response(pages.get_path(request.scope), request.scope)

    app.add_route("/{path:path}", everything, methods=_METHODS, include_in_schema=False)
    return Shield(app, names=names)  # around everything: an error's answer is protected too


class Shield:
    """ASGI middleware: refuses foreign names, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str] | None) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the name, then hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        forwarded = is_forwarded(scope.get("raw_path", b"").decode("latin-1"))
        extra = protection(forwarded=forwarded, https=scope["scheme"] == "https")

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in extra.items():
                    headers[name] = value
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if self._names is not None and not (
            len(hosts) == 1 and host_is_known(hosts[0], names=self._names)
        ):
            await _foreign(", ".join(hosts))(scope, receive, protected)
            return
        await self._app(scope, receive, protected)


def _foreign(host: str) -> JSONResponse:
    sentence = (
        f"this system is not known by the name {host[:100] or '(none)'}: "
        "name it in WEB_ALLOWED_HOSTS if it is yours"
    )
    return JSONResponse(Problem(code="FOREIGN_HOST", message=sentence).model_dump(), 421)
