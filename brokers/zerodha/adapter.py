"""The adapter to Zerodha's Kite Connect."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from brokers.broker import (
    AccountState,
    Broker,
    BrokerPosition,
    MarginQuote,
    OpenOrder,
    Quote,
    ReportHandler,
)
from brokers.errors import (
    BrokerUnavailable,
    LoginRequired,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from brokers.zerodha.book import Book
from brokers.zerodha.client import KiteClient
from brokers.zerodha.failures import Purpose
from brokers.zerodha.holdings import (
    Holding,
    holdings_of,
    margin_quote,
    margins_of,
    net,
    state_of,
)
from brokers.zerodha.instruments import Instruments
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.numbers import exact
from brokers.zerodha.page import Entry
from brokers.zerodha.placements import CAPABILITIES, VARIETY, basket_row, change, placement
from brokers.zerodha.rejections import rejection
from brokers.zerodha.rows import OrderRow
from brokers.zerodha.slices import Sliced, sliced
from brokers.zerodha.stream import Stream
from brokers.zerodha.ticker import Ticker
from brokers.zerodha.times import day_begins, instant
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, Order, OrderReport, OrderTerms
from services.domain.words import OrderStatus

_log = logging.getLogger(__name__)
#: Kite answers a placement before it knows what becomes of it: the book is looked at after these
#: pauses, and no longer.
_LOOK_AFTER_SECONDS: Final = (0.03, 0.07, 0.2, 0.4, 0.8)
#: Orders, their trades, what these have cost.
_QUESTIONS_OF_A_LOOK: Final = 3
#: Calls that may stand before one of ours, each as long as its time-out.
_CALLS_AHEAD: Final = 4


class ZerodhaBroker(Broker):
    """One account at Zerodha."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        account_id: str,
        *,
        link: ZerodhaLink,
        secrets: Callable[[], Mapping[str, SecretStr]],
        cache: Path,
        timeout_seconds: float,
    ) -> None:
        """Connect to nothing yet.

        Args:
            account_id: of ours.
            link: where it is at Zerodha, and how it trades.
            secrets: by name; `access_token` is looked at, anew after every login.
            cache: folder for lists of instruments, shared with other processes.
            timeout_seconds: of every call.
        """
        super().__init__(account_id)
        self._link = link
        self._kite = KiteClient(
            link, account_id, secrets=secrets, cache=cache, timeout_seconds=timeout_seconds
        )
        self._instruments = Instruments(self._kite, cache)
        self._book = Book(self._kite, self._instruments, _CALLS_AHEAD * timeout_seconds)
        self._stop = threading.Event()
        self._streams: list[Stream] = []
        self._ticker: Ticker | None = None

    def connect(self) -> None:
        """Ask whose account it is. Raises: BrokerUnavailable, LoginRequired."""
        self._kite.fresh_token()
        user = self._kite.ask(lambda kite: str(kite.profile()["user_id"]))
        if self._link.user_id and user != self._link.user_id:
            raise LoginRequired(
                f"account {self.account_id} is of {self._link.user_id} at Zerodha, and {user} has "
                f"logged in: nothing is sent; run scripts/zerodha_login.py {self.account_id}"
            )

    def close(self) -> None:
        """End the stream: no report is delivered from now on."""
        self._stop.set()
        for stream in self._streams:
            stream.close()
        if self._ticker is not None:
            self._ticker.close()
        self._kite.close()

    def is_connected(self) -> bool:
        """Whether Kite has answered the last call; not where a person must log in."""
        return self._kite.is_connected and not self._stop.is_set()

    def remembers_since(self) -> datetime:
        """The order book is of today."""
        return day_begins(datetime.now(UTC))

    def clock_skew(self) -> timedelta | None:
        """By what its answers say, to a second."""
        return self._kite.clock_skew()

    def place_order(self, order: Order) -> OrderReport:
        """Send one order, once, and look what Kite's risk management makes of it.

        Kite gives an id before it has looked at an order, and rejects it afterwards. So the book
        is looked at until it says more, for a second or two; an order that is still on its way
        then is SUBMITTED, and the stream tells the rest. In a burst, where questions would hold up
        orders, that is left to the stream at once: it looks for all orders together.
        """
        self.capabilities.require(order)
        contract = self._instruments.contract_of(order.instrument)
        request = placement(order, contract, self._link)
        self._book.note_sending(order, request.fields, datetime.now(UTC))
        try:
            answer = self._kite.send(lambda kite: _place(kite, request.fields, request.sliced))
        except OrderStateUnknown:
            raise
        except (OrderRejected, BrokerUnavailable):
            self._book.note_not_sent(order.client_order_id)
            raise
        self._book.note_placed(order, answer.order_ids, sliced=request.sliced)
        if answer.refused:
            _log.warning("order %s: %s", order.client_order_id, answer.refused)
        entry = self._seen(answer.order_ids[0])
        if entry is None:
            return OrderReport(
                client_order_id=order.client_order_id,
                broker_order_id=answer.order_ids[0],
                status=OrderStatus.SUBMITTED,
                text=answer.refused,
                occurred_at=datetime.now(UTC),
            )
        if entry.status is OrderStatus.REJECTED:
            raise rejection(entry.report.text)
        said = {"text": answer.refused} if answer.refused else {}
        return entry.report.model_copy(update={"client_order_id": order.client_order_id, **said})

    def _seen(self, order_id: str) -> Entry | None:
        """What has become of an order that was placed now; None = the stream will tell."""
        if self._streams and not self._kite.is_free_for(_QUESTIONS_OF_A_LOOK):
            self._ring()
            return None
        return self._look_until(order_id, lambda each: each.is_told)

    def cancel_order(self, order: Order) -> OrderReport:
        """Ask to cancel what works of an order, and look what has become of it."""
        entry = self._found(order.client_order_id)
        if entry is None:
            raise OrderStateUnknown(f"Kite has no order {order.client_order_id} to cancel")
        asked = False
        for row in entry.rows:
            if row.has_ended:
                continue
            try:
                self._kite.send(_cancel_of(row), purpose=Purpose.CHANGE)
            except OrderRejected as error:
                _log.info("cancel of %s: %s", order.client_order_id, error)
            except BrokerUnavailable as error:
                if asked:
                    raise OrderStateUnknown(f"only a part was canceled: {error}") from error
                raise
            asked = True
        if not asked:
            return entry.report
        after = self._look_until(entry.first.order_id, lambda each: each.has_ended)
        return (after or entry).report

    def modify_order(self, order: Order, terms: OrderTerms) -> OrderReport:
        """Ask for other terms, and look until the book shows them."""
        contract = self._instruments.contract_of(order.instrument)
        fields = change(order, terms, contract)
        entry = self._found(order.client_order_id)
        if entry is None or entry.has_ended:
            how = "unknown to Kite" if entry is None else f"{entry.status}"
            raise OrderRejected("NOT_WORKING", f"order {order.client_order_id} is {how}")
        if len(entry.rows) > 1:
            raise UnsupportedOrder(
                f"Kite has sliced order {order.client_order_id}: cancel it and send another one"
            )
        row = entry.first
        self._kite.send(
            lambda kite: kite.modify_order(row.variety, row.order_id, **fields),
            purpose=Purpose.CHANGE,
        )
        after = self._look_until(
            row.order_id, lambda each: each.has_ended or (each.is_settled and each.terms == terms)
        )
        if after is None or not (after.has_ended or after.terms == terms):
            raise OrderStateUnknown(
                f"Kite has taken the change of order {order.client_order_id} and does not show it"
            )
        return after.report

    def find_order(self, client_order_id: str) -> OrderReport | None:
        """By tag, in the order book of today."""
        entry = self._found(client_order_id)
        return None if entry is None else entry.report

    def find_orders(self, client_order_ids: Sequence[str]) -> dict[str, OrderReport]:
        """In one look."""
        if not client_order_ids:
            return {}
        page = self._book.look()
        found = ((each, self._book.entry_of(page, each)) for each in client_order_ids)
        return {each: entry.report for each, entry in found if entry is not None}

    def open_orders(self) -> Sequence[OpenOrder]:
        """What works of the order book."""
        page = self._book.look()
        return [entry.open_order for entry in page.everybodys if not entry.has_ended]

    def executions(self, *, since: datetime | None = None) -> Sequence[Execution]:
        """Trades of today; Kite's times are cut to a second, so `since` is too."""
        found = self._book.look().executions
        if since is None:
            return found
        whole = since.replace(microsecond=0)
        return [each for each in found if each.occurred_at >= whole]

    def positions(self) -> Sequence[BrokerPosition]:
        """Positions of today and the depot together."""
        return net(self._holdings())

    def account_state(self) -> AccountState:
        """Cash and margins, with today's trades as if they were settled (`holdings.state_of`)."""
        margins = margins_of(self._kite.ask(lambda kite: kite.margins()))
        page = self._book.look()
        holdings = self._holdings()
        return state_of(self.account_id, margins, holdings, page.executions, datetime.now(UTC))

    def last_price(self, instrument: Instrument) -> Quote | None:
        """The price of the last trade, as old as that."""
        try:
            contract = self._instruments.find(instrument)
        except UnsupportedOrder:
            return None
        if contract is None:
            return None
        name = f"{contract.listing.exchange}:{contract.listing.tradingsymbol}"
        row = self._kite.ask_quote(lambda kite: kite.quote([name])).get(name) or {}
        try:
            as_of = instant(row.get("last_trade_time")) or instant(row.get("timestamp"))
            if not row.get("last_price") or as_of is None:
                return None
            return Quote(instrument=instrument, price=exact(row["last_price"]), as_of=as_of)
        except (ValueError, AttributeError) as error:
            raise BrokerUnavailable(f"Kite's quote of {name} cannot be read: {error}") from error

    def preview_margin(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """By Kite's basket, positions considered. Kite asks for all of it all day (`holdings`)."""
        rows = [
            basket_row(leg, self._instruments.contract_of(leg.instrument), self._link)
            for leg in legs
        ]
        told = self._kite.ask(
            lambda kite: kite.basket_order_margins(rows, consider_positions=True, mode="compact"),
            purpose=Purpose.PREVIEW,
        )
        return margin_quote(told, datetime.now(UTC))

    def stream_reports(self, handler: ReportHandler, *, after: str | None) -> None:
        """Look at the book whenever Kite's websocket rings, and now and then without it."""
        stream = Stream(self.account_id, self._book, handler, after)
        self._streams.append(stream)
        if self._ticker is None:
            self._ticker = Ticker(self._link, self._kite.fresh_token, self._ring)
            self._ticker.start()
        stream.start(self._ticker)

    def _ring(self) -> None:
        """Something may have moved: look anew."""
        for stream in self._streams:
            stream.ring()

    def _tell_what_was_seen(self) -> None:
        for stream in self._streams:
            stream.ring(since=0.0)

    def _found(self, client_order_id: str) -> Entry | None:
        return self._book.entry_of(self._book.look(), client_order_id)

    def _holdings(self) -> list[Holding]:
        positions = self._kite.ask(lambda kite: kite.positions())
        depot = self._kite.ask(lambda kite: kite.holdings())
        return holdings_of(positions, depot, self._instruments.instrument_of)

    def _look_until(self, order_id: str, wanted: Callable[[Entry], bool]) -> Entry | None:
        """The entry of an order, as soon as it is as wanted, or as it is when time is up.

        None = the book has not shown it, or could not be read: the stream goes on looking.
        """
        entry = None
        for pause in _LOOK_AFTER_SECONDS:
            self._stop.wait(pause)
            try:
                entry = self._book.look().of_order(order_id) or entry
            except BrokerUnavailable as error:
                _log.info("order %s of %s: %s", order_id, self.account_id, error)
                break
            if entry is not None and wanted(entry):
                break
        if entry is None:
            self._ring()
        else:
            self._tell_what_was_seen()
        return entry


def _cancel_of(row: OrderRow) -> Callable[[Any], object]:
    return lambda kite: kite.cancel_order(row.variety, row.order_id)


def _place(kite: Any, fields: Mapping[str, Any], in_slices: bool) -> Sliced:  # noqa: ANN401 - untyped
    """One call, and the ids it brought. Raises: whatever the library does."""
    if not in_slices:
        return Sliced((str(kite.place_order(VARIETY, **fields)),))
    return sliced(kite.place_autoslice_order(VARIETY, **fields))
