"""What a signal has to do with those before it: the entry it closes, the exit it follows.

What it waits for is in the store, so any replica may look again at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.books import Books, EntryFound
from services.cerebro.store import CerebroStore
from services.common.store import Document, from_document
from services.decision.exits import NOTHING_OPEN
from services.domain.accounts import DecisionContext, Strategy
from services.domain.decisions import Decision
from services.domain.orders import Order
from services.domain.signals import Signal
from services.domain.values import ZERO
from services.domain.words import Intent, Outcome, SignalStatus

#: An exit that a person has stopped ends no entry either.
_STOPPED = frozenset({"TRADING_HALTED"})
_UNDER_WAY = frozenset({SignalStatus.DECIDED, SignalStatus.WORKING})


class Entry(NamedTuple):
    """What an exit's reference leads to.

    Attributes:
        orders: of the entry, as they are stored.
    """

    found: bool | None
    signal_id: str | None
    undecided: bool
    orders: list[Document]


NO_ENTRY = Entry(None, None, undecided=False, orders=[])


class Relations:
    """Reads them."""

    def __init__(self, queries: CerebroStore) -> None:
        self._queries = queries

    def entry(self, signal: Signal, session: ClientSession) -> Entry:
        """The entry that a signal names."""
        if signal.entry_reference is None:
            return NO_ENTRY
        found = self._queries.find_entry(signal, session)
        if found is None:
            return Entry(found=False, signal_id=None, undecided=False, orders=[])
        signal_id = found["signal_id"]
        orders = self._queries.orders_of(signal_id, session)
        return Entry(True, signal_id, undecided=bool(found.get("undecided")), orders=orders)

    def found(
        self,
        signal: Signal,
        strategy: Strategy | None,
        entry: Entry,
        books: Books,
        canceled: Iterable[str],
        session: ClientSession,
    ) -> EntryFound:
        """What of it a decision has to know."""
        working: list[Document] = []
        if signal.intent is Intent.CANCEL:
            working = entry.orders or self._queries.working_orders(signal.strategy_id, session)
        accounts = [each.account_id for each in strategy.accounts] if strategy else []
        return EntryFound(
            entry.found,
            entry.signal_id,
            {name: _entries(working, signal, account_id=name) for name in accounts},
            self._ended(tuple(canceled), session),
            *self._reversal(signal, books, session),
        )

    def _ended(self, canceled: tuple[str, ...], session: ClientSession) -> tuple[str, ...]:
        """Entry orders that were canceled for an exit; none while one of them still works."""
        if not canceled or self._queries.any_works(canceled, session):
            return ()
        return canceled

    def _reversal(self, signal: Signal, books: Books, session: ClientSession) -> tuple[str, bool]:
        """Why the entry of a reversal may not go: nothing is entered against what is held.

        Returns: the reason, "" without one, and whether it may still go away.
        """
        if signal.follows is None:
            return "", False
        life = self._queries.life(signal.follows, session)
        if life is not None and life.get("undecided"):
            return "the exit of this reversal is not decided yet", True
        if life is not None and life["status"] in _UNDER_WAY:
            return "the exit of this reversal has not filled yet", True
        ended = f"ended as {life['status']}" if life else "is not known"
        symbol, key = signal.legs[0].instrument.symbol, signal.legs[0].instrument.key
        mine = [each for each in books.positions if each.strategy_id == signal.strategy_id]
        sign = signal.legs[0].side.sign if signal.legs[0].side else 1
        held = sum(
            (p.quantity for p in mine if p.instrument.key == key and p.quantity * sign < 0), ZERO
        )
        if held:
            return f"the exit of this reversal {ended}, and {held:f} {symbol} are still held", False
        working = any(
            each.strategy_id == signal.strategy_id
            and each.instrument_key == key
            and not each.closing_quantity
            for each in books.reservations
        )
        if working:
            return f"the exit of this reversal {ended}, and an order still enters {symbol}", False
        return "", False

    def unfilled_entries(
        self,
        signal: Signal,
        decision: Decision,
        entry: Entry,
        books: Books,
        session: ClientSession,
    ) -> list[str]:
        """Working entry orders that an exit ends before it closes what they have filled.

        Those of the entry that it names; without a name all in its instruments, where it leaves
        nothing open. A part leaves them alone. What this batch has decided is among them.
        """
        if decision.intent is not Intent.EXIT or decision.code in _STOPPED:
            return []
        named = signal.entry_reference is not None
        if named:
            working = entry.orders
        elif closes_everything(decision):
            working = self._queries.working_orders(signal.strategy_id, session)
        else:
            return []
        keys = {leg.instrument.key for leg in signal.legs}
        pending = [
            order.client_order_id
            for order in books.orders
            if order.strategy_id == signal.strategy_id
            and order.instrument.key in keys
            and not order.intent.reduces_risk
            and (not named or order.signal_id == entry.signal_id)
        ]
        return [*_entries(working, signal), *pending]


def closes_everything(decision: Decision) -> bool:
    """Whether an exit leaves nothing of its instruments open, or found nothing open."""
    if decision.outcome is Outcome.DENIED:
        return decision.code in NOTHING_OPEN
    closing = {
        (order.account_id, order.instrument.key): order.quantity for order in decision.orders
    }
    return all(
        left_open(decision.context, account_id, key) <= quantity
        for (account_id, key), quantity in closing.items()
    )


def left_open(context: DecisionContext, account_id: str, key: str) -> Decimal:
    """How much of an instrument the strategy holds in an account that nothing is closing yet."""
    account = next(each for each in context.accounts if each.account.account_id == account_id)
    held = sum(
        (abs(p.quantity) for p in account.positions if p.instrument.key == key),
        ZERO,
    )
    closing = sum(
        (r.closing_quantity for r in account.reservations if r.instrument_key == key), ZERO
    )
    return held - closing


def _entries(
    orders: Iterable[Document], signal: Signal, *, account_id: str | None = None
) -> tuple[str, ...]:
    """Working orders that enter the signal's instruments."""
    keys = {leg.instrument.key for leg in signal.legs}
    found = []
    for stored in orders:
        if not stored.get("working") or account_id not in {None, stored["account_id"]}:
            continue
        order = from_document(Order, stored["order"])
        if not order.intent.reduces_risk and order.instrument.key in keys:
            found.append(order.client_order_id)
    return tuple(found)
