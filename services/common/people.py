"""Who there is to be told things: people with their roles, as the store has them."""

from __future__ import annotations

from pydantic import ValidationError

from services.common.store import Document, Store
from services.domain.notifications import NotificationSettings, Recipient
from services.domain.users import Role

_FIELDS = {"role": 1, "strategies": 1, "status": 1, "disabled_at": 1}


def people(store: Store) -> list[Recipient]:
    """Everybody who may log in, with what they have set."""
    settings = {row["_id"]: row for row in store["notification_settings"].find({})}
    found = (_person(row, settings.get(row["_id"])) for row in store["users"].find({}, _FIELDS))
    return [each for each in found if each is not None]


def person(store: Store, user: str) -> Recipient | None:
    """One of them; None = there is nobody of that name, or they may not log in any more."""
    row = store["users"].find_one({"_id": user}, _FIELDS)
    settings = store["notification_settings"].find_one({"_id": user})
    return _person(row, settings) if row else None


def _person(row: Document, settings: Document | None) -> Recipient | None:
    if row.get("disabled_at") is not None or row.get("status", "ACTIVE") != "ACTIVE":
        return None
    try:
        # Whoever has a key from before there were roles is an operator of the first hour.
        role = Role(str(row.get("role", Role.ADMIN)))
    except ValueError:
        return None
    strategies = row.get("strategies")
    theirs = None if role in {Role.ADMIN, Role.OPERATOR} else frozenset(strategies or ())
    return Recipient(str(row["_id"]), role, theirs, settings_of_row(settings))


def settings_of_row(row: Document | None) -> NotificationSettings:
    """Stored settings; what cannot be read is as if it was never set, so that people are told."""
    if row is None:
        return NotificationSettings()
    known = {name: row[name] for name in ("kinds", "quiet_hours") if name in row}
    try:
        return NotificationSettings.model_validate(known)
    except ValidationError:
        return NotificationSettings()
