"""What the gateway has pushed of the account on one connection."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from brokers.ibkr.exact import positive_of


class Pushed:
    """Prices, and whether anything was told; for one event loop.

    Attributes:
        changed: something was told since the last bell.
        prices: by account and IB's number of the contract.
    """

    def __init__(self) -> None:
        self.changed = False
        self.prices: dict[tuple[str, int], Decimal] = {}
        self.on_told: Callable[[], None] = lambda: None

    def priced(self, account: str, contract_id: int, price: float) -> None:
        """The price of one position."""
        self.changed = True
        if (known := positive_of(price)) is None:
            self.prices.pop((account, contract_id), None)
        else:
            self.prices[account, contract_id] = known

    def tell(self) -> None:
        """Everything of one change is told."""
        if self.changed:
            self.changed = False
            self.on_told()
