"""Our books against the broker's, for one account: what was missed is booked, what differs is said.

It asks first and writes afterwards: where one question fails nothing is changed. What it writes is
keyed by what it is about, so that a second look at the same answers changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

from pymongo.client_session import ClientSession

from brokers.broker import AccountState, Broker, BrokerPosition, OpenOrder
from brokers.errors import OrderStateUnknown
from services.common.clock import utc_now
from services.common.store import Document, Store, among, from_document, to_document
from services.domain.comparison import Difference, changed, compare, judged, quantities
from services.domain.fronts import called, in_our_words, months
from services.domain.instruments import Instrument
from services.domain.orders import UNATTRIBUTED, Execution, OrderReport
from services.domain.values import Frozen, Instant
from services.domain.words import FillOrigin, OrderStatus
from services.execution.books import Books
from services.execution.differences import Differences
from services.execution.documents import Owner
from services.execution.ledger import Ledger
from services.execution.reconcile import (
    Cash,
    CashBase,
    Told,
    cash_base,
    cash_judged,
    strange,
    told,
    told_since,
    with_payments,
)
from services.execution.remnants import Remnants

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: An order that moved a moment ago is being booked by its desk.
_RESTING: Final = timedelta(seconds=5)
#: Executions are asked for again this far back: brokers' clocks. What is corrected later than that
#: comes by the stream, or with a look at everything.
_OVERLAP: Final = timedelta(minutes=2)
#: How many foreign executions go into one transaction.
_AT_ONCE: Final = 200
#: How many one look asks of the broker.
_QUESTIONS: Final = 5
#: How often a request of an operator is looked for.
_LOOK_SECONDS: Final = 2.0

#: Books reports of the account's orders as every other report is booked.
Booker = Callable[[Sequence[tuple[Document, OrderReport]]], object]


class Transact(Protocol):
    """Runs something in a transaction of the account."""

    def __call__(self, work: Callable[[ClientSession], T], /) -> T:
        """What `work` returns. Raises: TransientError, PyMongoError."""


class Outcome(Frozen):
    """What one look at the broker has found and done.

    Attributes:
        booked: fills of our orders that had been missed.
        foreign: executions of nobody's, booked as unattributed.
        differences: confirmed ones stop entries; the others are looked at again soon.
        unsettled: something must be looked at again before it is said.
    """

    account_id: str
    looked_at: Instant
    booked: int = 0
    foreign: int = 0
    foreign_orders: int = 0
    differences: tuple[Difference, ...] = ()
    cash: Cash | None = None
    unsettled: bool = False


class _Answers(NamedTuple):
    """Everything that the broker was asked in one look, and what our books said meanwhile.

    Attributes:
        moving: instruments that were traded while it was asked.
    """

    positions: Sequence[BrokerPosition]
    state: AccountState
    open_orders: Sequence[OpenOrder]
    executions: Sequence[Execution]
    moving: frozenset[str]
    books: Mapping[str, Decimal]
    flows: Mapping[str, Decimal]


class _News(NamedTuple):
    """What the books do not have of the answers, and what of it must wait.

    Attributes:
        missed: how many fills `reports` brings.
        waiting: fills of orders that moved a moment ago.
    """

    reports: list[tuple[Document, OrderReport]]
    missed: int
    told: Told
    waiting: Sequence[Execution]

    @property
    def moving(self) -> frozenset[str]:
        """Instruments of what must wait."""
        return frozenset(each.instrument.key for each in self.waiting)

    @property
    def keys(self) -> frozenset[str]:
        """Instruments of which this look books something."""
        fills = (each for _, report in self.reports for each in report.executions)
        return frozenset(each.instrument.key for each in (*fills, *self.told.foreign))


class Reconciler:
    """Looks at one account; called by its desk's own thread, at most one look at a time."""

    def __init__(  # noqa: PLR0913 - what a look is made of, by name
        self,
        store: Store,
        ledger: Ledger,
        broker: Broker,
        account_id: str,
        *,
        book: Booker,
        transact: Transact,
        every_seconds: float,
        settle_seconds: float = 3.0,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        """A reconciler that has not looked yet.

        Args:
            store: the database.
            ledger: of it.
            broker: of the account.
            account_id: which.
            book: for fills of orders.
            transact: for everything else that is booked.
            every_seconds: between two looks.
            settle_seconds: how long a difference must stay the same before it is believed.
            asked: called with each question, for the account's budget.
        """
        self._store = store
        self._ledger = ledger
        self._ours = Books(store, ledger, account_id)
        self._broker = broker
        self._account_id = account_id
        self._book = book
        self._transact = transact
        self._asked = asked
        self._every = every_seconds
        self._settle = timedelta(seconds=settle_seconds)
        self._differences = Differences(store, account_id)
        self._remnants = Remnants(store, broker, account_id, asked)
        self._next = 0.0
        self._next_look = 0.0

    def due(self) -> bool:
        """Whether it is time for a look, or an operator has asked for one."""
        now = time.monotonic()
        return now >= self._next or self._is_requested(now)

    def _is_requested(self, now: float) -> bool:
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        row = self._row({"requested": 1, "answered": 1})
        return bool(row.get("requested", {}).get("id") != row.get("answered"))

    def _row(self, fields: Document | None = None) -> Document:
        return self._store["reconciliations"].find_one({"_id": self._account_id}, fields) or {}

    def run(self, now: datetime, *, everything: bool = False) -> Outcome:
        """Look once.

        Args:
            now: when.
            everything: all executions that the broker keeps are looked at, and all of our own books
                are added up again: when the desk opens. What an operator asked for is such a look.

        Raises:
            BrokerError: a question was not answered; nothing is changed.
            TransientError, PyMongoError: the database; what is booked stays booked.
        """
        self._next = time.monotonic() + self._settle.total_seconds()  # also where this look fails
        row = self._row()
        request = row.get("requested", {}).get("id")
        everything = everything or request != row.get("answered")
        looked_at = row.get("looked_at")
        since = None if everything or looked_at is None else looked_at - _OVERLAP
        answers = self._ask(since)
        news = self._news(answers, now)
        if news.reports:
            self._book(news.reports)
        self._differences.tell_strays(news.told.strays)
        foreign = self._book_foreign(news.told.foreign)
        foreign_orders, rest = self._open_orders(answers.open_orders, now)
        held = self._ours.open_positions()
        meanwhile = changed(answers.books, quantities(held)) - news.keys
        moving = answers.moving | news.moving | meanwhile
        mine = [each.instrument for each in held] + [each.instrument for each in news.waiting]
        names = months(mine, [each.instrument for each in answers.positions])
        self._broker.call_as(names)
        positions = in_our_words(answers.positions, names)
        found = compare(positions, held, now)
        before = [from_document(Difference, each) for each in row.get("differences", [])]
        differences = judged(before, found, moving=moving, now=now, settle=self._settle)
        self._differences.keep_locks(differences)
        cash, base = self._cash(row, answers, now, quiet=not moving)
        self._differences.tell_cash(cash)
        if everything:
            self._differences.tell_broken(self._transact(self._ours.broken))
        outcome = Outcome(
            account_id=self._account_id,
            looked_at=now,
            booked=news.missed,
            foreign=foreign,
            foreign_orders=foreign_orders,
            differences=tuple(differences),
            cash=cash,
            unsettled=bool(news.moving)
            or rest
            or base is None
            or any(not each.confirmed for each in differences)
            or (cash is not None and cash.since is not None and not cash.confirmed),
        )
        self._keep(outcome, base, positions, request)
        return outcome

    def _ask(self, since: datetime | None) -> _Answers:
        """Executions and books are read before and after: what moved meanwhile is not compared."""
        books, flows = quantities(self._ours.open_positions()), self._ours.flows()
        for _ in range(_QUESTIONS):
            self._asked()
        first = self._broker.executions(since=since)
        positions = self._broker.positions()
        state = self._broker.account_state()
        open_orders = self._broker.open_orders()
        newest = max((each.occurred_at for each in first), default=since)
        last = self._broker.executions(since=newest)
        news = told_since(first, last)
        traded = _named(news, self._orders({each.client_order_id for each in news}))
        moving = changed(books, quantities(self._ours.open_positions()))
        moving |= {each.instrument.key for each in traded}
        told_all = (*first, *news)
        return _Answers(positions, state, open_orders, told_all, moving, books, flows)

    def _news(self, answers: _Answers, now: datetime) -> _News:
        executions = self._ours.not_booked(answers.executions)
        ids = {each.client_order_id for each in executions if each.client_order_id}
        rows = self._orders(ids)
        news = told(_named(executions, rows), rows)
        mine = [each.instrument for each in self._ours.open_positions()] if news.foreign else []
        theirs = [each.instrument for each in answers.positions]
        theirs += [each.instrument for each in news.foreign]
        news = news._replace(foreign=in_our_words(news.foreign, months(mine, theirs)))
        resting, waiting = {}, list[Execution]()
        for order_id, found in news.ours.items():
            if now - rows[order_id]["updated_at"] < _RESTING:
                waiting += found
            else:
                resting[order_id] = found
        if resting:
            self._asked()
        try:
            reports = self._broker.find_orders(sorted(resting)) if resting else {}
        except OrderStateUnknown:  # e.g. two orders of one id: fills are booked all the same
            reports = {}
        return _News(
            [
                (rows[order_id], _report(rows[order_id], found, reports.get(order_id), now))
                for order_id, found in resting.items()
            ],
            sum(len(found) for found in resting.values()),
            news,
            waiting,
        )

    def _orders(self, client_order_ids: set[str]) -> dict[str, Document]:
        query = {"_id": {"$in": sorted(client_order_ids)}, "account_id": self._account_id}
        return {row["_id"]: row for row in self._store["orders"].find(query)}

    def _open_orders(self, open_orders: Sequence[OpenOrder], now: datetime) -> tuple[int, bool]:
        """How many are none of ours, and whether some of ours have ended in our books."""
        ids = {each.report.client_order_id for each in open_orders} - {""}
        working = {"working": True, "account_id": among(self._account_id)}
        known = {row["_id"] for row in self._store["orders"].find(working, {"_id": 1})}
        ended = self._orders(ids - known)
        foreign = strange(open_orders, known | ended.keys())
        resting = [row for row in ended.values() if now - row["updated_at"] >= _RESTING]
        rest = self._remnants.end([row for row in resting if not row.get("working")])
        return self._differences.keep_foreign_orders(foreign, now), rest

    def _book_foreign(self, executions: Sequence[Execution]) -> int:
        for start in range(0, len(executions), _AT_ONCE):
            part = executions[start : start + _AT_ONCE]
            owners = self._ours.owners(part)
            nobody = Owner(UNATTRIBUTED, self._account_id, origin=FillOrigin.FOREIGN)
            fills = [(owners.get(each.execution_id, nobody), each) for each in part]
            self._differences.tell_foreign(fills)
            self._transact(partial(self._ledger.book_owned, fills))
        return len(executions)

    def _cash(
        self, row: Document, answers: _Answers, now: datetime, *, quiet: bool
    ) -> tuple[Cash | None, CashBase | None]:
        """Cash, and what it is compared from; in a look in which nothing was traded or booked."""
        base = from_document(CashBase, row["cash_base"]) if row.get("cash_base") else None
        before = from_document(Cash, row["cash"]) if row.get("cash") else None
        flows, state = self._ours.flows(), answers.state
        if not quiet or flows != answers.flows:
            return before, base
        if base is None or base.currency != state.currency:
            base, before = cash_base(state.currency, state.cash, flows, now), None
        moved = with_payments(
            flows,
            self._ours.paid_since(base.at),
            self._ours.still_to_come(),
            gap=(base.currency, state.cash - base.cash),
        )
        cash = cash_judged(
            base, before, broker=state.cash, flows=moved, now=now, settle=self._settle
        )
        return cash, base

    def _keep(
        self,
        outcome: Outcome,
        base: CashBase | None,
        positions: Sequence[BrokerPosition],
        request: str | None,
    ) -> None:
        """What the next look starts from, and what an operator is shown."""
        changes = {
            **to_document(outcome),
            "cash_base": None if base is None else to_document(base),
            "positions": [to_document(each) for each in positions],
            "answered": request,
        }
        self._store["reconciliations"].update_one(
            {"_id": self._account_id}, {"$set": changes}, upsert=True
        )
        again = self._settle.total_seconds() if outcome.unsettled else self._every
        self._next = time.monotonic() + again
        if outcome.booked or outcome.foreign:
            _log.warning(
                "account %s: %s missed and %s foreign fills are booked",
                self._account_id,
                outcome.booked,
                outcome.foreign,
            )


def _named(executions: Iterable[Execution], rows: Mapping[str, Document]) -> list[Execution]:
    """Fills of these orders are of what the order trades, whatever the broker calls it."""
    own = {key: from_document(Instrument, row["order"]["instrument"]) for key, row in rows.items()}
    return [called(each, own.get(each.client_order_id, each.instrument)) for each in executions]


def _report(
    stored: Document, found: Sequence[Execution], report: OrderReport | None, now: datetime
) -> OrderReport:
    """A report of an order with executions that were missed; a broker that has forgotten the order
    changes nothing of its status."""
    known = report or OrderReport(
        client_order_id=stored["_id"], status=OrderStatus(stored["status"]), occurred_at=now
    )
    return known.model_copy(update={"executions": (*known.executions, *found)})


def request_look(store: Store, account_id: str, *, request_id: str, by: str) -> None:
    """Ask the account's desk for a look at everything; it answers in the same row."""
    asked = {"id": request_id, "by": by, "at": utc_now()}
    store["reconciliations"].update_one(
        {"_id": account_id}, {"$set": {"requested": asked}}, upsert=True
    )
