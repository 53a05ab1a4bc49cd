"""An account at the mock broker's own engine, in this process, with an adapter that fails."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from unittest import mock

from brokers.broker import Broker, OpenOrder
from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from brokers.mock import journal, twists
from brokers.mock.books import Books
from brokers.mock.exchange import Exchange
from brokers.mock.margin import Refusal
from brokers.mock.messages import EXECUTIONS, REPORT
from brokers.mock.twists import PLAIN, Telling, Twist
from services.domain.orders import OrderReport
from services.domain.words import OrderStatus

CASH = Decimal(1_000_000)
_REPORTS_AT_ONCE = 3
_REJECTED = Refusal("REJECTED_ON_COMMAND", "rejected on command")
_PLACINGS = frozenset({"hide", "fill_after_reject", "overfill"})
#: What the broker itself does otherwise than asked, by the name of the fault.
_TWISTS = {
    "reject": Twist(refusal=_REJECTED),
    "tell_twice": Twist(telling=Telling.TWICE),
    "reorder": Twist(telling=Telling.REORDERED),
    "fill_after_cancel": Twist(after=twists.fill_the_rest),
    "cancel_ignored": Twist(only_says=OrderStatus.CANCELED),
    "cancel_unheard": Twist(only_says=OrderStatus.SUBMITTED),
    "cancel_late": Twist(only_says=OrderStatus.SUBMITTED, done_after_seconds=2.0),
    "correct": Twist(after=twists.correct_the_fill),
    "bust": Twist(after=twists.bust_the_fill),
    "fill_after_reject": Twist(refusal=_REJECTED, after=twists.fill_the_rest),
    "overfill": Twist(after=twists.fill_too_much),
    "hide": Twist(hide_seconds=1.5),
}


def open_exchange(market):
    """The broker, with books in memory."""
    connect = journal.sqlite3.connect
    with (
        mock.patch.object(
            journal.sqlite3, "connect", lambda _path, **options: connect(":memory:", **options)
        ),
        mock.patch.object(Path, "mkdir"),
    ):
        kept = journal.Journal(Path("simulated"))
    books = Books(
        kept,
        initial_cash=CASH,
        commission_per_unit=Decimal("0.005"),
        commission_minimum=Decimal(1),
    )
    return Exchange(kept, books, market=market)


class SimulatedBroker(Broker):
    """One process's link to one account; what it asks may fail, and what it sends may be lost.

    Attributes:
        on_answer: called between what happened at the broker and its answer.
        surprised: orders that it filled after a reject or a cancel, or for more than was asked, or
            may fill although it has said that they are canceled; exits whose fill it took back.
    """

    def __init__(self, account_id, exchange, touch, capabilities, surprised):
        super().__init__(account_id)
        self._exchange = exchange
        self._touch = touch
        self.capabilities = capabilities
        self.surprised = surprised
        self._connected = False
        self._handler = None
        self._cursor = 0
        self.on_answer = lambda: None

    def connect(self):
        self.account_state()

    def close(self):
        self._handler = None

    def is_connected(self):
        return self._connected

    def clock_skew(self):
        return timedelta(0)

    def place_order(self, order):
        self.capabilities.require(order)
        (report,) = self._place(
            "place",
            order,
            lambda twist: [self._exchange.place(self.account_id, order, twist=twist)],
        )
        return report

    def place_bracket(self, entry, guards):
        for order in (entry, *guards):
            self.capabilities.require(order)
        return self._place(
            "bracket",
            entry,
            lambda twist: self._exchange.place_bracket(self.account_id, entry, guards, twist=twist),
        )

    def place_combo(self, legs):
        for order in legs:
            self.capabilities.require(order)
        return self._place(
            "combo",
            legs[0],
            lambda twist: self._exchange.place_combo(self.account_id, legs, twist=twist),
        )

    def _place(self, step, first, carry_out):
        def carry_out_and_note(twist):
            taken_back = twist.after is twists.bust_the_fill and first.intent.reduces_risk
            if taken_back or twist.after in {twists.fill_the_rest, twists.fill_too_much}:
                self.surprised.add(first.client_order_id)
            return carry_out(twist)

        reports = self._send(step, carry_out_and_note)
        if reports[0].status is OrderStatus.REJECTED:
            code, _, text = reports[0].text.partition(": ")
            raise OrderRejected(code, text)
        return reports

    def modify_order(self, order, terms):
        answer = self._send(
            "modify",
            lambda twist: self._exchange.modify(
                self.account_id, order.client_order_id, terms, twist=twist
            ),
        )
        if isinstance(answer, Refusal):
            raise OrderRejected(*answer)
        return answer

    def cancel_order(self, order):
        name = order.client_order_id

        def carry_out(twist):
            if twist.only_says is OrderStatus.CANCELED or twist.after is twists.fill_the_rest:
                self.surprised.add(name)
            return self._exchange.cancel(self.account_id, name, twist=twist)

        found = self._send("cancel", carry_out)
        return _only(name, found, OrderStateUnknown) or _raise_unknown(name)

    def find_order(self, client_order_id):
        found = self._ask(
            "find",
            lambda: self._exchange.orders(self.account_id, client_order_ids=[client_order_id]),
        )
        return _only(client_order_id, [report for _, report in found], OrderStateUnknown)

    def find_orders(self, client_order_ids):
        found = self._ask(
            "find",
            lambda: self._exchange.orders(self.account_id, client_order_ids=list(client_order_ids)),
        )
        reports = [report for _, report in found]
        by_id = {each.client_order_id: each for each in reports}
        if len(by_id) < len(reports):
            raise OrderStateUnknown(f"{len(reports)} orders of {len(by_id)} ids: doubled")
        return by_id

    def open_orders(self):
        found = self._ask(
            "open_orders", lambda: self._exchange.orders(self.account_id, open_only=True)
        )
        return [
            OpenOrder(
                report=report,
                instrument=order.instrument,
                side=order.side,
                order_type=order.order_type,
            )
            for order, report in found
        ]

    def executions(self, *, since=None):
        found = self._ask("executions", lambda: self._exchange.executions(self.account_id, since))
        return EXECUTIONS.validate_json(f"[{','.join(found)}]")

    def positions(self):
        return self._ask("positions", lambda: self._exchange.positions(self.account_id))

    def account_state(self):
        return self._ask("state", lambda: self._exchange.state(self.account_id))

    def last_price(self, instrument):
        raise BrokerUnavailable("nobody asks it in the simulation")

    def stream_reports(self, handler, *, after):
        self._handler, self._cursor = handler, int(after or 0)

    def stream(self):
        """Deliver some reports, as the adapter's own thread does; whether there was one."""
        if self._handler is None:
            return False
        try:
            found = self._ask(
                "stream", lambda: self._exchange.reports(self.account_id, self._cursor, 0)
            )
            for number, body in found[:_REPORTS_AT_ONCE]:
                self._handler(REPORT.validate_json(body), str(number))
                self._cursor = number
        except Exception:  # noqa: BLE001 - as adapters do: it comes again
            return False
        return bool(found)

    def _ask(self, what, question):
        if self._touch("query", what):
            self._connected = False
            raise BrokerUnavailable(f"{what}: no answer")
        self._connected = True
        return question()

    def _send(self, step, carry_out):
        """Once; what goes wrong with it is the broker's, or the line's before or after."""
        action = self._touch("send", step)
        if action is None and step == "cancel":
            action = self._touch("cancel", step)
        if action == "refuse":
            self._connected = False
            raise BrokerUnavailable(f"{step}: connection refused")
        if action == "drop":
            self._connected = False
            raise OrderStateUnknown(f"{step}: no answer, it was lost on its way")
        twist = _TWISTS.get(action, PLAIN)
        if step in {"cancel", "modify"} and action in _PLACINGS | {"reject"}:
            twist = PLAIN
        done = carry_out(twist)
        self._connected = True
        self.on_answer()
        if action in {"silence", "hide"}:
            self._connected = False
            raise OrderStateUnknown(f"{step}: no answer")
        if action == "die":
            self._touch("die", f"after {step}")
        return done


def _only(name, reports, failure) -> OrderReport | None:
    if len(reports) > 1:
        raise failure(f"the broker has {len(reports)} orders {name}: doubled")
    return reports[0] if reports else None


def _raise_unknown(name):
    raise OrderStateUnknown(f"the broker has no order {name} to cancel")
