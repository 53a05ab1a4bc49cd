"""The orders of a decision, and what each of them reserves until it has ended."""

from __future__ import annotations

from services.decision.algo import scaled_algo
from services.decision.plans import SizedLeg
from services.decision.signal_age import expires_at, later
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.orders import Order, Reservation, client_order_id_for
from services.domain.signals import Signal
from services.domain.words import GroupPolicy, Intent


def order_of(
    signal: Signal, intent: Intent, context: DecisionContext, account_id: str, sized: SizedLeg
) -> Order:
    """The order that goes out for one sized leg in one account."""
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
        expires_at=None if intent.reduces_risk else expires_at(signal, context),
        cancel_at=later(context.now, leg.cancel_after_seconds),
        algo=scaled_algo(sized, reduces_risk=intent.reduces_risk),
        # Undoing an exit would open again what it has closed.
        group_policy=GroupPolicy.HOLD if intent.reduces_risk else _group_policy(signal, context),
    )


def _entry_of(signal: Signal, context: DecisionContext) -> str | None:
    return context.entry_signal_id or signal.entry_reference


def _group_policy(signal: Signal, context: DecisionContext) -> GroupPolicy:
    default = context.strategy.group_policy if context.strategy else GroupPolicy.HOLD
    return signal.group_policy or default


def closing_of(signal: Signal, account: AccountContext, sized: SizedLeg) -> Reservation:
    """What an exit takes from a position, before it is an order."""
    return Reservation(
        client_order_id="",
        account_id=account.account.account_id,
        strategy_id=signal.strategy_id,
        instrument_key=sized.leg.instrument.key,
        closing_quantity=sized.quantity,
        sender_quantity=sized.sender_quantity,
        quantity=sized.quantity,
    )
