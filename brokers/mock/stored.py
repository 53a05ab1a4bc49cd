"""One order as the mock broker's books have it, and how it stands."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.mock.matching import WORKING, Standing, standing_of
from services.domain.accounts import PreviewLeg
from services.domain.orders import Execution, Order


class StoredOrder:
    """One order as the books have it."""

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.number: int = row[0]
        self.account_id: str = row[1]
        self.order = Order.model_validate_json(row[2])
        self.placed_at = datetime.fromisoformat(row[3])
        self.standing = _standing(self.order, *row[4:])
        #: None = not read from the books yet.
        self.executions: list[Execution] | None = None

    @property
    def broker_order_id(self) -> str:
        """The broker's own id of the order."""
        return f"MOCK-{self.number}"

    @property
    def key(self) -> str:
        """Of its instrument."""
        return self.order.instrument.key

    @property
    def works(self) -> bool:
        """Whether it may still fill by itself."""
        return self.standing.status in WORKING

    def change(self, **changes: object) -> None:
        """Other values in its standing; kept once it is saved."""
        self.standing = self.standing.model_copy(update=changes)


def _standing(order: Order, kept: str | None, status: str, filled: str, text: str) -> Standing:
    if kept is not None:
        return Standing.model_validate_json(kept)
    # Books of an earlier version: orders filled whole or not at all.
    old = {"status": status, "filled": Decimal(filled), "text": text, "fills": int(filled != "0")}
    return Standing.model_validate(standing_of(order).model_dump() | old)


def leg_of(order: Order, quantity: Decimal) -> PreviewLeg:
    """What a fill of an order is to the clearing house."""
    return PreviewLeg(instrument=order.instrument, side=order.side, quantity=quantity)
