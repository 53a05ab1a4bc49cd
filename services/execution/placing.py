"""From a PENDING order to the broker's answer: gate, intent, one call, booking."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from brokers.broker import Capabilities
from brokers.errors import (
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import raise_incident
from services.common.logs import road
from services.common.store import Document, to_document
from services.domain.errors import TransientError
from services.domain.orders import Order, OrderReport
from services.domain.risk import RiskLock
from services.domain.words import LockRule, OrderRole, OrderStatus, OrderType, Scope
from services.execution.bookkeeper import local
from services.execution.counter import Counter
from services.execution.gate import Verdict
from services.execution.guards import first_guards, lasting
from services.execution.intents import Ground, Intents, Leaving
from services.execution.slicing import worked_as

_log = logging.getLogger(__name__)
#: A verdict of the gate is good for so long; what has not left by then passes it again.
_VERDICT_SECONDS: Final = 0.2
#: Answers are booked at least so often, however many orders follow.
_BOOK_SECONDS: Final = 0.1


class Placed(NamedTuple):
    """What became of some PENDING orders.

    Attributes:
        waiting: what the gate holds back for now, and why.
        left: rows of what passed the gate, as they are since.
        again: what has not left and may at once.
        trouble: why the broker cannot be sent more now.
    """

    waiting: Sequence[tuple[Document, Verdict]] = ()
    left: Sequence[Document] = ()
    again: Sequence[Document] = ()
    trouble: Exception | None = None


class _Unit(NamedTuple):
    """Orders that go in one call: one, an entry with its guards, or the legs of a combo."""

    members: tuple[Leaving, ...]
    guards: tuple[Order, ...] = ()
    is_noted: bool = False

    @property
    def order_ids(self) -> list[str]:
        """Everything that the broker answers of."""
        return [each.client_order_id for each in (*(m.order for m in self.members), *self.guards)]


class _NoCombo(Exception):
    """The broker takes these legs, but not in one order; nothing was sent."""


class Placing:
    """Places orders of one account; for its worker thread only."""

    def __init__(
        self, counter: Counter, intents: Intents, on_left: Callable[[Order], None]
    ) -> None:
        self._counter = counter
        self._intents = intents
        self._on_left = on_left

    def place(self, groups: Sequence[Sequence[Document]], ground: Ground) -> Placed:
        """Send PENDING orders that the gate lets pass, and book what the broker answers.

        Args:
            groups: their rows; those of one group go together or not at all.
            ground: what the gate must know beside the store.

        Raises:
            TransientError: the account is not ours any more; nothing has left.
        """
        judged = self._intents.pass_gate(groups, ground, self._attached)
        judged_at = time.monotonic()
        self._refuse(judged.refused)
        units = self._units(judged.leaving)
        ids = [row_id for unit in units for row_id in unit.order_ids]
        with self._counter.books.expecting(ids):
            again, trouble = self._send_all(units, ground.epoch, judged_at)
        left = [each.stored for each in judged.leaving]
        return Placed(judged.waiting, left, again, trouble)

    def _send_all(
        self, units: Sequence[_Unit], epoch: int, judged_at: float
    ) -> tuple[list[Document], Exception | None]:
        """Send one after the other; what must wait its turn again, and why no more may go."""
        again: list[Document] = []
        trouble: Exception | None = None
        answered: list[tuple[Document, OrderReport]] = []
        booked_at = time.monotonic()
        waiting = deque(units)
        while waiting:
            unit = waiting.popleft()
            if trouble is None and time.monotonic() - judged_at > _VERDICT_SECONDS:
                again += [each.stored for each in unit.members]
                self._take_back(unit, "its turn comes again", epoch)
                continue
            if trouble is None:
                try:
                    reports = self._send(unit, epoch)
                except _NoCombo as error:
                    _log.info("legs go one by one: %s", error)
                    alone = [_Unit((each,), is_noted=True) for each in unit.members]
                    waiting.extendleft(reversed(alone))
                    continue
                except (BrokerUnavailable, TransientError) as error:
                    trouble = error
                else:
                    answered += reports
                    if any(report.status is OrderStatus.UNKNOWN for _, report in reports):
                        trouble = OrderStateUnknown(reports[0][1].text)
                    if time.monotonic() - booked_at > _BOOK_SECONDS:
                        self._counter.books.book(answered, self._counter.lease)
                        answered, booked_at = [], time.monotonic()
                    continue
            # A broker in trouble is not sent more: what has not left waits until it answers.
            self._take_back(unit, f"not sent: {trouble}", epoch)
        self._counter.books.book(answered, self._counter.lease)
        return again, trouble

    def _attached(self, order: Order) -> Sequence[Order]:
        """Guards that the broker takes together with their entry."""
        can = self._counter.broker.capabilities
        may = can.brackets and order.algo is None
        guarded = order.role is OrderRole.LEG and not order.intent.reduces_risk
        return first_guards(order, lasting(can.times_in_force)) if may and guarded else ()

    def _refuse(self, refused: Sequence[tuple[Document, Verdict]]) -> None:
        reports = []
        for stored, verdict in refused:
            order = verdict.order
            ended = OrderStatus.EXPIRED if verdict.code == "SIGNAL_EXPIRED" else OrderStatus.DENIED
            reports.append((stored, local(order, ended, f"{verdict.code}: {verdict.sentence}")))
            if verdict.code == "REPEATED_EXECUTION":
                self._lock(order, verdict.sentence)
            self._tell_denied(order, verdict.sentence, is_closed=verdict.is_closed)
        self._counter.books.book(reports, self._counter.lease)

    def _tell_denied(self, order: Order, sentence: str, *, is_closed: bool = False) -> None:
        """An exit that does not go leaves a position, but where there is none any more."""
        if order.intent.reduces_risk:
            raise_incident(
                self._counter.store,
                kind="EXIT_FOUND_NOTHING" if is_closed else "EXIT_DENIED",
                key=order.strategy_id if is_closed else order.client_order_id,
                sentence=f"{order.strategy_id}: {order.intent} not sent: {sentence}",
                facts={"account_id": order.account_id, "strategy_id": order.strategy_id},
            )

    def _lock(self, order: Order, sentence: str) -> None:
        """Stop a strategy that has run away, until a person resets it."""
        lock = RiskLock(
            scope=Scope.STRATEGY,
            scope_id=order.strategy_id,
            rule=LockRule.REPEATED_EXECUTION,
            sentence=sentence,
            locked_at=utc_now(),
        )
        self._counter.store["risk_locks"].replace_one(
            {"_id": lock.key}, {"_id": lock.key, **to_document(lock)}, upsert=True
        )
        raise_incident(
            self._counter.store,
            kind="REPEATED_EXECUTION",
            key=order.strategy_id,
            sentence=sentence,
            facts={"strategy_id": order.strategy_id},
        )

    def _units(self, leaving: Sequence[Leaving]) -> list[_Unit]:
        combos = self._counter.broker.capabilities.combos
        units: dict[str, _Unit] = {}
        for each in leaving:
            order = each.order
            guards = tuple(self._attached(order))
            together = combos and each.stored.get("sibling_count", 1) > 1 and _is_plain(order)
            key = f"{order.signal_id}|{order.role}" if together else order.client_order_id
            known = units.get(key)
            units[key] = _Unit((*known.members, each), guards) if known else _Unit((each,), guards)
        return list(units.values())

    def _take_back(self, unit: _Unit, text: str, epoch: int) -> None:
        self._counter.queries.take_back(
            [each.order.client_order_id for each in unit.members],
            [guard.client_order_id for guard in unit.guards],
            text=text,
            epoch=epoch,
        )

    def _send(self, unit: _Unit, epoch: int) -> list[tuple[Document, OrderReport]]:
        """Call the broker, once, under the lease of `epoch`, which stored the intent.

        Raises: BrokerUnavailable, TransientError, _NoCombo: it did not leave.
        """
        lease = self._counter.lease
        # Paused since the intent: it may be another's, or ours again after another had it.
        if not lease.held() or lease.epoch != epoch:
            raise TransientError(f"account {self._counter.account_id} was lost before it left")
        orders = [each.order for each in unit.members]
        rows = [each.stored for each in unit.members]
        if unit.guards:
            guard_ids = [guard.client_order_id for guard in unit.guards]
            rows += self._counter.queries.orders(guard_ids)
        for order in orders if not unit.is_noted else ():
            self._on_left(order)
            road(
                "SUBMITTING",
                order.signal_id,
                order=order.client_order_id,
                account=order.account_id,
            )
        try:
            reports = {each.client_order_id: each for each in self._call(orders, unit.guards)}
        except OrderRejected as error:
            return _all(rows, OrderStatus.REJECTED, f"{error.code}: {error}")
        except UnsupportedOrder as error:
            if len(orders) > 1:
                raise _NoCombo(str(error)) from error
            self._tell_denied(orders[0], str(error))
            return _all(rows, OrderStatus.DENIED, f"UNSUPPORTED: {error}")
        except OrderStateUnknown as error:
            _log.warning("order %s has no answer: %s", orders[0].client_order_id, error)
            failpoint(FailPoint.SENT)
            return _all(rows, OrderStatus.UNKNOWN, f"no answer: {error}")
        failpoint(FailPoint.ANSWERED)
        return [(row, reports[row["_id"]]) for row in rows if row["_id"] in reports]

    def _call(self, orders: Sequence[Order], guards: Sequence[Order]) -> Sequence[OrderReport]:
        broker, budget = self._counter.broker, self._counter.budget
        first = orders[0]
        if first.algo is not None:
            return [local(first, OrderStatus.SUBMITTED, worked_as(first))]
        if not guards:
            require_guards(first, broker.capabilities)
        for _ in (*orders, *guards):
            budget.order_left()
        if guards:
            return broker.place_bracket(first, guards)
        if len(orders) > 1:
            return broker.place_combo(orders)
        return [broker.place_order(first)]


def require_guards(order: Order, capabilities: Capabilities) -> None:
    """Refuse an entry whose guards the broker could not take once it has filled.

    Raises:
        UnsupportedOrder: with what it cannot do.
    """
    if order.intent.reduces_risk:
        return
    needs = (
        ("stop_loss", order.stop_loss, OrderType.STOP),
        ("take_profit", order.take_profit, OrderType.LIMIT),
    )
    for name, price, order_type in needs:
        if price is not None and order_type not in capabilities.order_types:
            raise UnsupportedOrder(
                f"this broker takes no {order_type} orders to guard a position with "
                f"{name} {price:f}"
            )


def _is_plain(order: Order) -> bool:
    guarded = order.stop_loss is not None or order.take_profit is not None
    entry = order.role is OrderRole.LEG and not order.intent.reduces_risk
    return entry and not guarded and order.algo is None


def _all(
    rows: Sequence[Document], status: OrderStatus, text: str
) -> list[tuple[Document, OrderReport]]:
    now = utc_now()
    return [
        (
            row,
            OrderReport(client_order_id=row["_id"], status=status, text=text, occurred_at=now),
        )
        for row in rows
    ]
