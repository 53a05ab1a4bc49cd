"""All queries of allocations, proposals and their caps."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.store import Document, Store, from_document, to_document
from services.portfolio_builder.allocation_rules import Caps, Known
from services.portfolio_builder.allocations import Allocation, Proposal, ProposalStatus
from services.portfolio_builder.comparison import Past
from services.portfolio_builder.record_store import RecordStore

_CURRENT = "current"
#: How far back proposals are looked for, until there are enough; None = all there are.
_SPANS: Final = (timedelta(days=60), timedelta(days=365), None)
_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class AllocationStore:
    """What is approved, what was, and what waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records = RecordStore(store)

    def transaction(self, work: Callable[[ClientSession], T]) -> T:
        """All or nothing. Raises: TransientError."""
        return self._store.transaction(work)

    def current(self, session: ClientSession | None = None) -> Allocation:
        """What trades now; version 0 where nothing was ever approved."""
        found = self._store["current_allocation"].find_one({"_id": _CURRENT}, session=session)
        return from_document(Allocation, found) if found else Allocation()

    def replace_current(
        self, new: Allocation, *, expected: Allocation, session: ClientSession
    ) -> bool:
        """Make `new` the current one; False where `expected` is not the current one any more."""
        current = self._store["current_allocation"]
        document = to_document(new)
        if expected.version:
            query: Document = {"_id": _CURRENT, "version": expected.version}
            changed = current.update_one(query, {"$set": document}, session=session)
            replaced = bool(changed.modified_count)
        else:  # there is none, or one that somebody wrote without a version
            current.delete_one({"_id": _CURRENT, "version": {"$exists": False}}, session=session)
            current.insert_one({"_id": _CURRENT, **document}, session=session)
            replaced = True
        self._store["allocation_history"].insert_one(
            {"_id": new.version, **document}, session=session
        )
        return replaced

    def latest_version(self, session: ClientSession) -> int:
        """The highest version that history has; 0 = none."""
        found = self._store["allocation_history"].find_one(
            {}, {"_id": 1}, sort=[("_id", DESCENDING)], session=session
        )
        return int(found["_id"]) if found else 0

    def history(self, *, before: int | None, limit: int) -> list[Allocation]:
        """Versions, the newest first; those below `before` where it is given."""
        query: Document = {} if before is None else {"_id": {"$lt": before}}
        found = self._store["allocation_history"].find(query).sort("_id", DESCENDING).limit(limit)
        return [from_document(Allocation, row) for row in found]

    def version(self, number: int) -> Allocation | None:
        """One version as it was approved."""
        found = self._store["allocation_history"].find_one({"_id": number})
        return from_document(Allocation, found) if found else None

    def add_proposal(self, proposal: Proposal, session: ClientSession) -> None:
        """Keep a proposal. Raises: DuplicateKeyError: there is one of that id."""
        row = {"_id": proposal.proposal_id, **to_document(proposal)}
        self._store["allocation_proposals"].insert_one(row, session=session)

    def proposal(self, proposal_id: str, session: ClientSession | None = None) -> Proposal | None:
        """One proposal; None = there is none of that id."""
        found = self._store["allocation_proposals"].find_one({"_id": proposal_id}, session=session)
        return from_document(Proposal, found) if found else None

    def proposals(self, *, status: ProposalStatus | None, limit: int) -> list[Proposal]:
        """Proposals, the newest first.

        Looked for in spans of time: the embedded database reads all it matches before it cuts.
        """
        query: Document = {} if status is None else {"status": status}
        rows: list[Document] = []
        until, now = _NEVER, utc_now()
        for span in _SPANS:
            since = _EVER if span is None else now - span
            between = {"proposed_at": {"$gte": since, "$lt": until}}
            found = self._store["allocation_proposals"].find({**query, **between})
            rows += found.sort("proposed_at", DESCENDING).limit(limit - len(rows))
            if len(rows) == limit:
                break
            until = since
        return [from_document(Proposal, row) for row in rows]

    def decide_proposal(self, proposal_id: str, changes: Document, session: ClientSession) -> bool:
        """Record what was decided; False where it was decided meanwhile."""
        changed = self._store["allocation_proposals"].update_one(
            {"_id": proposal_id, "status": ProposalStatus.OPEN}, {"$set": changes}, session=session
        )
        return bool(changed.modified_count)

    def caps(self, session: ClientSession | None = None) -> tuple[int, Caps]:
        """Caps of strategies and groups with their version; 0 = none were ever set."""
        found = self._store["allocation_caps"].find_one({"_id": _CURRENT}, session=session)
        return (int(found["version"]), from_document(Caps, found)) if found else (0, Caps())

    def replace_caps(self, document: Document, session: ClientSession) -> None:
        """Keep other caps; `document` has their version and who set them."""
        self._store["allocation_caps"].replace_one(
            {"_id": _CURRENT}, document, upsert=True, session=session
        )

    def known(
        self, strategy_ids: Collection[str], session: ClientSession | None = None
    ) -> dict[str, Known]:
        """Those of these strategies that exist."""
        found = self._store["strategies"].find(
            {"_id": {"$in": sorted(strategy_ids)}},
            {"status": 1, "accounts": 1, "archived_at": 1},
            session=session,
        )
        return {str(row["_id"]): _known(row) for row in found}

    def account_ids(self, session: ClientSession | None = None) -> set[str]:
        """Every stored account, active or not."""
        found = self._store["trading_accounts"].find({}, {"_id": 1}, session=session)
        return {str(row["_id"]) for row in found}

    def records(self, strategy_ids: Collection[str]) -> dict[str, Past]:
        """The daily record of each strategy that has one."""
        return {
            each.strategy_id: Past(each.source, dict(zip(each.dates, each.returns, strict=True)))
            for each in self._records.series(strategy_ids)
        }

    def audit(self, what: str, *, by: str, facts: dict[str, Any], session: ClientSession) -> None:
        """Record who did what, in the same transaction."""
        audit(self._store, what, service="portfolio_builder", by=by, facts=facts, session=session)


def _known(row: Document) -> Known:
    weights = {
        str(each["account_id"]): Decimal(each.get("weight_ratio", 1))
        for each in row.get("accounts") or ()
    }
    archived = row.get("archived_at") is not None
    return Known("ARCHIVED" if archived else str(row.get("status", "ACTIVE")), weights)
