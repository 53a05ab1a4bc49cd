"""The decision on one signal: `decide(signal, context)`, pure, so that it can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.algo import scaled_algo
from services.decision.carry_out import carry_out
from services.decision.checks import Locks, check_limits_of_signal, check_locks
from services.decision.entries import plan_entry, switched
from services.decision.exits import size_exit
from services.decision.limits import LimitsOfAccounts, other_limits
from services.decision.plans import Common, Plan, SizedLeg
from services.decision.split import split
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.approvals import ApprovalStatus
from services.domain.decisions import Decision, Passable, Question, Step
from services.domain.orders import Order, Reservation, client_order_id_for
from services.domain.risk import Control, scope_key, scopes_of, state_for
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import (
    ActiveStatus,
    GroupPolicy,
    Intent,
    Outcome,
    Scope,
    StrategyMode,
    TradingState,
)

#: 30 years: a date that is further away is more than a `datetime` can hold.
_FOREVER_SECONDS = Decimal(10**9)
#: Steps that warn of an exit, and are told although it goes.
_WARNINGS: Final = frozenset({"exit_age", "exit_gap"})


class _Result(NamedTuple):
    """What the accounts came to."""

    sized: list[tuple[AccountContext, list[SizedLeg]]]
    denials: list[Denied]
    steps: list[Step]
    questions: list[Question]


def decide(signal: Signal, context: DecisionContext) -> Decision:
    """What goes out for `signal`, given everything in `context`, with every step on the way."""
    waterfall, locks = Waterfall(), Locks(context.now)
    intent = signal.intent
    try:
        intent = _intent(signal, context, waterfall)
        controls = _check_signal(signal, intent, context, waterfall)
        if intent is Intent.CANCEL:
            return _cancel(signal, context, waterfall)
        if intent.reduces_risk:
            result = _exits(signal, intent, context)
        else:
            result = _entries(signal, context, controls, locks, waterfall)
    except Denied as denied:
        nothing = _Result([], [denied], [], [])
        return _decision(signal, intent, context, waterfall, nothing, locks)
    return _decision(signal, intent, context, waterfall, result, locks)


def _decision(
    signal: Signal,
    intent: Intent | None,
    context: DecisionContext,
    waterfall: Waterfall,
    result: _Result,
    locks: Locks,
) -> Decision:
    steps = tuple(waterfall.steps + result.steps)
    passable = tuple(each for denied in result.denials for each in denied.passable)
    common = {
        "signal_id": signal.signal_id,
        "intent": intent,
        "steps": steps,
        "context": context,
        "decided_at": context.now,
        "locks": tuple(locks.found),
        "questions": (*waterfall.questions, *result.questions),
    }
    if not result.sized and _canceled_only(intent, result, context):
        count = len(context.canceled_entries)
        return Decision(
            outcome=Outcome.APPROVED,
            code="ENTRY_CANCELED",
            reason=f"{count} entry orders were canceled before they filled; nothing is left",
            **common,
        )
    if not result.sized or intent is None:
        denied = result.denials[0]
        return Decision(
            outcome=Outcome.DENIED,
            code=denied.code,
            reason=_with_passable(str(denied), signal, passable),
            passable=passable,
            **common,
        )
    orders = [
        _order(signal, intent, context, account.account.account_id, sized)
        for account, legs in result.sized
        for sized in legs
    ]
    all_sized = [sized for _, legs in result.sized for sized in legs]
    bound = [step for step in steps if step.bound]
    return Decision(
        outcome=Outcome.RESIZED if bound else Outcome.APPROVED,
        code=f"{bound[0].name.upper()}_BOUND" if bound else "",
        reason="; ".join([*map(_in_words, bound[:1]), *_warnings(steps)]),
        orders=tuple(orders),
        reservations=tuple(map(_reservation, orders, all_sized)),
        passable=passable,
        **common,
    )


def _canceled_only(intent: Intent | None, result: _Result, context: DecisionContext) -> bool:
    """Whether all that this exit had to end was entry orders, and it has."""
    nothing = {"NO_POSITION", "ALREADY_CLOSED"}
    return (
        intent is Intent.EXIT
        and bool(context.canceled_entries)
        and all(denied.code in nothing for denied in result.denials)
    )


def _with_passable(sentence: str, signal: Signal, passable: Sequence[Passable]) -> str:
    if not passable:
        return sentence
    symbols = {leg.leg_index: leg.instrument.symbol for leg in signal.legs}
    most = ", ".join(
        f"{plain(each.quantity)} {symbols[each.leg_index]} in {each.account_id}"
        for each in passable
    )
    return f"{sentence}; at most {most} would have passed"


def _intent(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> Intent:
    """What was said, or what the strategy's own position makes of it."""
    if signal.intent is not None:
        return signal.intent
    leg = signal.legs[0]
    held = sum(
        (
            position.quantity
            for account in context.accounts
            for position in account.positions
            if position.strategy_id == signal.strategy_id
            and position.instrument.key == leg.instrument.key
        ),
        ZERO,
    )
    if not held:
        intent = Intent.ENTRY
    else:
        grows = leg.side is not None and held * leg.side.sign > 0
        intent = Intent.SCALE_IN if grows else Intent.EXIT
    waterfall.note(
        "intent", f"{intent}: signal_type is missing, {plain(held)} held, {leg.side} asked"
    )
    return intent


def _check_signal(
    signal: Signal, intent: Intent, context: DecisionContext, waterfall: Waterfall
) -> list[Control]:
    """What holds for the signal as a whole; the controls of its scopes. Raises: Denied."""
    strategy = context.strategy
    if strategy is None:
        raise Denied("STRATEGY_UNKNOWN", f"there is no strategy {signal.strategy_id!r}")
    keys = _keys(signal)
    controls = [each for each in context.controls if each.key in keys]
    state, said_by = _state(controls, context, keys)
    allowed = state is TradingState.ACTIVE or (
        state is TradingState.REDUCING and intent.reduces_risk
    )
    said = switched(said_by) if said_by else f"trading is {state}"
    waterfall.require(
        "trading_state", allowed, f"TRADING_{state}", "{}, the signal is {}", said, intent
    )
    waterfall.require(
        "strategy_status",
        strategy.status is ActiveStatus.ACTIVE or intent.reduces_risk,
        "STRATEGY_INACTIVE",
        "strategy {} is {}",
        strategy.strategy_id,
        strategy.status,
    )
    waterfall.require(
        "accounts",
        bool(context.accounts),
        "ACCOUNTS_MISSING",
        "strategy {} trades in {} accounts",
        strategy.strategy_id,
        len(context.accounts),
    )
    waterfall.require(
        "entry_reference",
        context.entry_found is not False,
        "ENTRY_NOT_FOUND",
        f"entry {signal.entry_reference}" if signal.entry_reference else "none given",
    )
    if intent.reduces_risk:
        _warn_exit(signal, context, waterfall)
    else:
        _check_entry(signal, context, waterfall)
    return controls


def _keys(signal: Signal, *legs: Leg) -> dict[str, Scope]:
    """The scopes of some legs, or all, but for accounts."""
    return scopes_of(
        account_id=None,
        strategy_id=signal.strategy_id,
        instruments=[leg.instrument for leg in legs or signal.legs],
    )


def _state(
    controls: list[Control], context: DecisionContext, keys: dict[str, Scope]
) -> tuple[TradingState, Control | None]:
    """Without the control of everything nothing is known, and nothing goes."""
    if not any(each.scope is Scope.GLOBAL for each in controls):
        return TradingState.HALTED, None
    return state_for(context.controls, keys)


def _warn_exit(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> None:
    """What would stop an entry is only said of an exit."""
    age, limit = _age(signal, context), _age_limit(signal, context)
    if limit is not None and age > limit:
        sentence = f"{age:.1f} s old, valid for {plain(limit)} s, but an exit goes all the same"
        waterfall.note("exit_age", sentence)
    if context.gap is not None:
        waterfall.note("exit_gap", f"{context.gap.sentence}; an exit goes all the same")


def _check_entry(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> None:
    _check_approval(context, waterfall)
    strategy = context.strategy
    allowed_types = strategy.instrument_types if strategy else ()
    for leg in signal.legs:
        kind = leg.instrument.instrument_type
        waterfall.require(
            "instrument_type",
            not allowed_types or kind in allowed_types,
            "INSTRUMENT_TYPE_NOT_ALLOWED",
            "{} {}",
            kind,
            leg.instrument.symbol,
        )
    ahead = (signal.occurred_at or signal.received_at) - context.now
    skew = Decimal(str(ahead.total_seconds()))
    most = context.limits.max_clock_skew_seconds
    if skew > most:
        sentence = f"sent {plain(skew)} s in the future, {plain(most)} s are forgiven"
        raise waterfall.stop("clock", "SIGNAL_FROM_FUTURE", sentence)
    limit = _age_limit(signal, context)
    if limit is not None:
        age = _age(signal, context)
        words = "{:.1f} s old, valid for {} s"
        waterfall.require("signal_age", age <= limit, "SIGNAL_EXPIRED", words, age, limit)
    if context.reversal_open:
        waterfall.require("reversal", False, "REVERSAL_EXIT_OPEN", context.reversal_open)
    if context.gap is not None:
        waterfall.require("gap", False, context.gap.code, context.gap.sentence)


def _check_approval(context: DecisionContext, waterfall: Waterfall) -> None:
    """What a person has said counts before everything else. Raises: Denied."""
    answer = context.approval
    if answer is not None:
        in_time = answer.status is not ApprovalStatus.EXPIRED
        waterfall.require(
            "approval",
            answer.status in {ApprovalStatus.APPROVED, ApprovalStatus.HALVED},
            "APPROVAL_REJECTED" if in_time else "APPROVAL_EXPIRED",
            answer.in_words,
        )


def _sent_at(signal: Signal) -> datetime:
    """When the age begins: a sender's clock that is ahead of ours makes nothing younger."""
    return min(signal.occurred_at or signal.received_at, signal.received_at)


def _age(signal: Signal, context: DecisionContext) -> Decimal:
    """Seconds, without those that it stood still for a person."""
    age = Decimal(str((context.now - _sent_at(signal)).total_seconds()))
    return age - _stood_still(context)


def _stood_still(context: DecisionContext) -> Decimal:
    answer = context.approval
    return ZERO if answer is None else answer.waited_seconds(context.now)


def _age_limit(signal: Signal, context: DecisionContext) -> Decimal | None:
    """Seconds that the sender or the operator lets it live, the fewer of both."""
    strategy = context.strategy
    limits = (signal.valid_for_seconds, strategy.max_signal_age_seconds if strategy else None)
    return min((limit for limit in limits if limit is not None), default=None)


def _entries(
    signal: Signal,
    context: DecisionContext,
    controls: list[Control],
    locks: Locks,
    waterfall: Waterfall,
) -> _Result:
    """Plan every account, let them share, then carry out. Raises: Denied for all of them."""
    keys = _keys(signal)
    limits = other_limits(context, keys)
    check_locks(context, keys, waterfall)
    for scoped in limits:
        check_limits_of_signal(signal, context, scoped, locks, waterfall)
    if context.strategy is None:
        raise Denied("STRATEGY_UNKNOWN", f"there is no strategy {signal.strategy_id!r}")
    common = Common(
        signal=signal,
        context=context,
        strategy=context.strategy,
        controls=controls,
        limits=limits,
        locks=locks,
        of_accounts=LimitsOfAccounts(context),
        scopes={leg.leg_index: frozenset(_keys(signal, leg)) for leg in signal.legs},
    )
    result = _Result([], [], [], [])
    plans: list[Plan] = []
    waterfalls: list[Waterfall] = []
    for account in context.accounts:
        of_account = Waterfall(account.account.account_id)
        waterfalls.append(of_account)
        try:
            plans.append(plan_entry(common, account, of_account))
        except Denied as denied:
            result.denials.append(denied)
    for plan, scale in zip(plans, split(plans, common.strategy.split), strict=True):
        try:
            result.sized.append((plan.account, carry_out(plan, scale, common)))
        except Denied as denied:
            result.denials.append(denied)
    if result.sized and common.strategy.mode is StrategyMode.SHADOW:
        result.denials.insert(0, _shadow(result.sized, waterfall))
        result.sized.clear()
    for each in waterfalls:
        result.steps.extend(each.steps)
        result.questions.extend(each.questions)
    return result


def _shadow(sized: list[tuple[AccountContext, list[SizedLeg]]], waterfall: Waterfall) -> Denied:
    """What would have been ordered, for the record only."""
    sentence = "the strategy is in shadow mode: decided and recorded, never ordered"
    stopped = waterfall.stop("shadow", "STRATEGY_SHADOW", sentence)
    stopped.passable = tuple(
        Passable(
            account_id=account.account.account_id,
            leg_index=each.leg.leg_index,
            quantity=each.quantity,
        )
        for account, legs in sized
        for each in legs
    )
    return stopped


def _exits(signal: Signal, intent: Intent, context: DecisionContext) -> _Result:
    """What can be closed is closed, even where another leg or account has nothing to close."""
    result = _Result([], [], [], [])
    for account in context.accounts:
        waterfall = Waterfall(account.account.account_id)
        try:
            _check_account_switch(context, account, waterfall)
            legs = _exits_of(signal, intent, context, account, waterfall)
            result.sized.append((account, legs))
        except Denied as denied:
            result.denials.append(denied)
        result.steps.extend(waterfall.steps)
        result.questions.extend(waterfall.questions)
    return result


def _check_account_switch(
    context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> None:
    """Only a HALT of the account itself stops its exits."""
    keys = {scope_key(Scope.ACCOUNT, account.account.account_id)}
    state, control = state_for(context.controls, keys)
    if control is not None and state is TradingState.HALTED:
        raise waterfall.stop("trading_state", "TRADING_HALTED", switched(control))


def _exits_of(
    signal: Signal,
    intent: Intent,
    context: DecisionContext,
    account: AccountContext,
    waterfall: Waterfall,
) -> list[SizedLeg]:
    exits: list[SizedLeg] = []
    denials: list[Denied] = []
    for leg in signal.legs:
        try:
            closing = size_exit(signal, leg, intent, account, context, waterfall)
        except Denied as denied:
            denials.append(denied)
            continue
        side, quantity, theirs = closing
        exits.append(SizedLeg(leg, side, quantity, ZERO, ZERO, sender_quantity=theirs))
        if len(signal.legs) > 1:  # the next leg may be of the same instrument
            account = account.model_copy(
                update={
                    "reservations": (*account.reservations, _closing(signal, account, exits[-1]))
                }
            )
    if not exits:
        raise denials[0]
    return exits


def _closing(signal: Signal, account: AccountContext, sized: SizedLeg) -> Reservation:
    return Reservation(
        client_order_id="",
        account_id=account.account.account_id,
        strategy_id=signal.strategy_id,
        instrument_key=sized.leg.instrument.key,
        closing_quantity=sized.quantity,
        sender_quantity=sized.sender_quantity,
        quantity=sized.quantity,
    )


def _order(
    signal: Signal, intent: Intent, context: DecisionContext, account_id: str, sized: SizedLeg
) -> Order:
    leg = sized.leg
    return Order(
        client_order_id=client_order_id_for(signal.signal_id, leg.leg_index, account_id, 1),
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        account_id=account_id,
        leg_index=leg.leg_index,
        intent=intent,
        instrument=leg.instrument,
        side=sized.side,
        quantity=sized.quantity,
        order_type=leg.order_type,
        time_in_force=leg.time_in_force,
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
        trail_amount=leg.trail_amount,
        trail_ratio=leg.trail_ratio,
        # Only what opens a position is guarded: no broker may refuse an exit for its guards.
        stop_loss=None if intent.reduces_risk else leg.stop_loss,
        take_profit=None if intent.reduces_risk else leg.take_profit,
        reference_price=leg.reference_price,
        sender_quantity=sized.sender_quantity if intent.reduces_risk else leg.quantity,
        sender_unit=leg.quantity_unit,
        entry_signal_id=_entry_of(signal, context) if intent.reduces_risk else None,
        environment=signal.environment,
        expires_at=None if intent.reduces_risk else _expires_at(signal, context),
        cancel_at=_later(context.now, leg.cancel_after_seconds),
        algo=scaled_algo(sized, reduces_risk=intent.reduces_risk),
        # Undoing an exit would open again what it has closed.
        group_policy=GroupPolicy.HOLD if intent.reduces_risk else _group_policy(signal, context),
    )


def _entry_of(signal: Signal, context: DecisionContext) -> str | None:
    return context.entry_signal_id or signal.entry_reference


def _expires_at(signal: Signal, context: DecisionContext) -> datetime | None:
    limit = _age_limit(signal, context)
    return _later(_sent_at(signal), None if limit is None else limit + _stood_still(context))


def _later(moment: datetime, seconds: Decimal | None) -> datetime | None:
    if seconds is None:
        return None
    return moment + timedelta(seconds=float(min(seconds, _FOREVER_SECONDS)))


def _group_policy(signal: Signal, context: DecisionContext) -> GroupPolicy:
    default = context.strategy.group_policy if context.strategy else GroupPolicy.HOLD
    return signal.group_policy or default


def _reservation(order: Order, sized: SizedLeg) -> Reservation:
    return Reservation(
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        instrument_key=order.instrument.key,
        instrument_type=order.instrument.instrument_type,
        symbol=order.instrument.symbol,
        capital=sized.capital,
        margin=sized.margin,
        notional=sized.notional,
        closing_quantity=order.quantity if order.intent.reduces_risk else ZERO,
        sender_quantity=order.sender_quantity if order.intent.reduces_risk else None,
        entry_signal_id=order.entry_signal_id,
        quantity=order.quantity,
    )


def _cancel(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> Decision:
    cancels = tuple(order for account in context.accounts for order in account.cancelable)
    words = "{} working entry orders are reached"
    waterfall.note("cancel", words, len(cancels), after=Decimal(len(cancels)), bound=not cancels)
    if not cancels:
        raise Denied("NOTHING_TO_CANCEL", "no entry order of this signal is working any more")
    return Decision(
        signal_id=signal.signal_id,
        outcome=Outcome.APPROVED,
        intent=Intent.CANCEL,
        reason="; ".join(_warnings(waterfall.steps)),
        steps=tuple(waterfall.steps),
        cancels=cancels,
        context=context,
        decided_at=context.now,
    )


def _warnings(steps: Sequence[Step]) -> list[str]:
    return [_in_words(step) for step in steps if step.name in _WARNINGS]


def _in_words(step: Step) -> str:
    return f"{step.name.replace('_', ' ')}: {step.sentence}"
