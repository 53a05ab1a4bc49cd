"""The broker's interface of one IBKR account: calls from any thread, answered by its session."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from brokers.broker import (
    AccountHandler,
    AccountState,
    Broker,
    BrokerPosition,
    Capabilities,
    MarginQuote,
    OpenOrder,
    Quote,
    ReportHandler,
)
from brokers.errors import BrokerError, BrokerUnavailable, OrderStateUnknown, UnsupportedOrder
from brokers.ibkr.api import CLIENT_LOG, DECODER_LOG
from brokers.ibkr.asking import Asking
from brokers.ibkr.catalog import Catalog
from brokers.ibkr.changing import Changing
from brokers.ibkr.hours import day_began
from brokers.ibkr.link import IbkrLink
from brokers.ibkr.loop import LoopClosed, LoopThread
from brokers.ibkr.pacing import MESSAGES_PER_SECOND
from brokers.ibkr.placing import Placing
from brokers.ibkr.session import Session
from brokers.ibkr.streams import Reader, Streams
from brokers.ibkr.window import Bell, Window
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, Order, OrderReport, OrderTerms
from services.domain.words import AccountType, InstrumentType, OrderType, TimeInForce

T = TypeVar("T")
#: All that one call may take: to connect, wait for its turn, ask several questions.
_STEPS: Final = 16
_PATIENCE_SECONDS: Final = 10.0

CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    instrument_types=frozenset(InstrumentType),
    brackets=True,
    oco=True,
    combos=True,
    modify=True,
    margin_preview=True,
    messages_per_second=MESSAGES_PER_SECOND,
)


class _Parts(NamedTuple):
    """What works in the loop."""

    session: Session
    placing: Placing
    changing: Changing
    asking: Asking
    streams: Streams
    window: Window


class IbkrBroker(Broker):
    """One account behind one TWS or IB Gateway."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        account_id: str,
        *,
        link: IbkrLink,
        account_type: AccountType,
        timeout_seconds: float,
    ) -> None:
        """Connect to nothing yet.

        Args:
            account_id: ours.
            link: where it is, and what IB calls it.
            account_type: what it must be: a mixture of live and paper is refused on connecting.
            timeout_seconds: of every question and answer.
        """
        super().__init__(account_id)
        self._link = link
        self._account_type = account_type
        self._timeout = timeout_seconds
        self._thread = LoopThread(f"ibkr-{account_id}")
        self._made: _Parts | None = None
        self._unread = _Unread(self)
        self._called: dict[str, Instrument] = {}
        logging.getLogger(CLIENT_LOG).setLevel(logging.CRITICAL)  # it is said in our own words
        logging.getLogger(DECODER_LOG).addHandler(self._unread)

    def connect(self) -> None:
        """Open the link, find out all that the gateway has of the account, and keep the link."""
        self._ask(lambda parts: _connected(parts, self.account_id))

    def close(self) -> None:
        """End the link, the streams and the thread."""
        logging.getLogger(DECODER_LOG).removeHandler(self._unread)
        made = self._made
        if made is not None and not self._thread.is_closed:
            try:
                self._thread.run(_close(made), timeout=_PATIENCE_SECONDS)
            except (LoopClosed, TimeoutError) as error:
                logging.getLogger(__name__).warning("closing %s: %s", self.account_id, error)
        self._thread.stop()

    def is_connected(self) -> bool:
        """Whether the gateway is there and has IB's servers behind it."""
        made = self._made
        return made is not None and made.session.is_up and not self._thread.is_closed

    def remembers_since(self) -> datetime | None:
        """The last midnight: the gateway tells ended orders and executions of its day."""
        return day_began(datetime.now(UTC))

    def call_as(self, names: Mapping[str, Instrument]) -> None:
        """Futures without an expiry, by the contract that each was when it was entered."""
        self._called.update(names)

    def clock_skew(self) -> timedelta | None:
        """In whole seconds: the gateway tells no finer time."""
        told = self._ask(_server_time)
        return told - datetime.now(UTC).replace(microsecond=0)

    def place_order(self, order: Order) -> OrderReport:
        """Send one order, once."""
        self.capabilities.require(order)
        return self._send(lambda parts: parts.placing.place(order))

    def place_bracket(self, entry: Order, guards: Sequence[Order]) -> Sequence[OrderReport]:
        """Send an entry and its guards, held by the gateway until it has all of them."""
        for order in (entry, *guards):
            self.capabilities.require(order)
            if order.instrument.key != entry.instrument.key:
                raise UnsupportedOrder("a guard must be of what its entry trades")
        return self._send(lambda parts: parts.placing.bracket(entry, guards))

    def place_combo(self, legs: Sequence[Order]) -> Sequence[OrderReport]:
        """Send legs as one order of IB's (BAG)."""
        for leg in legs:
            self.capabilities.require(leg)
        return self._send(lambda parts: parts.placing.combo(legs))

    def modify_order(self, order: Order, terms: OrderTerms) -> OrderReport:
        """Send an order again under its own number."""
        return self._send(lambda parts: parts.changing.modify(order, terms))

    def cancel_order(self, order: Order) -> OrderReport:
        """Ask to cancel."""
        return self._send(lambda parts: parts.changing.cancel(order))

    def find_order(self, client_order_id: str) -> OrderReport | None:
        """By `orderRef`, among open and ended orders and executions."""
        return self.find_orders([client_order_id]).get(client_order_id)

    def find_orders(self, client_order_ids: Sequence[str]) -> dict[str, OrderReport]:
        """In one round of questions."""
        return self._ask(lambda parts: parts.asking.orders(client_order_ids))

    def open_orders(self) -> Sequence[OpenOrder]:
        """Working orders of all clients, and those made by hand."""
        return self._ask(lambda parts: parts.asking.open_orders())

    def executions(self, *, since: datetime | None = None) -> Sequence[Execution]:
        """Fills of IB's day."""
        return self._ask(lambda parts: parts.asking.executions(since))

    def positions(self) -> Sequence[BrokerPosition]:
        """Net positions; IB's average includes commissions."""
        return self._ask(lambda parts: parts.asking.positions())

    def account_state(self) -> AccountState:
        """Figures in the account's base currency; equity is IB's NetLiquidation."""
        return self._ask(lambda parts: parts.asking.account_state(self.account_id))

    def last_price(self, instrument: Instrument) -> Quote | None:
        """By a snapshot of live market data."""
        return self._ask(lambda parts: parts.asking.last_price(instrument))

    def preview_margin(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """By IB's own what-if; several legs are asked about as one combo."""
        return self._ask(lambda parts: parts.asking.preview(legs))

    def stream_account(self, handler: AccountHandler) -> bool:
        """By the account window; from then on positions have their prices."""
        bell = Bell(f"figures-{self.account_id}", handler)
        self._run(lambda parts: _listen(parts, bell), BrokerUnavailable)
        return True

    def stream_reports(self, handler: ReportHandler, *, after: str | None) -> None:
        """Tell everything that the gateway still has, and every change from now on.

        `after` is not needed: what was told before is told again.
        """
        reader = Reader(f"reports-{self.account_id}", handler)
        self._run(lambda parts: parts.streams.add(reader), BrokerUnavailable)

    def _send(self, work: Callable[[_Parts], Coroutine[Any, Any, T]]) -> T:
        return self._run(work, OrderStateUnknown)

    def _ask(self, work: Callable[[_Parts], Coroutine[Any, Any, T]]) -> T:
        return self._run(work, BrokerUnavailable)

    def _run(
        self, work: Callable[[_Parts], Coroutine[Any, Any, T]], silent: type[BrokerError]
    ) -> T:
        """Have something done in the loop; `silent`: where nobody knows whether it was done."""
        try:
            return self._thread.run(
                self._do(work), timeout=self._timeout * _STEPS + _PATIENCE_SECONDS
            )
        except LoopClosed as error:
            kind = silent if error.began else BrokerUnavailable
            raise kind("the adapter was closed") from error
        except TimeoutError as error:
            raise silent(f"{self.account_id}: its thread does not answer") from error

    async def _do(self, work: Callable[[_Parts], Coroutine[Any, Any, T]]) -> T:
        if self._made is None:
            session = Session(self._link, self._account_type, self._timeout)
            catalog = Catalog(session.line, self._link.broker_account, self._called)
            window = Window(session.line, self._link.broker_account)
            self._made = _Parts(
                session,
                Placing(session, catalog),
                Changing(session, catalog),
                Asking(session, catalog, window),
                Streams(session, catalog),
                window,
            )
        return await work(self._made)

    def unreadable(self, sentence: str) -> None:
        """The library could not read a message, and only its log says so: this link is over."""
        made = self._made
        if made is not None and self._thread.is_current():
            made.session.lost(f"a message of the gateway could not be read: {sentence[:200]}")


class _Unread(logging.Handler):
    """Listens to the library's log."""

    def __init__(self, broker: IbkrBroker) -> None:
        super().__init__(level=logging.ERROR)
        self._broker = broker

    def emit(self, record: logging.LogRecord) -> None:
        """One message that was lost."""
        self._broker.unreadable(record.getMessage())


async def _connected(parts: _Parts, account_id: str) -> None:
    await parts.session.connect()
    await parts.asking.account_state(account_id)


async def _listen(parts: _Parts, bell: Bell) -> None:
    parts.session.on_up = parts.window.open
    await parts.window.add(bell)


async def _server_time(parts: _Parts) -> datetime:
    await parts.session.ready()
    return await parts.session.line.server_time()


async def _close(parts: _Parts) -> None:
    parts.streams.stop()
    parts.window.stop()
    parts.session.close()
