"""Seals every stored secret anew with the newest key, so that the old one can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from services.common.store import Document, Store
from services.common.vault import Vault

#: Everywhere that something sealed is kept; a test knows who seals.
SEALED_IN: Final = ("trading_accounts", "strategies", "users", "notification_channels")
#: As Fernet's tokens of this era begin: https://github.com/fernet/spec/blob/master/Spec.md
_BEGINNING: Final = "gAAAAA"


class Resealed(NamedTuple):
    """What one pass did.

    Attributes:
        changed: secrets that were sealed anew.
        left: those that somebody changed meanwhile; the next pass looks at them.
    """

    changed: int
    left: int


def reseal(store: Store, vault: Vault) -> Resealed:
    """One pass over all; harmless to repeat, and beside services that run.

    Raises:
        ConfigurationError: one was sealed with a key that is not there: nothing of it is changed.
        PyMongoError: the database does not answer.
    """
    changed = left = 0
    for collection in SEALED_IN:
        for row in store[collection].find({}):
            for path, sealed in sealed_in(row):
                if vault.is_newest(sealed):
                    continue
                # Only as it was read: a secret that a person has just stored is newer than ours.
                found = store[collection].update_one(
                    {"_id": row["_id"], path: sealed},
                    {"$set": {path: vault.seal(vault.open(sealed))}},
                )
                changed += found.modified_count
                left += 1 - found.modified_count
    return Resealed(changed, left)


def sealed_in(row: Document) -> Iterator[tuple[str, str]]:
    """Dotted path and text of everything sealed in a row."""
    return _walk(row, "")


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of any row
    if isinstance(value, str):
        if value.startswith(_BEGINNING):
            yield path, value
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in pairs:
            yield from _walk(each, f"{path}.{name}" if path else str(name))
