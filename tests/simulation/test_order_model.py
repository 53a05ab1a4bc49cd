"""The life of one order against a simple model: what the broker has, and what of it was delivered.

The real rows, moves, bookings and reservations on the store in memory. The model knows one order
at the broker and every report ever made of it; those come late, again, in another order, and by an
owner who has lost the account. Hand-overs, cancels and proofs of absence come between.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.leases import Lease
from services.common.orders import order_document
from services.common.store import Store, from_document, to_document
from services.domain.errors import TransientError
from services.domain.orders import TERMINAL, TRANSITIONS, Execution, OrderReport, Reservation
from services.domain.words import Intent, OrderStatus, Side
from services.execution.bookkeeper import local
from services.execution.posting import Posting
from services.execution.store import ExecutionStore
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory
from tests.support.builders import ACCOUNT, make_order

S = OrderStatus
QUANTITY, CAPITAL = Decimal(10), Decimal(900)
ENDINGS = (S.CANCELED, S.REJECTED, S.EXPIRED)
AT_BROKER = (S.SUBMITTED, S.PARTIALLY_FILLED)
#: After its end an order works only where the broker fills it and says so; then it may be canceled.
WORKS_AGAIN = {S.PARTIALLY_FILLED, S.CANCEL_PENDING}
NEVER_AGAIN = {S.PENDING, S.SUBMITTING, S.UNKNOWN, S.SUBMITTED}


class OrderLife(RuleBasedStateMachine):
    """One order from PENDING to whatever the broker makes of it."""

    def __init__(self):
        super().__init__()
        self.clock = VirtualClock()
        self.rules = self.clock.rules()
        self.rules.__enter__()
        self.store = Store(Memory(self.clock, lambda _kind, _name: None), "model")
        self.queries, self.posting = ExecutionStore(self.store), Posting(self.store)
        self.lease = self._lease()
        assert self.lease.try_acquire()
        self.order = make_order(f"{QUANTITY}", Side.BUY, intent=Intent.ENTRY)
        self.name = self.order.client_order_id
        self.store["signal_store"].insert_one({"_id": self.order.signal_id, "status": "DECIDED"})
        held = Reservation.of(self.order, capital=CAPITAL)
        self.store["reservations"].insert_one({"_id": self.name, **to_document(held)})
        row = order_document(self.order, at=self.clock.now(), reservation=held)
        self.store["orders"].insert_one(row)
        #: At the broker; None = it never came there.
        self.truth, self.executions, self.reports = None, {}, []
        self.delivered, self.expected, self.said = {}, set(), set()
        self.sent, self.ended_once = 0, False

    def teardown(self):
        try:
            self._converges()
        finally:
            self.rules.__exit__(None, None, None)

    def _converges(self):
        if self.truth is None:
            return
        self._deliver(self._report())
        status, filled = self._status(), self._filled(self.executions)
        if filled >= QUANTITY:
            assert status is S.FILLED
        elif self.truth in ENDINGS:
            assert status in {self.truth, *ENDINGS, S.FILLED}  # what it ended as first stays
        else:
            assert status in TERMINAL | {S.CANCEL_PENDING, S.SUBMITTED, S.PARTIALLY_FILLED}
            assert (status in TERMINAL) is self.ended_once or status in WORKS_AGAIN
        assert self._row()["filled_quantity"] == filled

    def _lease(self):
        return Lease(self.store, f"account|{ACCOUNT}", ttl_seconds=1.0)

    def _row(self):
        return self.store["orders"].find_one({"_id": self.name})

    def _status(self):
        return OrderStatus(self._row()["status"])

    def _filled(self, executions):
        return sum((e.quantity for e in executions.values() if not e.busted), Decimal(0))

    def _report(self, status=None):
        self.clock.advance(0.01)
        made = OrderReport(
            client_order_id=self.name,
            broker_order_id="B1",
            status=status or self.truth,
            filled_quantity=self._filled(self.executions),
            executions=tuple(self.executions.values()),
            occurred_at=self.clock.now(),
        )
        self.reports.append(made)
        return made

    def _deliver(self, report, row=None):
        """Book it, say what must be said of it, and see that a repeat is no news."""
        before, known = self._row(), dict(self.delivered)
        for each in report.executions:
            if each.execution_id not in known or each.revision > known[each.execution_id].revision:
                self.delivered[each.execution_id] = each
        had, has = self._filled(known), self._filled(self.delivered)
        if has > had and before["status"] in TERMINAL:
            self.expected.add("FILL_AFTER_END")
        if has > QUANTITY and self.delivered != known:
            self.expected.add("OVERFILL")
        if any(_worth(self.delivered[name]) != _worth(each) for name, each in known.items()):
            self.expected.add("FILL_CORRECTED")
        self._book(row or before, report)
        if row is not None:
            self._book(self._row(), report)  # what the old row hid
        assert self.posting.book([(self._row(), report)], **self._by()) == []

    def _book(self, row, report):
        self.said.add(report.status)
        self.posting.book([(row, report)], **self._by())

    def _by(self):
        return {"epoch": self.lease.epoch, "session": self.lease.session}

    def _move(self, before, after, **more):
        return self.queries.move(
            self.name, before=before, after=after, epoch=self.lease.epoch, **more
        )

    # --- what we do

    @precondition(lambda self: self._status() is S.PENDING)
    @rule(fate=st.sampled_from(("answered", "silent", "lost", "rejected", "not sent")))
    def submit(self, fate):
        assert self._move(S.PENDING, S.SUBMITTING, changes={"sent": True})
        if fate == "not sent":
            self.queries.take_back([self.name], [], text=fate, epoch=self.lease.epoch)
            assert self._status() is S.PENDING
            return
        if fate != "lost":
            self.sent += 1
            self.truth = S.REJECTED if fate == "rejected" else S.SUBMITTED
        if fate in {"answered", "rejected"}:
            self._deliver(self._report())
        else:
            self._book(self._row(), local(self.order, S.UNKNOWN, "no answer"))
            assert self._status() is S.UNKNOWN

    @precondition(lambda self: self._status() is S.UNKNOWN and self.truth is None)
    @rule()
    def prove_absent(self):
        self.queries.give_up(self.name, before=S.UNKNOWN, epoch=self.lease.epoch)
        assert self._status() is S.PENDING

    @precondition(lambda self: self._status() in AT_BROKER)
    @rule(fate=st.sampled_from(("done", "rejected", "silent", "not sent", "only said")))
    def cancel(self, fate):
        before = self._status()
        assert self._move(before, S.CANCEL_PENDING)
        if fate == "not sent":
            assert self._move(S.CANCEL_PENDING, before)
        elif fate == "done" and self.truth not in TERMINAL:
            self.truth = S.CANCELED
            self._deliver(self._report())
        elif fate == "only said" and self.truth not in TERMINAL:
            self._deliver(self._report(S.CANCELED))
        elif fate == "rejected":
            self._deliver(self._report())

    @precondition(lambda self: self._status() is S.PENDING)
    @rule(status=st.sampled_from((S.CANCELED, S.EXPIRED, S.DENIED)))
    def end_before_it_leaves(self, status):
        self._book(self._row(), local(self.order, status, "not sent"))
        assert self._status() is status

    @rule()
    def hand_over(self):
        """The account's next owner: what the one before still writes is refused."""
        before, row = self.lease, self._row()
        self.lease = self._lease()
        assert not self.lease.try_acquire()  # from now on it watches the one before
        self.clock.advance(2.0)
        assert self.lease.try_acquire()
        self.queries.adopt(ACCOUNT, self.lease.epoch)
        status = OrderStatus(row["status"])
        after = S.SUBMITTING if status is S.PENDING else S.CANCEL_PENDING
        if status not in TERMINAL:
            assert not self.queries.move(self.name, before=status, after=after, epoch=before.epoch)
            with pytest.raises(TransientError, match="newer owner"):
                self.posting.book(
                    [(self._row(), local(self.order, S.CANCELED, "late"))], epoch=before.epoch
                )
        assert self._row()["status"] == row["status"]

    # --- what the broker does

    @precondition(lambda self: self.truth is not None)
    @rule(share=st.integers(1, 12), price=st.integers(90, 110))
    def fill(self, share, price):
        """Also after its end, and for more than was asked."""
        number = len(self.executions)
        self.executions[f"X{number}"] = Execution(
            execution_id=f"X{number}",
            client_order_id=self.name,
            instrument=self.order.instrument,
            side=self.order.side,
            quantity=Decimal(share),
            price=Decimal(price),
            commission=Decimal(1),
            commission_currency="USD",
            occurred_at=self.clock.now(),
        )
        if self._filled(self.executions) >= QUANTITY:
            self.truth = S.FILLED
        elif self.truth not in TERMINAL:
            self.truth = S.PARTIALLY_FILLED
        self._report()

    @precondition(lambda self: self.executions)
    @rule(data=st.data(), busted=st.booleans(), price=st.integers(90, 110))
    def revise(self, data, busted, price):
        name = data.draw(st.sampled_from(sorted(self.executions)))
        each = self.executions[name]
        changes = {"revision": each.revision + 1, "price": Decimal(price), "busted": busted}
        if not each.busted and (busted or each.price != price):
            self.executions[name] = each.model_copy(update=changes)
            if self.truth is S.FILLED and self._filled(self.executions) < QUANTITY:
                self.truth = S.CANCELED
            self._report()

    @precondition(lambda self: self.truth is not None and self.truth not in TERMINAL)
    @rule(status=st.sampled_from(ENDINGS))
    def end(self, status):
        self.truth = status
        self._report()

    # --- what we hear of it

    @precondition(lambda self: self.reports)
    @rule(data=st.data())
    def hear(self, data):
        self._deliver(data.draw(st.sampled_from(self.reports)))

    @precondition(lambda self: self.reports)
    @rule(data=st.data())
    def hear_with_a_row_of_before(self, data):
        row = self._row()
        self._deliver(data.draw(st.sampled_from(self.reports)))
        self._deliver(data.draw(st.sampled_from(self.reports)), row)

    @precondition(lambda self: self.truth is not None)
    @rule()
    def ask(self):
        self._deliver(self._report())

    # --- what must hold

    @invariant()
    def every_move_is_a_legal_one(self):
        statuses = [OrderStatus(each["status"]) for each in self._row()["events"]]
        for before, after in pairwise(statuses):
            assert before is after or after in TRANSITIONS[before], (before, after)

    @invariant()
    def what_has_ended_never_works_again_by_itself(self):
        status = self._status()
        self.ended_once = self.ended_once or status in TERMINAL
        assert not (self.ended_once and status in NEVER_AGAIN), status
        assert bool(self._row().get("working")) is (status not in TERMINAL)

    @invariant()
    def it_is_sent_once(self):
        assert self.sent <= 1

    @invariant()
    def it_ends_only_as_somebody_has_said(self):
        assert self._status() in self.said or self._status() not in {*ENDINGS, S.DENIED}

    @invariant()
    def fills_are_what_was_delivered(self):
        row, counted = self._row(), [e for e in self.delivered.values() if not e.busted]
        filled = sum((each.quantity for each in counted), Decimal(0))
        assert row["filled_quantity"] == filled
        if filled:
            paid = sum((each.quantity * each.price for each in counted), Decimal(0))
            assert abs(row["avg_fill_price"] - paid / filled) < Decimal("1e-12")
        assert filled < QUANTITY or OrderStatus(row["status"]) is S.FILLED

    @invariant()
    def capital_is_held_for_what_may_still_fill(self):
        held = self.store["reservations"].find_one({"_id": self.name})
        assert (held is None) is (self._status() in TERMINAL)
        if held is not None:
            left = QUANTITY - self._row()["filled_quantity"]
            assert from_document(Reservation, held).capital == CAPITAL * left / QUANTITY

    @invariant()
    def a_person_is_told_what_should_not_be(self):
        kinds = {row["kind"] for row in self.store["incidents"].find({"key": self.name})}
        assert kinds == self.expected


def _worth(execution):
    """What of a fill is money; its revision is not."""
    return execution.quantity, execution.price, execution.busted


def test_an_order_that_was_only_said_to_be_canceled_holds_its_capital_when_it_fills_on():
    life = OrderLife()
    life.submit("answered")
    life.cancel("only said")
    assert life.store["reservations"].find_one({}) is None
    life.fill(share=4, price=90)
    life.ask()
    life.capital_is_held_for_what_may_still_fill()
    assert life.store["reservations"].find_one({})["capital"] == CAPITAL * (QUANTITY - 4) / QUANTITY
    life.teardown()


def test_a_fill_that_is_heard_of_after_it_was_taken_back_is_none():
    life = OrderLife()
    life.submit("answered")
    life.fill(share=2, price=97)
    told = life.reports[-1]
    life.executions["X0"] = told.executions[0].model_copy(update={"revision": 1, "busted": True})
    row = life._row()
    life.ask()
    life._deliver(told, row)
    assert life._row()["filled_quantity"] == 0
    life.teardown()


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
