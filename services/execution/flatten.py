"""What a kill run wants of one account, and what remains of it: pure, so that it can be replayed.

A closing order only ever makes the account's own position at the broker smaller: it is capped by
what the strategy holds in our books, by what the broker holds, and by what is being closed already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from brokers.broker import OpenOrder
from services.domain.instruments import Instrument
from services.domain.kills import AccountKill, KillRun, KillStage, Remaining, RunState
from services.domain.orders import TERMINAL, UNATTRIBUTED, Order
from services.domain.signals import plain
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus, Scope, Side
from services.execution.kill_views import (
    Books,
    BrokerWord,
    Close,
    Figures,
    Holding,
    OrderRow,
    holdings,
)

#: Closing orders of one run for one position; more would be a machine that runs away.
MAX_ROUNDS: Final = 5


class Verdict(NamedTuple):
    """How an account stands."""

    remaining: tuple[Remaining, ...]
    notes: tuple[str, ...]
    late_exits: int
    orders_left: int
    positions_left: int


def to_cancel(run: KillRun, mine: AccountKill, books: Books) -> list[OrderRow]:
    """Working orders that have to go.

    All of the scope that are there when a desk looks first, and entries whenever they were made.
    A risk-reducing order made since goes on working; a flatten cancels that too, as long as it is
    closing the position itself, and where nothing is held that it could reduce. Closing orders of
    another run are left to it.
    """
    failed = {row.key for row in books.closings if _has_failed(row)}
    held = {(each.strategy_id, each.instrument.key) for each in books.positions}
    flattens = run.stage is KillStage.FLATTEN

    def goes(row: OrderRow) -> bool:
        order = row.order
        if flattens and order.role is OrderRole.FLATTEN:
            return False
        if mine.looked_at is None or row.order_id in mine.asked or not order.intent.reduces_risk:
            return True
        closes_itself = mine.state is RunState.RUNNING and row.key not in failed
        return flattens and (closes_itself or row.key not in held)

    return [row for row in books.working if _covers(run, row.order) and goes(row)]


def _covers(run: KillRun, order: Order) -> bool:
    return run.covers(order.account_id, order.strategy_id, order.instrument)


def _has_failed(row: OrderRow) -> bool:
    """Whether a closing order ended without closing all that it was for."""
    return row.status in TERMINAL and row.status is not OrderStatus.FILLED


class Situation:
    """One look at one account for one run.

    Args:
        run: what a person wants.
        mine: what has been done of it in this account.
        books: the account by our books.
        word: the account by the broker's word.
        settled: figures of instruments, by key, that have stood long enough to owe nothing to a
            message that is still on its way.
    """

    def __init__(
        self,
        run: KillRun,
        mine: AccountKill,
        *,
        books: Books,
        word: BrokerWord,
        settled: Mapping[str, Figures],
    ) -> None:
        self._run = run
        self._mine = mine
        self._books = books
        self._word = word
        self._settled = settled
        self._going = to_cancel(run, mine, books)
        self._closing = [
            row
            for row in books.working
            if run.stage is KillStage.FLATTEN
            and row.order.role is OrderRole.FLATTEN
            and _covers(run, row.order)
        ]

    @cached_property
    def holdings(self) -> list[Holding]:
        """Instruments of the scope that are held, by the broker's word or by our books."""
        account_id, run = self._mine.account_id, self._run
        found = holdings(self._books.positions, self._word.positions)
        if run.scope is not Scope.STRATEGY:
            return [each for each in found if run.covers(account_id, UNATTRIBUTED, each.instrument)]
        closed = {row.order.instrument.key for row in self._books.closings}
        return [
            each
            for each in found
            if (run.scope_id in each.books or each.instrument.key in closed)
            and run.covers(account_id, run.scope_id, each.instrument)
        ]

    def closes(self) -> list[Close]:
        """Closing orders to be made now."""
        if self._run.stage is not KillStage.FLATTEN:
            return []
        return [close for holding in self.holdings for close in self._closes_of(holding)]

    def _closes_of(self, holding: Holding) -> Iterator[Close]:
        closable = holding.closable(self._run.scope, self._run.scope_id)
        side = Side.SELL if closable > 0 else Side.BUY
        on_their_way = [
            row
            for row in self._books.working
            if row.order.instrument.key == holding.instrument.key and row.order.side is side
        ]
        mine = [row for row in on_their_way if _covers(self._run, row.order)]
        left = abs(closable) - sum((row.leaves for row in mine), ZERO)
        for strategy_id, held in self._holders(holding, closable):
            going = (row.leaves for row in mine if row.order.strategy_id == strategy_id)
            quantity = min(abs(held) - sum(going, ZERO), left)
            if quantity <= 0 or self._obstacle(strategy_id, holding.instrument):
                continue
            left -= quantity
            number = len(self._made_for(strategy_id, holding.instrument))
            yield Close(strategy_id, holding.instrument, side, quantity, number)

    def _holders(self, holding: Holding, closable: Decimal) -> Iterator[tuple[str, Decimal]]:
        """Who of the scope holds on the side that is to be closed; nobody's part comes last."""
        only = self._run.scope_id if self._run.scope is Scope.STRATEGY else None
        for strategy_id, held in sorted(holding.books.items()):
            if held * closable > 0 and only in {None, strategy_id}:
                yield strategy_id, held
        if only is None and self._is_settled(holding) and holding.beyond * closable > 0:
            yield UNATTRIBUTED, holding.beyond

    def _is_settled(self, holding: Holding) -> bool:
        return self._settled.get(holding.instrument.key) == holding.figures

    def _made_for(self, strategy_id: str, instrument: Instrument) -> list[OrderRow]:
        return [row for row in self._books.closings if row.key == (strategy_id, instrument.key)]

    def _obstacle(self, strategy_id: str, instrument: Instrument) -> str:
        """Why a position cannot be closed now; empty = it can."""
        made = self._made_for(strategy_id, instrument)
        failed = [row for row in made if _has_failed(row)]
        if failed:
            last = failed[-1]
            return f"closing order {last.order_id} ended {last.status}: {last.text or 'no reason'}"
        waits = next(self._waits_for(strategy_id, instrument), "")
        if waits:
            return waits
        if len(made) >= MAX_ROUNDS:
            return f"{len(made)} closing orders have filled, and it is still held"
        return ""

    def _waits_for(self, strategy_id: str, instrument: Instrument) -> Iterator[str]:
        for row in (*self._going, *self._closing):
            same = row.order.instrument.key == instrument.key
            if row.status is OrderStatus.UNKNOWN:
                same = row in self._closing and row.key == (strategy_id, instrument.key)
            if same:
                yield f"waits for order {row.order_id}, which is {row.status}"
        for each in self._stray:
            name = each.report.client_order_id
            if each.instrument.key == instrument.key and name in self._word.ours:
                yield f"the broker still shows order {name}"

    @cached_property
    def _open_orders(self) -> list[OpenOrder]:
        """Open orders of the scope by the broker's word; foreign ones are no strategy's."""

        def strategy_of(each: OpenOrder) -> str:
            return self._word.ours.get(each.report.client_order_id, UNATTRIBUTED)

        account_id = self._mine.account_id
        return [
            each
            for each in self._word.open_orders
            if self._run.covers(account_id, strategy_of(each), each.instrument)
        ]

    @cached_property
    def _stray(self) -> list[OpenOrder]:
        """Those that our books do not know to be working, foreign ones too."""
        working = {row.order_id for row in self._books.working}
        return [each for each in self._open_orders if each.report.client_order_id not in working]

    def verdict(self) -> Verdict:
        """What remains."""
        counted = {row.order_id for row in (*self._going, *self._closing)}
        late = [
            row
            for row in self._books.working
            if _covers(self._run, row.order) and row.order_id not in counted
        ]
        late_ids = {row.order_id for row in late}
        left = [each for each in self._open_orders if each.report.client_order_id not in late_ids]
        remaining = [*self._orders_remaining()]
        notes: list[str] = []
        positions = 0
        if self._run.stage is KillStage.FLATTEN:
            for holding in self.holdings:
                positions += bool(self._is_held(holding))
                remaining += self._position_remaining(holding)
                notes += self._notes(holding)
        return Verdict(tuple(remaining), tuple(notes), len(late), len(left), positions)

    def _orders_remaining(self) -> Iterator[Remaining]:
        for row in (*self._going, *self._closing):
            yield remaining_order(row)
        for each in self._stray:
            report = each.report
            what = f"{each.side} {each.instrument.symbol}"
            if report.client_order_id in self._word.ours:
                name, why = report.client_order_id, "has ended in our books; the broker shows it"
            else:
                name, why = str(report.broker_order_id), "is none of ours, and is not touched"
            yield Remaining(
                what=f"order {name}: {what}",
                why=why,
                client_order_id=report.client_order_id or None,
            )

    def _is_held(self, holding: Holding) -> Decimal:
        """What has to become 0: the broker's position, or of a strategy its own book."""
        if self._run.scope is Scope.STRATEGY:
            return holding.books.get(self._run.scope_id, ZERO)
        return holding.broker

    def _position_remaining(self, holding: Holding) -> Iterator[Remaining]:
        held, symbol = self._is_held(holding), holding.instrument.symbol
        if held:
            yield Remaining(what=f"position {plain(held)} {symbol}", why=self._why_held(holding))
        elif holding.mismatch and not self._is_settled(holding):
            yield Remaining(what=f"books of {symbol}", why=self._difference(holding))

    def _why_held(self, holding: Holding) -> str:
        closable = holding.closable(self._run.scope, self._run.scope_id)
        reasons = []
        for strategy_id, _ in self._holders(holding, closable):
            obstacle = self._obstacle(strategy_id, holding.instrument)
            reasons.append(f"{strategy_id}: {obstacle or 'being closed'}")
        if holding.mismatch:
            reasons.append(self._difference(holding))
        return "; ".join(reasons) or "being closed"

    def _difference(self, holding: Holding) -> str:
        books = holding.broker - holding.mismatch
        return f"the broker holds {plain(holding.broker)}, our books say {plain(books)}"

    def _notes(self, holding: Holding) -> Iterator[str]:
        if self._is_held(holding):
            return
        symbol = holding.instrument.symbol
        if holding.mismatch and self._is_settled(holding):
            yield f"{symbol}: {self._difference(holding)}"
        elif self._run.scope is not Scope.STRATEGY and any(holding.books.values()):
            parts = ", ".join(f"{name} {plain(q)}" for name, q in sorted(holding.books.items()))
            yield f"{symbol}: the books of strategies offset each other: {parts}"


def remaining_order(row: OrderRow) -> Remaining:
    """An order of ours that still works, and why."""
    if row.status is OrderStatus.UNKNOWN:
        why = f"UNKNOWN, no answer of the broker: scripts/orders.py resolve {row.order_id}"
    elif row.order.role is OrderRole.FLATTEN and not row.asked_to_cancel:
        why = f"it is {row.status}"
    else:
        why = f"being canceled, it is {row.status}"
    return Remaining(what=row.in_words, why=why, client_order_id=row.order_id)
