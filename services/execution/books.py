"""What our books say of one account: read, to be compared with the broker's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pymongo.client_session import ClientSession

from services.common.store import Document, Store, from_document
from services.domain.books import Position, rank
from services.domain.orders import Execution
from services.domain.values import ZERO
from services.domain.words import FillOrigin, Side
from services.execution.documents import Owner, position_of_row
from services.execution.ledger import Ledger, rank_of


class Books:
    """Positions, fills and cash of one account."""

    def __init__(self, store: Store, ledger: Ledger, account_id: str) -> None:
        self._store = store
        self._ledger = ledger
        self._account_id = account_id
        self._rows = store["execution_confirmations"]

    def not_booked(
        self, executions: Sequence[Execution], since: datetime | None
    ) -> tuple[Execution, ...]:
        """Those of the account's executions since then that are not booked yet, or not so."""
        query: Document = {"account_id": self._account_id}
        if since is not None:
            query["occurred_at"] = {"$gte": since}
        fields = {"execution_id": 1, "revision": 1, "busted": 1}
        booked = {(row["execution_id"], *rank_of(row)) for row in self._rows.find(query, fields)}
        left = [each for each in executions if (each.execution_id, *rank(each)) not in booked]
        return self._ledger.news(self._account_id, left).fresh if left else ()

    def owners(self, executions: Sequence[Execution]) -> dict[str, Owner]:
        """Whose the executions are that were told before, by their ids; none of an order."""
        ids = [each.execution_id for each in executions if rank(each) != (0, False)]
        found = self._rows.find({"account_id": self._account_id, "execution_id": {"$in": ids}})
        return {
            row["execution_id"]: Owner(
                row["strategy_id"],
                self._account_id,
                origin=FillOrigin(row.get("origin", FillOrigin.ORDER)),
            )
            for row in found
        }

    def open_positions(self, session: ClientSession | None = None) -> list[Position]:
        """What all strategies hold, and what is nobody's."""
        found = self._store["positions"].find(
            {"open": True, "account_id": self._account_id}, session=session
        )
        return [from_document(Position, row) for row in found]

    def flows(self) -> dict[str, Decimal]:
        """What fills and commissions have moved in cash so far, by currency."""
        found = self._store["cash_flows"].find({"account_id": self._account_id})
        return {row["currency"]: row["fills"] - row["commissions"] for row in found}

    def broken(self) -> list[tuple[str, str]]:
        """Positions that are not the sum of their fills, with a sentence each."""
        suspects = self._unequal()
        if not suspects:
            return []
        # Both were read at different moments: what still differs within one transaction, differs.
        return self._store.transaction(self._unequal)

    def _unequal(self, session: ClientSession | None = None) -> list[tuple[str, str]]:
        query: Document = {"account_id": self._account_id, "void": {"$ne": True}}
        fields = {"strategy_id": 1, "account_id": 1, "instrument_key": 1, "side": 1, "quantity": 1}
        sums: dict[str, Decimal] = {}
        for row in self._rows.find(query, fields, session=session):
            key = position_of_row(row)
            sums[key] = sums.get(key, ZERO) + row["quantity"] * Side(row["side"]).sign
        held = {
            row["_id"]: row["quantity"]
            for row in self._store["positions"].find(
                {"account_id": self._account_id}, {"quantity": 1}, session=session
            )
        }
        return [
            (key, f"position {key} is {held.get(key, ZERO):f}, its fills sum to {total:f}")
            for key in sorted(sums.keys() | held.keys())
            if held.get(key, ZERO) != (total := sums.get(key, ZERO))
        ]
