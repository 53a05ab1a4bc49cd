"""Which signals wait, for what, and for how long."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.books import Books, EntryFound
from services.cerebro.relations import Entry
from services.cerebro.store import CerebroStore
from services.common.store import Document
from services.domain.approvals import AWAITS_APPROVAL
from services.domain.decisions import Decision
from services.domain.signals import Signal

#: Denials of an exit that may only mean that its entry is still on the road.
_MAY_COME = frozenset({"ENTRY_NOT_FOUND", "NO_POSITION", "NOTHING_TO_CANCEL"})


class Patience(NamedTuple):
    """How long a signal waits for one before it, seconds since it was received.

    Attributes:
        exit_seconds: an exit for its entry.
        gap_seconds: an entry for whatever is missing before it.
        price_seconds: a signal for the price or the margin that its broker names.
        reversal_seconds: the entry of a reversal for the fill of its exit.
    """

    exit_seconds: Decimal
    gap_seconds: Decimal
    price_seconds: Decimal
    reversal_seconds: Decimal = Decimal(60)


class Before(NamedTuple):
    """What earlier looks at a signal have left.

    Attributes:
        canceled: entry orders that were canceled for it.
        waiting_since: when it was first looked at; a standstill of ours uses up no patience.
        is_asked: whether a person was asked.
    """

    canceled: tuple[str, ...] = ()
    waiting_since: datetime | None = None
    is_asked: bool = False

    @classmethod
    def of(cls, life: Document) -> Before:
        """From what is stored of the signal."""
        return cls(
            tuple(life.get("canceled_entries", ())),
            life.get("waiting_since"),
            life.get("undecided") == AWAITS_APPROVAL,
        )

    def may_wait(self, decision: Decision, seconds: Decimal) -> bool:
        """Whether it has not waited for so long yet."""
        since = self.waiting_since or decision.decided_at
        return (decision.decided_at - since).total_seconds() < seconds


class Standing(NamedTuple):
    """How a signal stands: looks before this one, its entry, what was found of both, the books."""

    looked: Before
    entry: Entry
    found: EntryFound
    books: Books


class Waiting:
    """Knows whether what a signal builds on may still come."""

    def __init__(self, queries: CerebroStore, patience: Patience) -> None:
        self._queries = queries
        self._patience = patience

    def for_cancel(self, decision: Decision, looked: Before) -> bool:
        """Whether an exit waits for its entry's cancels."""
        return looked.may_wait(decision, self._patience.exit_seconds)

    def has_to_wait(
        self, signal: Signal, decision: Decision, stands: Standing, session: ClientSession
    ) -> bool:
        """Whether it waits for its entry, a gap, the exit of a reversal, or a broker's answer."""
        if decision.code == "REVERSAL_EXIT_OPEN" and stands.found.reversal_under_way:
            waits = stands.looked.may_wait(decision, self._patience.reversal_seconds)
        else:
            waits = self._should_wait(signal, decision, stands, session)
        return waits or self._asks(decision, signal)

    def _should_wait(
        self, signal: Signal, decision: Decision, stands: Standing, session: ClientSession
    ) -> bool:
        """Whether what this signal builds on may still come: an exit's entry, or what fills a gap.

        It waits on the bus and in the store, not in a thread, and not for ever.
        """
        gap, entry = decision.context.gap, stands.entry
        held = gap is not None and decision.code == gap.code
        if not held and decision.code not in _MAY_COME:
            return False
        longest = self._patience.gap_seconds if held else self._patience.exit_seconds
        if not self._waits_on(signal, decision, longest):
            return False
        if gap is not None or entry.found is False or entry.undecided:
            return True
        if entry.found:
            return any(order.get("working") for order in entry.orders)
        if self._queries.has_undecided_before(signal, session):
            return True
        keys = {leg.instrument.key for leg in signal.legs}
        return any(
            held.instrument_key in keys
            and held.strategy_id == signal.strategy_id
            and not held.closing_quantity
            for held in stands.books.reservations
        )

    def _asks(self, decision: Decision, signal: Signal) -> bool:
        """Whether a broker may still say what was missing; if so, ask it.

        Written outside of the transaction, which the wait may undo.
        """
        if not decision.questions:
            return False
        if not self._waits_on(signal, decision, self._patience.price_seconds):
            return False
        for question in decision.questions:
            self._queries.questions.ask(question, at=decision.decided_at)
        return True

    @staticmethod
    def _waits_on(signal: Signal, decision: Decision, seconds: Decimal) -> bool:
        answer = decision.context.approval
        since = answer.answered_at if answer else signal.received_at
        return (decision.decided_at - since).total_seconds() <= seconds
