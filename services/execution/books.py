"""What our books say of one account: read, to be compared with the broker's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pymongo.client_session import ClientSession

from services.common.store import Document, Store, among, from_document
from services.domain.books import Position, position_id, rank
from services.domain.orders import Execution
from services.domain.values import ZERO
from services.domain.words import FillOrigin, FlowStatus
from services.execution.documents import Owner
from services.execution.ledger import Ledger, rank_of


class Books:
    """Positions, fills and cash of one account."""

    def __init__(self, store: Store, ledger: Ledger, account_id: str) -> None:
        self._store = store
        self._ledger = ledger
        self._account_id = account_id
        self._rows = store["execution_confirmations"]

    def not_booked(self, executions: Sequence[Execution]) -> tuple[Execution, ...]:
        """Those of the account's executions that are not booked yet, or not so."""
        if not executions:
            return ()
        oldest = min(each.occurred_at for each in executions)
        query = {"account_id": self._account_id, "occurred_at": {"$gte": oldest}}
        fields = {"execution_id": 1, "revision": 1, "busted": 1}
        booked = {(row["execution_id"], *rank_of(row)) for row in self._rows.find(query, fields)}
        left = [each for each in executions if (each.execution_id, *rank(each)) not in booked]
        return self._named(self._ledger.news(self._account_id, left).fresh) if left else ()

    def _named(self, executions: tuple[Execution, ...]) -> tuple[Execution, ...]:
        """Corrections that came without their order's id, with the id that was told at first."""
        wanted = [
            each.execution_id
            for each in executions
            if not each.client_order_id and rank(each) != (0, False)
        ]
        if not wanted:
            return executions
        found = self._rows.find({"account_id": self._account_id, "execution_id": {"$in": wanted}})
        names = {row["execution_id"]: row["client_order_id"] for row in found}
        return tuple(
            each.model_copy(
                update={"client_order_id": each.client_order_id or names.get(each.execution_id, "")}
            )
            for each in executions
        )

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
            {"open": True, "account_id": among(self._account_id)}, session=session
        )
        return [from_document(Position, row) for row in found]

    def flows(self) -> dict[str, Decimal]:
        """What fills and commissions have moved in cash so far, by currency."""
        found = self._store["cash_flows"].find({"account_id": self._account_id})
        return {row["currency"]: row["fills"] - row["commissions"] for row in found}

    def paid_since(self, since: datetime) -> dict[str, Decimal]:
        """Deposits less withdrawals that the broker's figures have had since then, by currency."""
        return self._paid({"status": FlowStatus.SETTLED, "settled_at": {"$gt": since}})

    def still_to_come(self) -> dict[str, Decimal]:
        """Deposits less withdrawals that account data has not seen in the figures, by currency."""
        return self._paid({"status": FlowStatus.PENDING})

    def _paid(self, query: Document) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        query = {"account_id": self._account_id, **query}
        for row in self._store["capital_flows"].find(query):
            sums[row["currency"]] = sums.get(row["currency"], ZERO) + row["amount"]
        return sums

    def broken(self, session: ClientSession) -> list[tuple[str, str]]:
        """Open positions that are not the sum of their fills, with a sentence each.

        Args:
            session: of one transaction, so that both are of one moment.
        """
        found = []
        for position in self.open_positions(session):
            key = position_id(position.strategy_id, self._account_id, position.instrument)
            if more := self._ledger.unexplained(position, session):
                held = position.quantity
                sentence = f"position {key} is {held:f}, its fills sum to {held - more:f}"
                found.append((key, sentence))
        return found
