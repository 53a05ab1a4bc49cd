"""People and what they may do: roles, and the permission that each endpoint asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


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
