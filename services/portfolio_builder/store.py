"""All queries of the portfolio builder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pymongo import DESCENDING

from services.common.store import Document, Store


class PortfolioStore:
    """Reads what was decided."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def decided_since(
        self, since: datetime, *, strategy_id: str | None, most: int
    ) -> Iterator[Document]:
        """Signals with a decision, the newest first."""
        query: Document = {"received_at": {"$gte": since}}
        if strategy_id is not None:
            query["strategy_id"] = strategy_id
        fields = {
            "signal": 1,
            "decision.context": 1,
            "decision.outcome": 1,
            "decision.code": 1,
            "decision.engine_version": 1,
        }
        found = self._store["signal_store"].find(query, fields).sort("received_at", DESCENDING)
        for row in found.limit(most):
            if row.get("decision"):
                yield row
