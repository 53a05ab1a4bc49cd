"""Who is asking over HTTP, and whether they may: one dependency for the routes of every service.

A person comes with a session (the cookie of a log-in) or with a key (Bearer). A browser sends the
cookie by itself, also for a page of somebody else: so what changes something must carry the token
that only our page knows, and come from our page.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request

from services.common.http import bearer_of
from services.common.operators import BySession, Operators
from services.common.problems import Refusal, problem_responses
from services.common.sessions import COOKIE
from services.domain.users import PERMISSIONS, Permission, Role

CSRF_HEADER: Final = "X-CSRF-Token"
_PARTS_OF_READ: Final = frozenset({Permission.OWN, Permission.RESULTS})
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Caller(NamedTuple):
    """Somebody who has proven who they are.

    Attributes:
        name: as the audit log says it.
        strategies: those that they may see; None = all.
        address: where the request came from.
        scopes: of the key that they used; a session has all.
        session_id: of the session that they used; None = a key.
        must_change_password: before they do anything else in a session.
    """

    name: str
    role: Role
    strategies: frozenset[str] | None
    address: str
    scopes: frozenset[Permission] = frozenset(Permission)
    session_id: str | None = None
    must_change_password: bool = False

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do: what the role may, and the key is for; who reads all reads parts."""
        parts = _PARTS_OF_READ if Permission.READ in self.scopes else frozenset()
        return PERMISSIONS[self.role] & (self.scopes | parts)

    def may_see(self, strategy_id: str) -> bool:
        """Whether a strategy is theirs to look at."""
        return self.strategies is None or strategy_id in self.strategies


def allow(
    permission: Permission, *, own: bool = False, before_password: bool = False
) -> Callable[[Request], Caller]:
    """A dependency that names the caller, and refuses (401, 403) whoever may not.

    Args:
        permission: what the route asks for.
        own: a developer may, too, where the `strategy_id` in the path is theirs.
        before_password: also somebody who must change their password first.
    """

    def admitted(request: Request) -> Caller:
        caller = identify(request)
        if caller.must_change_password and not before_password:
            sentence = "change your password first: it was given to you by somebody else"
            raise Refusal(403, "PASSWORD_CHANGE_REQUIRED", sentence)
        if permission not in caller.permissions and not (own and _is_own(caller, request)):
            raise Refusal(403, "NOT_ALLOWED", _sentence(caller, permission))
        return caller

    # For the test that walks every route of every service.
    admitted.permission, admitted.own = permission, own  # type: ignore[attr-defined]
    return admitted


def identify(request: Request) -> Caller:
    """Who is asking; an answer that goes on for long asks again. Raises: Refusal."""
    operators: Operators = request.app.state.operators
    address = request.client.host if request.client else "unknown"
    key = bearer_of(request.headers.get("authorization"))
    token = request.cookies.get(COOKIE)
    try:
        if key:
            user, scopes = operators.by_key(key)
            return Caller(user.name, user.role, user.own_strategies, address, scopes)
        if not token:
            sentence = "log in, or send a key as 'Authorization: Bearer …'"
            raise Refusal(401, "MISSING_KEY", sentence)
        found = operators.by_token(token)
    except Refusal:
        request.app.state.on_refusal(address)
        raise
    _check_origin(request, found)
    user = found.user
    return Caller(
        user.name,
        user.role,
        user.own_strategies,
        address,
        session_id=found.session_id,
        must_change_password=user.must_change_password,
    )


def refuse_foreign_page(request: Request) -> None:
    """Raise Refusal (403) where a browser says that a page of somebody else asks."""
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    if origin is not None and (urlsplit(origin).netloc or None) not in ours - {None}:
        raise Refusal(403, "FOREIGN_ORIGIN", f"a page of {origin[:100]} may not ask for this")
    if origin is None and request.headers.get("sec-fetch-site") == "cross-site":
        raise Refusal(403, "FOREIGN_ORIGIN", "a page of another site may not ask for this")


def _check_origin(request: Request, found: BySession) -> None:
    if request.method in _SAFE_METHODS:
        return
    refuse_foreign_page(request)
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), found.csrf_token.encode()):
        sentence = f"send the csrf_token of your log-in as {CSRF_HEADER}"
        raise Refusal(403, "CSRF_TOKEN_MISSING", sentence)


def _is_own(caller: Caller, request: Request) -> bool:
    """Whether a developer asks about a strategy of theirs."""
    strategy_id = request.path_params.get("strategy_id", "")
    mine = caller.strategies is not None and strategy_id in caller.strategies
    return mine and Permission.OWN in caller.permissions


def _sentence(caller: Caller, permission: Permission) -> str:
    if permission in PERMISSIONS[caller.role]:
        return f"this key is not for that: it wants {permission}"
    return f"{caller.role} may not do this: it wants {permission}"


def add_description(app: FastAPI) -> None:
    """Serve `/openapi.json`, to callers only; pages that draw it load code from elsewhere."""

    @app.get(
        "/openapi.json",
        include_in_schema=False,
        dependencies=[Depends(allow(Permission.SELF))],
        responses=problem_responses(401, 403),
    )
    def get_description() -> dict[str, Any]:
        """Every route, with its fields."""
        return app.openapi()
