"""The decision on one signal: `decide(signal, context)`, pure, so that it can be replayed."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from services.decision.entries import SizedLeg, size_entry
from services.decision.exits import size_exit
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.decisions import Decision, Step
from services.domain.orders import Order, Reservation, client_order_id_for
from services.domain.signals import Signal, plain
from services.domain.values import ZERO
from services.domain.words import ActiveStatus, Intent, Outcome, TradingState

#: 30 years: a date that is further away is more than a `datetime` can hold.
_FOREVER_SECONDS = Decimal(10**9)


def decide(signal: Signal, context: DecisionContext) -> Decision:
    """What goes out for `signal`, given everything in `context`, with every step on the way."""
    waterfall = Waterfall()
    try:
        intent = _intent(signal, context, waterfall)
        _check_signal(signal, intent, context, waterfall)
    except Denied as denied:
        return _denied(signal, context, waterfall.steps, denied)
    if intent is Intent.CANCEL:
        return _cancel(signal, context, waterfall)
    steps = list(waterfall.steps)
    orders: list[Order] = []
    reservations: list[Reservation] = []
    denials: list[Denied] = []
    for account in context.accounts:
        account_id = account.account.account_id
        of_account = Waterfall(account_id)
        try:
            for sized in _sized(signal, intent, context, account, of_account):
                order = _order(signal, intent, context, account_id, sized)
                orders.append(order)
                reservations.append(_reservation(order, sized))
        except Denied as denied:
            denials.append(denied)
        steps += of_account.steps
    if not orders:
        return _denied(signal, context, steps, denials[0], intent=intent)
    bound = [step for step in steps if step.bound]
    return Decision(
        signal_id=signal.signal_id,
        outcome=Outcome.RESIZED if bound else Outcome.APPROVED,
        intent=intent,
        code=f"{bound[0].name.upper()}_BOUND" if bound else "",
        reason="; ".join([*map(_in_words, bound[:1]), *_warnings(steps)]),
        steps=tuple(steps),
        orders=tuple(orders),
        reservations=tuple(reservations),
        context=context,
        decided_at=context.now,
    )


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
) -> None:
    strategy, state = context.strategy, context.trading_state
    if strategy is None:
        raise Denied("STRATEGY_UNKNOWN", f"there is no strategy {signal.strategy_id!r}")
    allowed = state is TradingState.ACTIVE or (
        state is TradingState.REDUCING and intent.reduces_risk
    )
    waterfall.require(
        "trading_state", allowed, f"TRADING_{state}", f"trading is {state}, the signal is {intent}"
    )
    waterfall.require(
        "strategy_status",
        strategy.status is ActiveStatus.ACTIVE or intent.reduces_risk,
        "STRATEGY_INACTIVE",
        f"strategy {strategy.strategy_id} is {strategy.status}",
    )
    waterfall.require(
        "accounts",
        bool(context.accounts),
        "ACCOUNTS_MISSING",
        f"strategy {strategy.strategy_id} trades in {len(context.accounts)} accounts",
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


def _warn_exit(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> None:
    """What would stop an entry is only said of an exit."""
    age, limit = _age(signal, context), _age_limit(signal, context)
    if limit is not None and age > limit:
        sentence = f"{age:.1f} s old, valid for {plain(limit)} s, but an exit goes all the same"
        waterfall.note("exit_age", sentence)
    if context.gap is not None:
        waterfall.note("exit_gap", f"{context.gap.sentence}; an exit goes all the same")


def _check_entry(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> None:
    strategy = context.strategy
    allowed_types = strategy.instrument_types if strategy else ()
    for leg in signal.legs:
        kind = leg.instrument.instrument_type
        waterfall.require(
            "instrument_type",
            not allowed_types or kind in allowed_types,
            "INSTRUMENT_TYPE_NOT_ALLOWED",
            f"{kind} {leg.instrument.symbol}",
        )
    limit = _age_limit(signal, context)
    if limit is not None:
        age = _age(signal, context)
        waterfall.require(
            "signal_age",
            age <= limit,
            "SIGNAL_EXPIRED",
            f"{age:.1f} s old, valid for {plain(limit)} s",
        )
    if context.gap is not None:
        waterfall.require("gap", False, context.gap.code, context.gap.sentence)


def _sent_at(signal: Signal) -> datetime:
    """When the age begins: a sender's clock that is ahead of ours makes nothing younger."""
    return min(signal.occurred_at or signal.received_at, signal.received_at)


def _age(signal: Signal, context: DecisionContext) -> Decimal:
    """Seconds."""
    return Decimal(str((context.now - _sent_at(signal)).total_seconds()))


def _age_limit(signal: Signal, context: DecisionContext) -> Decimal | None:
    """Seconds that the sender or the operator lets it live, the fewer of both."""
    strategy = context.strategy
    limits = (signal.valid_for_seconds, strategy.max_signal_age_seconds if strategy else None)
    return min((limit for limit in limits if limit is not None), default=None)


def _sized(
    signal: Signal,
    intent: Intent,
    context: DecisionContext,
    account: AccountContext,
    waterfall: Waterfall,
) -> list[SizedLeg]:
    """Legs that go out in one account. Raises: Denied where none does."""
    if not intent.reduces_risk:
        return size_entry(signal, context, account, waterfall)
    exits: list[SizedLeg] = []
    denials: list[Denied] = []
    for leg in signal.legs:  # what can be closed is closed, even where another leg cannot
        try:
            side, quantity = size_exit(signal, leg, intent, account, context, waterfall)
        except Denied as denied:
            denials.append(denied)
        else:
            exits.append(SizedLeg(leg, side, quantity, ZERO, ZERO))
    if not exits:
        raise denials[0]
    return exits


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
        # Only what opens a position is guarded: no broker may refuse an exit for its guards.
        stop_loss=None if intent.reduces_risk else leg.stop_loss,
        take_profit=None if intent.reduces_risk else leg.take_profit,
        reference_price=leg.reference_price,
        entry_signal_id=signal.entry_reference if intent.reduces_risk else None,
        environment=signal.environment,
        expires_at=None if intent.reduces_risk else _expires_at(signal, context),
    )


def _expires_at(signal: Signal, context: DecisionContext) -> datetime | None:
    limit = _age_limit(signal, context)
    if limit is None:
        return None
    return _sent_at(signal) + timedelta(seconds=float(min(limit, _FOREVER_SECONDS)))


def _reservation(order: Order, sized: SizedLeg) -> Reservation:
    return Reservation(
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        instrument_key=order.instrument.key,
        capital=sized.capital,
        margin=sized.margin,
        closing_quantity=order.quantity if order.intent.reduces_risk else ZERO,
        quantity=order.quantity,
    )


def _cancel(signal: Signal, context: DecisionContext, waterfall: Waterfall) -> Decision:
    cancels = tuple(order for account in context.accounts for order in account.cancelable)
    sentence = f"{len(cancels)} working entry orders are reached"
    waterfall.note("cancel", sentence, after=Decimal(len(cancels)), bound=not cancels)
    if not cancels:
        nothing = Denied("NOTHING_TO_CANCEL", "no entry order of this signal is working any more")
        return _denied(signal, context, waterfall.steps, nothing, intent=Intent.CANCEL)
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


def _warnings(steps: list[Step]) -> list[str]:
    return [_in_words(step) for step in steps if step.name in {"exit_age", "exit_gap"}]


def _in_words(step: Step) -> str:
    return f"{step.name.replace('_', ' ')}: {step.sentence}"


def _denied(
    signal: Signal,
    context: DecisionContext,
    steps: list[Step],
    denied: Denied,
    *,
    intent: Intent | None = None,
) -> Decision:
    return Decision(
        signal_id=signal.signal_id,
        outcome=Outcome.DENIED,
        intent=intent or signal.intent,
        code=denied.code,
        reason=str(denied),
        steps=tuple(steps),
        context=context,
        decided_at=context.now,
    )
