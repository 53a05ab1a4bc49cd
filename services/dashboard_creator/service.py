"""Puts the pages together: loads documents, hands them to the pure parts, returns models."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from services.common.clock import utc_now
from services.common.store import Document, from_document
from services.dashboard_creator.documents import (
    incident,
    order_view,
    position_view,
    quarantined,
    signal_page,
    signal_summary,
)
from services.dashboard_creator.models import (
    FillView,
    OrderView,
    PositionView,
    QuarantinedSignal,
    SignalPage,
    SignalRecord,
    SignalSummary,
)
from services.dashboard_creator.overview import account_row, fund_row, money_of, strategy_row
from services.dashboard_creator.pages import (
    Dashboard,
    DeadLetterCounts,
    Incident,
    LastSignal,
    StrategyRow,
)
from services.dashboard_creator.store import DashboardStore
from services.domain.books import position_id
from services.domain.orders import Reservation
from services.domain.words import SignalStatus

_FIRST_PAGE_SIGNALS = 20
_FIRST_PAGE_INCIDENTS = 100


class Dashboards:
    """Every page; the first one is kept for `refresh_seconds`, however many look at it."""

    def __init__(
        self,
        store: DashboardStore,
        *,
        trading_mode: str,
        max_age_seconds: float,
        refresh_seconds: float,
    ) -> None:
        self._store = store
        self._trading_mode = trading_mode
        self._max_age_seconds = max_age_seconds
        self._refresh_seconds = refresh_seconds
        self._kept: tuple[float, Dashboard] | None = None
        self._lock = threading.Lock()

    def dashboard(self) -> Dashboard:
        """The first page, at most `refresh_seconds` old; `generated_at` tells."""
        with self._lock:
            if self._kept and time.monotonic() - self._kept[0] < self._refresh_seconds:
                return self._kept[1]
            page = self._build()
            self._kept = (time.monotonic(), page)
            return page

    def signals(self, *, limit: int) -> list[SignalSummary]:
        """The newest signals with their road."""
        found = self._store.signals(limit=limit)
        records = [from_document(SignalRecord, document) for document in found]
        orders: dict[str, list[OrderView]] = defaultdict(list)
        for document in self._store.orders_of(record.signal_id for record in records):
            orders[document["signal_id"]].append(order_view(document))
        return [signal_summary(record, orders[record.signal_id]) for record in records]

    def signal(self, signal_id: str) -> SignalPage | None:
        """Everything of one signal; None where there is no such signal."""
        found = self._store.signal(signal_id)
        if found is None:
            return None
        record = from_document(SignalRecord, found)
        orders = [order_view(document) for document in self._store.orders_of([signal_id])]
        fills = [from_document(FillView, row) for row in self._store.fills_of(signal_id)]
        paths = self._store.paths_of(found["raw_id"])
        return signal_page(record, orders, fills, self._positions_of(orders), paths)

    def positions(self, *, open_only: bool) -> list[PositionView]:
        """What every strategy holds in every account."""
        found = [position_view(document) for document in self._store.positions()]
        return [position for position in found if position.quantity or not open_only]

    def quarantine(self, *, limit: int) -> list[QuarantinedSignal]:
        """Signals that could not be read, and why."""
        found = self._store.signals(limit=limit, status=SignalStatus.QUARANTINED)
        return [quarantined(from_document(SignalRecord, document)) for document in found]

    def incidents(self, *, status: str | None, limit: int) -> list[Incident]:
        """What a person must see."""
        return [incident(each) for each in self._store.incidents(status=status, limit=limit)]

    def _positions_of(self, orders: Iterable[OrderView]) -> list[PositionView]:
        ids = {position_id(o.strategy_id, o.account_id, o.instrument) for o in orders}
        return [position_view(document) for document in self._store.positions(ids)]

    def _build(self) -> Dashboard:
        now, age = utc_now(), self._max_age_seconds
        accounts = [
            account_row(document, now=now, max_age_seconds=age)
            for document in self._store.accounts()
        ]
        count = self._store.count_dead_letters
        return Dashboard(
            generated_at=now,
            trading_mode=self._trading_mode,
            trading_state=self._store.trading_state(),
            restrictions=self._store.restrictions(now),
            fund=fund_row(accounts, now=now, max_age_seconds=age),
            accounts=tuple(accounts),
            strategies=tuple(self._strategies({a.account_id: a.currency for a in accounts})),
            signals=tuple(self.signals(limit=_FIRST_PAGE_SIGNALS)),
            incidents=tuple(self.incidents(status="OPEN", limit=_FIRST_PAGE_INCIDENTS)),
            dead_letters=DeadLetterCounts(dead=count("DEAD"), failing=count("FAILING")),
        )

    def _strategies(self, currencies: dict[str, str]) -> list[StrategyRow]:
        documents = {each["_id"]: each for each in self._store.strategies()}
        positions: dict[str, list[PositionView]] = defaultdict(list)
        for position in self.positions(open_only=False):
            positions[position.strategy_id].append(position)
        reservations: dict[str, list[Reservation]] = defaultdict(list)
        for row in self._store.reservations():
            reservation = from_document(Reservation, row)
            reservations[reservation.strategy_id].append(reservation)
        ratios = self._store.allocation_ratios()
        names = sorted({*documents, *positions, *reservations})
        last = self._store.last_signals(names)
        return [
            strategy_row(
                strategy_id,
                documents.get(strategy_id),
                allocation_ratio=ratios.get(strategy_id),
                money=money_of(positions[strategy_id], reservations[strategy_id], currencies),
                account_currencies=currencies,
                last_signal=_last(last.get(strategy_id)),
            )
            for strategy_id in names
        ]


def _last(found: Document | None) -> LastSignal | None:
    return from_document(LastSignal, found) if found else None
