"""Hands requests on to the services behind us, and their answers back, as they come.

Asynchronous by nature: an event stream lives for hours and must not cost a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.common.problems import Refusal
from services.web.addresses import Target
from services.web.headers import to_client, to_service

_log = logging.getLogger(__name__)
_CONNECT_SECONDS: Final = 2.0
#: Below the five seconds after which a service closes an idle connection, so that no request is
#: sent on one that closes under it.
_IDLE_SECONDS: Final = 2.0
_REPEATABLE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_EVENTS: Final = "text/event-stream"


class Forwarder:
    """Knows the services by name and nothing else, so no request can be sent anywhere else.

    Args:
        bases: service → `http://host:port`.
        most_bytes: service → how large the body of a request to it may be.
        patience_seconds: how long an answer may take to begin; event streams may be silent.
    """

    def __init__(
        self,
        bases: Mapping[str, str],
        *,
        most_bytes: Mapping[str, int],
        patience_seconds: float = 60.0,
    ) -> None:
        self._bases = bases
        self._most_bytes = most_bytes
        self._patience_seconds = patience_seconds
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_SECONDS
            ),
        )

    def start(self) -> None:
        """Nothing: connections open as they are needed."""

    def stop(self) -> None:
        """End event streams, which would otherwise keep the server waiting."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def forward(self, request: Request, target: Target) -> Response:
        """The answer of the service, as it comes. Raises: Refusal."""
        self._loop = asyncio.get_running_loop()
        onward = self._onward(request, target)
        try:
            answer = await self._send(onward)
        except ClientDisconnect:
            return Response(status_code=499)
        except httpx.HTTPError as error:
            raise self._refusal(target.service, error) from error
        body = answer.aiter_raw()
        if answer.headers.get("content-type", "").startswith(_EVENTS):
            body = self._until_stopped(body)
        response = _Relay(answer, _quietly(body, answer, target.service))
        headers = to_client(answer.headers.raw)
        if "cache-control" not in answer.headers:
            headers.append((b"cache-control", b"no-store"))
        response.raw_headers = [(name.lower(), value) for name, value in headers]
        return response

    def _onward(self, request: Request, target: Target) -> httpx.Request:
        most = self._most_bytes[target.service]
        announced = request.headers.get("content-length")
        if announced is not None and announced.isdigit() and int(announced) > most:
            raise _too_large(most, int(announced))
        has_body = announced is not None or "transfer-encoding" in request.headers
        query = request.scope["query_string"]
        url = httpx.URL(
            self._bases[target.service],
            raw_path=target.path.encode("ascii") + (b"?" + query if query else b""),
        )
        patience = self._patience_seconds
        waits = None if _EVENTS in request.headers.get("accept", "") else patience
        return httpx.Request(
            request.method,
            url,
            headers=to_service(
                request.scope["headers"],
                address=request.client.host if request.client else "unknown",
                scheme=request.url.scheme,
            ),
            content=_limited(request, most) if has_body else None,
            extensions={
                "timeout": httpx.Timeout(
                    patience, connect=_CONNECT_SECONDS, read=waits, pool=_CONNECT_SECONDS
                ).as_dict()
            },
        )

    async def _send(self, onward: httpx.Request) -> httpx.Response:
        """Send it; a question that met a closing connection is asked once more."""
        try:
            return await self._client.send(onward, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if onward.method not in _REPEATABLE or "content-length" in onward.headers:
                raise
            return await self._client.send(onward, stream=True)

    async def _until_stopped(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        stopping = asyncio.ensure_future(self._stopping.wait())
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(body))
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                try:
                    yield coming.result()
                except StopAsyncIteration:
                    return
        finally:
            stopping.cancel()
            if coming is not None:
                # Not awaited: the server cancels us again and again, and would so interrupt the
                # closing of the connection, which then stays open for ever.
                coming.add_done_callback(_forget)
                coming.cancel()

    def _refusal(self, service: str, error: httpx.HTTPError) -> Refusal:
        """Why a service did not answer; the words tell whether anything can have happened."""
        _log.warning("%s: %s %s", service, type(error).__name__, error)
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
            sentence = f"{service} cannot be reached, so nothing was done: it is down or restarting"
            return Refusal(503, "SERVICE_DOWN", sentence, retry_after=2)
        if isinstance(error, httpx.TimeoutException):
            sentence = (
                f"{service} did not answer within {self._patience_seconds:g} s: look whether it "
                "was done before you send it again"
            )
            return Refusal(504, "SERVICE_TIMEOUT", sentence)
        sentence = f"{service} broke off: look whether it was done before you send it again"
        return Refusal(502, "SERVICE_BROKE_OFF", sentence)


class _Relay(StreamingResponse):
    """Sends what a service answers; lets go of it whatever becomes of the client."""

    def __init__(self, answer: httpx.Response, body: AsyncIterator[bytes]) -> None:
        super().__init__(body, status_code=answer.status_code)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream it to its end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._answer.aclose()


async def _quietly(
    body: AsyncIterator[bytes], answer: httpx.Response, service: str
) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            yield chunk
    except httpx.HTTPError as error:  # an event stream's end: its client asks again
        if not answer.headers.get("content-type", "").startswith(_EVENTS):
            raise
        _log.info("the event stream of %s ended: %s", service, type(error).__name__)


def _forget(coming: asyncio.Future[bytes]) -> None:
    if not coming.cancelled():
        coming.exception()


async def _limited(request: Request, most: int) -> AsyncIterator[bytes]:
    found = 0
    async for chunk in request.stream():
        found += len(chunk)
        if found > most:
            raise _too_large(most, found)
        yield chunk


def _too_large(most: int, found: int) -> Refusal:
    sentence = f"the body may have {most} bytes at most, had {found} or more"
    return Refusal(413, "BODY_TOO_LARGE", sentence)
