"""Brackets at the mock broker: an entry and the guards that wait for its fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brokers.mock.margin import Refusal
from brokers.mock.matching import IMMEDIATE, misfit, opposite_sides
from brokers.mock.stored import StoredOrder
from services.domain.orders import Order
from services.domain.words import OrderStatus

if TYPE_CHECKING:
    from brokers.mock.engine import Engine


def place(
    engine: Engine,
    account_id: str,
    entry: Order,
    guards: Sequence[Order],
    *,
    refusal: Refusal | None = None,
) -> list[StoredOrder]:
    """Take an entry and its guards, or reject them all; guards of one entry are one group."""
    orders = [engine.add(account_id, each) for each in (entry, *guards)]
    refusal = refusal or _refusal(engine, account_id, entry, guards) or engine.refusal(orders[0])
    if refusal is not None:
        for each in orders:
            engine.end(each, OrderStatus.REJECTED, str(refusal))
        return orders
    for guard in orders[1:]:
        group = guard.standing.group or f"bracket {orders[0].number}"
        guard.change(entry=orders[0].number, group=group, text="held until the entry fills")
        engine.tell(guard)
    engine.work(orders[0], engine.price_for(entry), first=True)
    return orders


def _refusal(
    engine: Engine, account_id: str, entry: Order, guards: Sequence[Order]
) -> Refusal | None:
    if not engine.capabilities(account_id).brackets:
        return Refusal("UNSUPPORTED_ORDER", "no brackets are taken here")
    for guard in guards:
        if not opposite_sides(entry, guard):
            return Refusal("BAD_BRACKET", "a guard must close no more than its entry opens")
        if guard.time_in_force in IMMEDIATE:
            return Refusal("BAD_BRACKET", "a guard must be able to rest")
        refusal = engine.unsupported(account_id, guard) or misfit(guard)
        if refusal is not None:
            return refusal
    return None
