"""Books: what a strategy holds in an account, and what it has made."""

from __future__ import annotations

from decimal import Decimal

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
        commissions: paid so far, instrument currency.
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
    updated_at: Instant | None = None
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

    Lots are kept where the fill comes with its order.

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
            "commissions": position.commissions + execution.commission,
            "updated_at": max(execution.occurred_at, position.updated_at or execution.occurred_at),
            "lots": _lots(position, execution, order, closing=closing) if order else (),
        }
    )


def _lots(
    position: Position, execution: Execution, order: Order, *, closing: Decimal
) -> tuple[Lot, ...]:
    """The lots after a fill: first what it closes, then what is left of it opens."""
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
