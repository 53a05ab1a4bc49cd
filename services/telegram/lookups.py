"""All queries of the commands that only read; a developer's are cut to their own strategies."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from services.common.clock import utc_now
from services.common.store import Document, Store, from_document
from services.domain.books import Position
from services.domain.risk import EquityMarks, scope_key, scopes_of
from services.domain.values import ZERO
from services.domain.words import Scope

_NEWEST: Final = -1
#: How far back the newest signals are looked for, first and last.
_FIRST_SPAN: Final = timedelta(minutes=1)
_LONGEST_SPAN: Final = timedelta(days=3650)
#: Fills of a day that are added up; more are not, and the answer says so.
_MOST_FILLS: Final = 20_000

Own = Collection[str] | None


class Lookups:
    """Documents as stored, newest first where there may be many."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def signals(self, own: Own, limit: int) -> list[Document]:
        """The newest signals."""
        fields = {
            "strategy_id": 1,
            "status": 1,
            "intent": 1,
            "received_at": 1,
            "signal.legs": 1,
            "decision.code": 1,
        }
        queries: list[Document] = [{}] if own is None else [{"strategy_id": each} for each in own]
        rows = [row for query in queries for row in self._newest_signals(query, fields, limit)]
        return sorted(rows, key=lambda row: row["received_at"], reverse=True)[:limit]

    def _newest_signals(
        self, query: Document, fields: dict[str, int], limit: int
    ) -> list[Document]:
        """In windows of time that grow until they hold enough: the embedded database reads all
        that a query matches before it sorts and cuts."""
        now, span = utc_now(), _FIRST_SPAN
        while True:
            window = {**query, "received_at": {"$gte": now - span}}
            rows = list(self._store["signal_store"].find(window, fields))
            if len(rows) >= limit or span > _LONGEST_SPAN:
                return rows
            span *= 4

    def positions(self, own: Own) -> list[Position]:
        """What is open."""
        query: Document = {"open": True}
        if own is not None:
            query["strategy_id"] = {"$in": sorted(own)}
        found = [from_document(Position, row) for row in self._store["positions"].find(query)]
        return sorted(found, key=lambda each: (each.strategy_id, each.account_id))

    def positions_in(self, scope: Scope, scope_id: str) -> list[Position]:
        """What is open in a scope, by our books."""
        key = scope_key(scope, scope_id)
        return [
            each
            for each in self.positions(None)
            if key
            in scopes_of(
                account_id=each.account_id,
                strategy_id=each.strategy_id,
                instruments=(each.instrument,),
            )
        ]

    def working_orders(self, own: Own, limit: int) -> list[Document]:
        """Orders that are not at their end, the newest first."""
        query: Document = {"working": True}
        if own is not None:
            query["strategy_id"] = {"$in": sorted(own)}
        rows = list(self._store["orders"].find(query, {"events": 0}))
        return sorted(rows, key=lambda row: row["created_at"], reverse=True)[:limit]

    def accounts(self) -> list[Document]:
        """All accounts, in the order of their names."""
        return list(self._store["trading_accounts"].find({}).sort("_id"))

    def modes(self) -> dict[str, str]:
        """PAPER or LIVE by account."""
        return {str(row["_id"]): account_type(row) for row in self.accounts()}

    def incidents(self, limit: int) -> list[Document]:
        """Open incidents, those last seen first."""
        found = self._store["incidents"].find({"status": "OPEN"})
        return list(found.sort("last_seen_at", _NEWEST).limit(limit))

    def services_down(self) -> list[str]:
        """Services that people were told are down."""
        return sorted(str(row["_id"]) for row in self._store["service_states"].find({"up": False}))

    def approvals_waiting(self, limit: int) -> list[Document]:
        """Signals that wait for a person, the oldest first."""
        rows = list(self._store["approvals"].find({"status": "WAITING"}).limit(limit))
        return sorted(rows, key=lambda row: row["asked_at"])

    def approval_waiting(self, signal_id: str) -> Document | None:
        """One of these; None = it was answered, or its time is up."""
        row = self._store["approvals"].find_one({"_id": signal_id, "status": "WAITING"})
        if row is None or row.get("expires_at", utc_now()) < utc_now():
            return None
        return row

    def realized_today(self, own: Own, now: datetime) -> dict[tuple[str, str], Decimal]:
        """Realized P&L since midnight UTC by strategy and currency, gross of commissions."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        sums: dict[tuple[str, str], Decimal] = {}
        positions = self._store["positions"].find({}, {"_id": 1, "instrument.currency": 1})
        currencies = {str(row["_id"]): str(row["instrument"]["currency"]) for row in positions}
        for row in self._fills_since(midnight, own):
            gain = row.get("realized_pnl") or ZERO
            if row.get("void") or not gain:
                continue
            place = "|".join((row["strategy_id"], row["account_id"], row["instrument_key"]))
            key = (str(row["strategy_id"]), currencies.get(place, "?"))
            sums[key] = sums.get(key, ZERO) + gain
        return sums

    def _fills_since(self, moment: datetime, own: Own) -> Iterator[Document]:
        fills, since = self._store["execution_confirmations"], {"$gte": moment}
        fields = {
            "strategy_id": 1,
            "account_id": 1,
            "instrument_key": 1,
            "realized_pnl": 1,
            "void": 1,
        }
        if own is not None:
            queries: list[Document] = [{"strategy_id": each} for each in own]
        else:
            queries = [{"account_id": row["_id"]} for row in self.accounts()]
        for query in queries:
            yield from fills.find({**query, "occurred_at": since}, fields).limit(_MOST_FILLS)


def account_type(row: Document) -> str:
    """PAPER or LIVE."""
    return str(row.get("account_type") or "PAPER")


def marks_of(row: Document) -> EquityMarks | None:
    """What an account's equity has been; None before the first poll."""
    return from_document(EquityMarks, row["marks"]) if row.get("marks") else None


def age_in_words(moment: datetime | None, now: datetime) -> str:
    """How old figures are: `12 s old`."""
    if moment is None:
        return "never reported"
    age = max(now - moment, timedelta())
    seconds = int(age.total_seconds())
    return f"{seconds} s old" if seconds < 120 else f"{seconds // 60} min old"
