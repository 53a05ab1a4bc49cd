"""Lots: of which entries a position is made, the oldest first, in our units and in the sender's.

A sender closes "5 of my 10"; whatever size their 10 were with us, half of what is open of it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.domain.values import ZERO, Frozen, Instant, Positive
from services.domain.words import QuantityUnit


class Lot(Frozen):
    """What is open of one entry.

    Attributes:
        entry_signal_id: None = of nobody knows which entry.
        quantity: ours, without a sign.
        sender_quantity: the same in the sender's own account; None = not known.
    """

    entry_signal_id: str | None
    quantity: Positive
    sender_quantity: Positive | None = None
    sender_unit: QuantityUnit = QuantityUnit.UNITS
    opened_at: Instant | None = None


def opened(lots: Sequence[Lot], entry: Lot) -> tuple[Lot, ...]:
    """Lots after a fill of an entry: its lot grows, or is the newest."""
    for place, lot in enumerate(lots):
        if lot.entry_signal_id == entry.entry_signal_id and lot.sender_unit is entry.sender_unit:
            theirs = (lot.sender_quantity, entry.sender_quantity)
            grown = lot.model_copy(
                update={
                    "quantity": lot.quantity + entry.quantity,
                    "sender_quantity": None
                    if theirs[0] is None or theirs[1] is None
                    else theirs[0] + theirs[1],
                }
            )
            return (*lots[:place], grown, *lots[place + 1 :])
    return (*lots, entry)


def closed(
    lots: Sequence[Lot],
    quantity: Decimal,
    *,
    entry_signal_id: str | None,
    sender_quantity: Decimal | None,
    sender_unit: QuantityUnit = QuantityUnit.UNITS,
) -> tuple[Lot, ...]:
    """Lots after a fill of an exit.

    Args:
        lots: oldest first.
        quantity: closed, ours.
        entry_signal_id: whose lot goes first; then, or where None, the oldest.
        sender_quantity: what was closed in the sender's account; None takes from it in proportion.
        sender_unit: of that.

    Returns: what is left; together it is less by `quantity`, or nothing.
    """
    order = sorted(lots, key=lambda lot: lot.entry_signal_id != entry_signal_id)
    theirs = sender_quantity
    left: dict[int, Lot | None] = {}
    for lot in order if entry_signal_id is not None else lots:
        if quantity <= 0 and not theirs:
            break
        asked = theirs if lot.sender_unit is sender_unit else None
        part, taken = _taken(lot, quantity, asked)
        left[id(lot)] = _less(lot, part, taken)
        quantity -= part
        if theirs is not None and taken is not None:
            theirs = max(ZERO, theirs - taken)
    kept = (left.get(id(lot), lot) for lot in lots)
    return tuple(lot for lot in kept if lot is not None)


def _taken(lot: Lot, quantity: Decimal, theirs: Decimal | None) -> tuple[Decimal, Decimal | None]:
    """What goes of a lot: ours, and the sender's. A lot that the sender has left goes whole."""
    part = min(quantity, lot.quantity)
    if lot.sender_quantity is None:
        return part, None
    if theirs is None:
        return part, lot.sender_quantity * part / lot.quantity
    return part, min(theirs, lot.sender_quantity)


def _less(lot: Lot, part: Decimal, theirs: Decimal | None) -> Lot | None:
    quantity = lot.quantity - part
    if quantity <= 0:
        return None
    sender = lot.sender_quantity
    if sender is not None and theirs is not None:
        # They have left it and a rest of ours is still there: it goes with their next exit.
        sender = sender - theirs if sender > theirs else sender * quantity / lot.quantity
    return lot.model_copy(update={"quantity": quantity, "sender_quantity": sender})


def total(lots: Sequence[Lot]) -> Decimal:
    """Our units of all of them."""
    return sum((lot.quantity for lot in lots), ZERO)


def share_of(
    lots: Sequence[Lot], asked: Decimal, unit: QuantityUnit
) -> tuple[Decimal, bool] | None:
    """How much of ours is `asked` of the sender's, oldest first; None where that is not known.

    Returns: exact quantity, and whether that is everything that the sender has left.
    """
    if any(lot.sender_quantity is None or lot.sender_unit is not unit for lot in lots):
        return None
    quantity = ZERO
    for lot in lots:
        theirs = lot.sender_quantity or ZERO
        part = min(asked, theirs)
        quantity += lot.quantity if part == theirs else lot.quantity * part / theirs
        asked -= part
        if asked <= 0:
            break
    everything = quantity >= total(lots)
    return quantity, everything
