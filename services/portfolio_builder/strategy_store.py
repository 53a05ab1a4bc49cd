"""All queries of strategies."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.store import Document, Store

_SHOWN_OF_CREDENTIALS = (
    "credential_id",
    "kind",
    "label",
    "hint",
    "created_at",
    "expires_at",
    "revoked_at",
)


class StrategyStore:
    """Rows of strategies, and what tells whether one may be archived."""

    def __init__(self, store: Store) -> None:
        self.plain = store

    def rows(self, *, archived: bool) -> list[Document]:
        """All strategies by id, those that are archived only where they are asked for."""
        query: Document = {} if archived else {"archived_at": None}
        return [_shown(row) for row in self.plain["strategies"].find(query).sort("_id")]

    def row(self, strategy_id: str, session: ClientSession | None = None) -> Document | None:
        """One strategy, of its credentials what may be shown; None = there is none."""
        found = self.plain["strategies"].find_one({"_id": strategy_id}, session=session)
        return _shown(found) if found else None

    def insert(self, row: Document, session: ClientSession) -> None:
        """A new one. Raises: DuplicateKeyError."""
        self.plain["strategies"].insert_one(row, session=session)

    def update(self, row: Document, update: Document, session: ClientSession) -> bool:
        """Change one that is still at the version of `row`; False where it is not."""
        as_read = {"_id": row["_id"], "version": row.get("version")}
        found = self.plain["strategies"].update_one(as_read, update, session=session)
        return bool(found.matched_count)

    def account_types(self, session: ClientSession | None = None) -> dict[str, str]:
        """By account_id, of all accounts."""
        found = self.plain["trading_accounts"].find({}, {"account_type": 1}, session=session)
        return {row["_id"]: row.get("account_type", "PAPER") for row in found}

    def ratios(self, session: ClientSession | None = None) -> dict[str, Decimal]:
        """The approved allocation by strategy."""
        found = self.plain["current_allocation"].find_one({"_id": "current"}, session=session)
        rows = (found or {}).get("allocations", ())
        return {row["strategy_id"]: row["ratio"] for row in rows}

    def hold_allocation(self, session: ClientSession) -> None:
        """Have an approval under way conflict with this transaction, not only with its results."""
        self.plain["current_allocation"].update_one(
            {"_id": "current"}, {"$set": {"held_at": utc_now()}}, session=session
        )

    def open_positions(self, strategy_id: str, session: ClientSession) -> list[Document]:
        """What it holds now."""
        # Held instruments are few, and this index is what finds them.
        found = self.plain["positions"].find({"open": True}, session=session)
        return [row for row in found if row["strategy_id"] == strategy_id]

    def working_orders(self, strategy_id: str, session: ClientSession) -> list[str]:
        """Its orders that may still move."""
        fields = {"strategy_id": 1}
        found = self.plain["orders"].find({"working": True}, fields, session=session)
        return [str(row["_id"]) for row in found if row["strategy_id"] == strategy_id]


def _shown(row: Document) -> Document:
    """Without anything of credentials that is a secret, or is made of one."""
    credentials: Iterable[Document] = row.get("credentials", ())
    hints = [
        {name: each[name] for name in _SHOWN_OF_CREDENTIALS if name in each} for each in credentials
    ]
    return row | {"credentials": hints}
