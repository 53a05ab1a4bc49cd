"""Books: what a strategy holds in an account, and what it has made.

A book is the fold of its fills in the order in which they happened (`booking_order`), whatever the
order in which they were told: what comes late, corrected or taken back is folded in anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic import Field

from services.domain.instruments import Instrument
from services.domain.lots import Lot, closed, opened, total
from services.domain.orders import Execution, Order
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative
from services.domain.words import Side


class Position(Frozen):
    """A strategy's holding of one instrument in one account.

    Attributes:
        quantity: signed; above 0 is long.
        average_price: of the open quantity, price units; 0 when flat.
        realized_pnl: gross of commissions, instrument currency, since the book was opened.
        commissions: paid so far in the instrument's currency.
        other_commissions: those paid in other currencies, by currency; nothing is converted,
            because no rate is known when a fill is booked.
        last_execution_id: of the fill at `updated_at`; what happened before the two has its place
            before it.
        lots: of which entries it is made, oldest first; what they do not sum up to is of older ones
            that nobody has kept.
    """

    strategy_id: str
    account_id: str
    instrument: Instrument
    quantity: Exact = ZERO
    average_price: NonNegative = ZERO
    realized_pnl: Exact = ZERO
    commissions: Exact = ZERO
    other_commissions: dict[str, Exact] = Field(default_factory=dict)
    updated_at: Instant | None = None
    last_execution_id: str = ""
    lots: tuple[Lot, ...] = ()

    @property
    def all_lots(self) -> tuple[Lot, ...]:
        """The lots, behind one of whatever they do not sum up to."""
        rest = abs(self.quantity) - total(self.lots)
        return (Lot(entry_signal_id=None, quantity=rest), *self.lots) if rest > 0 else self.lots

    @property
    def deployed(self) -> Decimal:
        """Money at work: |quantity| × average price × multiplier, instrument currency."""
        return abs(self.quantity) * self.average_price * self.instrument.multiplier

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """P&L of what is open if it were closed at `price`; gross, instrument currency."""
        return (price - self.average_price) * self.quantity * self.instrument.multiplier

    @property
    def closing_side(self) -> Side:
        """The side that makes this position smaller."""
        return Side.SELL if self.quantity > 0 else Side.BUY


def position_id(strategy_id: str, account_id: str, instrument: Instrument) -> str:
    """Key of a position: opaque, one for each strategy × account × instrument."""
    return "|".join((strategy_id, account_id, instrument.key))


def apply_execution(
    position: Position, execution: Execution, order: Order | None = None
) -> Position:
    """Book one fill: weighted average on the way in, realized P&L on the way out, flips in two.

    The lots say of which entries the position is: what came without its order is of nobody knows
    which, and such a fill that closes takes the oldest first.

    P&L of a closed quantity q: (exit − entry) × q × multiplier for a long, negated for a short.
    """
    change = execution.quantity * execution.side.sign
    held = position.quantity
    quantity = held + change
    closing = min(abs(held), abs(change)) if held * change < 0 else ZERO
    direction = 1 if held > 0 else -1
    multiplier = position.instrument.multiplier
    gain = (execution.price - position.average_price) * closing * direction * multiplier
    if quantity == 0:
        average = ZERO
    elif held * change >= 0:
        average = (abs(held) * position.average_price + abs(change) * execution.price) / abs(
            quantity
        )
    elif abs(change) > abs(held):
        average = execution.price
    else:
        average = position.average_price
    return position.model_copy(
        update={
            "quantity": quantity,
            "average_price": average,
            "realized_pnl": position.realized_pnl + gain,
            **_commissions(position, execution),
            **_last(position, execution),
            "lots": _lots(position, execution, order, closing=closing),
        }
    )


def _commissions(position: Position, execution: Execution) -> dict[str, object]:
    currency = execution.commission_currency
    if not execution.commission:
        return {}
    if currency == position.instrument.currency:
        return {"commissions": position.commissions + execution.commission}
    others = dict(position.other_commissions)
    others[currency] = others.get(currency, ZERO) + execution.commission
    return {"other_commissions": {name: paid for name, paid in others.items() if paid}}


def _last(position: Position, execution: Execution) -> dict[str, object]:
    if is_behind(position, execution):
        return {}
    return {"updated_at": execution.occurred_at, "last_execution_id": execution.execution_id}


def _lots(
    position: Position, execution: Execution, order: Order | None, *, closing: Decimal
) -> tuple[Lot, ...]:
    """The lots after a fill: first what it closes, then what is left of it opens."""
    if order is None:
        lots = closed(position.all_lots, closing, entry_signal_id=None, sender_quantity=None)
        return tuple(lot for lot in lots if lot.entry_signal_id is not None)
    lots = position.all_lots
    part = execution.quantity / order.quantity
    theirs = None if order.sender_quantity is None else order.sender_quantity * part
    if closing:
        lots = closed(
            lots,
            closing,
            entry_signal_id=order.entry_signal_id,
            sender_quantity=theirs,
            sender_unit=order.sender_unit,
        )
    opening = execution.quantity - closing
    if opening > 0:
        lot = Lot(
            entry_signal_id=order.signal_id,
            quantity=opening,
            sender_quantity=None if theirs is None else theirs * opening / execution.quantity,
            sender_unit=order.sender_unit,
            opened_at=execution.occurred_at,
        )
        lots = opened(lots, lot)
    return tuple(lot for lot in lots if lot.entry_signal_id is not None)


class Fill(NamedTuple):
    """One execution, and the order that it is of; None = of no order of ours."""

    execution: Execution
    order: Order | None


class Step(NamedTuple):
    """What one fill did to its position.

    Attributes:
        gain: P&L it realized, gross, instrument currency.
        flat: whether nothing was held after it.
    """

    execution_id: str
    gain: Decimal
    flat: bool


def booking_order(execution: Execution) -> tuple[datetime, int, str]:
    """Where a fill has its place: by time; at the same time brokers count their ids up."""
    return execution.occurred_at, len(execution.execution_id), execution.execution_id


def is_behind(position: Position, execution: Execution) -> bool:
    """Whether a fill happened before what the position already has, so that it cannot be added."""
    if position.updated_at is None:
        return False
    last = position.last_execution_id
    return booking_order(execution) < (position.updated_at, len(last), last)


def rebuilt(opening: Position, fills: Iterable[Fill]) -> tuple[Position, tuple[Step, ...]]:
    """A position after fills, in the order in which they happened.

    Args:
        opening: before them all.
        fills: in any order, each execution once, as it counts now: corrected, and not busted.
    """
    position, steps = opening, []
    for fill in sorted(fills, key=lambda each: booking_order(each.execution)):
        before = position.realized_pnl
        position = apply_execution(position, fill.execution, fill.order)
        gain = position.realized_pnl - before
        steps.append(Step(fill.execution.execution_id, gain, not position.quantity))
    return position, tuple(steps)


def opening_of(position: Position, booked: Sequence[Fill], steps: Sequence[Step]) -> Position:
    """The position before fills that it has in it.

    What they do not explain of it, because older books kept no fills, opened at its average price.

    Args:
        position: now.
        booked: its last fills.
        steps: what each of them did, in any order.
    """
    executions = [fill.execution for fill in booked]
    quantity = position.quantity - sum((e.quantity * e.side.sign for e in executions), ZERO)
    paid = {position.instrument.currency: position.commissions, **position.other_commissions}
    for execution in executions:
        currency = execution.commission_currency
        paid[currency] = paid.get(currency, ZERO) - execution.commission
    return position.model_copy(
        update={
            "quantity": quantity,
            "average_price": position.average_price if quantity else ZERO,
            "realized_pnl": position.realized_pnl - sum((step.gain for step in steps), ZERO),
            "commissions": paid.pop(position.instrument.currency),
            "other_commissions": {name: amount for name, amount in paid.items() if amount},
            "updated_at": None,
            "last_execution_id": "",
            "lots": (),
        }
    )


def cash_flow(execution: Execution) -> Decimal:
    """What a fill moved in cash, commission aside, in the instrument's currency; paid is below 0.

    Notional, as the mock broker settles everything; brokers that settle futures by their variation
    only show a difference that is not of ours.
    """
    paid = execution.quantity * execution.price * execution.instrument.multiplier
    return -paid * execution.side.sign


def rank(execution: Execution) -> tuple[int, bool]:
    """Which of two tellings of one fill counts: the higher one."""
    return execution.revision, execution.busted
