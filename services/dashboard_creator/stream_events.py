"""From a change of the store to what the UI is told of it, and who is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from services.dashboard_creator.models import View
from services.domain.users import Permission
from services.domain.values import Instant

Kind = Literal[
    "signal",
    "order",
    "fill",
    "position",
    "incident",
    "control",
    "account",
    "approval",
    "kill",
    "study",
    "notification",
]
KINDS: Final[Mapping[str, Kind]] = {
    "signal_store": "signal",
    "orders": "order",
    "execution_confirmations": "fill",
    "positions": "position",
    "incidents": "incident",
    "controls": "control",
    "risk_locks": "control",
    "trading_accounts": "account",
    "approvals": "approval",
    "kill_runs": "kill",
    "portfolio_tests": "study",
    "notifications": "notification",
}
#: What belongs to a strategy, and is shown to its developer.
_OF_STRATEGIES: Final = frozenset({"signal", "order", "fill", "position"})
#: What a change must be looked up for, where it does not say whose it is.
OWNER_FIELDS: Final = ("strategy_id", "account_id", "status", "user")


class Owner(NamedTuple):
    """Whose a document is, and how it was when that was last seen."""

    strategy_id: str | None = None
    account_id: str | None = None
    status: str | None = None
    user: str | None = None


class StreamEvent(View):
    """Something has changed, and is to be asked for anew; without figures, that could be wrong."""

    kind: Kind
    id: str
    strategy_id: str | None = None
    account_id: str | None = None
    status: str | None = None
    at: Instant


class Told(NamedTuple):
    """One event: where in the store's history it is, and whom it is for; None = anybody."""

    token: str
    event: StreamEvent
    user: str | None = None


class Audience(NamedTuple):
    """Who listens."""

    name: str
    permissions: frozenset[Permission]
    strategies: frozenset[str] | None

    def hears(self, told: Told) -> bool:
        """Whether an event is for them: operators hear all, developers what is of their own."""
        if told.event.kind == "notification":
            return told.user == self.name
        if Permission.READ in self.permissions:
            return True
        if Permission.OWN not in self.permissions or self.strategies is None:
            return False
        return told.event.kind in _OF_STRATEGIES and told.event.strategy_id in self.strategies


def owner_of(document: Mapping[str, Any]) -> Owner:
    """What a document says of itself."""
    return Owner(*(_text(document.get(name)) for name in OWNER_FIELDS))


def key_of(change: Mapping[str, Any]) -> tuple[str, str]:
    """Collection and id of what has changed."""
    return change["ns"]["coll"], str(change["documentKey"]["_id"])


def told_owner(change: Mapping[str, Any], known: Owner | None) -> Owner | None:
    """Whose the changed document is, as far as the change says it, or it was known."""
    whole = change.get("fullDocument")
    if whole is not None:
        return owner_of(whole)
    if known is None:
        return None
    updated = (change.get("updateDescription") or {}).get("updatedFields") or {}
    return known._replace(status=_text(updated.get("status")) or known.status)


def told(change: Mapping[str, Any], owner: Owner) -> Told:
    """The event of a change."""
    collection, row_id = key_of(change)
    event = StreamEvent(
        kind=KINDS[collection],
        id=row_id,
        strategy_id=owner.strategy_id,
        account_id=owner.account_id or (row_id if collection == "trading_accounts" else None),
        status=owner.status,
        at=change["wallTime"],
    )
    return Told(str(change["_id"]["_data"]), event, owner.user)


def latest(events: Iterable[Told]) -> list[Told]:
    """Of several events of one thing only the last one, in the order of those."""
    kept: dict[tuple[str, str], Told] = {}
    for each in events:
        name = (each.event.kind, each.event.id)
        kept.pop(name, None)
        kept[name] = each
    return list(kept.values())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
