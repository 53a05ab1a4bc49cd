"""HTTP of the stream: server-sent events, for each role what is theirs."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pymongo.errors import PyMongoError

from services.common.callers import Caller, allow, identify
from services.common.problems import Refusal, problem_responses
from services.dashboard_creator.stream import Feed, Listener
from services.dashboard_creator.stream_events import Audience, StreamEvent, Told, latest
from services.domain.errors import TransientError
from services.domain.users import Permission

#: A page that has heard nothing for more than two of them takes its line for dead (live-stream.ts).
PING_SECONDS: Final = 3.0
#: Within this an ended session ends its streams.
_CHECK_SECONDS: Final = 1.0
#: What happens at once is told at once: a signal that fills at once changes a dozen rows.
_GATHER_SECONDS: Final = 0.02
_RETRY_MS: Final = 2000
MOST_STREAMS: Final = 8
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **problem_responses(401, 403, 429, 503),
    200: {"model": StreamEvent, "content": {"text/event-stream": {}}},
}
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def add_stream_routes(app: FastAPI, feed: Feed) -> None:
    """One route; what it sends is in `stream_events`."""
    open_streams: Counter[str] = Counter()

    @app.get(
        "/api/v1/stream",
        response_class=StreamingResponse,
        response_model=None,
        responses=_RESPONSES,
        tags=["stream"],
    )
    async def get_stream(
        request: Request,
        caller: Annotated[Caller, Depends(allow(Permission.SELF))],
        last_event_id: Annotated[str | None, Header(max_length=1000)] = None,
    ) -> StreamingResponse:
        """What changes, as it changes: `event` is its kind, `data` a StreamEvent; or `reset`.

        `ping` says in silence that the line lives, and that changes would be told.
        """
        if open_streams[caller.name] >= MOST_STREAMS:
            sentence = f"{caller.name} has {MOST_STREAMS} streams open already: close one"
            raise Refusal(429, "TOO_MANY_STREAMS", sentence, retry_after=5)
        stream = _Stream(request, feed, _audience(caller))

        async def sent() -> AsyncIterator[bytes]:
            open_streams[caller.name] += 1
            try:
                async for part in stream.parts(last_event_id):
                    yield part
            finally:
                open_streams[caller.name] -= 1

        return StreamingResponse(sent(), media_type="text/event-stream", headers=_HEADERS)


class _Stream:
    """One open connection."""

    def __init__(self, request: Request, feed: Feed, audience: Audience) -> None:
        self._request = request
        self._feed = feed
        self._audience = audience
        self._checked_at, self._sent_at = time.monotonic(), -math.inf

    async def parts(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        listener = self._feed.listen()
        try:
            begun = None if last_event_id else listener.place
            yield format_sse_event(retry=_RETRY_MS, comment="connected", id=begun)
            for each in self._sign_of_life(listener):
                yield each
            known: set[str] = set()
            if last_event_id:
                missed = await asyncio.to_thread(self._feed.missed, last_event_id)
                if missed is None:
                    yield self._reset(listener)
                else:
                    known = {each.token for each in missed}
                    for each in self._heard(missed):
                        yield each
            while await self._is_still_allowed():
                for part in await self._next(listener, known):
                    yield part
                if listener.closed:
                    return
        finally:
            self._feed.leave(listener)

    async def _next(self, listener: Listener, known: set[str]) -> list[bytes]:
        """What to send now: events, `reset`, a sign of life, or nothing yet."""
        try:
            wait = min(PING_SECONDS, _CHECK_SECONDS)
            await asyncio.wait_for(listener.woken.wait(), timeout=wait)
        except TimeoutError:
            return self._sign_of_life(listener)
        await asyncio.sleep(_GATHER_SECONDS)
        events = [each for each in listener.take() if each.token not in known]
        if listener.lost:
            listener.lost = False
            return [self._reset(listener)]
        return self._heard(events) or self._sign_of_life(listener)

    def _heard(self, events: list[Told]) -> list[bytes]:
        mine = [each for each in latest(events) if self._audience.hears(each)]
        if mine:
            self._sent_at = time.monotonic()
        return [
            format_sse_event(
                event=each.event.kind, id=each.token, data_str=each.event.model_dump_json()
            )
            for each in mine
        ]

    def _sign_of_life(self, listener: Listener) -> list[bytes]:
        """With the place reached, so that who hears little need not begin anew after a while.

        It says that changes would be told: while the feed itself reads nothing there is none.
        """
        now = time.monotonic()
        if now - self._sent_at < PING_SECONDS or not self._feed.has_read_within(PING_SECONDS):
            return []
        self._sent_at = now
        return [format_sse_event(event="ping", id=listener.place, data_str="{}")]

    def _reset(self, listener: Listener) -> bytes:
        self._sent_at = time.monotonic()
        return format_sse_event(event="reset", id=listener.place, data_str="{}")

    async def _is_still_allowed(self) -> bool:
        """Whether the session or key still opens, asked every second; roles may change."""
        if time.monotonic() - self._checked_at < _CHECK_SECONDS:
            return True
        self._checked_at = time.monotonic()
        try:
            caller = await asyncio.to_thread(identify, self._request)
        except Refusal:
            return False
        except (TransientError, PyMongoError):
            return True  # the store is away for a moment; nothing is told meanwhile either
        self._audience = _audience(caller)
        return Permission.SELF in caller.permissions


def _audience(caller: Caller) -> Audience:
    return Audience(caller.name, caller.permissions, caller.strategies)
