"""Loads the top bar; kept for a second, however many look at it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from services.common.callers import Caller
from services.common.clock import utc_now
from services.common.controls import controls
from services.common.kept import Kept
from services.common.locks import locks
from services.common.store import Document, Store, from_document
from services.dashboard_creator.frame import Counts, Frame, oldest, state_in_words, today_pnl
from services.domain.risk import Fund, scope_key, state_for
from services.domain.users import Permission
from services.domain.words import Scope

_SECONDS: Final = 1.0
_MOST_COUNTED: Final = 1000


class Frames:
    """The top bar, for everybody as much of it as is theirs."""

    def __init__(self, store: Store, *, trading_mode: str, max_age_seconds: float) -> None:
        self._store = store
        self._environment: Literal["PAPER", "LIVE"] = "LIVE" if trading_mode == "live" else "PAPER"
        self._max_age = max_age_seconds
        self._kept = Kept(self._load, seconds=_SECONDS)

    def frame(self, caller: Caller) -> Frame:
        """The top bar of somebody."""
        whole = self._kept("all").model_copy(update={"server_time": utc_now()})
        allowed = caller.permissions
        if Permission.READ in allowed:
            return whole
        nothing = Counts().model_dump()
        if Permission.RESULTS in allowed:
            return whole.model_copy(update={**nothing, "oldest_account": None, "missing": ""})
        known = {"environment", "trading_state", "sentence", "server_time"}
        return Frame(**whole.model_dump(include=known))

    def _load(self, _which: str) -> Frame:
        now = utc_now()
        known = controls(self._store)
        state = state_for(known, {scope_key(Scope.GLOBAL)})[0]
        fund = self._fund()
        account_id, as_of = oldest(self._accounts())
        age = None if as_of is None else max(0.0, (now - as_of).total_seconds())
        return Frame(
            environment=self._environment,
            trading_state=state,
            sentence=state_in_words(state, known, len(locks(self._store, now))),
            equity=fund.equity if fund else None,
            today_pnl=today_pnl(fund, now) if fund else None,
            currency=fund.currency if fund else None,
            as_of=as_of,
            age_s=age,
            stale=account_id is not None and (age is None or age > self._max_age),
            oldest_account=account_id,
            missing=fund.missing if fund else "",
            server_time=now,
            **self._counts(now).model_dump(),
        )

    def _fund(self) -> Fund | None:
        found = self._store["funds"].find_one({"_id": self._environment})
        return from_document(Fund, found) if found else None

    def _accounts(self) -> list[Document]:
        query = {"status": "ACTIVE"}
        fields = {"as_of": 1, "account_type": 1}
        found = self._store["trading_accounts"].find(query, fields)
        return [row for row in found if row.get("account_type") == self._environment]

    def _counts(self, _now: datetime) -> Counts:
        return Counts(
            incidents=self._count("incidents", {"status": "OPEN"}),
            dead_letters=self._count("dead_letters", {"status": "DEAD"}),
            approvals=self._count("approvals", {"status": "WAITING"}),
        )

    def _count(self, collection: str, query: Document) -> int:
        """How many, by ids: on the embedded database a count reads every row of a collection."""
        found = self._store[collection].find(query, {"_id": 1}).limit(_MOST_COUNTED)
        return sum(1 for _ in found)
