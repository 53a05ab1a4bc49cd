"""What happens to orders, told to the clients that hear of it, in the order of the engine's stream.

A client hears of its own orders; the master client hears of all; client 0 hears of those by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from brokers.mock.faults import FaultKind, Step
from services.domain.orders import Execution, OrderReport
from services.domain.words import OrderStatus
from tests.fakes.tws import answers, order_answers
from tests.fakes.tws.answers import Fields
from tests.fakes.tws.book import WORKING, Book, Placed, averaged, state_of, terms_of
from tests.fakes.tws.ids import exec_id_of, number_of
from tests.fakes.tws.order_answers import State, Told
from tests.fakes.tws.tricks import Telling

_ENDED_BY_GATEWAY = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED})
_CUTS = frozenset({FaultKind.DISCONNECT_AFTER_ACCEPT, FaultKind.ERROR_AFTER_ACCEPT})
_RESETS = frozenset(
    {FaultKind.DISCONNECT_BEFORE_ACCEPT, FaultKind.ERROR_BEFORE_ACCEPT, FaultKind.THROTTLE}
)
_WAITS_FOR_MARKET = "waits until the market opens"
_CANCELED = "Order Canceled - reason:"


class Late(NamedTuple):
    """A report that is told later; `due` by the monotonic clock."""

    due: float
    account: str
    report: OrderReport


class LateCombo(NamedTuple):
    """How a combo that waits stands, told when that is `due`."""

    due: float
    placed: Placed
    state: State
    fields: dict[str, object]


class News:
    """The engine's reports as messages to sessions."""

    def __init__(self, venue, book: Book, gateway):
        self._exchange = venue.exchange
        self._faults = venue.faults
        self._book = book
        self._gateway = gateway
        self._cursors = dict.fromkeys(gateway.accounts, 0)
        self._told: set[tuple[str, int]] = set()
        #: By permId: orders that have been told as PreSubmitted.
        self._acknowledged: set[int] = set()
        self._last: dict[int, OrderReport] = {}
        self._quiet_until: dict[int, float] = {}
        self._late: list[Late] = []
        self._combos: list[LateCombo] = []

    def begin(self) -> None:
        """What has happened before this process began is told only to who asks."""
        for account in self._cursors:
            for report in self._fresh(account):
                self._told |= {(each.execution_id, each.revision) for each in report.executions}
                placed = self._book.of_number(number_of(report.broker_order_id))
                if placed is not None:
                    self._acknowledged.add(placed.perm_id)

    def forget(self) -> None:
        """As on the first day."""
        self._cursors = dict.fromkeys(self._cursors, 0)
        self._told, self._acknowledged, self._last = set(), set(), {}
        self._quiet_until, self._late, self._combos = {}, [], []

    def tell_waiting(self, placed: Placed) -> None:
        """Tell how a combo stands now that the engine does not have, with the next news."""
        fields = {**placed.fields, **placed.contract}
        self._combos.append(LateCombo(0, placed, state_of(placed, []), fields))

    def hush(self, numbers: Iterable[int], seconds: float) -> None:
        """Tell nothing of these orders for a while; of a combo that waits by its permId."""
        until = time.monotonic() + seconds
        self._quiet_until |= dict.fromkeys(numbers, until)

    def drain(self) -> None:
        """Tell what has happened since the last time."""
        now = time.monotonic()
        due = [each for each in self._late if each.due <= now]
        self._late = [each for each in self._late if each.due > now]
        for late in due:
            self._tell(late.account, late.report)
        self._drain_combos(now)
        for account in self._cursors:
            for report in self._fresh(account):
                until = self._quiet_until.get(number_of(report.broker_order_id), 0)
                if until > now:
                    self._late.append(Late(until, account, report))
                else:
                    self._tell(account, report)

    def _drain_combos(self, now: float) -> None:
        told, self._combos = self._combos, []
        for each in told:
            until = max(each.due, self._quiet_until.get(each.placed.perm_id, 0))
            if until > now:
                self._combos.append(each._replace(due=until))
                continue
            self._acknowledged.add(each.placed.perm_id)
            for session in self._gateway.hearers(each.placed):
                self._say(session, each.placed.account, _combo_messages(each, session.version))

    def _fresh(self, account: str) -> Iterable[OrderReport]:
        while found := self._exchange.reports(account, self._cursors[account], 0):
            if found[-1][0] <= self._cursors[account]:
                self._cursors[account] = 0  # the books were emptied meanwhile
            for number, body in found:
                self._cursors[account] = number
                yield OrderReport.model_validate_json(body)

    def _tell(self, account: str, report: OrderReport) -> None:
        number = number_of(report.broker_order_id)
        placed = self._book.of_number(number) or self._book.by_hand(account, number)
        if placed is None:
            return
        again = self._last.get(number) == report
        fills = [
            each
            for each in report.executions
            if again or (each.execution_id, each.revision) not in self._told
        ]
        self._told |= {(each.execution_id, each.revision) for each in fills}
        self._last[number] = report
        messages = self._messages(placed, number, report, fills)
        if placed.client_id or placed.order_id:
            self._cancel_the_group(placed, fills)
        for session in self._gateway.hearers(placed):
            self._say(session, account, messages(session.version))
        if fills:
            self._gateway.positions_changed(account, fills[-1].instrument)

    def _say(self, session, account: str, messages: Sequence[Fields]) -> None:
        fault = self._faults.next_for(account, Step.STREAM) if messages else None
        if fault is None:
            self._say_all(session, messages)
        elif fault.kind is FaultKind.GARBAGE_ANSWER:
            session.say_garbage()
        elif fault.kind in _CUTS:
            self._say_all(session, messages)
            session.close()
        elif fault.kind in _RESETS:
            session.abort()
        else:
            self._gateway.later(fault.seconds, lambda: self._say_all(session, messages))

    def _say_all(self, session, messages: Sequence[Fields]) -> None:
        for each in messages:
            session.say(each)

    def _messages(
        self, placed: Placed, number: int, report: OrderReport, fills: Sequence[Execution]
    ) -> Callable[[int], list[Fields]]:
        """What there is to tell, for a client of some version."""
        first = placed.perm_id not in self._acknowledged
        self._acknowledged.add(placed.perm_id)
        reports = self._book.reports(placed) if placed.is_combo else [report]
        state = state_of(placed, reports or [report])
        terms = terms_of(placed, report)
        trick = self._gateway.tricks.next_telling() if fills else None

        def written(version: int) -> list[Fields]:
            told = [
                self._execution(placed, number, report, each, version)
                + self._combo_execution(placed, number, state, each, version)
                for each in fills
            ]
            status = [
                order_answers.open_order(placed.identity, terms, state, version),
                order_answers.order_status(placed.identity, state),
            ]
            lines = _arranged(told, _commissions(placed, number, fills), status, trick)
            if first and report.status is not OrderStatus.REJECTED:
                lines = self._acknowledgement(placed, terms, version) + lines
            return lines + _remarks(placed, report)

        return written

    def _acknowledgement(self, placed: Placed, terms, version: int) -> list[Fields]:
        quantity = terms["totalQuantity"] or Decimal(0)
        state = State("PreSubmitted", remaining=quantity)
        return [
            order_answers.open_order(placed.identity, terms, state, version),
            order_answers.order_status(placed.identity, state),
        ]

    def _execution(
        self, placed: Placed, number: int, report: OrderReport, fill: Execution, version: int
    ) -> list[Fields]:
        so_far = []
        for each in report.executions:
            so_far.append(each)
            if each.execution_id == fill.execution_id:
                break
        cumulative, average, _ = averaged(so_far)
        told = Told(
            exec_id_of(fill.execution_id, fill.revision, part_of(placed, number)),
            self.contract_of(placed, fill),
            placed.account,
            placed.reference,
            cumulative,
            average,
        )
        zone = self._gateway.zone, version
        return [order_answers.exec_details(-1, placed.identity, fill, told, zone)]

    def contract_of(self, placed: Placed, fill: Execution) -> dict[str, object]:
        """Of a combo's leg its own contract; else that of the order."""
        return (
            self._gateway.table.described(fill.instrument) if placed.is_combo else placed.contract
        )

    def _combo_execution(
        self, placed: Placed, number: int, state: State, fill: Execution, version: int
    ) -> list[Fields]:
        """The execution of the combo itself, after that of its last leg."""
        if not placed.is_combo or number != placed.numbers[-1] or not state.filled:
            return []
        return [combo_execution(-1, placed, state, fill, (self._gateway.zone, version))]

    def _cancel_the_group(self, placed: Placed, fills: Sequence[Execution]) -> None:
        """OCA type 1: the first fill of one, whole or not, cancels all others."""
        group = placed.fields.get("ocaGroup")
        if not fills or not group or placed.fields["ocaType"] != 1:
            return
        for order, report in self._exchange.orders(placed.account, open_only=True):
            if order.oco_group == group and report.broker_order_id not in {
                f"MOCK-{number}" for number in placed.numbers
            }:
                self._exchange.cancel_by_hand(placed.account, report.broker_order_id)


def _combo_messages(told: LateCombo, version: int) -> list[Fields]:
    identity = told.placed.identity
    messages = [
        order_answers.open_order(identity, told.fields, told.state, version),
        order_answers.order_status(identity, told.state),
    ]
    if told.state.completed_at:
        messages.append(answers.error(202, _CANCELED, identity.order_id))
    return messages


def combo_execution(
    request: int, placed: Placed, state: State, fill: Execution, zone: tuple[str, int]
) -> Fields:
    """A fill of the whole combo, told beside those of its legs, at the price of them together."""
    side = str(placed.fields["action"])
    made = fill.model_copy(update={"quantity": state.filled, "side": side, "price": state.average})
    told = Told(
        exec_id_of(f"MOCK-{placed.numbers[0]}.1", 0),
        placed.contract,
        placed.account,
        placed.reference,
        state.filled,
        state.average,
    )
    return order_answers.exec_details(request, placed.identity, made, told, zone)


def part_of(placed: Placed, number: int) -> int:
    """The third part of an execution's id."""
    return placed.numbers.index(number) + 2 if placed.is_combo else 1


def _commissions(placed: Placed, number: int, fills: Sequence[Execution]) -> list[Fields]:
    part = part_of(placed, number)
    return [
        answers.commission(
            exec_id_of(each.execution_id, each.revision, part),
            each.commission,
            each.commission_currency,
        )
        for each in fills
    ]


def _arranged(
    fills: list[list[Fields]],
    commissions: list[Fields],
    status: list[Fields],
    trick: Telling | None,
) -> list[Fields]:
    told = [message for fill in fills for message in fill]
    if trick is Telling.DUPLICATE_EXECUTION:
        return [*told, *told, *status, *commissions]
    if trick is Telling.COMMISSION_FIRST:
        return [*commissions, *told, *status]
    if trick is Telling.NO_COMMISSION:
        return [*told, *status]
    if trick is Telling.ONLY_EXECUTION:
        return [*told, *commissions]
    if trick is Telling.STATUS_FIRST:
        return [*status, *told, *commissions]
    return [*told, *status, *commissions]


def _remarks(placed: Placed, report: OrderReport) -> list[Fields]:
    """Errors and warnings that come with how an order stands."""
    number = placed.order_id
    if report.status is OrderStatus.REJECTED and not report.filled_quantity:
        return [answers.error(201, f"Order rejected - reason:{report.text}", number)]
    if report.status in _ENDED_BY_GATEWAY:
        return [answers.error(202, f"{_CANCELED}{report.text}", number)]
    if report.status in WORKING and report.text == _WAITS_FOR_MARKET:
        words = "Order Message:\nWarning: Your order will not be placed at the exchange until it "
        return [answers.error(399, f"{words}opens", number)]
    return []
