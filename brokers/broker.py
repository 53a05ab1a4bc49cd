"""The interface of a broker account, and the guarantees every adapter gives.

1. `place_order` sends at most once. No library below it may retry a placement.
2. An outcome is never guessed: a time-out or a lost connection after the first byte is
   `OrderStateUnknown`; only what provably never left is `BrokerUnavailable`; only the broker's own
   refusal is `OrderRejected`.
3. A query that failed raises; an empty answer means the broker said "none".
4. Our `client_order_id` travels with the order and comes back in every report of it.
5. Execution ids are unique per account and stable over repeats, so a fill can be booked once.
6. Connecting never changes anything at the broker.
7. Every call has a time-out; every method may be called from any thread.
8. A margin preview sends nothing and changes nothing at the broker; it is of all its legs together,
   and its amounts are finite. What the broker does not say raises: no amount is made up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import Field

from brokers.errors import UnsupportedOrder
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, Order, OrderReport, OrderTerms
from services.domain.values import Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce


class Capabilities(Frozen):
    """What a broker can do natively; anything else is refused with `UnsupportedOrder`.

    Attributes:
        brackets: whether it takes an entry together with the orders that guard it, and holds these
            until the entry fills (`place_bracket`).
        oco: whether what fills of one order of an `oco_group` is taken off the others there.
        combos: whether legs can be had all or none (`place_combo`).
        modify: whether a working order's terms can be changed.
        margin_preview: whether it says what legs would need before they are sent.
        messages_per_second: what it takes of all calls together; None = no limit.
        orders_per_second: what it takes of placements, changes and cancels; None = no limit.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    instrument_types: frozenset[InstrumentType]
    brackets: bool = False
    oco: bool = False
    combos: bool = False
    modify: bool = False
    margin_preview: bool = False
    messages_per_second: float | None = None
    orders_per_second: float | None = None

    def require(self, order: Order) -> None:
        """Refuse an order that asks for more; every adapter calls this before it sends.

        What guards an order (`stop_loss`, `take_profit`) and how it is worked (`algo`) is not
        looked at: execution makes orders of them.

        Raises:
            UnsupportedOrder: with what the broker cannot do.
        """
        if order.order_type not in self.order_types or (
            order.time_in_force not in self.times_in_force
        ):
            raise UnsupportedOrder(
                f"this broker takes no {order.order_type} {order.time_in_force} orders"
            )
        kind = order.instrument.instrument_type
        if kind not in self.instrument_types:
            raise UnsupportedOrder(f"this broker does not trade {kind} {order.instrument.symbol}")


class OpenOrder(Frozen):
    """A working order by the broker's word, ours or not, and how it stands.

    Attributes:
        report: its `client_order_id` is empty where the order is none of ours; `terms` are set.
    """

    report: OrderReport
    instrument: Instrument
    side: Side
    order_type: OrderType


class CurrencyBalance(Frozen):
    """What an account has in one currency, in that currency; None = the broker does not say.

    Attributes:
        equity: cash and what is held in it.
        realized_pnl: by the broker's own count, most count the day.
    """

    cash: Exact
    equity: Exact | None = None
    unrealized_pnl: Exact | None = None
    realized_pnl: Exact | None = None


class AccountState(Frozen):
    """An account as the broker reports it now; amounts in `currency`.

    Attributes:
        balances: by currency, where the broker keeps them apart; empty = all is in `currency`.
        fx_rates: by ISO currency, units of `currency` that one unit of it is worth; only those the
            broker names, and a currency without a rate is unknown, never 1.
    """

    account_id: str
    currency: str
    equity: Exact
    cash: Exact
    initial_margin: NonNegative
    maintenance_margin: NonNegative
    available_funds: Exact
    buying_power: Exact
    as_of: Instant
    fx_rates: dict[str, Positive] = Field(default_factory=dict)
    balances: dict[str, CurrencyBalance] = Field(default_factory=dict)


class BrokerPosition(Frozen):
    """What the broker says an account holds, over all strategies; signed quantity."""

    instrument: Instrument
    quantity: Exact
    average_price: NonNegative
    market_price: Decimal | None = None


class Quote(Frozen):
    """The price of an instrument by the broker's word, in the instrument's currency.

    Attributes:
        as_of: when that was the price: of the trade or tick, not of our question.
    """

    instrument: Instrument
    price: Positive
    as_of: Instant


class MarginQuote(Frozen):
    """What legs would change, all together, by the broker's word; account currency.

    Attributes:
        initial_margin: the change; negative where the legs hedge or close what is held.
        maintenance_margin: the same of maintenance margin.
        as_of: when the broker said so.
    """

    initial_margin: Exact
    maintenance_margin: Exact
    as_of: Instant


#: Called from a thread of the adapter, in the broker's order, with each execution report and the
#: cursor to resume after it. Must be idempotent: a report may come again after a reconnect.
ReportHandler = Callable[[OrderReport, str], None]

#: Called from a thread of the adapter, once a second at most.
AccountHandler = Callable[[], None]


class Broker(ABC):
    """One account at one broker."""

    capabilities: Capabilities

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id

    @abstractmethod
    def connect(self) -> None:
        """Open the link.

        Raises:
            LoginRequired: a person must log in at the broker first.
            BrokerUnavailable: the broker cannot be reached.
            ConfigurationError: what is set up of the account cannot be used.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the link and end the adapter's threads; harmless when already closed."""

    @abstractmethod
    def is_connected(self) -> bool:
        """Whether the last contact with the broker succeeded."""

    def remembers_since(self) -> datetime | None:
        """Since when the broker can still be asked about orders that have ended; None = for ever.

        An order that was sent before and is not shown may have been filled all the same: nothing
        is proven by its absence. Brokers that forget, e.g. every night, override it.
        """
        return None

    def clock_skew(self) -> timedelta | None:
        """How far the broker's clock is ahead of ours; None = it does not tell the time.

        Raises: BrokerUnavailable.
        """
        return None

    def call_as(self, names: Mapping[str, Instrument]) -> None:  # noqa: B027 - most call it so
        """Learn what our books call instruments that the broker calls otherwise, by its keys.

        Brokers override it whose contracts are not all that an order may name, e.g. a future
        without an expiry: what is held under a name is closed by it.
        """

    @abstractmethod
    def place_order(self, order: Order) -> OrderReport:
        """Send one order, once; the report is the broker's answer, with fills if it has any.

        Raises:
            UnsupportedOrder: refused before sending.
            OrderRejected: the broker refused.
            BrokerUnavailable: it never left.
            OrderStateUnknown: no answer; `find_order` tells.
        """

    @abstractmethod
    def cancel_order(self, order: Order) -> OrderReport:
        """Ask to cancel; the report says what the broker made of it, which may be a fill.

        Raises: BrokerUnavailable, OrderStateUnknown.
        """

    def place_bracket(self, entry: Order, guards: Sequence[Order]) -> Sequence[OrderReport]:
        """Send an entry and the orders that guard it, together, once.

        The guards rest at the broker and come alive as the entry fills, each for no more than has
        filled; what fills of one is taken off the others. Where the entry ends with a part, they
        stay for the part, and their terms say so. Brokers that can do `brackets` override it.

        Returns: one report each, the entry's first.

        Raises: as `place_order`; an error is of all of them.
        """
        raise UnsupportedOrder(f"this broker takes no brackets, asked for {entry.client_order_id}")

    def place_combo(self, legs: Sequence[Order]) -> Sequence[OrderReport]:
        """Send the legs of one group to be filled all or none, once, each under its own id.

        Brokers that can do `combos` override it.

        Returns: one report each, in the order of the legs.

        Raises: as `place_order`; an error is of all of them.
        """
        raise UnsupportedOrder(f"this broker takes no combos, asked for {len(legs)} legs")

    def modify_order(self, order: Order, terms: OrderTerms) -> OrderReport:
        """Ask for other terms of a working order; it stays the same order under the same id.

        A refusal leaves the order as it was. Brokers that can `modify` override it.

        Returns: how the order stands; `terms` says what holds now.

        Raises: UnsupportedOrder, OrderRejected (of the change), BrokerUnavailable,
            OrderStateUnknown.
        """
        raise UnsupportedOrder(f"this broker changes no orders, asked for {order.client_order_id}")

    @abstractmethod
    def find_order(self, client_order_id: str) -> OrderReport | None:
        """The broker's own record of an order with all its executions; None = it never had it.

        Raises:
            BrokerUnavailable: the broker could not be asked.
            OrderStateUnknown: it has more than one order of this id.
        """

    def find_orders(self, client_order_ids: Sequence[str]) -> dict[str, OrderReport]:
        """`find_order` of many, by id; what is not in the answer the broker never had.

        Brokers that can tell in one question override it.

        Raises: as `find_order`, of any of them: not even one of them is known then.
        """
        found = ((each, self.find_order(each)) for each in client_order_ids)
        return {each: report for each, report in found if report is not None}

    @abstractmethod
    def open_orders(self) -> Sequence[OpenOrder]:
        """All working orders of the account, foreign ones too. Raises: BrokerUnavailable."""

    @abstractmethod
    def executions(self, *, since: datetime | None = None) -> Sequence[Execution]:
        """Executions of the account, foreign ones and corrections too, oldest first.

        A fill that was corrected is there once for each revision; a report tells only its newest.

        Args:
            since: only those that occurred then or later, of a correction: that were made then or
                later; None = as far back as the broker keeps.

        Raises: BrokerUnavailable.
        """

    @abstractmethod
    def positions(self) -> Sequence[BrokerPosition]:
        """Net positions of the account. Raises: BrokerUnavailable."""

    @abstractmethod
    def account_state(self) -> AccountState:
        """Equity and margin now. Raises: BrokerUnavailable."""

    @abstractmethod
    def last_price(self, instrument: Instrument) -> Quote | None:
        """The last price of an instrument; None = the broker knows none, and none is invented.

        Raises: BrokerUnavailable.
        """

    def preview_margin(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """How all these legs together, filled now, would change the account's margin.

        Sends nothing and changes nothing. Brokers that can say `margin_preview` override it.

        Raises:
            UnsupportedOrder: this broker has no previews, or none of such legs.
            OrderRejected: the broker says that it would not take them.
            BrokerUnavailable: it could not be asked, or its answer cannot be read.
        """
        named = ", ".join(leg.instrument.symbol for leg in legs)
        raise UnsupportedOrder(f"this broker previews no margin, asked of {named}")

    def stream_account(self, handler: AccountHandler) -> bool:
        """Start telling `handler` whenever the broker says by itself that figures have changed.

        Returns at once; goes on over reconnects until `close`. Brokers that push figures override
        it; what they push may be incomplete, so that it is a bell, and `account_state` is asked.

        Returns: whether this broker pushes figures.

        Raises: BrokerUnavailable.
        """
        return False

    @abstractmethod
    def stream_reports(self, handler: ReportHandler, *, after: str | None) -> None:
        """Start delivering execution reports to `handler`, from the one after cursor `after`.

        Returns at once; reconnects by itself until `close`. Where the handler raises, the same
        report is delivered again after a pause: a report is never skipped.
        """
