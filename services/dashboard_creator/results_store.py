"""All queries of dashboards, developers' pages and reports; the dashboards and reports it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.store import Document, Store, from_document, to_document
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.words import SignalStatus

#: A decision's context is large, and nobody's but the operator's.
_WITHOUT_CONTEXT: Final = {"decision.context": 0}
_REFUSED: Final = frozenset(
    {
        SignalStatus.DENIED,
        SignalStatus.REJECTED,
        SignalStatus.EXPIRED,
        SignalStatus.QUARANTINED,
    }
)
_OF_REFUSALS: Final = {
    **dict.fromkeys(("status", "strategy_id", "received_at", "quarantine"), 1),
    **dict.fromkeys(("decision.code", "decision.reason"), 1),
}


class ResultsStore:
    """Documents in, kept dashboards and reports out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def strategy_exists(self, strategy_id: str) -> bool:
        """Whether there is, or has been, such a strategy."""
        query = {"_id": strategy_id}
        if self._store["strategies"].find_one(query, {"_id": 1}) is not None:
            return True
        return self._store["signal_store"].find_one({"strategy_id": strategy_id}) is not None

    def account_ids(self) -> list[str]:
        """Of every account."""
        return [row["_id"] for row in self._store["trading_accounts"].find({}, {"_id": 1})]

    def signals(
        self,
        strategy_id: str,
        *,
        limit: int,
        before: tuple[datetime, str] | None = None,
        status: str | None = None,
    ) -> list[Document]:
        """Signals of a strategy, newest first, from just before a place on.

        Args:
            strategy_id: whose.
            limit: at most so many.
            before: arrival and id of the last one that is known.
            status: only those.
        """
        query: Document = {"strategy_id": strategy_id}
        if status is not None:
            query["status"] = status
        if before is not None:
            query["received_at"] = {"$lte": before[0]}
        # Signals of one millisecond are told apart by their ids: a few more are read than asked.
        found = self._store["signal_store"].find(query, _WITHOUT_CONTEXT)
        rows: list[Document] = []
        for row in found.sort("received_at", DESCENDING):
            if before is not None and (row["received_at"], row["_id"]) >= before:
                continue
            if len(rows) >= limit and row["received_at"] != rows[-1]["received_at"]:
                break
            rows.append(row)
        rows.sort(key=lambda row: (row["received_at"], row["_id"]), reverse=True)
        return rows[:limit]

    def signal(self, strategy_id: str, signal_id: str) -> Document | None:
        """One signal of a strategy, by our id."""
        query = {"_id": signal_id, "strategy_id": strategy_id}
        return self._store["signal_store"].find_one(query, _WITHOUT_CONTEXT)

    def orders_of(self, signal_ids: Iterable[str]) -> list[Document]:
        """All orders of some signals, oldest first."""
        found = self._store["orders"].find({"signal_id": {"$in": list(signal_ids)}})
        return sorted(found, key=lambda order: (order["created_at"], order["_id"]))

    def fills_of(self, signal_id: str) -> list[Document]:
        """All executions of a signal that count, oldest first."""
        found = self._store["execution_confirmations"].find({"signal_id": signal_id})
        counted = [row for row in found if not row.get("void")]
        return sorted(counted, key=lambda fill: (fill["occurred_at"], fill["_id"]))

    def positions_of(self, strategy_id: str) -> list[Position]:
        """What a strategy holds."""
        found = self._store["positions"].find({"open": True})
        return [from_document(Position, row) for row in found if row["strategy_id"] == strategy_id]

    def record(self, strategy_id: str) -> list[Document]:
        """A strategy's own record, oldest first."""
        query = {"strategy_id": strategy_id, "source": "live"}
        return list(self._store["strategy_returns"].find(query).sort("date", ASCENDING))

    def newest_fills(
        self, account_ids: Iterable[str], since: datetime, limit: int
    ) -> list[tuple[Document, Instrument | None]]:
        """The newest fills that count, over all accounts, with what they are of."""
        rows: list[Document] = []
        for account_id in account_ids:
            query = {"account_id": account_id, "occurred_at": {"$gte": since}}
            found = self._store["execution_confirmations"].find(query)
            newest = found.sort("occurred_at", DESCENDING).limit(2 * limit)
            rows += [row for row in newest if not row.get("void")]
        rows.sort(key=lambda row: (row["occurred_at"], row["_id"]), reverse=True)
        return self._with_instruments(rows[:limit])

    def fills_between(
        self, account_ids: Iterable[str], first: datetime, before: datetime
    ) -> list[tuple[Document, Instrument | None]]:
        """Fills of a time that count, oldest first."""
        rows: list[Document] = []
        for account_id in account_ids:
            query = {"account_id": account_id, "occurred_at": {"$gte": first, "$lt": before}}
            found = self._store["execution_confirmations"].find(query)
            rows += [row for row in found if not row.get("void")]
        rows.sort(key=lambda row: (row["occurred_at"], row["_id"]))
        return self._with_instruments(rows)

    def refusals_between(
        self, first: datetime, before: datetime, limit: int
    ) -> tuple[dict[str, int], list[Document]]:
        """Signals of a time that were refused: all by code, and the newest, oldest first."""
        query = {"received_at": {"$gte": first, "$lt": before}}
        codes: dict[str, int] = {}
        newest: list[Document] = []
        found = self._store["signal_store"].find(query, _OF_REFUSALS)
        for row in found.sort("received_at", DESCENDING):
            if row["status"] not in _REFUSED:
                continue
            said = row.get("decision") or row.get("quarantine") or {}
            code = str(said.get("code") or row["status"])
            codes[code] = codes.get(code, 0) + 1
            if len(newest) < limit:
                sentence = said.get("reason") or said.get("sentence") or ""
                newest.append(
                    {
                        "at": row["received_at"],
                        "strategy_id": row["strategy_id"],
                        "code": code,
                        "sentence": sentence,
                    }
                )
        return codes, newest[::-1]

    def _with_instruments(
        self, rows: Sequence[Document]
    ) -> list[tuple[Document, Instrument | None]]:
        ids = {
            row["_id"]: "|".join((row["strategy_id"], row["account_id"], row["instrument_key"]))
            for row in rows
        }
        query = {"_id": {"$in": sorted(set(ids.values()))}}
        known = {
            row["_id"]: from_document(Instrument, row["instrument"])
            for row in self._store["positions"].find(query, {"instrument": 1})
        }
        return [(row, known.get(ids[row["_id"]])) for row in rows]

    def allocation_changes(self, first: datetime, before: datetime) -> list[Document]:
        """Allocations that were approved in a time, with the one before them; oldest first."""
        found = list(self._store["allocation_history"].find({}).sort("_id", DESCENDING).limit(50))
        rows = sorted(
            (row for row in found if row.get("approved_at")), key=lambda row: row["approved_at"]
        )
        inside = [row for row in rows if first <= row["approved_at"] < before]
        earlier = [row for row in rows if row["approved_at"] < first]
        return [*earlier[-1:], *inside] if inside else []

    def incidents_between(self, first: datetime, before: datetime) -> list[Document]:
        """Incidents that opened in a time, or were seen in it; oldest first."""
        found: list[Document] = []
        for status in ("OPEN", "CLEARED"):
            query = {"status": status, "last_seen_at": {"$gte": first}}
            found += self._store["incidents"].find(query, {"facts": 0})
        rows = [row for row in found if row["opened_at"] < before]
        return sorted(rows, key=lambda row: (row["opened_at"], row["_id"]))

    def keep_dashboard(self, name: str, page: BaseModel) -> None:
        """Store a dashboard as it was made."""
        self._store["dashboards"].replace_one({"_id": name}, to_document(page), upsert=True)

    def dashboard(self, name: str) -> Document | None:
        """A dashboard as it was made last."""
        return self._store["dashboards"].find_one({"_id": name})

    def keep_report(self, report: Document) -> bool:
        """Store the report of a day; False where it has been stored before, as it stays."""
        day = report["_id"]
        rest = {name: value for name, value in report.items() if name != "_id"}
        kept = self._store["daily_reports"].update_one(
            {"_id": day}, {"$setOnInsert": rest}, upsert=True
        )
        return kept.upserted_id is not None

    def replace_report(self, report: Document, *, by: str) -> None:
        """Make the report of a day anew, because somebody wants it."""

        def work(session: ClientSession) -> None:
            rows = self._store["daily_reports"]
            before = rows.find_one({"_id": report["_id"]}, {"made_at": 1}, session=session)
            rows.replace_one({"_id": report["_id"]}, report, upsert=True, session=session)
            facts = {"date": report["_id"], "before": before, "made_at": report["made_at"]}
            self._audit("DAILY_REPORT_MADE_ANEW", by, facts, session)

        self._store.transaction(work)

    def report(self, day: str) -> Document | None:
        """The report of a day (ISO)."""
        return self._store["daily_reports"].find_one({"_id": day})

    def report_before(self, day: str) -> Document | None:
        """The last report of an earlier day."""
        query = {"_id": {"$lt": day}}
        return self._store["daily_reports"].find_one(query, sort=[("_id", DESCENDING)])

    def newest_report(self) -> Document | None:
        """The last one that was made."""
        return self._store["daily_reports"].find_one({}, sort=[("_id", DESCENDING)])

    def note(self, what: str, *, by: str, facts: dict[str, Any]) -> None:
        """Remember who had something made anew."""
        self._audit(what, by, facts, None)

    def _audit(
        self, what: str, by: str, facts: dict[str, Any], session: ClientSession | None
    ) -> None:
        audit(self._store, what, service="dashboard_creator", by=by, facts=facts, session=session)
