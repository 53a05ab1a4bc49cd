"""Whether an entry has to wait for a person, and what they are shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from services.domain.approvals import ApprovalOrder, ApprovalRequest, ApprovalTerms
from services.domain.decisions import Decision
from services.domain.orders import Order, Reservation
from services.domain.signals import Signal, plain
from services.domain.values import ZERO


def asked_for(signal: Signal, decision: Decision) -> ApprovalRequest | None:
    """What a person is asked before an entry goes; None = it goes.

    Exits are never held, what is denied needs no answer, and nobody is asked twice.
    """
    context = decision.context
    terms = context.strategy.approval if context.strategy else None
    if terms is None or not terms.required or context.approval is not None:
        return None
    if decision.intent is None or decision.intent.reduces_risk or not decision.orders:
        return None
    orders = [
        _shown(order, held)
        for order, held in zip(decision.orders, decision.reservations, strict=True)
    ]
    if not _is_large(orders, terms):
        return None
    return ApprovalRequest(
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        sentence=_sentence(signal, orders),
        orders=tuple(orders),
        asked_at=context.now,
        expires_at=context.now + timedelta(seconds=float(terms.timeout_s)),
        on_timeout=terms.on_timeout,
    )


def _shown(order: Order, held: Reservation) -> ApprovalOrder:
    return ApprovalOrder(
        account_id=order.account_id,
        leg_index=order.leg_index,
        symbol=order.instrument.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=order.limit_price,
        notional=abs(held.notional),
    )


def _is_large(orders: Sequence[ApprovalOrder], terms: ApprovalTerms) -> bool:
    if terms.above_notional is None:
        return True
    by_account: dict[str, Decimal] = {}
    for each in orders:
        by_account[each.account_id] = by_account.get(each.account_id, ZERO) + each.notional
    return max(by_account.values()) > terms.above_notional


def _sentence(signal: Signal, orders: Sequence[ApprovalOrder]) -> str:
    would = ", ".join(
        f"{each.side} {plain(each.quantity)} {each.symbol} in {each.account_id}" for each in orders
    )
    return f"{signal.strategy_id} wants to enter: {would}"
