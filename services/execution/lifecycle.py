"""How a broker's report moves an order: pure, so that any order of reports can be tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.domain.errors import IllegalTransition
from services.domain.orders import TERMINAL, Execution, Order, OrderReport, check_transition
from services.domain.risk import Control, scopes_of, state_for
from services.domain.values import ZERO, Frozen, NonNegative
from services.domain.words import OrderStatus, TradingState


class OrderState(Frozen):
    """An order as it stands in the store."""

    order: Order
    status: OrderStatus
    broker_order_id: str | None = None
    filled_quantity: NonNegative = ZERO
    avg_fill_price: NonNegative | None = None


class Incident(NamedTuple):
    """Something a person must see: machine code and sentence."""

    kind: str
    sentence: str


class Advance(NamedTuple):
    """An order after a report."""

    state: OrderState
    incidents: tuple[Incident, ...]

    def changes(self, before: OrderState) -> bool:
        """Whether anything is to be written."""
        return self.state != before or bool(self.incidents)


def advance(state: OrderState, report: OrderReport, fresh: Sequence[Execution]) -> Advance:
    """Apply a report with the executions that are not booked yet.

    Fills are believed in every state. The order counts as filled by what is booked, not by what
    the broker's status says: a FILLED whose executions have not come yet stays working.
    """
    quantity = sum((each.quantity for each in fresh), ZERO)
    filled = state.filled_quantity + quantity
    status = _status(state, report, filled)
    incidents = []
    if fresh and state.status in TERMINAL:
        incidents.append(_late(state, quantity))
    if filled > state.order.quantity:
        incidents.append(_overfill(state, filled))
    try:
        if status is not state.status:
            check_transition(state.status, status)
    except IllegalTransition as error:
        incidents.append(Incident("ORDER_ILLEGAL_TRANSITION", _named(state, str(error))))
        status = state.status
    return Advance(
        state.model_copy(
            update={
                "status": status,
                "broker_order_id": report.broker_order_id or state.broker_order_id,
                "filled_quantity": filled,
                "avg_fill_price": _average(state, fresh, filled),
            }
        ),
        tuple(incidents),
    )


def _status(state: OrderState, report: OrderReport, filled: Decimal) -> OrderStatus:
    now, said = state.status, report.status
    if filled >= state.order.quantity:
        return OrderStatus.FILLED
    if now in TERMINAL:
        more = filled > state.filled_quantity
        return OrderStatus.PARTIALLY_FILLED if more and said not in TERMINAL else now
    if said in TERMINAL and said is not OrderStatus.FILLED:
        return said
    if now is OrderStatus.CANCEL_PENDING and said is not OrderStatus.UNKNOWN:
        return now
    if filled:
        return OrderStatus.PARTIALLY_FILLED
    claimed = said in {OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}
    return OrderStatus.SUBMITTED if claimed else said


def _average(state: OrderState, fresh: Sequence[Execution], filled: Decimal) -> Decimal | None:
    if not fresh:
        return state.avg_fill_price
    paid = (state.avg_fill_price or ZERO) * state.filled_quantity
    paid += sum((each.price * each.quantity for each in fresh), ZERO)
    return paid / filled


def _late(state: OrderState, quantity: Decimal) -> Incident:
    sentence = f"the broker filled {quantity:f} after the order had ended as {state.status}"
    return Incident("FILL_AFTER_END", _named(state, sentence))


def _overfill(state: OrderState, filled: Decimal) -> Incident:
    sentence = f"the broker filled {filled:f} of an order for {state.order.quantity:f}"
    return Incident("OVERFILL", _named(state, sentence))


def _named(state: OrderState, sentence: str) -> str:
    order = state.order
    return f"order {order.client_order_id} ({order.side} {order.instrument.symbol}): {sentence}"


def gate(order: Order, *, controls: Sequence[Control], now: datetime) -> Incident | None:
    """The last look before an order leaves; the reason why it may not, or None.

    Args:
        order: what would leave.
        controls: everything that persons have set; those of the order's scopes count.
        now: the time.
    """
    scopes = scopes_of(
        account_id=order.account_id, strategy_id=order.strategy_id, instruments=(order.instrument,)
    )
    state, control = state_for(controls, scopes)
    of = f" for {control.in_words}" if control else ""
    if state is TradingState.HALTED:
        return Incident("TRADING_HALTED", f"trading is HALTED{of}")
    if state is TradingState.REDUCING and not order.intent.reduces_risk:
        return Incident("TRADING_REDUCING", f"no entries: trading is REDUCING{of}")
    if order.expires_at is not None and now > order.expires_at:
        return Incident("SIGNAL_EXPIRED", f"valid until {order.expires_at.isoformat()}")
    return None
