"""Kite's order book and trade book, looked at together: what a look costs is shared by all.

A look asks for the orders of the day; for their trades only where an order has filled further than
the trades that are known; for charges only where a trade has none. Whoever wants to look while
somebody does waits, and shares the next look with all who wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from brokers.errors import BrokerUnavailable, OrderStateUnknown
from brokers.zerodha import charges
from brokers.zerodha.charges import TradeKey
from brokers.zerodha.client import KiteClient
from brokers.zerodha.instruments import Instruments
from brokers.zerodha.page import Entry, Known, Page, page_of
from brokers.zerodha.rows import OrderRow, Trade, order_rows, trades
from brokers.zerodha.times import day_begins
from services.domain.orders import Order
from services.domain.values import ZERO
from services.domain.words import Side

_log = logging.getLogger(__name__)
#: Lines of one contract note.
_LINES_AT_ONCE: Final = 100
#: A note that could not be had is asked for again after so long.
_AGAIN_SECONDS: Final = 5.0
#: How far Kite's clock and ours may be apart.
_CLOCKS: Final = timedelta(seconds=5)


class _Sent(NamedTuple):
    """An order that nobody knows to have arrived."""

    symbol: tuple[str, str]
    side: Side
    quantity: Decimal
    at: datetime

    def may_be(self, entry: Entry) -> bool:
        """Whether an order of the book may be this one."""
        row = entry.first
        return (
            (row.exchange, row.tradingsymbol) == self.symbol
            and row.side is self.side
            and entry.terms.quantity <= self.quantity
            and row.placed_at >= self.at - _CLOCKS
        )


class Book:
    """Safe to use from any thread.

    Args:
        kite: whom to ask.
        instruments: what symbols mean.
        patience_seconds: how long to wait for others who look.
    """

    def __init__(self, kite: KiteClient, instruments: Instruments, patience_seconds: float) -> None:
        self._kite = kite
        self._instruments = instruments
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._looked: tuple[float, Page | BrokerUnavailable] = (-1.0, Page(()))
        self._rows: list[OrderRow] = []
        self._fills: dict[str, list[Trade]] = {}
        self._charges: dict[TradeKey, Decimal] = {}
        self._charge_again_at = 0.0
        self._charge_trouble = ""
        self._day = day_begins(datetime.now(UTC))
        self._ids: dict[str, str] = {}
        self._sliced: dict[str, Decimal] = {}
        self._unanswered: dict[str, _Sent] = {}

    def note_sending(self, order: Order, fields: Mapping[str, Any], now: datetime) -> None:
        """Remember an order that is on its way, until Kite has answered."""
        symbol = fields["exchange"], fields["tradingsymbol"]
        sent = _Sent(symbol, order.side, Decimal(fields["quantity"]), now)
        self._unanswered[order.client_order_id] = sent

    def note_not_sent(self, client_order_id: str) -> None:
        """Kite does not have it."""
        self._unanswered.pop(client_order_id, None)

    def note_placed(self, order: Order, order_ids: Sequence[str], *, sliced: bool) -> None:
        """Remember which orders of Kite's are ours."""
        self._unanswered.pop(order.client_order_id, None)
        self._ids.update(dict.fromkeys(order_ids, order.client_order_id))
        if sliced:
            self._sliced[order.client_order_id] = order.quantity

    def entry_of(self, page: Page, client_order_id: str) -> Entry | None:
        """The one order of an id of ours; None = Kite never had it.

        Raises:
            OrderStateUnknown: there are several, or one without a tag that may be it.
        """
        entry = page.of_client(client_order_id)
        sent = self._unanswered.get(client_order_id)
        if entry is not None or sent is None:
            return entry
        for each in page.entries:
            if not each.client_order_id and sent.may_be(each):
                raise OrderStateUnknown(
                    f"order {client_order_id} was not answered, and Kite has order "
                    f"{each.first.order_id} without a tag that may be it"
                )
        return None

    def look(self, since: float | None = None) -> Page:
        """The book as it is now, or later; or as it was not before `since` (monotonic).

        Raises: BrokerUnavailable.
        """
        wanted_at = time.monotonic() if since is None else since
        if not self._lock.acquire(timeout=self._patience):
            raise BrokerUnavailable(f"Kite's order book was not read within {self._patience:g} s")
        try:
            if self._looked[0] < wanted_at:
                began = time.monotonic()
                self._looked = began, self._read()
            found = self._looked[1]
            if isinstance(found, Page) and self._charge():
                found = self._page()
                self._looked = self._looked[0], found
        finally:
            self._lock.release()
        if isinstance(found, BrokerUnavailable):
            raise type(found)(str(found)) from found
        return found

    def _read(self) -> Page | BrokerUnavailable:
        try:
            self._forget_yesterday()
            self._rows = order_rows(self._kite.ask(lambda kite: kite.orders()))
            if self._lacks_trades():
                told = trades(self._kite.ask(lambda kite: kite.trades()))
                self._fills = {}
                for trade in told:
                    self._fills.setdefault(trade.order_id, []).append(trade)
            return self._page()
        except BrokerUnavailable as error:
            return error

    def _forget_yesterday(self) -> None:
        """Kite's books are of one day."""
        today = day_begins(datetime.now(UTC))
        if today != self._day:
            self._day = today
            for kept in (self._fills, self._charges, self._ids, self._sliced, self._unanswered):
                kept.clear()

    def _lacks_trades(self) -> bool:
        return any(row.filled > _total(self._fills.get(row.order_id, ())) for row in self._rows)

    def _page(self) -> Page:
        known = Known(self._ids, self._sliced, self._charges)
        return page_of(self._rows, self._fills, known, self._instruments.instrument_of)

    def _charge(self) -> bool:
        """Ask what fills have cost that have no charge yet; whether something was learned."""
        asked = [
            line
            for row in self._rows
            for line in charges.lines(row, self._fills.get(row.order_id, ()), self._charges)
        ]
        if not asked or time.monotonic() < self._charge_again_at:
            return False
        try:
            for start in range(0, len(asked), _LINES_AT_ONCE):
                self._ask_charges(asked[start : start + _LINES_AT_ONCE])
        except BrokerUnavailable as error:
            level = logging.DEBUG if str(error) == self._charge_trouble else logging.WARNING
            _log.log(level, "charges of %s fills are not known yet: %s", len(asked), error)
            self._charge_trouble = str(error)
            self._charge_again_at = time.monotonic() + _AGAIN_SECONDS
        else:
            self._charge_trouble = ""
        return True

    def _ask_charges(self, lines: Sequence[charges.Line]) -> None:
        fields = [line.fields for line in lines]
        answer = self._kite.ask(lambda kite: kite.get_virtual_contract_note(fields))
        self._charges |= charges.charged(lines, answer, self._charges)


def _total(fills: Sequence[Trade]) -> Decimal:
    return sum((each.quantity for each in fills), ZERO)
