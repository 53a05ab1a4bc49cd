"""What a person typed behind a command: a scope, and the reason. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.domain.words import Scope

_SCOPES: Final = {
    "account": Scope.ACCOUNT,
    "strategy": Scope.STRATEGY,
    "instrument": Scope.INSTRUMENT,
    "asset-class": Scope.ASSET_CLASS,
}
_EVERYTHING: Final = frozenset({"all", "everything", "global"})


class Asked(NamedTuple):
    """A scope and a reason; `named` where the scope was typed."""

    scope: Scope
    scope_id: str
    reason: str
    named: bool


def parse(words: str) -> Asked:
    """`account Mock-1 fat finger`, `all …`, or a reason alone, which is about everything."""
    parts = words.split()
    first = parts[0].lower() if parts else ""
    if first in _EVERYTHING:
        return Asked(Scope.GLOBAL, "", " ".join(parts[1:]), named=True)
    if first in _SCOPES and len(parts) > 1:
        return Asked(_SCOPES[first], parts[1], " ".join(parts[2:]), named=True)
    return Asked(Scope.GLOBAL, "", " ".join(parts), named=False)
