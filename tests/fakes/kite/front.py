"""One call, from its arrival to its answer: strictness, session, limits, faults."""

from __future__ import annotations

import time

from starlette.responses import JSONResponse, RedirectResponse, Response

from brokers.mock.calls import cut
from brokers.mock.faults import BEFORE, FaultKind, Step
from brokers.mock.twists import PLAIN
from tests.fakes.kite.call import Call
from tests.fakes.kite.errors import KiteError, Misuse
from tests.fakes.kite.quotes import Dump
from tests.fakes.kite.session import Redirect

_K = FaultKind
_CUT_AFTER = frozenset({_K.DISCONNECT_AFTER_ACCEPT, _K.HIDE_ORDER})
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
#: What a call of each kind is answered when something is broken inside.
_BROKEN = {
    Step.PLACE: KiteError("NetworkException", "Gateway timed out talking to the OMS.", 503),
    Step.MODIFY: KiteError("DataException", "The OMS answered what nobody can read.", 502),
    Step.CANCEL: KiteError("NetworkException", "Gateway timed out.", 504),
    Step.QUERY: KiteError("GeneralException", "Something unexpected went wrong.", 500),
}
_THROTTLED = KiteError("NetworkException", "Too many requests", 429)
_OUT = KiteError("NetworkException", "Kite is down for maintenance.", 503)


class Front:
    """All routes of the fake."""

    def __init__(self, house, session, routes):
        self._house = house
        self._session = session
        self._routes = routes

    def answer(self, method, path, query, headers, body):
        """The answer to one call; what no client should send is noted."""
        try:
            route, parts = self._route(method, path)
            call = Call(method, path, tuple(query), headers, body, parts)
            return self._take(route, call)
        except KiteError as error:
            if isinstance(error, Misuse):
                self._house.venue.violations.add(f"{method} {path}: {error.message}")
            return JSONResponse(error.body(), error.status)

    def _route(self, method, path):
        for route in self._routes:
            if (parts := route.match(method, path)) is not None:
                return route, parts
        raise Misuse("Route not found", "GeneralException", 404)

    def _take(self, route, call):
        house = self._house
        if house.venue.faults.is_out(house.user.account_id):
            raise _OUT
        if (broken := house.limits.broken_by(route.budget)) is not None:
            raise Misuse(broken, "NetworkException", 429)
        version = call.headers.get("x-kite-version")
        if not route.from_browser and version != "3":
            raise Misuse(f"Invalid `X-Kite-Version`: expected 3, was {version!r}")
        if route.authorized:
            self._session.check(call.headers.get("authorization", ""))
        return self._carry_out(route, call)

    def _carry_out(self, route, call):
        """As far as the fault of the call lets it get."""
        fault = self._house.venue.faults.next_for(self._house.user.account_id, route.step)
        failure = self._house.next_failure(route.step)
        if fault is not None and fault.kind is _K.THROTTLE:
            raise _THROTTLED
        if failure is not None and not failure.taken:
            raise failure.error
        if fault is not None and fault.kind in BEFORE:
            return _unanswered(fault, route.step)
        answer = _written(route.handler(call, PLAIN if fault is None else fault.twist))
        if failure is not None:
            raise failure.error
        if latency := self._house.exchange.market.latency_ms:
            time.sleep(latency / 1000)
        return answer if fault is None else _answered(fault, route.step, answer)


def _written(answer):
    if isinstance(answer, Dump):
        return Response(answer, media_type="text/csv")
    if isinstance(answer, Redirect):
        return RedirectResponse(answer, 302)
    return JSONResponse({"status": "success", "data": answer})


def _unanswered(fault, step):
    if fault.kind is _K.DISCONNECT_BEFORE_ACCEPT:
        return cut()
    if fault.kind is _K.ERROR_BEFORE_ACCEPT:
        raise _BROKEN[step]
    return _silence(fault)


def _answered(fault, step, answer):
    if fault.kind is _K.ACCEPT_THEN_SILENCE:
        return _silence(fault)
    if fault.kind in _CUT_AFTER:
        return cut()
    if fault.kind is _K.ERROR_AFTER_ACCEPT:
        raise _BROKEN[step]
    if fault.kind is _K.GARBAGE_ANSWER:
        return Response(_PAGE, 502 if step is Step.QUERY else 200, media_type="text/html")
    if fault.kind is _K.DELAY_ANSWER:
        time.sleep(fault.seconds)
    return answer


def _silence(fault):
    """Nothing for so long, and then no answer either."""
    time.sleep(fault.seconds)
    return cut()
