"""What one batch of decisions stands on: what its accounts hold, and what exits refer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.decision.exposure import Holding, holdings_of, reserved
from services.decision.margin import MarginRules
from services.domain.accounts import AccountSnapshot
from services.domain.books import Position
from services.domain.orders import Order, Reservation
from services.domain.signals import Signal


class Books:
    """What is held in the accounts of a batch, as its decisions change it."""

    def __init__(
        self,
        positions: list[Position],
        reservations: list[Reservation],
        unresolved: dict[str, frozenset[str]],
        rules: MarginRules,
    ) -> None:
        self.positions = positions
        self.reservations = reservations
        self.unresolved = unresolved
        self.orders: list[Order] = []
        self._rules = rules
        self._held: dict[str, list[Holding]] = {}

    def take(self, orders: Iterable[Order], reservations: Iterable[Reservation]) -> None:
        """A decision of this batch has made these."""
        self.orders.extend(orders)
        self.reservations.extend(reservations)

    def flat(self, signal: Signal) -> bool:
        """Whether the strategy holds nothing of the first leg, and no entry of it works."""
        held = [(p.strategy_id, p.instrument.key) for p in self.positions if p.quantity]
        held += [
            (r.strategy_id, r.instrument_key) for r in self.reservations if not r.closing_quantity
        ]
        return (signal.strategy_id, signal.legs[0].instrument.key) not in held

    def holdings(self, account: AccountSnapshot) -> list[Holding]:
        """Everything that is held, or being entered, in one account. Raises: FxUnknown."""
        name = account.account_id
        if name not in self._held:
            mine = [each for each in self.positions if each.account_id == name]
            rules = self._rules.model_copy(update={"model": account.margin_model})
            self._held[name] = holdings_of(account, mine, rules)
        return self._held[name] + reserved(r for r in self.reservations if r.account_id == name)


class EntryFound(NamedTuple):
    """What the reference of an exit leads to, and what else of earlier signals matters.

    Attributes:
        cancelable: by account, the working entries that a CANCEL reaches.
        canceled: entry orders that this exit has had canceled.
        reversal_open: why the exit before it is not done.
        reversal_under_way: whether that may still change.
    """

    found: bool | None
    signal_id: str | None
    cancelable: dict[str, tuple[str, ...]]
    canceled: tuple[str, ...] = ()
    reversal_open: str = ""
    reversal_under_way: bool = False
