"""HTTP of logging in and out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.common.callers import Caller, allow, refuse_foreign_page
from services.common.problems import problem_responses
from services.common.sessions import COOKIE, Opened, Visitor
from services.dashboard_creator.log_in import Credentials, LogIn
from services.dashboard_creator.profile import Profile
from services.domain.passwords import MOST_LETTERS
from services.domain.users import PERMISSIONS, Permission, Role, User
from services.domain.values import Instant

PROBLEMS: Final = problem_responses(401, 403, 404, 409, 422, 429, 503)
#: Whoever is logged in, also before they have changed the password that they were given.
Anybody = Annotated[Caller, Depends(allow(Permission.SELF, before_password=True))]
Typed = Annotated[SecretStr, Field(min_length=1, max_length=MOST_LETTERS)]


class LogInBody(BaseModel):
    """Who wants to come in; `code` of the authenticator app, or a recovery code."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    password: Typed
    code: Annotated[str, Field(max_length=40)] = ""


class Me(BaseModel):
    """Who is asking, and what they may do.

    Attributes:
        strategies: those that they may see; null = all.
        csrf_token: to be sent as X-CSRF-Token with whatever changes something; null for a key.
        must_change_password: before anything else can be done.
        session_id: of the session that asks; null for a key.
    """

    name: str
    display_name: str
    email: str
    role: Role
    permissions: list[Permission]
    strategies: list[str] | None
    csrf_token: str | None
    session_id: str | None
    must_change_password: bool
    totp_enabled: bool
    recovery_codes_left: int
    password_changed_at: Instant | None


class Cookies(NamedTuple):
    """How the cookie of a session is set."""

    secure: bool
    max_age: timedelta

    def set(self, response: Response, token: str) -> None:
        """Only we can read it, and only our own pages send it."""
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(self.max_age.total_seconds()),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )

    def clear(self, response: Response) -> None:
        """Have it forgotten."""
        response.delete_cookie(
            COOKIE, path="/", secure=self.secure, httponly=True, samesite="strict"
        )


def add_auth_routes(app: FastAPI, log_in: LogIn, profile: Profile, cookies: Cookies) -> None:
    """Serve whoever wants to come in."""

    @app.post("/api/v1/auth/login", responses=PROBLEMS, tags=["auth"])
    def post_login(asked: LogInBody, request: Request, response: Response) -> Me:
        """Log in; 401 TOTP_REQUIRED where the password is right and a `code` is missing."""
        refuse_foreign_page(request)
        given = Credentials(asked.name.strip(), asked.password.get_secret_value(), asked.code)
        user, opened = log_in.open(given, visitor_of(request))
        cookies.set(response, opened.token)
        response.headers["Cache-Control"] = "no-store"
        return me_of(user, opened.csrf_token, opened.session_id)

    @app.post("/api/v1/auth/logout", status_code=204, responses=PROBLEMS, tags=["auth"])
    def post_logout(caller: Anybody, response: Response) -> None:
        """End this session; of a key there is none to end."""
        if caller.session_id is not None:
            profile.end_session(caller.name, caller.session_id, what="LOGGED_OUT")
        cookies.clear(response)


def visitor_of(request: Request) -> Visitor:
    """Whose browser it is."""
    address = request.client.host if request.client else "unknown"
    return Visitor(address, request.headers.get("user-agent", ""))


def me_of(
    user: User,
    csrf_token: str | None,
    session_id: str | None,
    permissions: frozenset[Permission] | None = None,
) -> Me:
    """Somebody as they are shown to themselves; `permissions` where a key has fewer."""
    own = user.own_strategies
    may = PERMISSIONS[user.role] if permissions is None else permissions
    return Me(
        name=user.name,
        display_name=user.display_name or user.name,
        email=user.email,
        role=user.role,
        permissions=sorted(may),
        strategies=None if own is None else sorted(own),
        csrf_token=csrf_token,
        session_id=session_id,
        must_change_password=user.must_change_password,
        totp_enabled=user.totp_sealed is not None,
        recovery_codes_left=len(user.recovery_codes),
        password_changed_at=user.password_changed_at,
    )


def stay(opened: Opened, response: Response, cookies: Cookies) -> None:
    """Go on under the session that a change has opened."""
    cookies.set(response, opened.token)
    response.headers["Cache-Control"] = "no-store"
