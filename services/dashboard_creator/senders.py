"""What developers ask of their strategies: signals, positions, results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import from_document
from services.dashboard_creator.documents import order_view
from services.dashboard_creator.models import FillView, OrderView, SignalRecord
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.paging import Cursor
from services.dashboard_creator.privacy import aliases
from services.dashboard_creator.results_store import ResultsStore, SenderQuery
from services.dashboard_creator.sender_dashboard import (
    sender_equity,
    sender_page,
    sender_positions,
    sender_signal,
)
from services.dashboard_creator.sender_models import (
    SenderEquity,
    SenderPositions,
    SenderSignalPage,
    SenderSignals,
)
from services.domain.words import SignalStatus

_AHEAD: Final = timedelta(days=1)


class Senders:
    """Pages of one strategy each; account ids never leave."""

    def __init__(
        self,
        store: ResultsStore,
        facts: OverviewStore,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._facts = facts
        self.clock = clock

    def check(self, strategy_id: str) -> None:
        """Refuse a strategy that has never been. Raises: Refusal (404)."""
        if not self._store.strategy_exists(strategy_id):
            sentence = f"there is no strategy named {strategy_id!r}"
            raise Refusal(404, "UNKNOWN_STRATEGY", sentence)

    def signals(
        self,
        strategy_id: str,
        *,
        limit: int,
        before: str | None,
        status: SignalStatus | None = None,
    ) -> SenderSignals:
        """A page of signals, newest first. Raises: Refusal: no such strategy, or a wrong cursor."""
        self.check(strategy_id)
        until = self.clock() + _AHEAD
        query = SenderQuery(strategy_id, limit, until, _read_cursor(before), status)
        page = self._store.signals(query)
        records = [from_document(SignalRecord, dict(row)) for row in page.rows]
        orders: dict[str, list[OrderView]] = defaultdict(list)
        for row in self._store.lines_of_orders(record.signal_id for record in records):
            orders[row["signal_id"]].append(order_view({**row, "events": ()}))
        names = aliases(self._store.account_ids())
        return SenderSignals(
            rows=tuple(sender_signal(each, orders[each.signal_id], names) for each in records),
            next=page.next.text() if page.next else None,
        )

    def signal(self, strategy_id: str, signal_id: str) -> SenderSignalPage:
        """One signal, by our id. Raises: Refusal (404): it is none of this strategy's."""
        found = self._store.signal(strategy_id, signal_id)
        if found is None:
            sentence = f"{strategy_id} has sent no signal {signal_id!r}"
            raise Refusal(404, "UNKNOWN_SIGNAL", sentence)
        orders = [order_view(row) for row in self._store.orders_of([signal_id])]
        fills = [from_document(FillView, row) for row in self._store.fills_of(signal_id)]
        names = aliases(self._store.account_ids())
        return sender_page(from_document(SignalRecord, found), orders, fills, names)

    def positions(self, strategy_id: str) -> SenderPositions:
        """What is open. Raises: Refusal (404)."""
        self.check(strategy_id)
        now = self.clock()
        held = self._store.positions_of(strategy_id)
        marks = self._facts.marks({each.account_id for each in held}, now.date()) if held else {}
        return SenderPositions(rows=tuple(sender_positions(held, marks, now)))

    def equity(self, strategy_id: str) -> SenderEquity:
        """Its own curve, until last night. Raises: Refusal (404)."""
        self.check(strategy_id)
        return sender_equity(strategy_id, self._store.record(strategy_id))


def _read_cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as error:
        sentence = "before must be `next` of an earlier answer"
        raise Refusal(422, "WRONG_CURSOR", sentence, field="before") from error
