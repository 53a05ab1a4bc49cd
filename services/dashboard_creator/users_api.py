"""HTTP of users, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from services.common.callers import Caller, allow
from services.dashboard_creator.auth_api import PROBLEMS
from services.dashboard_creator.users import Users
from services.domain.users import PERMISSIONS, Permission, Role, User, UserStatus
from services.domain.values import Count, Instant

Administrator = Annotated[Caller, Depends(allow(Permission.ADMINISTER))]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
_Words = Annotated[str, Field(max_length=100)]
_Email = Annotated[str, Field(max_length=254, pattern=r"^$|^[^\s@]+@[^\s@]+$")]
_Strategies = Annotated[tuple[str, ...], Field(max_length=1000)]


class NewUser(BaseModel):
    """Somebody who is to come in; `strategies` of a developer."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    role: Role
    display_name: _Words = ""
    email: _Email = ""
    strategies: _Strategies = ()


class UserChange(BaseModel):
    """What is to be otherwise of the version that was looked at; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    version: Count
    role: Role | None = None
    status: UserStatus | None = None
    display_name: _Words | None = None
    email: _Email | None = None
    strategies: _Strategies | None = None


class PasswordReset(BaseModel):
    """How: `remove_totp` where the telephone is lost, too."""

    model_config = ConfigDict(extra="forbid")

    remove_totp: bool = False


class UserView(BaseModel):
    """Somebody as admins see them; `can_log_in` where there is a password."""

    name: str
    display_name: str
    email: str
    role: Role
    permissions: list[Permission]
    status: UserStatus
    strategies: list[str]
    can_log_in: bool
    must_change_password: bool
    totp_enabled: bool
    created_at: Instant | None
    last_login_at: Instant | None
    version: int


class OneTimePassword(BaseModel):
    """For one log-in, at which it must be changed; shown this once."""

    name: str
    one_time_password: str


class MadeUser(BaseModel):
    """A new user with the password of their first log-in; shown this once."""

    user: UserView
    one_time_password: str


def add_user_routes(app: FastAPI, users: Users) -> None:
    """Make, change and disable users."""

    @app.get("/api/v1/users", responses=PROBLEMS, tags=["users"])
    def list_users(_by: Administrator) -> list[UserView]:
        """Everybody, by name."""
        return [_view(each) for each in users.all()]

    @app.post("/api/v1/users", status_code=201, responses=PROBLEMS, tags=["users"])
    def create_user(asked: NewUser, by: Administrator, response: Response) -> MadeUser:
        """Somebody new, with a password that they change at their first log-in."""
        response.headers["Cache-Control"] = "no-store"
        made = users.create(asked.name, asked.model_dump(exclude={"name"}), by=by.name)
        return MadeUser(user=_view(made.user), one_time_password=made.password)

    @app.put("/api/v1/users/{name}", responses=PROBLEMS, tags=["users"])
    def change_user(name: str, asked: UserChange, by: Administrator) -> UserView:
        """Set the fields that are sent; whose powers change, must log in again."""
        fields = {key: getattr(asked, key) for key in asked.model_fields_set - {"version"}}
        fields = {key: value for key, value in fields.items() if value is not None}
        return _view(users.change(name, fields, version=asked.version, by=by.name))

    @app.delete("/api/v1/users/{name}", responses=PROBLEMS, tags=["users"])
    def disable_user(name: str, by: Administrator) -> UserView:
        """Disable somebody: their sessions and keys open nothing, what they did stays."""
        return _view(users.disable(name, by=by.name))

    @app.post("/api/v1/users/{name}/reset-password", responses=PROBLEMS, tags=["users"])
    def reset_user_password(
        name: str, by: Administrator, response: Response, asked: PasswordReset | None = None
    ) -> OneTimePassword:
        """A password for one log-in; their sessions are over."""
        response.headers["Cache-Control"] = "no-store"
        remove = asked is not None and asked.remove_totp
        password = users.reset_password(name, by=by.name, without_second_factor=remove)
        return OneTimePassword(name=name, one_time_password=password)

    @app.delete("/api/v1/users/{name}/sessions", responses=PROBLEMS, tags=["users"])
    def end_user_sessions(name: str, by: Administrator) -> UserView:
        """Log somebody out everywhere."""
        return _view(users.end_sessions(name, by=by.name))

    @app.delete("/api/v1/users/{name}/api-keys", responses=PROBLEMS, tags=["users"])
    def revoke_user_keys(name: str, by: Administrator) -> UserView:
        """End all keys of somebody."""
        return _view(users.revoke_keys(name, by=by.name))


def _view(user: User) -> UserView:
    return UserView(
        name=user.name,
        display_name=user.display_name or user.name,
        email=user.email,
        role=user.role,
        permissions=sorted(PERMISSIONS[user.role]),
        status=user.status,
        strategies=list(user.strategies),
        can_log_in=user.password_hash is not None,
        must_change_password=user.must_change_password,
        totp_enabled=user.totp_sealed is not None,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
        version=user.version,
    )
