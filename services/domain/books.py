"""Books: what a strategy holds in an account, and what it has made."""

from __future__ import annotations

from decimal import Decimal

from services.domain.instruments import Instrument
from services.domain.orders import Execution
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative
from services.domain.words import Side


class Position(Frozen):
    """A strategy's holding of one instrument in one account.

    Attributes:
        quantity: signed; above 0 is long.
        average_price: of the open quantity, price units; 0 when flat.
        realized_pnl: gross of commissions, instrument currency, since the book was opened.
        commissions: paid so far, instrument currency.
    """

    strategy_id: str
    account_id: str
    instrument: Instrument
    quantity: Exact = ZERO
    average_price: NonNegative = ZERO
    realized_pnl: Exact = ZERO
    commissions: Exact = ZERO
    updated_at: Instant | None = None

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


def apply_execution(position: Position, execution: Execution) -> Position:
    """Book one fill: weighted average on the way in, realized P&L on the way out, flips in two.

    P&L of a closed quantity q: (exit − entry) × q × multiplier for a long, negated for a short.
    """
    change = execution.quantity * execution.side.sign
    held = position.quantity
    quantity = held + change
    closed = min(abs(held), abs(change)) if held * change < 0 else ZERO
    direction = 1 if held > 0 else -1
    multiplier = position.instrument.multiplier
    gain = (execution.price - position.average_price) * closed * direction * multiplier
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
        }
    )
