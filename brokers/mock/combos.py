"""Combos at the mock broker: all legs fill in one go, or none does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers.mock.margin import Refusal
from brokers.mock.matching import IMMEDIATE, Take, expected_price, misfit, moved
from brokers.mock.stored import StoredOrder, leg_of
from services.domain.orders import Order
from services.domain.values import ZERO
from services.domain.words import OrderStatus, Side

if TYPE_CHECKING:
    from brokers.mock.engine import Engine


def place(
    engine: Engine, account_id: str, legs: Sequence[Order], *, refusal: Refusal | None = None
) -> list[StoredOrder]:
    """Fill the legs, let them rest together, or end them together."""
    stored = [engine.add(account_id, leg) for leg in legs]
    refusal = refusal or _refusal(engine, account_id, stored)
    if refusal is not None:
        for leg in stored:
            engine.end(leg, OrderStatus.REJECTED, str(refusal))
        return stored
    for leg in stored:
        # Of no OCO group: nothing that has filled elsewhere is taken off it.
        leg.change(combo=stored[0].number, group=None, taken=ZERO)
    work(engine, stored)
    for leg in stored:
        if leg.works and leg.order.time_in_force in IMMEDIATE:
            engine.end(leg, OrderStatus.CANCELED, "not all legs are marketable")
        elif leg.works:
            leg.change(text="waits until all legs can be filled")
            engine.tell(leg)
    return stored


def work(engine: Engine, legs: Sequence[StoredOrder]) -> None:
    """Fill all legs, or none."""
    found = _takes_of_all(engine, legs)
    if found is None:
        return
    filled = [(leg, sum((take.quantity for take in takes), ZERO)) for leg, takes in found]
    asked = [
        (leg_of(leg.order, quantity), takes[-1].price)
        for (leg, quantity), (_, takes) in zip(filled, found, strict=True)
    ]
    short = engine.books.refusal_of_all(legs[0].account_id, asked)
    if short is not None:
        engine.end(legs[0], OrderStatus.CANCELED, str(short))
        return
    for leg, takes in found:
        engine.fill(leg, takes)


def _takes_of_all(
    engine: Engine, legs: Sequence[StoredOrder]
) -> list[tuple[StoredOrder, list[Take]]] | None:
    """What every leg takes for the whole of it; None where one cannot have it."""
    also: dict[tuple[str, Side], Decimal] = defaultdict(lambda: ZERO)
    found = []
    for leg in legs:
        middle, place_in_book = engine.price_for(leg.order), (leg.key, leg.order.side)
        if middle is None or not engine.trades(leg.order):
            return None
        after = moved(leg.order, leg.standing, middle)
        if after is not leg.standing:
            leg.standing = after
            engine.save(leg)
        takes = engine.takes(leg, middle, leg.standing.left, also[place_in_book])
        quantity = sum((take.quantity for take in takes), ZERO)
        if quantity < leg.standing.left:
            return None
        also[place_in_book] += quantity
        found.append((leg, takes))
    return found


def _refusal(engine: Engine, account_id: str, stored: Sequence[StoredOrder]) -> Refusal | None:
    if not engine.capabilities(account_id).combos:
        return Refusal("UNSUPPORTED_ORDER", "no combos are taken here")
    asked = []
    for leg in stored:
        refusal = engine.unsupported(account_id, leg.order) or misfit(leg.order)
        if refusal is not None:
            return refusal
        price = expected_price(leg.order, leg.standing, engine.price_for(leg.order))
        if price is None:
            return Refusal("NO_PRICE", f"no price is known for {leg.order.instrument.symbol}")
        if leg.order.time_in_force in IMMEDIATE and not engine.trades(leg.order):
            return Refusal("MARKET_CLOSED", f"{leg.order.instrument.symbol} does not trade now")
        asked.append((leg_of(leg.order, leg.order.quantity), price))
    return engine.books.refusal_of_all(account_id, asked)
