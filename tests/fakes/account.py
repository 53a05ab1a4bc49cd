"""A broker in memory that keeps an account: working orders, positions, foreign trades."""

from __future__ import annotations

from decimal import Decimal

from brokers.broker import AccountState, Broker, BrokerPosition, Capabilities, OpenOrder
from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from services.common.clock import utc_now
from services.domain.orders import TERMINAL, Execution, OrderReport, OrderTerms
from services.domain.words import InstrumentType, OrderStatus, OrderType, Side, TimeInForce

PRICE = Decimal(150)


class Slip:
    """One order at the broker."""

    def __init__(self, order, status=OrderStatus.SUBMITTED):
        self.order, self.status, self.executions = order, status, []


class AccountBroker(Broker):
    """Fills market orders at once at 150, keeps every other one until it is told to fill it.

    Attributes:
        placed: every order that reached it.
        held: signed quantity by instrument key.
        foreign: open orders that are none of ours.
        down: it cannot be asked.
        silent: it takes orders, does not answer, and never shows them.
        deaf: it does not cancel.
        refusal: why it refuses orders.
        lots: it fills no more than this of a market order, and cancels the rest.
    """

    capabilities = Capabilities(
        order_types=frozenset(OrderType),
        times_in_force=frozenset(TimeInForce),
        instrument_types=frozenset(InstrumentType),
    )

    def __init__(self, account_id):
        super().__init__(account_id)
        self.slips, self.placed, self.foreign = {}, [], []
        self.held, self.instruments, self.hidden = {}, {}, set()
        self.down = self.silent = self.deaf = False
        self.refusal = self.lots = None
        self.asked = 0

    def connect(self):
        self._reach()

    def close(self):
        pass

    def is_connected(self):
        return not self.down

    def hold(self, instrument, quantity):
        """What is held, whoever traded it."""
        self.instruments[instrument.key] = instrument
        self.held[instrument.key] = Decimal(quantity)

    def place_order(self, order):
        self._reach()
        if self.refusal:
            raise OrderRejected("REFUSED", self.refusal)
        self.placed.append(order)
        self.slips[order.client_order_id] = Slip(order)
        if self.silent:
            self.hidden.add(order.client_order_id)
            raise OrderStateUnknown("no answer within 5 s")
        if order.order_type is OrderType.MARKET:
            self.fill(order.client_order_id, self.lots)
            if self.lots is not None:
                self.slips[order.client_order_id].status = OrderStatus.CANCELED
        return self._report(order.client_order_id)

    def fill(self, order_id, quantity=None):
        """Fill an order, whole unless a quantity is given."""
        slip = self.slips[order_id]
        order = slip.order
        left = order.quantity - sum((each.quantity for each in slip.executions), Decimal(0))
        quantity = min(left, Decimal(quantity or left))
        slip.executions.append(
            Execution(
                execution_id=f"X{len(slip.executions)}-{order_id}",
                client_order_id=order_id,
                instrument=order.instrument,
                side=order.side,
                quantity=quantity,
                price=PRICE,
                occurred_at=utc_now(),
            )
        )
        slip.status = OrderStatus.FILLED if quantity == left else OrderStatus.PARTIALLY_FILLED
        key = order.instrument.key
        self.instruments[key] = order.instrument
        self.held[key] = self.held.get(key, Decimal(0)) + quantity * order.side.sign
        return self._report(order_id)

    def cancel_order(self, order):
        self._reach()
        slip = self.slips[order.client_order_id]
        if not self.deaf and slip.status not in TERMINAL:
            slip.status = OrderStatus.CANCELED
        return self._report(order.client_order_id)

    def find_order(self, client_order_id):
        self._reach()
        shown = client_order_id in self.slips and client_order_id not in self.hidden
        return self._report(client_order_id) if shown else None

    def open_orders(self):
        self._reach()
        self.asked += 1
        mine = [
            OpenOrder(
                report=self._report(order_id),
                instrument=slip.order.instrument,
                side=slip.order.side,
                order_type=slip.order.order_type,
            )
            for order_id, slip in self.slips.items()
            if slip.status not in TERMINAL and order_id not in self.hidden
        ]
        return mine + self.foreign

    def add_foreign(self, instrument):
        """An order that somebody typed in by hand."""
        report = OrderReport(
            client_order_id="",
            broker_order_id="B-BY-HAND",
            status=OrderStatus.SUBMITTED,
            terms=OrderTerms(quantity=Decimal(5)),
            occurred_at=utc_now(),
        )
        self.foreign.append(
            OpenOrder(
                report=report, instrument=instrument, side=Side.BUY, order_type=OrderType.LIMIT
            )
        )

    def executions(self, *, since=None):
        return [each for slip in self.slips.values() for each in slip.executions]

    def positions(self):
        self._reach()
        return [
            BrokerPosition(instrument=self.instruments[key], quantity=quantity, average_price=PRICE)
            for key, quantity in self.held.items()
            if quantity
        ]

    def account_state(self):
        self._reach()
        paid = sum(each.quantity * each.side.sign * each.price for each in self.executions())
        cash = Decimal(1_000_000) - paid
        return AccountState(
            account_id=self.account_id,
            currency="USD",
            equity=cash,
            cash=cash,
            initial_margin=0,
            maintenance_margin=0,
            available_funds=cash,
            buying_power=cash,
            as_of=utc_now(),
        )

    def last_price(self, instrument):
        raise BrokerUnavailable("the fake knows no prices")

    def stream_reports(self, handler, *, after):
        pass

    def _reach(self):
        if self.down:
            raise BrokerUnavailable("connection refused")

    def _report(self, order_id):
        slip = self.slips[order_id]
        return OrderReport(
            client_order_id=order_id,
            broker_order_id=f"B-{order_id}",
            status=slip.status,
            filled_quantity=sum((each.quantity for each in slip.executions), Decimal(0)),
            executions=tuple(slip.executions),
            occurred_at=utc_now(),
        )
