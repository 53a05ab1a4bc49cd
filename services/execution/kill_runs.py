"""What the desk of an account does for kill runs: cancel, close, and have the broker prove it.

Rows are the truth: a desk that is started anew goes on where the one before it was. Nothing here
calls the broker to change anything: orders are marked to be canceled, closing orders are PENDING
rows, and the desk carries both out like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from brokers.broker import Broker
from brokers.errors import BrokerError
from services.common.controls import controls
from services.common.guards import exclude_others, make_guard
from services.common.kills import abandon_released, note_overdue, open_runs, save_account
from services.common.store import Document, Store, among, from_document
from services.domain.books import Position
from services.domain.kills import (
    AccountKill,
    ClosingOutcome,
    KillRun,
    OrderOutcome,
    Remaining,
    RunState,
    unreached,
)
from services.domain.risk import Control
from services.domain.words import TradingState
from services.execution.flatten import Situation, remaining_order, to_cancel
from services.execution.kill_documents import (
    closing_documents,
    closing_order,
    order_rows,
    outcome,
)
from services.execution.kill_views import Books, BrokerWord, Figures, OrderRow
from services.execution.kill_witness import Witness

#: A switch acts on what leaves within 0.2 s; what left before that is in the rows by then.
_SWITCH_SECONDS = 0.5
_ASK_SECONDS = 0.5
_SLOW_SECONDS = 2.0


class _Look(NamedTuple):
    """One look at one run.

    Attributes:
        mine: the account's part, with what this look adds to it.
    """

    run: KillRun
    mine: AccountKill
    now: datetime


class _Asked(NamedTuple):
    """When the broker was asked, and how our books stood then."""

    first: float
    last: float
    books: object


class KillRuns:
    """The part of one account in every kill run."""

    def __init__(
        self,
        store: Store,
        account_id: str,
        *,
        on_asked: Callable[[], None] = lambda: None,
        idle_seconds: float = 1.0,
        settle_seconds: float = 5.0,
    ) -> None:
        """Make the part of an account.

        Args:
            store: where runs, orders and books are.
            account_id: whose.
            on_asked: called with each question to the broker, which counts in its rate budget.
            idle_seconds: between looks for runs while there is none.
            settle_seconds: what the broker holds beyond our books must not have changed for so
                long before it is believed: a fill may be on its way.
        """
        self._store = store
        self._account_id = account_id
        self._witness = Witness(store, account_id, on_asked=on_asked, settle_seconds=settle_seconds)
        self._idle = idle_seconds
        self._quiet_until = 0.0
        self._is_open = False
        # Only when to be in no hurry: a desk that forgets this is slower, never wrong.
        self._asked: dict[str, _Asked] = {}

    def step(self, broker: Broker, now: datetime) -> Sequence[str]:
        """Work on every open run of the account; cheap while there is none.

        Args:
            broker: asked for open orders and positions, nothing else.
            now: the time.

        Returns: client_order_ids that the desk should look at.

        Raises: PyMongoError, TransientError: nothing is lost, the next step goes on.
        """
        return [
            order_id for run in self._runs() for order_id in self._work(run, now, broker=broker)
        ]

    def wait(self, trouble: str, now: datetime) -> None:
        """The same for a desk that cannot ask its broker: marks what has to go, and says why.

        Args:
            trouble: why the broker cannot be asked.
            now: the time.

        Raises: PyMongoError, TransientError: as `step`.
        """
        for run in self._runs():
            self._work(run, now, trouble=trouble)

    @property
    def is_open(self) -> bool:
        """Whether the last step has found a run."""
        return self._is_open

    def _runs(self) -> list[KillRun]:
        """Runs that a person still wants; asks the store now and then while there is none."""
        if time.monotonic() < self._quiet_until:
            return []
        runs = open_runs(self._store, self._account_id)
        self._is_open = bool(runs)
        if not runs:
            self._asked.clear()
            self._witness.forget()
            self._quiet_until = time.monotonic() + self._idle
            return []
        switches = controls(self._store)
        return [run for run in runs if self._is_wanted(run, switches)]

    def _is_wanted(self, run: KillRun, switches: Sequence[Control]) -> bool:
        """Whether its switch is still set; a run whose switch was released ends."""
        if run.position is not None:
            return True  # it has set none
        switch = next((each for each in switches if each.key == run.key), None)
        if switch is None or switch.trading_state is TradingState.ACTIVE:
            abandon_released(self._store, run, switch)
            return False
        return True

    def _work(
        self, run: KillRun, now: datetime, *, broker: Broker | None = None, trouble: str = ""
    ) -> list[str]:
        mine = run.account(self._account_id)
        if mine is None or mine.state is RunState.DONE:
            if run.at(now) != run:
                note_overdue(self._store, run, now)
            return []
        books = self._books(run.run_id)
        going = to_cancel(run, mine, books)
        asked = tuple(sorted({*mine.asked, *(row.order_id for row in going)}))
        looked = mine.model_copy(update={"looked_at": now, "asked": asked})
        if asked != mine.asked:
            kept = save_account(self._store, run.run_id, looked, now=now)
            if kept is None:
                return []
            looked = kept
        look = _Look(run, looked, now)
        wake = self._cancel(look, going)
        if wake and mine.looked_at is None:
            return wake  # cancels leave first, questions come after
        books = self._books(run.run_id) if wake else books
        if not self._is_time(look, books):
            return wake
        if broker is None:
            self._save(look, books, _without_word(look, books, trouble))
            return wake
        return wake + self._ask(look, broker, books)

    def _cancel(self, look: _Look, going: Sequence[OrderRow]) -> list[str]:
        """Mark what has to go and is not marked; the desk cancels it, or never sends it."""
        ids = [row.order_id for row in going if not row.asked_to_cancel]
        if ids:
            run = look.run
            why = f"{run.run_id} of {run.by}: {run.reason}"
            marks = {"cancel_requested_at": look.now, "cancel_reason": why}
            # One by one: a write of many rows, and a transaction of the desk that has some of them,
            # may wait for each other.
            self._store["orders"].bulk_write(
                [
                    UpdateOne(
                        {"_id": each, "working": True, "cancel_requested_at": None},
                        {"$set": marks},
                    )
                    for each in ids
                ],
                ordered=False,
            )
        return ids

    def _ask(self, look: _Look, broker: Broker, books: Books) -> list[str]:
        """Compare our books with the broker's word, close what may be closed, keep the proof."""
        try:
            word = self._witness.ask(broker, books, look.now)
        except BrokerError as error:
            self._save(look, books, _without_word(look, books, f"{type(error).__name__}: {error}"))
            return []
        settled = self._witness.settled(books, word)
        situation = self._situation(look, books, word, settled)
        made: list[str] = []
        if situation.closes():
            made = self._close(look, word, settled)
            books = self._books(look.run.run_id)
            situation = self._situation(look, books, word, settled)
        verdict = situation.verdict()
        first = self._asked[look.run.run_id].first
        proven = not verdict.remaining and time.monotonic() - first >= _SWITCH_SECONDS
        state = RunState.DONE if proven else look.mine.state
        changes = {
            **verdict._asdict(),
            "state": state,
            "trouble": "",
            "broker_asked_at": word.asked_at,
            "proven_at": look.now if proven else None,
        }
        self._save(look, books, changes)
        return made

    def _is_time(self, look: _Look, books: Books) -> bool:
        """At once where our books have moved; else now and then."""
        run_id, now = look.run.run_id, time.monotonic()
        before = self._asked.get(run_id)
        seen = (books.working, books.closings, books.positions)
        slow = look.mine.trouble or look.mine.state is RunState.INCOMPLETE
        pause = _SLOW_SECONDS if slow else _ASK_SECONDS
        moved = before is None or (before.books != seen and not look.mine.trouble)
        if before is not None and not moved and now - before.last < pause:
            return False
        self._asked[run_id] = _Asked(before.first if before else now, now, seen)
        return True

    def _situation(
        self, look: _Look, books: Books, word: BrokerWord, settled: dict[str, Figures]
    ) -> Situation:
        return Situation(
            look.run,
            look.mine,
            books=books,
            word=word,
            settled=settled,
        )

    def _close(self, look: _Look, word: BrokerWord, settled: dict[str, Figures]) -> list[str]:
        """Make closing orders, on the books of one instant that no other decision can change."""
        make_guard(self._store, self._account_id)
        prices = {each.instrument.key: each.market_price for each in word.positions}

        def work(session: ClientSession) -> list[str]:
            exclude_others(self._store, [self._account_id], session)
            books = self._books(look.run.run_id, session)
            closes = self._situation(look, books, word, settled).closes()
            orders = [
                closing_order(
                    look.run, self._account_id, close, price=prices.get(close.instrument.key)
                )
                for close in closes
            ]
            if not orders:
                return []
            rows, held = closing_documents(orders, at=look.now)
            self._store["orders"].insert_many(rows, session=session)
            self._store["reservations"].insert_many(held, session=session)
            return [each.client_order_id for each in orders]

        try:
            return self._store.transaction(work)
        except DuplicateKeyError:  # a desk before this one has made them: they are found as rows
            return []

    def _books(self, run_id: str, session: ClientSession | None = None) -> Books:
        orders = self._store["orders"]
        mine = {"account_id": among(self._account_id)}
        working = orders.find({"working": True, **mine}, session=session)
        closings = orders.find({"signal_id": run_id, **mine}, session=session)
        positions = self._store["positions"].find({"open": True, **mine}, session=session)
        return Books(
            order_rows(working),
            order_rows(closings),
            [from_document(Position, row) for row in positions],
        )

    def _save(self, look: _Look, books: Books, changes: Document) -> None:
        ids = list(look.mine.asked)
        asked = order_rows(self._store["orders"].find({"_id": {"$in": ids}})) if ids else []
        outcomes = {
            "orders": tuple(OrderOutcome(**outcome(row)) for row in asked),
            "closings": tuple(
                ClosingOutcome(**outcome(row), price=row.avg_fill_price) for row in books.closings
            ),
        }
        mine = look.mine.model_copy(update={**outcomes, **changes})
        save_account(self._store, look.run.run_id, mine, now=look.now)


def _without_word(look: _Look, books: Books, trouble: str) -> Document:
    """What is known while the broker does not answer: nothing is 0, and nothing is proven."""
    mine = look.mine.model_copy(update={"trouble": trouble})
    going = (remaining_order(row) for row in to_cancel(look.run, mine, books))
    silence = Remaining(
        what=f"account {mine.account_id}", why=unreached(mine, look.run.requested_at)
    )
    return {
        "trouble": trouble,
        "orders_left": None,
        "positions_left": None,
        "remaining": (silence, *going),
    }
