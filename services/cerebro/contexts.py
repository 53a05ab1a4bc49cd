"""What a decision may look at, read for it: the books of a batch, and one context for each signal.

Whatever costs a query and is asked for by a limit only is read only where that limit is set.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pymongo.client_session import ClientSession

from services.cerebro.books import Books, EntryFound
from services.cerebro.facts import Facts
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.decision.exposure import (
    FxUnknown,
    Holding,
    exposures,
    fx_rate,
)
from services.decision.margin import MarginRules
from services.decision.prices import instruments_to_price
from services.domain.accounts import (
    AccountContext,
    AccountSnapshot,
    Contention,
    DecisionContext,
    Exposure,
    Gap,
    RecentEntry,
    RiskLimits,
    Strategy,
    StrategyAccount,
    StrategyRecord,
)
from services.domain.approvals import Approval
from services.domain.books import Position
from services.domain.orders import Reservation
from services.domain.risk import Fund, LimitSet, scope_key, scopes_of
from services.domain.signals import Signal
from services.domain.sizing import VolatilitySizing
from services.domain.values import ZERO
from services.domain.words import AccountType, EquityBase, LockRule, Scope

_log = logging.getLogger(__name__)
R = TypeVar("R", Position, Reservation)
_MINUTE: Final = timedelta(seconds=60)
#: Limits of the fund that are measured on what all its accounts hold.
_ON_FUND_EXPOSURE: Final = (
    "max_position_ratio",
    "max_broker_allocation_ratio",
    "max_gross_exposure_ratio",
    "max_net_exposure_ratio",
    "max_margin_ratio",
    "max_open_positions",
)
#: Limits of the fund that are measured on its equity.
_ON_FUND: Final = (
    *_ON_FUND_EXPOSURE,
    "max_daily_loss_ratio",
    "max_drawdown_ratio",
    "target_volatility_ratio",
    "drawdown_governor_end_ratio",
)


class Contexts:
    """Reads contexts for Cerebro."""

    def __init__(self, queries: CerebroStore, facts: Facts, limits: RiskLimits) -> None:
        self._queries = queries
        self._reference = queries.reference
        self._facts = facts
        self._limits = limits

    def open_books(self, strategies: Iterable[Strategy | None], session: ClientSession) -> Books:
        """Lock the accounts of these strategies against other deciders, and read what they hold.

        Where a limit of the fund is measured on what it holds, all its accounts are locked.
        """
        traded = {
            account.account_id
            for strategy in strategies
            if strategy
            for account in strategy.accounts
        }
        if any(_asks(limits, _ON_FUND_EXPOSURE) for limits in self._global_sets()):
            for account_type in AccountType:
                fund = self._reference.fund(account_type)
                traded |= set(fund.account_ids) if fund else set()
        account_ids = sorted(traded)
        self._queries.exclude_others(account_ids, session)
        return Books(
            self._queries.positions(account_ids, session),
            self._queries.reservations(account_ids, session),
            self._facts.unresolved(account_ids, session),
            MarginRules().with_futures(self._reference.futures_margins()),
        )

    def context(  # noqa: PLR0913 - what is known of one signal
        self,
        signal: Signal,
        strategy: Strategy | None,
        entry: EntryFound,
        books: Books,
        *,
        gap: Gap | None,
        contention: dict[str, Contention],
        session: ClientSession,
        approval: Approval | None = None,
    ) -> DecisionContext:
        """Everything that decides `signal` now."""
        now = utc_now()
        keys = self._keys(signal, strategy)
        limit_sets = tuple(each for each in self._reference.limit_sets() if each.key in keys)
        accounts: list[AccountContext] = []
        for traded in strategy.accounts if strategy else ():
            snapshot = self._reference.account(traded.account_id)
            if snapshot is None:
                _log.error("%s names no such account: %s", signal.strategy_id, traded.account_id)
                continue
            accounts.append(
                self._account(
                    signal, traded, snapshot, entry, books, limit_sets, contention, now, session
                )
            )
        ungrouped = [each for each in limit_sets if each.scope is not Scope.ACCOUNT]
        return DecisionContext(
            now=now,
            controls=tuple(each for each in self._reference.controls() if each.key in keys),
            strategy=strategy,
            accounts=tuple(accounts),
            limits=self._limits,
            limit_sets=limit_sets,
            locks=tuple(
                lock
                for lock in self._reference.locks()
                if scope_key(lock.scope, lock.scope_id) in keys
            ),
            orders_last_minute={
                limits.key: self._facts.orders_since(
                    now - _MINUTE,
                    strategy_id=signal.strategy_id if limits.scope is Scope.STRATEGY else None,
                    session=session,
                )
                + self._of_batch(books, signal, limits)
                for limits in ungrouped
                if limits.max_orders_per_minute is not None
            },
            **self._of_fund(signal, strategy, accounts, limit_sets, books),
            **self._of_strategy(signal, strategy, ungrouped, now, session),
            futures_margins=self._reference.futures_margins(),
            entry_signal_id=entry.signal_id,
            entry_found=entry.found,
            canceled_entries=entry.canceled,
            reversal_open=entry.reversal_open,
            gap=gap,
            approval=approval,
        )

    @staticmethod
    def _of_batch(books: Books, signal: Signal, limits: LimitSet) -> int:
        mine = limits.scope is Scope.STRATEGY
        return sum(not mine or order.strategy_id == signal.strategy_id for order in books.orders)

    def _global_sets(self) -> list[LimitSet]:
        return [each for each in self._reference.limit_sets() if each.scope is Scope.GLOBAL]

    @staticmethod
    def _keys(signal: Signal, strategy: Strategy | None) -> set[str]:
        keys = {scope_key(Scope.ACCOUNT, "*")}
        instruments = [leg.instrument for leg in signal.legs]
        for account_id in [each.account_id for each in strategy.accounts] if strategy else [None]:
            keys |= scopes_of(
                account_id=account_id, strategy_id=signal.strategy_id, instruments=instruments
            ).keys()
        return keys

    def _account(  # noqa: PLR0913, PLR0917 - what is known already, and of what
        self,
        signal: Signal,
        traded: StrategyAccount,
        snapshot: AccountSnapshot,
        entry: EntryFound,
        books: Books,
        limit_sets: Sequence[LimitSet],
        contention: dict[str, Contention],
        now: datetime,
        session: ClientSession,
    ) -> AccountContext:
        name, questions = snapshot.account_id, self._queries.questions
        instruments = [leg.instrument for leg in signal.legs]
        keys = scopes_of(
            account_id=name, strategy_id=signal.strategy_id, instruments=instruments
        ).keys() - {scope_key(Scope.GLOBAL)}
        try:
            held, unknown = exposures(books.holdings(snapshot), keys), ""
        except FxUnknown as error:
            held, unknown = {}, str(error)
        own = [each for each in limit_sets if each.scope is Scope.ACCOUNT]
        collared = any(each.price_collar_ratio is not None for each in own)
        rated = any(each.max_orders_per_minute is not None for each in own)
        return AccountContext(
            account=snapshot,
            weight_ratio=traded.weight_ratio,
            multiplier_ratio=traded.multiplier_ratio,
            allocation_ratio=self._reference.allocation_ratio(signal.strategy_id),
            positions=_mine(signal.strategy_id, name, books.positions),
            reservations=_mine(signal.strategy_id, name, books.reservations),
            exposures=held,
            reserved_margin=sum(
                (each.margin for each in books.reservations if each.account_id == name), ZERO
            ),
            unknown=unknown,
            cancelable=entry.cancelable.get(name, ()),
            prices=questions.prices(name, instruments_to_price(signal, collared=collared)),
            margin_preview=questions.margin_preview(snapshot, signal),
            unresolved=tuple(sorted(books.unresolved.get(name, ()))),
            orders_last_minute=(
                self._facts.orders_since(now - _MINUTE, account_id=name, session=session)
                + sum(order.account_id == name for order in books.orders)
                if rated
                else 0
            ),
            record=self._record(signal, name, limit_sets, now, session),
            contention=contention.get(name),
        )

    def _record(
        self,
        signal: Signal,
        account_id: str,
        limit_sets: Sequence[LimitSet],
        now: datetime,
        session: ClientSession,
    ) -> StrategyRecord:
        """What a strategy's own limits ask of its fills."""
        own = [each for each in limit_sets if each.scope is Scope.STRATEGY]
        wants_pnl = any(each.max_daily_loss_ratio is not None for each in own)
        wants_losses = any(each.max_consecutive_losses is not None for each in own)
        if not wants_pnl and not wants_losses:
            return StrategyRecord()
        strategy_id = signal.strategy_id
        return StrategyRecord(
            day_pnl=self._facts.pnl_since(
                now.replace(hour=0, minute=0, second=0, microsecond=0),
                strategy_id,
                account_id,
                session,
            )
            if wants_pnl
            else None,
            consecutive_losses=self._facts.losses_in_a_row(strategy_id, account_id, session)
            if wants_losses
            else None,
        )

    def _of_fund(
        self,
        signal: Signal,
        strategy: Strategy | None,
        accounts: Sequence[AccountContext],
        limit_sets: Sequence[LimitSet],
        books: Books,
    ) -> dict[str, Any]:
        sets = [each for each in limit_sets if each.scope is Scope.GLOBAL]
        based = strategy is not None and strategy.equity_base is EquityBase.FUND
        if not accounts or not (based or any(_asks(each, _ON_FUND) for each in sets)):
            return {}
        fund = self._reference.fund(accounts[0].account.account_type)
        if fund is None:
            return {}
        measured = any(_asks(each, _ON_FUND_EXPOSURE) for each in sets)
        held = self._fund_exposures(signal, fund, books) if measured else None
        return {"fund": fund, "fund_exposures": held}

    def _fund_exposures(
        self, signal: Signal, fund: Fund, books: Books
    ) -> dict[str, Exposure] | None:
        """Sums over the accounts of the fund in its currency; None where one is not known."""
        keys = {scope_key(Scope.INSTRUMENT, leg.instrument.key) for leg in signal.legs}
        everything: list[Holding] = []
        for account_id in fund.account_ids:
            snapshot = self._reference.account(account_id)
            rate = fx_rate(snapshot, fund.currency) if snapshot else None
            if snapshot is None or rate is None:
                return None
            try:
                held = books.holdings(snapshot)
            except FxUnknown:
                return None
            everything += [
                each._replace(
                    scopes=each.scopes | {scope_key(Scope.GLOBAL)},
                    capital=each.capital / rate,
                    notional=each.notional / rate,
                    margin=each.margin / rate,
                )
                for each in held
            ]
        return exposures(everything, keys | {scope_key(Scope.GLOBAL)})

    def _of_strategy(
        self,
        signal: Signal,
        strategy: Strategy | None,
        limit_sets: Sequence[LimitSet],
        now: datetime,
        session: ClientSession,
    ) -> dict[str, Any]:
        """What duplicate and repetition rules, and volatility targets, ask of the strategy."""
        found: dict[str, Any] = {}
        window = max((each.duplicate_window_seconds or ZERO for each in limit_sets), default=ZERO)
        if window:
            since = now - timedelta(seconds=float(window))
            found["recent"] = self._facts.entries_since(since, signal.strategy_id, session)
        own = [each for each in limit_sets if each.scope is Scope.STRATEGY]
        counted = next((each for each in own if each.max_entries is not None), None)
        if counted is not None:
            since = now - timedelta(seconds=float(counted.entries_window_seconds))
            reset = self._facts.cleared_at(LockRule.REPEATED_EXECUTION, signal.strategy_id)
            since = max(since, reset or since)
            entries: tuple[RecentEntry, ...] = self._facts.entries_since(
                since, signal.strategy_id, session
            )
            found["entries_in_window"] = len({each.signal_id for each in entries})
        scaled = strategy is not None and isinstance(strategy.sizing, VolatilitySizing)
        if scaled or any(each.target_volatility_ratio is not None for each in own):
            found["strategy_volatility_ratio"] = self._facts.volatility(signal.strategy_id)
        return found


def _asks(limits: LimitSet, names: Iterable[str]) -> bool:
    return any(getattr(limits, name) is not None for name in names)


def _mine(strategy_id: str, account_id: str, rows: Iterable[R]) -> tuple[R, ...]:
    return tuple(
        row for row in rows if row.account_id == account_id and row.strategy_id == strategy_id
    )
