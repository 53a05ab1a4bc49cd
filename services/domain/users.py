"""People and what they may do: roles, and the permission that each endpoint asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.domain.values import Instant


class Role(StrEnum):
    """What somebody is here."""

    ADMIN = "ADMIN"
    OPERATOR = "OPERATOR"
    DEVELOPER = "DEVELOPER"  # of strategies of their own
    INVESTOR = "INVESTOR"


class Permission(StrEnum):
    """What an endpoint asks for."""

    READ = "READ"  # everything that an operator sees
    TRADE = "TRADE"  # cancel, modify, flatten, kill, pause, approve a signal, replay, acknowledge
    CONFIGURE = "CONFIGURE"  # strategies, allocations, limits, accounts, credentials
    ADMINISTER = "ADMINISTER"  # users
    OWN = "OWN"  # signals, positions and results of one's own strategies
    RESULTS = "RESULTS"  # performance and allocation of the fund
    SELF = "SELF"  # one's own profile, password, sessions, keys, notifications


PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset(Permission) - {Permission.CONFIGURE, Permission.ADMINISTER},
    Role.DEVELOPER: frozenset({Permission.OWN, Permission.SELF}),
    Role.INVESTOR: frozenset({Permission.RESULTS, Permission.SELF}),
}


class UserStatus(StrEnum):
    """Whether somebody may come in at all."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class User(BaseModel):
    """One person, as stored; a document that only ever had operator keys is one too.

    Attributes:
        strategies: of a developer; others have none of their own.
        password_hash: None = cannot log in, only use keys.
        password_history: hashes of former passwords, the newest last.
        must_change_password: it was given by somebody else.
        session_epoch: sessions that were opened under another one are over.
        totp_sealed: secret of the second factor; None = there is none.
        totp_step: of the last code that was used; no code works twice.
        totp_pending: sealed secret that waits for its first code.
        recovery_codes: hashes of those that are left.
        known_addresses: where they logged in from, the newest last.
        version: grows with every change that another person could make.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    role: Role
    status: UserStatus = UserStatus.ACTIVE
    display_name: str = ""
    email: str = ""
    strategies: tuple[str, ...] = ()
    password_hash: str | None = None
    password_history: tuple[str, ...] = ()
    password_changed_at: Instant | None = None
    must_change_password: bool = False
    session_epoch: int = 0
    totp_sealed: str | None = None
    totp_step: int = 0
    totp_pending: str | None = None
    recovery_codes: tuple[str, ...] = ()
    known_addresses: tuple[str, ...] = ()
    created_at: Instant | None = None
    last_login_at: Instant | None = None
    version: int = 0

    @property
    def is_active(self) -> bool:
        """Whether anything of theirs opens anything."""
        return self.status is UserStatus.ACTIVE

    @property
    def own_strategies(self) -> frozenset[str] | None:
        """Strategies that they may see; None = all. An investor sees results, and no strategy."""
        if self.role in {Role.ADMIN, Role.OPERATOR}:
            return None
        return frozenset(self.strategies if self.role is Role.DEVELOPER else ())
