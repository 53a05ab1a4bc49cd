"""Booking against a simple model: whatever the broker tells, in whatever order and how often.

The real posting, ledger and reservations run on the store in memory. The model keeps the newest
telling of each fill that was delivered, and adds it up by hand.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.leases import Lease
from services.common.orders import order_document
from services.common.store import Store, to_document
from services.domain.orders import TERMINAL, Execution, OrderReport, Reservation
from services.domain.words import Intent, OrderStatus, Side
from services.execution.posting import Posting
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory
from tests.support.builders import ACCOUNT, make_order

CAPITAL = Decimal(900)
_S = OrderStatus


class _Truth:
    """One order at the broker."""

    def __init__(self, order):
        self.order, self.status, self.executions = order, _S.SUBMITTED, {}

    @property
    def filled(self):
        return sum((e.quantity for e in self.executions.values() if not e.busted), Decimal(0))

    def report(self, at):
        return OrderReport(
            client_order_id=self.order.client_order_id,
            broker_order_id=f"B-{self.order.client_order_id}",
            status=self.status,
            filled_quantity=self.filled,
            executions=tuple(self.executions.values()),
            occurred_at=at,
        )


class Booking(RuleBasedStateMachine):
    """Reports come late, again, several at once, and with rows that were read before."""

    def __init__(self):
        super().__init__()
        self.clock = VirtualClock()
        self.rules = self.clock.rules()
        self.rules.__enter__()
        self.store = Store(Memory(self.clock, lambda _kind, _name: None), "model")
        self.lease = Lease(self.store, f"account|{ACCOUNT}", ttl_seconds=1e6)
        assert self.lease.try_acquire()
        self.posting = Posting(self.store)
        self.orders, self.reports, self.rows = {}, [], {}
        self.delivered = {}

    def teardown(self):
        try:
            for name in self.orders:
                self._book([(self._row(name), self._told(name))])
            self.adds_up()
            for name, truth in self.orders.items():
                ours = OrderStatus(self._row(name)["status"])
                assert (ours in TERMINAL) is (truth.status in TERMINAL), (ours, truth.status)
        finally:
            self.rules.__exit__(None, None, None)

    def _row(self, name):
        return self.store["orders"].find_one({"_id": name})

    def _told(self, name):
        return self.orders[name].report(self.clock.now())

    def _happened(self, truth):
        self.clock.advance(0.01)
        self.reports.append(truth.report(self.clock.now()))

    def _book(self, reports):
        self.posting.book(reports, epoch=self.lease.epoch, session=self.lease.session)
        for _, report in reports:
            for each in report.executions:
                known = self.delivered.get(each.execution_id)
                if known is None or each.revision > known.revision:
                    self.delivered[each.execution_id] = each

    @precondition(lambda self: len(self.orders) < 4)
    @rule(quantity=st.integers(1, 9), side=st.sampled_from(Side))
    def place(self, quantity, side):
        intent = Intent.ENTRY if side is Side.BUY else Intent.EXIT
        order = make_order(str(quantity), side, intent=intent, signal_id=f"sig_{len(self.orders)}")
        name, now = order.client_order_id, self.clock.now()
        held = Reservation(
            client_order_id=name,
            account_id=ACCOUNT,
            strategy_id=order.strategy_id,
            instrument_key=order.instrument.key,
            capital=CAPITAL,
            quantity=order.quantity,
        )
        self.store["signal_store"].insert_one({"_id": order.signal_id, "status": "DECIDED"})
        self.store["reservations"].insert_one({"_id": name, **to_document(held)})
        row = order_document(order, at=now) | {"status": _S.SUBMITTING, "sent": True}
        self.store["orders"].insert_one(row)
        self.orders[name] = _Truth(order)
        self.rows[name] = [self._row(name)]

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), share=st.integers(1, 3), price=st.integers(90, 110))
    def fill(self, data, share, price):
        truth = data.draw(st.sampled_from(list(self.orders.values())))
        left = truth.order.quantity - truth.filled
        if left <= 0:
            return
        quantity = min(left, Decimal(share))
        number = len(truth.executions)
        execution = Execution(
            execution_id=f"X{number}-{truth.order.client_order_id}",
            client_order_id=truth.order.client_order_id,
            instrument=truth.order.instrument,
            side=truth.order.side,
            quantity=quantity,
            price=Decimal(price),
            commission=Decimal(1),
            commission_currency="USD",
            occurred_at=self.clock.now(),
        )
        truth.executions[execution.execution_id] = execution
        if truth.status not in TERMINAL or quantity == left:
            truth.status = _S.FILLED if quantity == left else _S.PARTIALLY_FILLED
        self._happened(truth)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), status=st.sampled_from((_S.CANCELED, _S.REJECTED, _S.EXPIRED)))
    def end(self, data, status):
        truth = data.draw(st.sampled_from(list(self.orders.values())))
        if truth.status not in TERMINAL:
            truth.status = status
            self._happened(truth)

    @precondition(lambda self: any(each.executions for each in self.orders.values()))
    @rule(data=st.data(), price=st.integers(90, 110), busted=st.booleans())
    def revise(self, data, price, busted):
        known = [
            (truth, each) for truth in self.orders.values() for each in truth.executions.values()
        ]
        truth, execution = data.draw(st.sampled_from(known))
        if execution.busted:
            return
        changes = {"revision": execution.revision + 1, "price": Decimal(price), "busted": busted}
        truth.executions[execution.execution_id] = execution.model_copy(update=changes)
        if truth.status is _S.FILLED and busted:
            truth.status = _S.CANCELED
        self._happened(truth)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def read(self, data):
        name = data.draw(st.sampled_from(list(self.orders)))
        self.rows[name].append(self._row(name))

    @precondition(lambda self: self.reports)
    @rule(data=st.data(), many=st.integers(1, 3), stale=st.booleans())
    def deliver(self, data, many, stale):
        told = {}
        for _ in range(many):
            report = data.draw(st.sampled_from(self.reports))
            told[report.client_order_id] = report
        self._book(
            [
                (data.draw(st.sampled_from(self.rows[name])) if stale else self._row(name), report)
                for name, report in told.items()
            ]
        )

    @invariant()
    def adds_up(self):
        counted = [each for each in self.delivered.values() if not each.busted]
        for name, truth in self.orders.items():
            row = self._row(name)
            mine = [each for each in counted if each.client_order_id == name]
            filled = sum((each.quantity for each in mine), Decimal(0))
            assert row["filled_quantity"] == filled
            status = OrderStatus(row["status"])
            assert bool(row.get("working")) is (status not in TERMINAL)
            held = self.store["reservations"].find_one({"_id": name})
            assert (held is None) is (status in TERMINAL)
            if held is not None:
                whole = truth.order.quantity
                assert held["capital"] == CAPITAL * ((whole - filled) / whole)
        self._books_add_up(counted)

    def _books_add_up(self, counted):
        signed = [each.quantity * each.side.sign for each in counted]
        (row,) = list(self.store["positions"].find()) or [None]
        if row is None:
            assert not counted
            return
        assert row["quantity"] == sum(signed, Decimal(0))
        quantity, average, gained = _folded(counted)
        assert (row["quantity"], round(row["average_price"], 9)) == (quantity, round(average, 9))
        assert round(row["realized_pnl"], 9) == round(gained, 9)
        (flows,) = list(self.store["cash_flows"].find()) or [{"fills": 0, "commissions": 0}]
        paid = sum((each.quantity * each.price * each.side.sign for each in counted), Decimal(0))
        assert (flows["fills"], flows["commissions"]) == (-paid, Decimal(len(counted)))


def _folded(executions):
    """Quantity, average price and gain by average cost, in the order of what happened."""
    held = average = gained = Decimal(0)
    for each in sorted(executions, key=lambda each: (each.occurred_at, each.execution_id)):
        signed = each.quantity * each.side.sign
        if held * signed >= 0:
            average = (average * abs(held) + each.price * abs(signed)) / abs(held + signed)
        else:
            closed = min(abs(held), abs(signed))
            gained += closed * (each.price - average) * (1 if held > 0 else -1)
            if abs(signed) > abs(held):
                average = each.price
            elif held + signed == 0:
                average = Decimal(0)
        held += signed
    return held, average, gained


TestBooking = Booking.TestCase
TestBooking.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
