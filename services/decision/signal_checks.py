"""What holds for a signal as a whole, before any account is looked at."""

from __future__ import annotations

from decimal import Decimal

from services.decision.entries import switched
from services.decision.signal_age import age_limit, age_of
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import DecisionContext
from services.domain.approvals import ApprovalStatus
from services.domain.risk import Control, scopes_of, state_for
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import ActiveStatus, Intent, Scope, TradingState


def intent_of(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> Intent:
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


def check_signal(
    signal: Signal, intent: Intent, context: DecisionContext, waterfall: Waterfall
) -> list[Control]:
    """What holds for the signal as a whole; the controls of its scopes. Raises: Denied."""
    strategy = context.strategy
    if strategy is None:
        raise Denied("STRATEGY_UNKNOWN", f"there is no strategy {signal.strategy_id!r}")
    keys = keys_of(signal)
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


def keys_of(signal: Signal, *legs: Leg) -> dict[str, Scope]:
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
    age, limit = age_of(signal, context), age_limit(signal, context)
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
    limit = age_limit(signal, context)
    if limit is not None:
        age = age_of(signal, context)
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
