"""An account as a kill run looks at it: by our books, and by the broker's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from brokers.broker import BrokerPosition, OpenOrder
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import UNATTRIBUTED, Order
from services.domain.signals import plain
from services.domain.values import ZERO, Frozen, NonNegative
from services.domain.words import OrderRole, OrderStatus, Scope, Side

#: What the broker holds of an instrument, and what each book says.
Figures = tuple[Decimal, tuple[tuple[str, Decimal], ...]]


class OrderRow(Frozen):
    """An order as it is stored."""

    order: Order
    status: OrderStatus
    filled_quantity: NonNegative = ZERO
    avg_fill_price: NonNegative | None = None
    text: str = ""
    asked_to_cancel: bool = False

    @property
    def order_id(self) -> str:
        """client_order_id."""
        return self.order.client_order_id

    @property
    def key(self) -> tuple[str, str]:
        """Strategy and instrument."""
        return self.order.strategy_id, self.order.instrument.key

    @property
    def leaves(self) -> Decimal:
        """What may still fill."""
        return max(self.order.quantity - self.filled_quantity, ZERO)

    @property
    def in_words(self) -> str:
        """Side, quantity, symbol and whose: `order MT…: BUY 17 AAPL of S`."""
        order = self.order
        name = "closing order" if order.role is OrderRole.FLATTEN else "order"
        what = f"{order.side} {plain(order.quantity)} {order.instrument.symbol}"
        return f"{name} {self.order_id}: {what} of {order.strategy_id}"


class Books(NamedTuple):
    """An account by our own books.

    Attributes:
        working: every order that is not at its end.
        closings: every order that this run has made.
        positions: every open one, of all strategies.
    """

    working: Sequence[OrderRow]
    closings: Sequence[OrderRow]
    positions: Sequence[Position]


class BrokerWord(NamedTuple):
    """An account by the broker's word.

    Attributes:
        ours: strategy of each of `open_orders` that is one of ours, by client_order_id.
    """

    asked_at: datetime
    open_orders: Sequence[OpenOrder]
    positions: Sequence[BrokerPosition]
    ours: Mapping[str, str]


class Close(NamedTuple):
    """A closing order to be made.

    Attributes:
        number: which of the run for this position; counts up from 0.
    """

    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    number: int


class Holding(NamedTuple):
    """One instrument of an account: what the broker holds, and whose it is.

    Attributes:
        books: signed quantity of each strategy; UNATTRIBUTED is not among them.
        unattributed: what the books say to be nobody's.
    """

    instrument: Instrument
    broker: Decimal
    books: Mapping[str, Decimal]
    unattributed: Decimal

    @property
    def beyond(self) -> Decimal:
        """What the broker holds that is no strategy's."""
        return self.broker - sum(self.books.values(), ZERO)

    @property
    def figures(self) -> Figures:
        """All of it, to be compared with what it was."""
        books = tuple(sorted(self.books.items()))
        return self.broker, (*books, (UNATTRIBUTED, self.unattributed))

    @property
    def mismatch(self) -> Decimal:
        """What the broker holds that no book names."""
        return self.beyond - self.unattributed

    def closable(self, scope: Scope, strategy_id: str) -> Decimal:
        """Signed quantity that a run may take from the broker's position."""
        if scope is not Scope.STRATEGY:
            return self.broker
        others = sum((held for name, held in self.books.items() if name != strategy_id), ZERO)
        return self.broker - others - self.unattributed


def holdings(positions: Iterable[Position], held: Iterable[BrokerPosition]) -> list[Holding]:
    """Every instrument that somebody holds, by our books or by the broker's word."""
    instruments: dict[str, Instrument] = {}
    broker: dict[str, Decimal] = {}
    books: dict[str, dict[str, Decimal]] = {}
    for position in positions:
        key = position.instrument.key
        instruments.setdefault(key, position.instrument)
        books.setdefault(key, {})[position.strategy_id] = position.quantity
    for each in held:
        key = each.instrument.key
        instruments.setdefault(key, each.instrument)
        broker[key] = broker.get(key, ZERO) + each.quantity
    return [
        Holding(
            instrument,
            broker.get(key, ZERO),
            {name: q for name, q in books.get(key, {}).items() if name != UNATTRIBUTED},
            books.get(key, {}).get(UNATTRIBUTED, ZERO),
        )
        for key, instrument in sorted(instruments.items())
        if broker.get(key) or any(books.get(key, {}).values())
    ]
