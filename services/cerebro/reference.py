"""What decisions refer to: strategies, accounts, funds, rules, as they were a moment ago."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.common.clock import utc_now
from services.common.controls import controls
from services.common.futures import futures_margins
from services.common.kept import Kept
from services.common.limits import limit_sets
from services.common.locks import locks
from services.common.store import Store, from_document
from services.domain.accounts import AccountSnapshot, Strategy
from services.domain.risk import Control, Fund, FuturesMargin, LimitSet, RiskLock
from services.domain.words import AccountType

M = TypeVar("M", bound=BaseModel)


class Reference:
    """Each value is read anew once it is older than so many seconds."""

    def __init__(self, store: Store, *, seconds: float) -> None:
        self._store = store
        self.strategy = Kept(self._strategy, seconds=seconds)
        self.account = Kept(self._account, seconds=seconds)
        self.fund = Kept(self._fund, seconds=seconds)
        self._ratios = Kept(self._load_ratios, seconds=seconds)
        self._controls = Kept(self._load_controls, seconds=seconds)
        self._limit_sets = Kept(self._load_limit_sets, seconds=seconds)
        self._locks = Kept(self._load_locks, seconds=seconds)
        self._futures = Kept(self._load_futures, seconds=seconds)

    def read_ahead(self, strategy_ids: Collection[str]) -> None:
        """Read what decisions on these strategies will ask for, all of a kind in one query."""
        self.strategy.read_ahead(strategy_ids, partial(self._named, "strategies", Strategy))
        strategies = [self.strategy(name) for name in strategy_ids]
        accounts = {traded.account_id for each in strategies if each for traded in each.accounts}
        self.account.read_ahead(accounts, partial(self._named, "trading_accounts", AccountSnapshot))

    def _named(self, collection: str, model: type[M], names: Sequence[str]) -> dict[str, M]:
        """Those that there are, and that can be read: of the others it is told one by one."""
        found = {}
        for row in self._store[collection].find({"_id": {"$in": list(names)}}):
            with suppress(ValidationError):
                found[row["_id"]] = from_document(model, row)
        return found

    def _strategy(self, strategy_id: str) -> Strategy | None:
        found = self._store["strategies"].find_one({"_id": strategy_id})
        return from_document(Strategy, found) if found else None

    def _account(self, account_id: str) -> AccountSnapshot | None:
        found = self._store["trading_accounts"].find_one({"_id": account_id})
        return from_document(AccountSnapshot, found) if found else None

    def _fund(self, account_type: AccountType) -> Fund | None:
        found = self._store["funds"].find_one({"_id": account_type})
        return from_document(Fund, found) if found else None

    def _load_ratios(self, which: str) -> dict[str, Decimal]:
        found = self._store["current_allocation"].find_one({"_id": which})
        rows = found["allocations"] if found else []
        return {row["strategy_id"]: row["ratio"] for row in rows}

    def _load_controls(self, _which: str) -> tuple[Control, ...]:
        return controls(self._store)

    def _load_limit_sets(self, _which: str) -> tuple[LimitSet, ...]:
        return limit_sets(self._store)

    def _load_locks(self, _which: str) -> tuple[RiskLock, ...]:
        return locks(self._store, utc_now())

    def _load_futures(self, _which: str) -> dict[str, FuturesMargin | None]:
        return futures_margins(self._store)

    def allocation_ratio(self, strategy_id: str) -> Decimal | None:
        """Approved share of account equity; None where nothing is approved."""
        return self._ratios("current").get(strategy_id)

    def controls(self) -> tuple[Control, ...]:
        """Every kill switch and override."""
        return self._controls("all")

    def limit_sets(self) -> tuple[LimitSet, ...]:
        """Every stored limit."""
        return self._limit_sets("all")

    def locks(self) -> tuple[RiskLock, ...]:
        """Every scope whose entries are stopped."""
        return self._locks("all")

    def futures_margins(self) -> dict[str, FuturesMargin | None]:
        """Margins of futures as the operator has stored them, by symbol; None = unreadable."""
        return self._futures("all")
