"""All queries of the dashboards; it only reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.common.controls import controls, trading_state
from services.common.locks import locks
from services.common.store import Document, Store
from services.domain.signals import plain
from services.domain.words import TradingState

_NEWEST = -1


class DashboardStore:
    """Documents as stored, newest first where there may be many."""

    def __init__(self, store: Store) -> None:
        self._store = store

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

    def signals(
        self, *, limit: int, strategy_id: str | None = None, status: str | None = None
    ) -> list[Document]:
        """The newest signals."""
        given = {"strategy_id": strategy_id, "status": status}
        query = {name: value for name, value in given.items() if value is not None}
        fields = {"decision.context": 0}
        found = self._store["signal_store"].find(query, fields)
        return list(found.sort("received_at", _NEWEST).limit(limit))

    def signal(self, signal_id: str) -> Document | None:
        """One signal."""
        return self._store["signal_store"].find_one({"_id": signal_id}, {"decision.context": 0})

    def paths_of(self, raw_id: object) -> list[Document]:
        """The doors that a raw signal came by."""
        found = self._store["trading_signals_raw"].find_one({"_id": raw_id}, {"paths": 1})
        return found.get("paths", []) if found else []

    def last_signal(self, strategy_id: str) -> Document | None:
        """The newest signal of a strategy."""
        return self._store["signal_store"].find_one(
            {"strategy_id": strategy_id},
            {"signal_id": 1, "status": 1, "received_at": 1},
            sort=[("received_at", _NEWEST)],
        )

    def orders_of(self, signal_ids: Iterable[str]) -> list[Document]:
        """All orders of some signals, oldest first."""
        found = self._store["orders"].find({"signal_id": {"$in": list(signal_ids)}})
        return sorted(found, key=lambda order: (order["created_at"], order["_id"]))

    def orders(self, *, working: bool | None, limit: int) -> list[Document]:
        """The newest orders; `working` picks those that are, or are not, at their end."""
        states = {None: {}, True: {"working": True}, False: {"working": {"$ne": True}}}
        found = self._store["orders"].find(states[working])
        return list(found.sort("created_at", _NEWEST).limit(limit))

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

    def dead_letters(self, *, status: str | None, limit: int) -> list[Document]:
        """Failed messages, those that failed last first; without the traceback."""
        query = {} if status is None else {"status": status}
        found = self._store["dead_letters"].find(query, {"traceback": 0})
        return list(found.sort("last_failed_at", _NEWEST).limit(limit))

    def count_dead_letters(self, status: str) -> int:
        """How many messages are DEAD, or FAILING."""
        return self._store["dead_letters"].count_documents({"status": status})
