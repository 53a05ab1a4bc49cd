"""HTTP of what people change of themselves; keys may read it, and only sessions change it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.common.callers import Caller, allow
from services.common.problems import Refusal
from services.dashboard_creator.auth_api import (
    PROBLEMS,
    Anybody,
    Cookies,
    Me,
    Typed,
    me_of,
    stay,
    visitor_of,
)
from services.dashboard_creator.profile import Profile
from services.domain.users import Permission
from services.domain.values import Instant

Oneself = Annotated[Caller, Depends(allow(Permission.SELF))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPassword(_Body):
    """The password there is, and the one that is to be."""

    password: Typed
    new_password: Typed


class PasswordBody(_Body):
    """The password again: a session that was left open is not enough."""

    password: Typed


class CodeBody(_Body):
    """A code of the authenticator app."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


class SecondFactor(BaseModel):
    """What an authenticator app wants: a picture (data URI of an SVG), a link, or the secret."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """Each opens once where the telephone is lost; shown this once."""

    recovery_codes: list[str]
    csrf_token: str | None = None


class SessionView(BaseModel):
    """Where somebody is logged in; `current` is the one that asks."""

    session_id: str
    current: bool
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant
    address: str
    user_agent: str


class NewKey(_Body):
    """A key for some of what one may do, until `expires_at`."""

    label: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[frozenset[Permission], Field(min_length=1)]
    expires_at: Instant | None = None


class MadeKeyView(BaseModel):
    """A new key; the secret is shown this once."""

    key_id: str
    secret: str


class KeyView(BaseModel):
    """A key as it may be shown; `hint` are its last letters."""

    key_id: str
    label: str = ""
    hint: str = ""
    scopes: list[Permission]
    created_at: Instant
    expires_at: Instant | None = None
    last_used_at: Instant | None = None


def add_me_routes(app: FastAPI, profile: Profile, cookies: Cookies) -> None:
    """Serve whoever is logged in."""

    @app.get("/api/v1/me", responses=PROBLEMS, tags=["me"])
    def get_me(caller: Anybody, response: Response) -> Me:
        """Who is asking, what they may do, and the token for changes."""
        response.headers["Cache-Control"] = "no-store"
        return _me(profile, caller)

    @app.post("/api/v1/me/password", responses=PROBLEMS, tags=["me"])
    def post_password(
        asked: NewPassword, caller: Anybody, request: Request, response: Response
    ) -> Me:
        """Change the password; other sessions end, this one goes on under a new cookie."""
        _refuse_keys(caller)
        opened = profile.change_password(
            caller.name,
            asked.password.get_secret_value(),
            asked.new_password.get_secret_value(),
            visitor_of(request),
        )
        stay(opened, response, cookies)
        return me_of(profile.user(caller.name), opened.csrf_token, opened.session_id)

    _add_second_factor(app, profile, cookies)
    _add_sessions(app, profile, cookies)
    _add_keys(app, profile)


def _add_second_factor(app: FastAPI, profile: Profile, cookies: Cookies) -> None:
    @app.post("/api/v1/me/totp/start", responses=PROBLEMS, tags=["me"])
    def start_totp(caller: Oneself, response: Response) -> SecondFactor:
        """A secret for an authenticator app; nothing is asked for before it is confirmed."""
        _refuse_keys(caller)
        response.headers["Cache-Control"] = "no-store"
        return SecondFactor(**profile.start_second_factor(caller.name)._asdict())

    @app.post("/api/v1/me/totp/confirm", responses=PROBLEMS, tags=["me"])
    def confirm_totp(
        asked: CodeBody, caller: Oneself, request: Request, response: Response
    ) -> RecoveryCodes:
        """The first code; from now on one is asked for. Other sessions end."""
        _refuse_keys(caller)
        codes, opened = profile.confirm_second_factor(caller.name, asked.code, visitor_of(request))
        stay(opened, response, cookies)
        return RecoveryCodes(recovery_codes=codes, csrf_token=opened.csrf_token)

    @app.post("/api/v1/me/totp/disable", responses=PROBLEMS, tags=["me"])
    def disable_totp(
        asked: PasswordBody, caller: Oneself, request: Request, response: Response
    ) -> Me:
        """No second factor any more. Other sessions end."""
        _refuse_keys(caller)
        password = asked.password.get_secret_value()
        opened = profile.disable_second_factor(caller.name, password, visitor_of(request))
        stay(opened, response, cookies)
        return me_of(profile.user(caller.name), opened.csrf_token, opened.session_id)

    @app.post("/api/v1/me/recovery-codes", responses=PROBLEMS, tags=["me"])
    def renew_recovery_codes(
        asked: PasswordBody, caller: Oneself, request: Request, response: Response
    ) -> RecoveryCodes:
        """Ten new ones in the place of those that are left."""
        _refuse_keys(caller)
        response.headers["Cache-Control"] = "no-store"
        password = asked.password.get_secret_value()
        codes = profile.renew_recovery_codes(caller.name, password, visitor_of(request))
        return RecoveryCodes(recovery_codes=codes)


def _add_sessions(app: FastAPI, profile: Profile, cookies: Cookies) -> None:
    @app.get("/api/v1/me/sessions", responses=PROBLEMS, tags=["me"])
    def list_sessions(caller: Oneself) -> list[SessionView]:
        """Where one is logged in, the newest first."""
        return [
            SessionView(**_shown(each), current=each["session_id"] == caller.session_id)
            for each in profile.sessions(caller.name)
        ]

    @app.delete("/api/v1/me/sessions", responses=PROBLEMS, tags=["me"])
    def end_other_sessions(caller: Oneself, request: Request, response: Response) -> Me:
        """End every session but this one, which goes on under a new cookie."""
        _refuse_keys(caller)
        opened = profile.end_other_sessions(caller.name, visitor_of(request))
        stay(opened, response, cookies)
        return me_of(profile.user(caller.name), opened.csrf_token, opened.session_id)

    @app.delete(
        "/api/v1/me/sessions/{session_id}", status_code=204, responses=PROBLEMS, tags=["me"]
    )
    def end_session(session_id: str, caller: Oneself) -> None:
        """End one of one's own sessions."""
        _refuse_keys(caller)
        profile.end_session(caller.name, session_id)


def _add_keys(app: FastAPI, profile: Profile) -> None:
    @app.get("/api/v1/me/api-keys", responses=PROBLEMS, tags=["me"])
    def list_api_keys(caller: Oneself) -> list[KeyView]:
        """One's own keys, without their secrets."""
        return [
            KeyView(
                key_id=each["credential_id"],
                label=each["label"] or "",
                hint=each["hint"] or "",
                scopes=each["scopes"],
                created_at=each["created_at"],
                expires_at=each["expires_at"],
                last_used_at=each["last_used_at"],
            )
            for each in profile.keys(caller.name)
        ]

    @app.post("/api/v1/me/api-keys", status_code=201, responses=PROBLEMS, tags=["me"])
    def create_api_key(asked: NewKey, caller: Oneself, response: Response) -> MadeKeyView:
        """A key for scripts, for some of what one may do; its secret is shown this once."""
        _refuse_keys(caller)
        response.headers["Cache-Control"] = "no-store"
        made = profile.make_key(
            caller.name, label=asked.label, scopes=asked.scopes, expires_at=asked.expires_at
        )
        return MadeKeyView(key_id=made.key_id, secret=made.secret)

    @app.delete("/api/v1/me/api-keys/{key_id}", status_code=204, responses=PROBLEMS, tags=["me"])
    def revoke_api_key(key_id: str, caller: Oneself) -> None:
        """End a key of one's own."""
        _refuse_keys(caller)
        profile.revoke_key(caller.name, key_id)


def _me(profile: Profile, caller: Caller) -> Me:
    token = profile.csrf_token(caller.name, caller.session_id)
    return me_of(profile.user(caller.name), token, caller.session_id, caller.permissions)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in SessionView.model_fields if key in row}


def _refuse_keys(caller: Caller) -> None:
    """Raise Refusal (403) for a key: one that was stolen must not make itself another."""
    if caller.session_id is None:
        raise Refusal(403, "SESSION_NEEDED", "log in for this: a key is not enough")
