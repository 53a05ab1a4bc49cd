"""All queries of the lists; an index covers every one of them, also on the embedded database.

That uses an index for equal values and one range behind them, and for nothing that has a word with
`$` before it. What else is asked for (`also`) it filters where a list is read by time alone; with a
prefix it would take another index, or none, and `paging` filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from services.common.store import Document, Store
from services.dashboard_creator.paging import Read
from services.domain.signals import signal_id_for

_NEWEST: Final = -1
_SIGNAL_FIELDS: Final = dict.fromkeys(
    (
        "signal_id",
        "strategy_id",
        "external_id",
        "intent",
        "status",
        "received_at",
        "stages",
        "signal.intent",
        "signal.environment",
        "signal.legs",
        "decision.outcome",
        "decision.intent",
        "decision.code",
        "decision.reason",
        "decision.decided_at",
        "quarantine.code",
    ),
    1,
)
_ACCOUNTS: Final = {"decision.steps.account_id": 1}


class ListStore:
    """Rows of lists as they are stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def signals(self, prefixes: Sequence[Document], also: Document, *, with_accounts: bool) -> Read:
        """Signals without what only their page shows."""
        fields = {**_SIGNAL_FIELDS, **(_ACCOUNTS if with_accounts else {})}
        return self._read("signal_store", "received_at", prefixes, also, fields)

    def orders(self, prefixes: Sequence[Document], also: Document) -> Read:
        """Orders without their events."""
        return self._read("orders", "created_at", prefixes, also, {"events": 0})

    def fills(self, prefixes: Sequence[Document]) -> Read:
        """Executions."""
        return self._read("execution_confirmations", "occurred_at", prefixes, {}, None)

    def incidents(self, prefix: Document) -> Read:
        """Incidents."""
        return self._read("incidents", "last_seen_at", [prefix], {}, None)

    def dead_letters(self, prefix: Document) -> Read:
        """Failed messages without their traceback."""
        return self._read("dead_letters", "last_failed_at", [prefix], {}, {"traceback": 0})

    def _read(
        self,
        collection: str,
        field: str,
        prefixes: Sequence[Document],
        also: Document,
        fields: Document | None,
    ) -> Read:
        def read(after: datetime, until: datetime, most: int | None) -> Sequence[Document]:
            span = {field: {"$gt": after, "$lte": until}}
            found: list[Document] = []
            for prefix in prefixes:
                # The embedded database looks for an index in the order of the fields.
                query = {**prefix, **span, **also}
                rows = self._store[collection].find(query, fields)
                found += rows.sort(field, _NEWEST).limit(most or 0)
            if len(prefixes) > 1:
                found.sort(key=lambda row: row[field], reverse=True)
            return found[:most]

        return read

    def signals_called(self, name: str, strategies: Iterable[str]) -> list[Document]:
        """Signals whose id is this, ours or the sender's: ours is made of the sender's."""
        ids = [name, *(signal_id_for(each, name) for each in strategies)]
        found = self._store["signal_store"].find({"_id": {"$in": ids}}, _SIGNAL_FIELDS)
        return sorted(found, key=lambda row: row["received_at"], reverse=True)

    def working_orders(self) -> list[Document]:
        """Orders that are not at their end; they are few."""
        return list(self._store["orders"].find({"working": True}, {"events": 0}))

    def unknown_orders(self) -> list[Document]:
        """Orders without a known outcome; they are very few."""
        return list(self._store["orders"].find({"unknown": True}, {"events": 0}))

    def order(self, order_id: str) -> Document | None:
        """One order with all that is stored of it."""
        return self._store["orders"].find_one({"_id": order_id})

    def orders_by_id(self, ids: Sequence[str], fields: Document) -> list[Document]:
        """Some orders."""
        return list(self._store["orders"].find({"_id": {"$in": list(ids)}}, fields)) if ids else []

    def fills_of(self, signal_ids: Sequence[str]) -> list[Document]:
        """What the executions of some signals have made."""
        fields = {"signal_id": 1, "realized_pnl": 1, "void": 1, "instrument_key": 1}
        query = {"signal_id": {"$in": list(signal_ids)}}
        if not signal_ids:
            return []
        found = self._store["execution_confirmations"].find(query, fields)
        return [row for row in found if not row.get("void")]

    def fills_of_order(self, signal_id: str, order_id: str) -> list[Document]:
        """All executions of an order, the oldest first; those that do not count, too."""
        found = self._store["execution_confirmations"].find({"signal_id": signal_id})
        mine = [row for row in found if row["client_order_id"] == order_id]
        return sorted(mine, key=lambda row: (row["occurred_at"], row["_id"]))

    def positions(self, *, open_only: bool) -> list[Document]:
        """All books, or those that are not flat; without their lots."""
        query = {"open": True} if open_only else {}
        return list(self._store["positions"].find(query, {"lots": 0}))

    def instruments(self, position_ids: Sequence[str]) -> dict[str, Document]:
        """The instruments of some positions, by the position's key."""
        if not position_ids:
            return {}
        query = {"_id": {"$in": list(position_ids)}}
        found = self._store["positions"].find(query, {"instrument": 1})
        return {row["_id"]: row["instrument"] for row in found}

    def held(self) -> list[Document]:
        """What brokers say that accounts hold, at which prices."""
        return list(self._store["account_positions"].find({}))

    def reconciliations(self) -> list[Document]:
        """The last look of each account at its broker."""
        fields = {"looked_at": 1, "differences": 1}
        return list(self._store["reconciliations"].find({}, fields))

    def locked_instruments(self) -> set[tuple[str, str]]:
        """Account and instrument key where entries are stopped because books differ."""
        query = {"rule": "POSITION_MISMATCH"}
        found = self._store["risk_locks"].find(query, {"account_id": 1, "scope_id": 1})
        return {(row["account_id"], row["scope_id"]) for row in found}

    def dead_letter(self, letter_id: str) -> Document | None:
        """One failed message with its traceback."""
        return self._store["dead_letters"].find_one({"_id": letter_id})

    def strategy_names(self) -> dict[str, str]:
        """Every strategy and what it is called."""
        found = self._store["strategies"].find({}, {"name": 1})
        return {row["_id"]: row.get("name") or row["_id"] for row in found}

    def account_names(self) -> list[Document]:
        """Every account, with its broker."""
        fields = {"broker": 1, "account_type": 1, "currency": 1}
        return list(self._store["trading_accounts"].find({}, fields))
