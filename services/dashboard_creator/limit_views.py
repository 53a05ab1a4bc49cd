"""Limits as people look at them: what is set, and how much of it is used now."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from services.common.clock import utc_now
from services.common.futures import futures_margins
from services.common.limits import limit_sets
from services.common.locks import locks_by_id
from services.common.store import Store, from_document
from services.dashboard_creator.limit_use import LimitUse, Measured, measured, uses
from services.decision.exposure import (
    FxUnknown,
    Holding,
    exposure_of,
    exposures,
    fx_rate,
    holdings_of,
    reserved,
)
from services.decision.margin import MarginRules
from services.domain.accounts import AccountSnapshot, Exposure
from services.domain.books import Position
from services.domain.orders import Reservation
from services.domain.risk import Fund, LimitSet, RiskLock, scope_in_words, scope_key
from services.domain.values import Frozen
from services.domain.words import LockRule, Scope

_LIVE: Final = "LIVE"


class LimitSetView(LimitSet):
    """The limits of a scope.

    Attributes:
        where: the scope in words.
        uses: what is used of those that are a number now.
    """

    where: str = ""
    uses: tuple[LimitUse, ...] = ()

    @classmethod
    def of(cls, limits: LimitSet, found: tuple[LimitUse, ...] = ()) -> LimitSetView:
        """A set with what is used of it."""
        where = scope_in_words(limits.scope, limits.scope_id)
        return cls(**limits.model_dump(), where=where, uses=found)


class LockView(RiskLock):
    """A lock as it holds.

    Attributes:
        lock_id: that it is reset by.
        until: when entries go again, in words.
        resettable: a person may accept the loss; the others end when their cause is gone.
    """

    lock_id: str
    until: str
    resettable: bool

    @classmethod
    def of(cls, lock_id: str, lock: RiskLock) -> LockView:
        """A lock with what a person may do about it."""
        resettable = lock.rule not in {LockRule.EQUITY_JUMP, LockRule.POSITION_MISMATCH}
        fields = lock.model_dump()
        return cls(**fields, lock_id=lock_id, until=lock.ends, resettable=resettable)


class Limits(Frozen):
    """Every scope that has limits, and what limits have locked."""

    limits: tuple[LimitSetView, ...]
    locks: tuple[LockView, ...]


def limits_now(store: Store) -> Limits:
    """All limits with their use."""
    sets = limit_sets(store)
    keys = {each.key for each in sets if each.scope is not Scope.GLOBAL}
    snapshots = [from_document(AccountSnapshot, row) for row in store["trading_accounts"].find({})]
    held = _holdings(store, snapshots) if sets else {}
    accounts = [
        measured(each, _exposures(held.get(each.account_id), each, keys)) for each in snapshots
    ]
    own = frozenset(each.scope_id for each in sets if each.scope is Scope.ACCOUNT)
    fund = _fund(store, snapshots, held)
    return Limits(
        limits=tuple(
            LimitSetView.of(each, tuple(uses(each, accounts, fund, own))) for each in sets
        ),
        locks=tuple(LockView.of(key, lock) for key, lock in locks_by_id(store, utc_now()).items()),
    )


def _holdings(store: Store, accounts: list[AccountSnapshot]) -> dict[str, list[Holding] | None]:
    """What each account holds and is entering; None where a rate is missing."""
    positions: dict[str, list[Position]] = defaultdict(list)
    for row in store["positions"].find({"open": True}):
        positions[row["account_id"]].append(from_document(Position, row))
    entering: dict[str, list[Reservation]] = defaultdict(list)
    for row in store["reservations"].find({}):
        entering[row["account_id"]].append(from_document(Reservation, row))
    rules = MarginRules().with_futures(futures_margins(store))
    return {
        each.account_id: _held(each, positions[each.account_id], entering[each.account_id], rules)
        for each in accounts
    }


def _held(
    account: AccountSnapshot,
    positions: list[Position],
    entering: list[Reservation],
    rules: MarginRules,
) -> list[Holding] | None:
    rules = rules.model_copy(update={"model": account.margin_model})
    try:
        return holdings_of(account, positions, rules) + reserved(entering)
    except FxUnknown:
        return None


def _exposures(
    held: list[Holding] | None, account: AccountSnapshot, keys: set[str]
) -> dict[str, Exposure] | None:
    own = {scope_key(Scope.ACCOUNT, account.account_id)}
    return None if held is None else exposures(held, keys | own)


def _fund(
    store: Store, snapshots: list[AccountSnapshot], held: dict[str, list[Holding] | None]
) -> Measured | None:
    """The fund of the live accounts, else that of the paper ones."""
    rows = {row["_id"]: from_document(Fund, row) for row in store["funds"].find({})}
    fund = rows.get(_LIVE) or next(iter(rows.values()), None)
    if fund is None:
        return None
    together: list[Holding] = []
    by_id = {each.account_id: each for each in snapshots}
    for account_id in fund.account_ids:
        snapshot, mine = by_id.get(account_id), held.get(account_id)
        rate = fx_rate(snapshot, fund.currency) if snapshot else None
        if mine is None or not rate:
            return Measured(None, fund.equity, fund.marks, None)
        together += [
            each._replace(
                capital=each.capital / rate,
                notional=each.notional / rate,
                margin=each.margin / rate,
            )
            for each in mine
        ]
    everything = {scope_key(Scope.GLOBAL): exposure_of(together)}
    return Measured(None, fund.equity, fund.marks, everything)
