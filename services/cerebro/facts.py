"""What limits ask of the past: orders, entries and results of the last minutes or days.

Read only where a limit that needs it is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.locks import cleared_at
from services.common.store import Document, Store, from_document
from services.common.stretches import back_from
from services.decision.checks import price_sent
from services.domain.accounts import RecentEntry
from services.domain.orders import Order
from services.domain.returns import volatility_of
from services.domain.risk import scope_key
from services.domain.signals import Signal
from services.domain.values import ZERO
from services.domain.words import Intent, LockRule, Outcome, Scope

_GUARD_SECONDS = 600.0
#: A strategy's daily record changes once a day.
_RECORD_SECONDS = 60.0
_RECORD_DAYS = 120
_OF_DECISION: Final = ("decision.outcome", "decision.decided_at")
_ENTERS: Final = frozenset({Intent.ENTRY, Intent.SCALE_IN})
_LET_THROUGH: Final = frozenset({Outcome.APPROVED, Outcome.RESIZED})


class Facts:
    """Queries of what has been."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.volatility = Kept(self._volatility, seconds=_RECORD_SECONDS)

    def _volatility(self, strategy_id: str) -> Decimal | None:
        """Annual, of the newest part of the strategy's own record; live results before claims."""
        for returns in (self._lived(strategy_id), self._claimed(strategy_id)):
            estimate = volatility_of(returns)
            if estimate is not None:
                return estimate
        return None

    def _lived(self, strategy_id: str) -> list[Decimal]:
        """The newest returns of our own fills, oldest first."""
        found = (
            self._store["strategy_returns"]
            .find({"strategy_id": strategy_id, "source": "live"}, {"return": 1})
            .sort("date", DESCENDING)
            .limit(_RECORD_DAYS)
        )
        return [row["return"] for row in found if row.get("return") is not None][::-1]

    def _claimed(self, strategy_id: str) -> list[Decimal]:
        """The newest returns of the developer's backtest, oldest first."""
        found = self._store["record_versions"].find_one(
            {"current": True, "strategy_id": strategy_id, "source": "backtest"}, {"recent": 1}
        )
        return found["recent"][-_RECORD_DAYS:] if found else []

    def unresolved(
        self, account_ids: list[str], session: ClientSession
    ) -> dict[str, frozenset[str]]:
        """By account, the instruments that an order without a known outcome is for."""
        query = {"unknown": True, "account_id": {"$in": account_ids}}
        found: dict[str, frozenset[str]] = {}
        for row in self._store["orders"].find(query, session=session):
            key = from_document(Order, row["order"]).instrument.key
            found[row["account_id"]] = found.get(row["account_id"], frozenset()) | {key}
        return found

    def orders_since(
        self,
        since: datetime,
        *,
        account_id: str | None = None,
        strategy_id: str | None = None,
        session: ClientSession,
    ) -> int:
        """How many orders were made since then, of an account, a strategy or altogether."""
        query: Document = {"created_at": {"$gt": since}}
        if account_id is not None:
            query["account_id"] = account_id
        if strategy_id is not None:
            query["strategy_id"] = strategy_id
        return self._store["orders"].count_documents(query, session=session)

    def entries_since(
        self, since: datetime, strategy_id: str, session: ClientSession
    ) -> tuple[RecentEntry, ...]:
        """Entries of a strategy that were let through since then, one row for each leg."""
        query = {"strategy_id": strategy_id, "received_at": {"$gt": since}}
        fields = dict.fromkeys(("signal", "intent", *_OF_DECISION), 1)
        found = self._store["signal_store"].find(query, fields, session=session)
        return tuple(
            RecentEntry(
                signal_id=signal.signal_id,
                instrument_key=leg.instrument.key,
                side=leg.side,
                quantity=leg.quantity,
                price=price_sent(leg),
                decided_at=row["decision"]["decided_at"],
            )
            for row in found
            if _let_through(row)
            for signal in (from_document(Signal, row["signal"]),)
            for leg in signal.legs
            if leg.side is not None and leg.quantity is not None
        )

    def pnl_since(
        self, since: datetime, strategy_id: str, account_id: str, session: ClientSession
    ) -> Decimal:
        """Realized by a strategy's fills in an account, less commissions."""
        query = {"strategy_id": strategy_id, "occurred_at": {"$gte": since}}
        found = self._store["execution_confirmations"].find(query, session=session)
        return sum(
            (row["realized_pnl"] - row["commission"] for row in found if _counts(row, account_id)),
            ZERO,
        )

    def losses_in_a_row(self, strategy_id: str, account_id: str, session: ClientSession) -> int:
        """Closing fills that lost, counted back from the last one to the last gain.

        Counted anew from when a person has reset the lock.
        """
        since = self.cleared_at(LockRule.CONSECUTIVE_LOSSES, strategy_id)
        losses = 0
        for row in self._fills_back(strategy_id, session):
            if since is not None and row["occurred_at"] <= since:
                break
            if not _counts(row, account_id):
                continue
            if row["realized_pnl"] > 0:
                break
            losses += row["realized_pnl"] < 0
        return losses

    def _fills_back(self, strategy_id: str, session: ClientSession) -> Iterator[Document]:
        """What a strategy's fills came to, the latest first, as far as somebody reads."""
        fields = dict.fromkeys(("realized_pnl", "account_id", "void", "occurred_at"), 1)
        for stretch in back_from(utc_now(), later_too=True):
            query = {"strategy_id": strategy_id, "occurred_at": stretch}
            found = self._store["execution_confirmations"].find(query, fields, session=session)
            with found.sort("occurred_at", DESCENDING) as rows:
                yield from rows

    def cleared_at(self, rule: LockRule, strategy_id: str) -> datetime | None:
        """When a person last reset this lock of a strategy."""
        return cleared_at(self._store, f"{rule}|{scope_key(Scope.STRATEGY, strategy_id)}")


def _let_through(life: Document) -> bool:
    """Whether a signal is an entry that was decided and not denied."""
    outcome = life.get("decision", {}).get("outcome")
    return life.get("intent") in _ENTERS and outcome in _LET_THROUGH


def _counts(row: Document, account_id: str) -> bool:
    """Whether a fill is of the account, and not corrected or taken back.

    Asked of rows: the embedded database leaves its index where these are conditions too.
    """
    return bool(row["account_id"] == account_id and not row.get("void"))
