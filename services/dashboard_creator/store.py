"""All queries of the dashboards; it only reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from services.common.clock import utc_now
from services.common.controls import controls, trading_state
from services.common.locks import locks
from services.common.store import Document, Store
from services.dashboard_creator.activity import Activities
from services.dashboard_creator.paging import Wanted, newest_first
from services.domain.signals import plain
from services.domain.words import TradingState

_NEWEST = -1
#: A clock may be ahead of ours.
_AHEAD: Final = timedelta(minutes=5)
#: So far back signals are looked for that are not in the summaries.
_JUST_BEGUN: Final = timedelta(days=7)


class DashboardStore:
    """Documents as stored, newest first where there may be many."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._activities = Activities(store)

    def trading_state(self) -> TradingState:
        """The kill switch."""
        return trading_state(self._store)

    def restrictions(self, now: datetime) -> tuple[str, ...]:
        """What a person has set and what limits have locked, a sentence each."""
        set_by_hand = [
            f"{control.state}"
            + (f", entries × {plain(control.scale_ratio)}" if control.scale_ratio != 1 else "")
            + f": {control.in_words}"
            for control in controls(self._store)
            if control.state is not TradingState.ACTIVE or control.scale_ratio != 1
        ]
        locked = [
            f"entries locked: {lock.sentence}, {lock.ends}" for lock in locks(self._store, now)
        ]
        return (*set_by_hand, *locked)

    def signals(self, *, limit: int, status: str | None = None) -> list[Document]:
        """The newest signals, or those of a status; in windows, as all lists (`paging`)."""
        prefix = {} if status is None else {"status": status}
        return self._newest(prefix, {"decision.context": 0}, limit=limit)

    def signal(self, signal_id: str) -> Document | None:
        """One signal."""
        return self._store["signal_store"].find_one({"_id": signal_id}, {"decision.context": 0})

    def paths_of(self, raw_id: object) -> list[Document]:
        """The doors that a raw signal came by."""
        found = self._store["trading_signals_raw"].find_one({"_id": raw_id}, {"paths": 1})
        return found.get("paths", []) if found else []

    def last_signals(self, strategy_ids: Iterable[str]) -> dict[str, Document]:
        """The newest signal of each strategy that has sent any."""
        found = self._store["strategy_totals"].find({}, {"last_signal_at": 1})
        counted = {row["_id"]: row.get("last_signal_at") for row in found}
        fields = {"signal_id": 1, "status": 1, "received_at": 1}
        newest: dict[str, Document] = {}
        for strategy_id in strategy_ids:
            prefix, since = {"strategy_id": strategy_id}, counted.get(strategy_id)
            if since is None:  # it has sent nothing, or is not counted yet
                begun = utc_now() - _JUST_BEGUN
                rows = self._newest(prefix, fields, limit=1, since=begun)
            else:
                query = {**prefix, "received_at": {"$gte": since}}
                rows = sorted(self._store["signal_store"].find(query, fields), key=_arrival)
            if rows:
                newest[strategy_id] = rows[-1]
        return newest

    def _newest(
        self, prefix: Document, fields: Document, *, limit: int, since: datetime | None = None
    ) -> list[Document]:
        def read(after: datetime, until: datetime, most: int | None) -> list[Document]:
            span = {"received_at": {"$gt": after, "$lte": until}}
            found = self._store["signal_store"].find({**prefix, **span}, fields)
            return list(found.sort("received_at", _NEWEST).limit(most or 0))

        until = utc_now() + _AHEAD
        wanted = Wanted(limit=limit, field="received_at", until=until, since=since)
        page = newest_first(read, wanted, self._activities.of_signals())
        return [dict(row) for row in page.rows]

    def orders_of(self, signal_ids: Iterable[str]) -> list[Document]:
        """All orders of some signals, oldest first."""
        found = self._store["orders"].find({"signal_id": {"$in": list(signal_ids)}})
        return sorted(found, key=lambda order: (order["created_at"], order["_id"]))

    def fills_of(self, signal_id: str) -> list[Document]:
        """All executions of a signal that count, oldest first."""
        query = {"signal_id": signal_id, "void": {"$ne": True}}
        found = self._store["execution_confirmations"].find(query)
        return sorted(found, key=lambda fill: (fill["occurred_at"], fill["_id"]))

    def positions(self, ids: Iterable[str] | None = None) -> list[Document]:
        """All books, or some, flat ones included."""
        query: Document = {} if ids is None else {"_id": {"$in": list(ids)}}
        return list(self._store["positions"].find(query).sort("_id"))

    def reservations(self) -> list[Document]:
        """Capital held for orders."""
        return list(self._store["reservations"].find({}))

    def accounts(self) -> list[Document]:
        """All accounts, in the order of their ids."""
        return list(self._store["trading_accounts"].find({}).sort("_id"))

    def strategies(self) -> list[Document]:
        """All strategies without their credentials, in the order of their ids."""
        return list(self._store["strategies"].find({}, {"credentials": 0}).sort("_id"))

    def allocation_ratios(self) -> dict[str, Decimal]:
        """Approved share of account equity by strategy."""
        found = self._store["current_allocation"].find_one({"_id": "current"})
        rows = found["allocations"] if found else []
        return {row["strategy_id"]: row["ratio"] for row in rows}

    def incidents(self, *, status: str | None, limit: int) -> list[Document]:
        """Incidents, those last seen first."""
        query = {} if status is None else {"status": status}
        found = self._store["incidents"].find(query)
        return list(found.sort("last_seen_at", _NEWEST).limit(limit))

    def count_dead_letters(self, status: str) -> int:
        """How many messages are DEAD, or FAILING."""
        return self._store["dead_letters"].count_documents({"status": status})


def _arrival(row: Document) -> tuple[datetime, str]:
    return row["received_at"], str(row["_id"])
