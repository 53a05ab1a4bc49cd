"""All queries of the overview, the investor view and the client dashboard; each by an index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import ValidationError
from pymongo import ASCENDING, DESCENDING

from services.common.controls import trading_state
from services.common.limits import limit_sets
from services.common.store import Document, Store, from_document
from services.dashboard_creator.overview_page import MOST_NEEDS, Waiting
from services.dashboard_creator.valuation import Marks, Place
from services.domain.accounts import AccountSnapshot
from services.domain.books import Position
from services.domain.risk import Fund
from services.domain.words import AccountType, Scope, TradingState

_MARK_DAYS: Final = 7


class OverviewStore:
    """Documents as they are needed, values where pure parts take them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def trading_state(self) -> TradingState:
        """The kill switch."""
        return trading_state(self._store)

    def accounts(self) -> list[AccountSnapshot]:
        """Every account that can be read, in the order of ids."""
        found = []
        for row in self._store["trading_accounts"].find({}).sort("_id", ASCENDING):
            try:
                found.append(from_document(AccountSnapshot, {"account_id": row["_id"], **row}))
            except ValidationError:
                continue  # it makes the fund unknown, and account data says why
        return found

    def gains(self, account_ids: Iterable[str]) -> dict[str, Document]:
        """Unrealized and realized P&L of accounts by their brokers' count."""
        query = {"_id": {"$in": list(account_ids)}}
        fields = {"unrealized_pnl": 1, "realized_pnl": 1}
        return {row["_id"]: row for row in self._store["trading_accounts"].find(query, fields)}

    def fund(self, account_type: AccountType) -> Fund | None:
        """All accounts of a type together; None before the first poll."""
        found = self._store["funds"].find_one({"_id": account_type})
        return from_document(Fund, found) if found else None

    def fund_days(self, account_type: AccountType, since: str = "") -> list[Document]:
        """Days of a fund's equity, oldest first."""
        query = {"account_type": account_type, "date": {"$gte": since}}
        return list(self._store["fund_history"].find(query).sort("date", ASCENDING))

    def fund_points(
        self, account_type: AccountType, since: datetime, before: datetime
    ) -> list[Document]:
        """Looks at a fund's equity, oldest first."""
        query = {"account_type": account_type, "at": {"$gte": since, "$lt": before}}
        return list(self._store["fund_points"].find(query).sort("at", ASCENDING))

    def margin_limit(self) -> Decimal | None:
        """What share of the fund's equity may be in use as margin; None = no limit."""
        limits = limit_sets(self._store)
        found = [each.max_margin_ratio for each in limits if each.scope is Scope.GLOBAL]
        return next((each for each in found if each is not None), None)

    def open_positions(self) -> list[Position]:
        """What is held."""
        found = self._store["positions"].find({"open": True})
        return [from_document(Position, row) for row in found]

    def positions(self, ids: Iterable[str]) -> list[Position]:
        """Some books, flat ones too."""
        found = self._store["positions"].find({"_id": {"$in": sorted(ids)}})
        return [from_document(Position, row) for row in found]

    def marks(self, account_ids: Iterable[str], today: date) -> dict[Place, Marks]:
        """Prices of today, and the last ones of the week before."""
        first = (today - timedelta(days=_MARK_DAYS)).isoformat()
        found: dict[Place, Marks] = {}
        rows: list[Document] = []
        for account_id in sorted(account_ids):  # one range an account: so the index is used
            query = {"account_id": account_id, "date": {"$gte": first}}
            rows += self._store["daily_marks"].find(query)
        for row in sorted(rows, key=lambda row: str(row["date"])):
            if row["date"] > today.isoformat():
                continue
            place = (row["account_id"], str(row["instrument_key"]))
            known = found.get(place, Marks())
            newest = {"last_on": row["date"]}
            if row["date"] == today.isoformat():
                found[place] = known._replace(today=row["price"], **newest)
            else:
                found[place] = known._replace(before=row["price"], **newest)
        return found

    def strategies(self) -> list[Document]:
        """All strategies that are not archived, without credentials, in the order of ids."""
        fields = {"name": 1, "status": 1, "mode": 1, "accounts": 1, "archived_at": 1}
        found = self._store["strategies"].find({}, fields).sort("_id", ASCENDING)
        return [row for row in found if not row.get("archived_at")]

    def allocation_ratios(self) -> dict[str, Decimal]:
        """Approved share of equity by strategy."""
        found = self._store["current_allocation"].find_one({"_id": "current"})
        return {row["strategy_id"]: row["ratio"] for row in (found["allocations"] if found else [])}

    def live_reports(self) -> dict[str, Document]:
        """What the last night made of each strategy's own record."""
        return {row["_id"]: row for row in self._store["live_reports"].find({}, {"unknown": 0})}

    def live_rows(self, strategy_ids: Sequence[str], since: str) -> list[Document]:
        """Days of our own records since a day, oldest first."""
        rows: list[Document] = []
        for strategy_id in strategy_ids:
            query = {"strategy_id": strategy_id, "source": "live", "date": {"$gte": since}}
            rows += self._store["strategy_returns"].find(query)
        return sorted(rows, key=lambda row: str(row["date"]))

    def waiting(self) -> Waiting:
        """Everything that may need a person, oldest first, a page of each kind."""
        found, more = {}, 0
        for name, (collection, query, order, fields) in _WAITING.items():
            rows = list(
                self._store[collection].find(query, fields).sort(order).limit(MOST_NEEDS + 1)
            )
            if len(rows) > MOST_NEEDS:
                more += self._store[collection].count_documents(query) - MOST_NEEDS
            found[name] = rows[:MOST_NEEDS]
        return Waiting(**found, more=more)


_ORDER_FIELDS: Final = {
    **dict.fromkeys(("strategy_id", "account_id", "updated_at"), 1),
    **dict.fromkeys(("order.side", "order.quantity", "order.instrument.symbol"), 1),
}
_ASKED: Final = dict.fromkeys(("strategy_id", "asked_at", "expires_at"), 1)
_WAITING: Final[dict[str, tuple[str, Document, list[tuple[str, int]], Document | None]]] = {
    "incidents": ("incidents", {"status": "OPEN"}, [("last_seen_at", DESCENDING)], {"facts": 0}),
    "approvals": ("approvals", {"status": "WAITING"}, [("asked_at", DESCENDING)], _ASKED),
    "proposals": (
        "allocation_proposals",
        {"status": "OPEN"},
        [("proposed_at", DESCENDING)],
        {"proposed_by": 1, "proposed_at": 1},
    ),
    "letters": (
        "dead_letters",
        {"status": "DEAD"},
        [("last_failed_at", DESCENDING)],
        {"subscription": 1, "error": 1, "first_failed_at": 1},
    ),
    "unknown_orders": ("orders", {"unknown": True}, [("_id", ASCENDING)], _ORDER_FIELDS),
}
