"""What a person does after a storm: decides on orders in doubt, cancels what still rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scripts.drill.stack import Stack
from services.common.order_requests import Resolution, request_cancel, resolve
from services.common.signed import Signed
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError
from services.domain.words import OrderStatus

_SIGNED = Signed("drill", "the broker's own books were looked at, all faults are over")


class Person:
    """Reads the broker's own screen, and acts by the same words as scripts/orders.py.

    Attributes:
        acts: what was done, by kind.
    """

    def __init__(self, stack: Stack, store: Store, accounts: Sequence[str]) -> None:
        self._stack = stack
        self._store = store
        self._accounts = accounts
        self.acts: Counter[str] = Counter()

    def look(self) -> None:
        """One round; only while no fault lasts, for then the broker's screen is true."""
        shown = {
            each["client_order_id"]
            for account_id in self._accounts
            for each in self._stack.broker("GET", f"/v1/accounts/{account_id}/orders")
        }
        for row in self._store["orders"].find({"working": True}):
            try:
                self._act(row, shown)
            except ConfigurationError:
                continue  # it has moved meanwhile

    def _act(self, row: Document, shown: set[str]) -> None:
        if row["status"] == OrderStatus.UNKNOWN:
            if row["_id"] not in shown and self._is_asked(row["_id"]):
                # What its own exit wants canceled is given up, and not sent any more.
                unwanted = row.get("cancel_requested_at") is not None
                decision = Resolution.ABSENT if unwanted else Resolution.RESEND
                resolve(self._store, row["_id"], decision, _SIGNED)
                self.acts[f"{decision.lower()}: an order that the broker never had"] += 1
        elif row["status"] == OrderStatus.SUBMITTED and not row.get("cancel_requested_at"):
            request_cancel(self._store, row["_id"], _SIGNED)
            self.acts["canceled an order that still rested"] += 1

    def _is_asked(self, order_id: str) -> bool:
        told = self._store["incidents"].find_one({"_id": f"ORDER_UNKNOWN|{order_id}"})
        return bool(told and told["status"] == "OPEN" and "orders.py resolve" in told["sentence"])
