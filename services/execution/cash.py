"""What fills move in cash: running sums, to be compared with the broker's figure at any time."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pymongo import UpdateOne

from services.common.store import Document
from services.domain.books import cash_flow
from services.domain.orders import Execution
from services.domain.values import ZERO
from services.domain.words import FillOrigin
from services.execution.documents import Owner


class _Sums:
    """By account and currency: what was paid or received for fills, and commissions paid."""

    def __init__(self) -> None:
        self.fills: dict[tuple[str, str], Decimal] = {}
        self.commissions: dict[tuple[str, str], Decimal] = {}

    def add(self, account_id: str, execution: Execution, sign: int) -> None:
        """One fill, or with sign -1 what it had moved."""
        traded = (account_id, execution.instrument.currency)
        self.fills[traded] = self.fills.get(traded, ZERO) + cash_flow(execution) * sign
        paid = (account_id, execution.commission_currency)
        self.commissions[paid] = self.commissions.get(paid, ZERO) + execution.commission * sign


def cash_updates(
    fills: Iterable[tuple[Owner, Execution]], taken_back: Iterable[tuple[Document, Execution]]
) -> list[UpdateOne]:
    """Writes to `cash_flows` for fills that are booked, and for rows that count no more.

    What a person adopted moves nothing: it was paid for before we kept books.
    """
    sums = _Sums()
    for owner, execution in fills:
        if not execution.busted and owner.origin is not FillOrigin.ADOPTED:
            sums.add(owner.account_id, execution, 1)
    for row, execution in taken_back:
        if row.get("origin") != FillOrigin.ADOPTED:
            sums.add(row["account_id"], execution, -1)
    return [
        UpdateOne(
            {"_id": "|".join(key)},
            {
                "$inc": {
                    "fills": sums.fills.get(key, ZERO),
                    "commissions": sums.commissions.get(key, ZERO),
                },
                "$setOnInsert": {"account_id": key[0], "currency": key[1]},
            },
            upsert=True,
        )
        for key in sorted(sums.fills.keys() | sums.commissions.keys())
    ]
