"""What if: real signals decided once more under other allocations, limits or sizes; pure.

Each signal is decided in the world as it was when it came: what was held, reserved and owned then.
What an earlier change would have made of later positions is not played through, so the answer is
what a change does to each decision, not what it would have earned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic import Field

from services.decision.decide import decide
from services.decision.record import context_of
from services.domain.accounts import DecisionContext
from services.domain.decisions import Decision
from services.domain.risk import Control, LimitSet
from services.domain.signals import Signal
from services.domain.sizing import SizingPolicy
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import Intent, Outcome, Scope

#: Limits that are measured on what is read only while such a limit is set, and where to find it.
_READ_FOR: Final = {
    "max_orders_per_minute": "orders_last_minute",
    "max_entries": "entries_in_window",
    "duplicate_window_seconds": "recent",
}
_OF_FUND: Final = frozenset(
    {
        "max_position_ratio",
        "max_broker_allocation_ratio",
        "max_gross_exposure_ratio",
        "max_net_exposure_ratio",
        "max_margin_ratio",
        "max_open_positions",
    }
)
_OF_RECORD: Final = frozenset({"max_daily_loss_ratio", "max_consecutive_losses"})


class Change(Frozen):
    """What is to be otherwise; whatever is not named stays as it was for each signal.

    Attributes:
        allocations: approved share of equity by strategy_id; 0 = none.
        limits: limit sets that replace those of their scope.
        without_limits: keys of limit sets that are taken away, e.g. `ACCOUNT|*`.
        controls: switches and overrides that replace those of their scope.
        sizing: sizing policy by strategy_id.
        max_position_ratio: instead of MAX_POSITION_SIZE_PCT, a fraction.
        max_broker_allocation_ratio: instead of MAX_BROKER_ALLOCATION_PCT, a fraction.
    """

    allocations: dict[str, NonNegative] = Field(default_factory=dict)
    limits: tuple[LimitSet, ...] = ()
    without_limits: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    sizing: dict[str, SizingPolicy] = Field(default_factory=dict)
    max_position_ratio: Positive | None = None
    max_broker_allocation_ratio: Positive | None = None


class Case(NamedTuple):
    """A signal, what it was decided on, and what of it is stored."""

    signal: Signal
    context: DecisionContext
    outcome: Outcome
    code: str


def case_of(row: Mapping[str, Any]) -> Case:
    """A stored signal with its decision.

    Raises: InvalidMessage: the context it was decided on cannot be read any more.
    """
    decision = row["decision"]
    fields = {name: row["signal"][name] for name in row["signal"] if name in Signal.model_fields}
    return Case(
        Signal.model_validate(fields),
        context_of(decision),
        Outcome(decision["outcome"]),
        decision.get("code", ""),
    )


class Placed(Frozen):
    """One order of a decision."""

    account_id: str
    leg_index: int
    symbol: str
    side: str
    quantity: Positive


class Answer(Frozen):
    """What a decision came to.

    Attributes:
        notional: of its orders at the prices they were sized with, account currencies as they are.
    """

    outcome: Outcome
    code: str
    reason: str
    orders: tuple[Placed, ...]
    notional: Exact


class Difference(Frozen):
    """A signal that would be decided otherwise."""

    signal_id: str
    strategy_id: str
    intent: Intent | None
    received_at: Instant
    before: Answer
    after: Answer


class StrategyTotals(Frozen):
    """Entries of one strategy: how many traded, and their notional, before and after."""

    strategy_id: str
    entries: int
    traded_before: int
    traded_after: int
    notional_before: Exact
    notional_after: Exact


class Unanswered(Frozen):
    """A signal that cannot be decided again, and why."""

    signal_id: str
    reason: str


class WhatIf(Frozen):
    """The answer.

    Attributes:
        considered: signals that were decided again.
        changed: how many would be decided otherwise.
        differences: those, the newest first, as many as were asked for.
        strategies: totals of entries.
        unanswered: signals that could not be decided again.
        drifted: signals that today's rules decide otherwise than they were, without any change;
            they are compared with what today's rules make of them.
    """

    considered: int
    changed: int
    differences: tuple[Difference, ...]
    strategies: tuple[StrategyTotals, ...]
    unanswered: tuple[Unanswered, ...]
    drifted: tuple[str, ...]


class _Pair(NamedTuple):
    case: Case
    before: Decision
    after: Decision


class _Totals:
    """Of one strategy's entries, as they are counted."""

    def __init__(self) -> None:
        self.entries = self.traded_before = self.traded_after = 0
        self.notional_before = self.notional_after = ZERO

    def add(self, pair: _Pair) -> None:
        self.entries += 1
        self.traded_before += bool(pair.before.orders)
        self.traded_after += bool(pair.after.orders)
        self.notional_before += _notional(pair.before)
        self.notional_after += _notional(pair.after)


def what_if(cases: Iterable[Case], change: Change, *, most: int) -> WhatIf:
    """Decide each case as it was and as it would be; at most `most` differences are told.

    Only what is told of a case is kept: contexts are large, and there may be thousands.
    """
    considered = 0
    different: list[Difference] = []
    totals: dict[str, _Totals] = {}
    unanswered: list[Unanswered] = []
    drifted: list[str] = []
    for case in cases:
        missing = not_recorded(case.context, change, case.signal)
        if missing:
            unanswered.append(Unanswered(signal_id=case.signal.signal_id, reason=missing))
            continue
        before = decide(case.signal, case.context)
        if (before.outcome, before.code) != (case.outcome, case.code):
            drifted.append(case.signal.signal_id)
        after = decide(case.signal, changed(case.context, change, case.signal.strategy_id))
        pair = _Pair(case, before, after)
        considered += 1
        if _essence(before) != _essence(after):
            different.append(_difference(pair))
        if after.intent is None or not after.intent.reduces_risk:
            totals.setdefault(case.signal.strategy_id, _Totals()).add(pair)
    different.sort(key=lambda each: each.received_at, reverse=True)
    return WhatIf(
        considered=considered,
        changed=len(different),
        differences=tuple(different[:most]),
        strategies=tuple(
            StrategyTotals(strategy_id=strategy_id, **vars(found))
            for strategy_id, found in sorted(totals.items())
        ),
        unanswered=tuple(unanswered),
        drifted=tuple(drifted),
    )


def changed(context: DecisionContext, change: Change, strategy_id: str) -> DecisionContext:
    """The context as it would have been."""
    replaced = {each.key for each in change.limits} | set(change.without_limits)
    kept = [each for each in context.limit_sets if each.key not in replaced]
    switched = {each.key for each in change.controls}
    controls = [each for each in context.controls if each.key not in switched]
    update: dict[str, object] = {
        "limit_sets": (*kept, *change.limits),
        "controls": (*controls, *change.controls),
    }
    ratios = {
        name: value
        for name in ("max_position_ratio", "max_broker_allocation_ratio")
        if (value := getattr(change, name)) is not None
    }
    if ratios:
        update["limits"] = context.limits.model_copy(update=ratios)
    if strategy_id in change.allocations:
        ratio = change.allocations[strategy_id] or None
        update["accounts"] = tuple(
            account.model_copy(update={"allocation_ratio": ratio}) for account in context.accounts
        )
    if strategy_id in change.sizing and context.strategy is not None:
        sizing = {"sizing": change.sizing[strategy_id]}
        update["strategy"] = context.strategy.model_copy(update=sizing)
    return context.model_copy(update=update)


def not_recorded(context: DecisionContext, change: Change, signal: Signal) -> str:
    """What a changed limit is measured on and was not read at the time, in words; "" = all was.

    Without this a limit that is new would seem to deny everything, for want of figures.
    """
    for limits in change.limits:
        for name in limits.model_fields_set:
            if getattr(limits, name) is None or not _touches(limits, context, signal):
                continue
            if _was_read(limits, name, context):
                continue
            return f"what {name} of {limits.key} is measured on was not recorded then"
    return ""


def _touches(limits: LimitSet, context: DecisionContext, signal: Signal) -> bool:
    if limits.scope is Scope.STRATEGY:
        return limits.scope_id == signal.strategy_id
    if limits.scope is Scope.ACCOUNT:
        traded = {account.account.account_id for account in context.accounts}
        return limits.scope_id == "*" or limits.scope_id in traded
    return True


def _was_read(limits: LimitSet, name: str, context: DecisionContext) -> bool:
    before = next((each for each in context.limit_sets if each.key == limits.key), None)
    if before is not None and getattr(before, name) is not None:
        return True
    if limits.scope is Scope.GLOBAL and name in _OF_FUND:
        return context.fund_exposures is not None
    if limits.scope is Scope.GLOBAL and name in {"max_daily_loss_ratio", "max_drawdown_ratio"}:
        return context.fund is not None
    if limits.scope is Scope.STRATEGY and name in _OF_RECORD:
        return False
    return name not in _READ_FOR and name != "price_collar_ratio"


def _essence(decision: Decision) -> tuple[object, ...]:
    return (
        decision.outcome,
        decision.code if decision.outcome is Outcome.DENIED else "",
        tuple((order.client_order_id, order.quantity, order.side) for order in decision.orders),
        decision.cancels,
    )


def _difference(pair: _Pair) -> Difference:
    signal = pair.case.signal
    return Difference(
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        intent=pair.after.intent,
        received_at=signal.received_at,
        before=_answer(pair.before),
        after=_answer(pair.after),
    )


def _answer(decision: Decision) -> Answer:
    return Answer(
        outcome=decision.outcome,
        code=decision.code,
        reason=decision.reason,
        orders=tuple(
            Placed(
                account_id=order.account_id,
                leg_index=order.leg_index,
                symbol=order.instrument.symbol,
                side=order.side,
                quantity=order.quantity,
            )
            for order in decision.orders
        ),
        notional=_notional(decision),
    )


def _notional(decision: Decision) -> Decimal:
    return sum((abs(each.notional) for each in decision.reservations), ZERO)
