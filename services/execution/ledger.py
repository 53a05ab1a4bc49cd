"""Fills into books: what execution keeps of each fill, and what it makes of positions."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from services.common.store import Document, Store, from_document
from services.domain.books import Position, apply_execution
from services.domain.orders import Execution, Order
from services.execution.documents import confirmation, flat, position_document, position_key


class Ledger:
    """Fills and positions of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def unbooked(self, stored: Document, executions: Sequence[Execution]) -> list[Execution]:
        """Those of an order's executions that the books do not have yet."""
        if not executions or not stored["filled_quantity"]:
            return list({each.execution_id: each for each in executions}.values())
        ids = {f"{stored['account_id']}|{each.execution_id}": each for each in executions}
        found = self._store["execution_confirmations"].find({"_id": {"$in": list(ids)}}, {"_id": 1})
        booked = {row["_id"] for row in found}
        return [each for key, each in ids.items() if key not in booked]

    def book(self, fills: Sequence[tuple[Document, Execution]], session: ClientSession) -> None:
        """Keep fills that are not booked yet, each with its order's row, and move the positions."""
        if not fills:
            return
        fills = sorted(fills, key=lambda fill: fill[1].occurred_at)
        keys = {position_key(stored, execution) for stored, execution in fills}
        found = self._store["positions"].find({"_id": {"$in": list(keys)}}, session=session)
        positions = {row["_id"]: from_document(Position, row) for row in found}
        rows = []
        for stored, execution in fills:
            key = position_key(stored, execution)
            before = positions.get(key) or flat(stored, execution)
            order = from_document(Order, stored["order"])
            positions[key] = after = apply_execution(before, execution, order)
            rows.append(confirmation(stored, execution, after.realized_pnl - before.realized_pnl))
        self._store["execution_confirmations"].insert_many(rows, session=session)
        self._store["positions"].bulk_write(
            [
                ReplaceOne({"_id": key}, position_document(position), upsert=True)
                for key, position in positions.items()
            ],
            ordered=False,
            session=session,
        )
