"""All queries of dashboards, developers' pages and reports; the dashboards and reports it keeps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.store import Document, Store, from_document, to_document
from services.dashboard_creator.activity import Activities
from services.dashboard_creator.paging import (
    Cursor,
    Read,
    Slice,
    Wanted,
    newest_first,
)
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.words import SignalStatus

#: A decision's context is large, and nobody's but the operator's.
_WITHOUT_CONTEXT: Final = {"decision.context": 0}
#: What a line shows: of the steps of the decision, which are most of a signal, only the limits.
_OF_LINES: Final = {
    **dict.fromkeys(("signal_id", "strategy_id", "external_id", "status", "received_at"), 1),
    **dict.fromkeys(("decision.outcome", "decision.intent", "decision.code"), 1),
    **dict.fromkeys(("decision.reason", "decision.decided_at"), 1),
    **dict.fromkeys(("decision.steps.name", "decision.steps.limit"), 1),
    **dict.fromkeys(("signal", "quarantine"), 1),
}
#: After which a page is handed out as full as it is.
_PATIENCE_SECONDS: Final = 0.03
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


class SenderQuery(NamedTuple):
    """A page of a strategy's signals.

    Attributes:
        until: nothing is newer.
        before: where the page before ended.
        status: only those.
    """

    strategy_id: str
    limit: int
    until: datetime
    before: Cursor | None = None
    status: SignalStatus | None = None


class ResultsStore:
    """Documents in, kept dashboards and reports out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._activities = Activities(store)

    def strategy_exists(self, strategy_id: str) -> bool:
        """Whether there is, or has been, such a strategy."""
        query = {"_id": strategy_id}
        return any(
            self._store[name].find_one(query, {"_id": 1}) is not None
            for name in ("strategies", "strategy_totals")
        )

    def account_ids(self) -> list[str]:
        """Of every account."""
        return [row["_id"] for row in self._store["trading_accounts"].find({}, {"_id": 1})]

    def signals(self, query: SenderQuery) -> Slice:
        """A page of a strategy's signals, newest first; a status is filtered behind the index."""

        def read(after: datetime, until: datetime, most: int | None) -> list[Document]:
            span = {"received_at": {"$gt": after, "$lte": until}}
            found = self._store["signal_store"].find(
                {"strategy_id": query.strategy_id, **span}, _OF_LINES
            )
            return list(found.sort("received_at", DESCENDING).limit(most or 0))

        wanted = Wanted(
            limit=query.limit,
            field="received_at",
            until=query.until,
            before=query.before,
            keep=(lambda row: row["status"] == query.status) if query.status else None,
            patience_seconds=_PATIENCE_SECONDS,
            clock=time.monotonic,
        )
        return newest_first(read, wanted, self._activities.of_signals())

    def signal(self, strategy_id: str, signal_id: str) -> Document | None:
        """One signal of a strategy, by our id."""
        query = {"_id": signal_id, "strategy_id": strategy_id}
        return self._store["signal_store"].find_one(query, _WITHOUT_CONTEXT)

    def orders_of(self, signal_ids: Iterable[str]) -> list[Document]:
        """All orders of some signals, oldest first."""
        found = self._store["orders"].find({"signal_id": {"$in": list(signal_ids)}})
        return sorted(found, key=lambda order: (order["created_at"], order["_id"]))

    def lines_of_orders(self, signal_ids: Iterable[str]) -> list[Document]:
        """All orders of some signals without their changes."""
        query = {"signal_id": {"$in": list(signal_ids)}}
        return list(self._store["orders"].find(query, {"events": 0}))

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
        self, account_ids: Iterable[str], since: datetime, until: datetime, limit: int
    ) -> list[tuple[Document, Instrument | None]]:
        """The newest fills that count, over all accounts, with what they are of."""
        rows: list[Document] = []
        for account_id in account_ids:
            wanted = Wanted(
                limit=limit,
                field="occurred_at",
                until=until,
                since=since,
                keep=lambda row: not row.get("void"),
            )
            read = self._fills_of_account(account_id)
            page = newest_first(read, wanted, self._activities.of_signals())
            rows += [dict(row) for row in page.rows]
        rows.sort(key=lambda row: (row["occurred_at"], row["_id"]), reverse=True)
        return self._with_instruments(rows[:limit])

    def _fills_of_account(self, account_id: str) -> Read:
        def read(after: datetime, until: datetime, most: int | None) -> list[Document]:
            query = {"account_id": account_id, "occurred_at": {"$gt": after, "$lte": until}}
            found = self._store["execution_confirmations"].find(query)
            return list(found.sort("occurred_at", DESCENDING).limit(most or 0))

        return read

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

    def report_before(self, day: date, within: int = 5) -> Document | None:
        """The last report of the days before; looked up by their keys, never by a range of keys."""
        days = [(day - timedelta(days=step)).isoformat() for step in range(1, within + 1)]
        found = self._store["daily_reports"].find({"_id": {"$in": days}})
        return max(found, key=lambda row: str(row["_id"]), default=None)

    def newest_report(self, today: date) -> Document | None:
        """The last one that was made, within a year."""
        tomorrow = today + timedelta(days=1)
        return self.report_before(tomorrow, 14) or self.report_before(tomorrow, 370)

    def any_report(self) -> bool:
        """Whether one was ever made."""
        return bool(self._store["daily_reports"].estimated_document_count())

    def note(self, what: str, *, by: str, facts: dict[str, Any]) -> None:
        """Remember who had something made anew."""
        self._audit(what, by, facts, None)

    def _audit(
        self, what: str, by: str, facts: dict[str, Any], session: ClientSession | None
    ) -> None:
        audit(self._store, what, service="dashboard_creator", by=by, facts=facts, session=session)
