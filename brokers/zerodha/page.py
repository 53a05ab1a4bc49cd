"""The order book of the day as our orders and their fills: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from brokers.broker import OpenOrder
from brokers.errors import BrokerUnavailable, LoginRequired, OrderStateUnknown
from brokers.zerodha.charges import TradeKey, key_of
from brokers.zerodha.contracts import CURRENCY
from brokers.zerodha.rows import CANCELLED, COMPLETE, REJECTED, OrderRow, Trade
from brokers.zerodha.times import INDIA
from services.domain.instruments import Instrument
from services.domain.orders import Execution, OrderReport, OrderTerms
from services.domain.values import ZERO
from services.domain.words import OrderStatus, OrderType

_S = OrderStatus
_ENDINGS = {COMPLETE: _S.FILLED, CANCELLED: _S.CANCELED, REJECTED: _S.REJECTED}


class Known(NamedTuple):
    """What we know of our own orders and Kite does not say.

    Attributes:
        ids: client_order_id by Kite's order id, as Kite answered the placement: an order is ours
            also where the book does not show its tag.
        sliced: how much was asked for with an order that Kite was to slice, by client_order_id.
        charges: of fills.
    """

    ids: Mapping[str, str]
    sliced: Mapping[str, Decimal]
    charges: Mapping[TradeKey, Decimal]


class Entry(NamedTuple):
    """One order of somebody's: a row of the book, or all slices that Kite has made of it."""

    rows: tuple[OrderRow, ...]
    client_order_id: str
    instrument: Instrument
    executions: tuple[Execution, ...]
    asked: Decimal | None

    @property
    def first(self) -> OrderRow:
        """Its oldest row: what all slices have in common is read from it."""
        return self.rows[0]

    @property
    def filled(self) -> Decimal:
        """By the book or by its trades, whichever is ahead."""
        book = sum((row.filled for row in self.rows), ZERO)
        return max(book, sum((each.quantity for each in self.executions), ZERO))

    @property
    def lacks_trades(self) -> bool:
        """Whether the book knows of fills that the trade book has not shown yet."""
        return self.filled > sum((each.quantity for each in self.executions), ZERO)

    @property
    def is_settled(self) -> bool:
        """Whether Kite has said what has become of it so far, with all trades."""
        return all(row.is_settled for row in self.rows) and not self.lacks_trades

    @property
    def is_told(self) -> bool:
        """Whether what has become of it is known, with what it has cost."""
        return self.is_settled and all(each.revision for each in self.executions)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it works any more."""
        return all(row.has_ended for row in self.rows)

    @property
    def status(self) -> OrderStatus:
        """In our words."""
        if not self.has_ended:
            return _S.PARTIALLY_FILLED if self.filled else _S.SUBMITTED
        endings = {_ENDINGS.get(row.status, _S.EXPIRED) for row in self.rows}
        (ending, *others) = sorted(endings)
        if others:
            return _S.CANCELED
        cut = self.asked is not None and sum((row.quantity for row in self.rows), ZERO) < self.asked
        return _S.CANCELED if ending is _S.FILLED and cut else ending

    @property
    def terms(self) -> OrderTerms:
        """As Kite has them now."""
        row, kind = self.first, self.first.order_type
        limited = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}
        stopped = kind in {OrderType.STOP, OrderType.STOP_LIMIT}
        return OrderTerms(
            quantity=sum((each.quantity for each in self.rows), ZERO),
            limit_price=row.price if limited and row.price else None,
            stop_price=row.trigger if stopped and row.trigger else None,
        )

    @property
    def report(self) -> OrderReport:
        """How it stands."""
        moments = [row.updated_at for row in self.rows]
        moments += [each.occurred_at for each in self.executions]
        messages = dict.fromkeys(row.message for row in self.rows if row.message)
        return OrderReport(
            client_order_id=self.client_order_id,
            broker_order_id=self.first.order_id,
            status=self.status,
            filled_quantity=self.filled,
            executions=self.executions,
            terms=self.terms,
            text="; ".join(messages),
            occurred_at=max(moments),
        )

    @property
    def open_order(self) -> OpenOrder:
        """As a working order."""
        return OpenOrder(
            report=self.report,
            instrument=self.instrument,
            side=self.first.side,
            order_type=self.first.order_type,
        )


class Page(NamedTuple):
    """The book at one moment, in the order in which orders were placed.

    Attributes:
        entries: all that can be read; what is ours always is.
        unread: why orders of somebody else's are not among them, in words; empty = all are.
    """

    entries: tuple[Entry, ...]
    unread: str = ""

    @property
    def everybodys(self) -> tuple[Entry, ...]:
        """All of them. Raises: BrokerUnavailable: one cannot be read, and may not be left out."""
        if self.unread:
            raise BrokerUnavailable(self.unread)
        return self.entries

    def of_order(self, order_id: str) -> Entry | None:
        """The entry that one of Kite's orders is part of."""
        for entry in self.entries:
            if any(order_id in {row.order_id, row.parent} for row in entry.rows):
                return entry
        return None

    def of_client(self, client_order_id: str) -> Entry | None:
        """The one entry of an id of ours; None = the book has none.

        Raises:
            OrderStateUnknown: it has several.
        """
        found = [each for each in self.entries if each.client_order_id == client_order_id]
        if len(found) > 1:
            ids = ", ".join(each.first.order_id for each in found)
            raise OrderStateUnknown(
                f"Kite has {len(found)} orders with the tag {client_order_id}: {ids}: doubled"
            )
        return found[0] if found else None

    @property
    def executions(self) -> list[Execution]:
        """All fills of the day, oldest first. Raises: BrokerUnavailable: not all can be read."""
        found = (each for entry in self.everybodys for each in entry.executions)
        return sorted(found, key=lambda each: each.occurred_at)


def page_of(
    rows: Iterable[OrderRow],
    fills: Mapping[str, Sequence[Trade]],
    known: Known,
    instrument_of: Callable[[str, str], Instrument],
) -> Page:
    """The book in our words.

    Args:
        rows: of the order book.
        fills: trades by Kite's order id, oldest first.
        known: of our own orders.
        instrument_of: what Kite means by an exchange and a symbol. Raises: BrokerUnavailable.
    """
    groups: dict[str, list[OrderRow]] = {}
    for row in sorted(rows, key=lambda each: (each.placed_at, len(each.order_id), each.order_id)):
        groups.setdefault(row.parent, []).append(row)
    entries, unread = [], ""
    for group in groups.values():
        try:
            entries.append(_entry(group, fills, known, instrument_of))
        except LoginRequired:
            raise
        except BrokerUnavailable as error:
            if _id_of(group, known):
                raise
            # What a person trades by hand must not keep us from seeing our own orders.
            unread = unread or str(error)
    return Page(tuple(entries), unread)


def execution_id(trade: Trade) -> str:
    """Unique in an account: exchanges number trades anew each day."""
    day = f"{trade.filled_at.astimezone(INDIA):%Y%m%d}"
    return f"{trade.exchange}-{day}-{trade.order_id}-{trade.trade_id}"


def _id_of(rows: Iterable[OrderRow], known: Known) -> str:
    """The id of ours that an order has; empty = it is somebody else's."""
    ids = (row.client_order_id or known.ids.get(row.order_id, "") for row in rows)
    return next((each for each in ids if each), "")


def _entry(
    rows: Sequence[OrderRow],
    fills: Mapping[str, Sequence[Trade]],
    known: Known,
    instrument_of: Callable[[str, str], Instrument],
) -> Entry:
    client_order_id = _id_of(rows, known)
    instrument = instrument_of(rows[0].exchange, rows[0].tradingsymbol)
    trades = [trade for row in rows for trade in fills.get(row.order_id, ())]
    trades.sort(key=lambda each: (each.filled_at, len(each.trade_id), each.trade_id))
    return Entry(
        tuple(rows),
        client_order_id,
        instrument,
        tuple(_execution(each, client_order_id, instrument, known.charges) for each in trades),
        known.sliced.get(client_order_id),
    )


def _execution(
    trade: Trade,
    client_order_id: str,
    instrument: Instrument,
    charges: Mapping[TradeKey, Decimal],
) -> Execution:
    """A fill. Revision 0 is one whose charges are not known yet, 1 is the whole truth.

    So the same fill has the same revision whichever process tells it, and no charge is lost.
    """
    charge = charges.get(key_of(trade))
    return Execution(
        execution_id=execution_id(trade),
        client_order_id=client_order_id,
        instrument=instrument,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        commission=charge or ZERO,
        commission_currency=CURRENCY,
        revision=0 if charge is None else 1,
        occurred_at=trade.filled_at,
    )
