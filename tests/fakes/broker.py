"""A broker in memory that fails on command; it keeps what it was sent, doubled orders too."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from brokers.broker import AccountState, Broker, BrokerPosition, Capabilities
from brokers.errors import BrokerUnavailable
from services.common.clock import utc_now
from services.domain.orders import Execution, OrderReport
from services.domain.words import InstrumentType, OrderStatus, OrderType, TimeInForce


class FakeBroker(Broker):
    """Fills market orders at their reference price; `fail` raises on the next placement.

    Attributes:
        sent: every order that reached it, in order.
        canceled: every order that it was asked to cancel.
        lose: when true, the next failing placement does not reach it.
    """

    capabilities = Capabilities(
        order_types=frozenset({OrderType.MARKET}),
        times_in_force=frozenset(TimeInForce),
        instrument_types=frozenset(InstrumentType),
    )

    def __init__(self, account_id):
        super().__init__(account_id)
        self.sent = []
        self.times = {}
        self.canceled = []
        self.fail = None
        self.lose = False
        self.down = False
        self.handler = None
        self.streamed_from = "not asked"

    def connect(self):
        self._reach()

    def close(self):
        pass

    def is_connected(self):
        return not self.down

    def place_order(self, order):
        self.capabilities.require(order)
        self._reach()
        failure, self.fail = self.fail, None
        if failure is None or not self.lose:
            self.sent.append(order)
        if failure is not None:
            raise failure
        return self._report(order)

    def cancel_order(self, order):
        self._reach()
        self.canceled.append(order)
        return self._report(order)

    def find_order(self, client_order_id):
        self._reach()
        found = [order for order in self.sent if order.client_order_id == client_order_id]
        return self._report(found[0]) if found else None

    def open_orders(self):
        return []

    def executions(self, *, since=None):
        return [each for order in self.sent for each in self._report(order).executions]

    def positions(self):
        held, instruments = defaultdict(Decimal), {}
        for order in self.sent:
            held[order.instrument.key] += order.quantity * order.side.sign
            instruments[order.instrument.key] = order.instrument
        return [
            BrokerPosition(instrument=instruments[key], quantity=quantity, average_price=150)
            for key, quantity in held.items()
            if quantity
        ]

    def account_state(self):
        paid = sum(
            (each.quantity * each.side.sign * each.price + each.commission)
            for each in self.executions()
        )
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
        self.handler = handler
        self.streamed_from = after

    def stream_all(self):
        """Deliver a report of every order, as a stream that starts over does."""
        for number, order in enumerate(self.sent):
            self.handler(self._report(order), str(number))

    def _reach(self):
        if self.down:
            raise BrokerUnavailable("connection refused")

    def _report(self, order):
        execution = Execution(
            execution_id=f"X-{order.client_order_id}",
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            price=order.reference_price,
            commission=Decimal("1.00"),
            occurred_at=self.times.setdefault(order.client_order_id, utc_now()),
        )
        return OrderReport(
            client_order_id=order.client_order_id,
            broker_order_id=f"B-{order.client_order_id}",
            status=OrderStatus.FILLED,
            filled_quantity=order.quantity,
            executions=(execution,),
            occurred_at=execution.occurred_at,
        )
