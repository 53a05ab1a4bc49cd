"""The decision on one signal: `decide(signal, context)`, pure, so that it can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.carry_out import carry_out
from services.decision.checks import Locks, check_limits_of_signal, check_locks
from services.decision.entries import plan_entry, switched
from services.decision.exits import NOTHING_OPEN, size_exit
from services.decision.limits import LimitsOfAccounts, other_limits
from services.decision.new_orders import closing_of, order_of
from services.decision.plans import Common, Plan, SizedLeg
from services.decision.signal_checks import check_signal, intent_of, keys_of
from services.decision.split import split
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.decisions import Decision, Passable, Question, Step
from services.domain.orders import Reservation
from services.domain.risk import Control, scope_key, state_for
from services.domain.signals import Signal, plain
from services.domain.values import ZERO
from services.domain.words import (
    Intent,
    Outcome,
    Scope,
    StrategyMode,
    TradingState,
)

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
        intent = intent_of(signal, context, waterfall)
        controls = check_signal(signal, intent, context, waterfall)
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
        order_of(signal, intent, context, account.account.account_id, sized)
        for account, legs in result.sized
        for sized in legs
    ]
    all_sized = [sized for _, legs in result.sized for sized in legs]
    binding = binding_step(steps)
    return Decision(
        outcome=Outcome.RESIZED if binding else Outcome.APPROVED,
        code=f"{binding.name.upper()}_BOUND" if binding else "",
        reason="; ".join([*([_in_words(binding)] if binding else []), *_warnings(steps)]),
        orders=tuple(orders),
        reservations=tuple(
            Reservation.of(
                order, capital=sized.capital, margin=sized.margin, notional=sized.notional
            )
            for order, sized in zip(orders, all_sized, strict=True)
        ),
        passable=passable,
        **common,
    )


def binding_step(steps: Sequence[Step]) -> Step | None:
    """The step that made the result what it is; None where nothing was taken off.

    Each step takes from what those before it left, so it is the last that bound. Of several
    accounts it is that of the first one where something bound.
    """
    bound = [step for step in steps if step.bound]
    # The split shares out what the caps of each account have left: they are the cause.
    bound = [step for step in bound if step.name != "split"] or bound
    return next((step for step in reversed(bound) if step.account_id == bound[0].account_id), None)


def _canceled_only(intent: Intent | None, result: _Result, context: DecisionContext) -> bool:
    """Whether all that this exit had to end was entry orders, and it has."""
    return (
        intent is Intent.EXIT
        and bool(context.canceled_entries)
        and all(denied.code in NOTHING_OPEN for denied in result.denials)
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


def _entries(
    signal: Signal,
    context: DecisionContext,
    controls: list[Control],
    locks: Locks,
    waterfall: Waterfall,
) -> _Result:
    """Plan every account, let them share, then carry out. Raises: Denied for all of them."""
    keys = keys_of(signal)
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
        scopes={leg.leg_index: frozenset(keys_of(signal, leg)) for leg in signal.legs},
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
                    "reservations": (*account.reservations, closing_of(signal, account, exits[-1]))
                }
            )
    if not exits:
        raise denials[0]
    return exits


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
