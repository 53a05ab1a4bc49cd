"""How a broker's report moves an order: pure, so that any order of reports can be tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.domain.errors import IllegalTransition
from services.domain.orders import TERMINAL, Execution, Order, OrderReport, check_transition
from services.domain.values import ZERO, Frozen, NonNegative
from services.domain.words import OrderStatus


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


def advance(
    state: OrderState,
    report: OrderReport,
    fresh: Sequence[Execution],
    replaced: Sequence[Execution] = (),
) -> Advance:
    """Apply a report with the executions that are not booked yet.

    Fills are believed in every state. The order counts as filled by what is booked, not by what
    the broker's status says: a FILLED whose executions have not come yet stays working. A fill that
    is corrected or taken back does not make an ended order work again: that would send it twice. A
    revision that only says what the fill cost is no correction: brokers tell commissions late.

    Args:
        state: before.
        report: what the broker says.
        fresh: executions of it that are not booked yet, corrections of booked ones too.
        replaced: what those corrections had counted as.
    """
    price = state.avg_fill_price
    counted = [each for each in fresh if not each.busted]
    late = _total(counted) - _total(replaced)
    filled = state.filled_quantity + late
    status = _status(state, report, filled)
    incidents = []
    if state.status in TERMINAL and late > 0:
        incidents.append(_late(state, late))
    if _differs(fresh, replaced):
        incidents.append(_corrected(state, filled))
    if fresh and filled > state.order.quantity:  # told again it is no news
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
                "avg_fill_price": _average(state, counted, replaced, filled) if fresh else price,
            }
        ),
        tuple(incidents),
    )


def _status(state: OrderState, report: OrderReport, filled: Decimal) -> OrderStatus:
    now, said = state.status, report.status
    if filled >= _whole(state, report):
        return OrderStatus.FILLED
    if now in TERMINAL:
        moved = filled and filled != state.filled_quantity
        return OrderStatus.PARTIALLY_FILLED if moved and said not in TERMINAL else now
    if said in TERMINAL and said is not OrderStatus.FILLED:
        return said
    if now is OrderStatus.CANCEL_PENDING and said is not OrderStatus.UNKNOWN:
        return now
    if filled or (now is OrderStatus.PARTIALLY_FILLED and said is not OrderStatus.UNKNOWN):
        return OrderStatus.PARTIALLY_FILLED
    claimed = said in {OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}
    return OrderStatus.SUBMITTED if claimed else said


def _whole(state: OrderState, report: OrderReport) -> Decimal:
    """What there is to fill: less than was ordered where an OCO group at the broker has cut it."""
    if report.status is not OrderStatus.FILLED or report.terms is None:
        return state.order.quantity
    return min(state.order.quantity, report.terms.quantity)


def _total(executions: Sequence[Execution]) -> Decimal:
    return sum((each.quantity for each in executions), ZERO)


def _average(
    state: OrderState,
    counted: Sequence[Execution],
    replaced: Sequence[Execution],
    filled: Decimal,
) -> Decimal:
    """Of what counts; 0 where everything was taken back, which is not None: nothing ever came."""
    if not filled:
        return ZERO
    paid = (state.avg_fill_price or ZERO) * state.filled_quantity
    paid += sum((each.price * each.quantity for each in counted), ZERO)
    paid -= sum((each.price * each.quantity for each in replaced), ZERO)
    return paid / filled


def _differs(fresh: Sequence[Execution], replaced: Sequence[Execution]) -> bool:
    """Whether a fill is another than it was told before: commissions are no part of it."""
    now = {each.execution_id: each for each in fresh}
    return any(_content(before) != _content(now[before.execution_id]) for before in replaced)


def _content(execution: Execution) -> tuple[object, ...]:
    return execution.side, execution.quantity, execution.price, execution.busted


def _corrected(state: OrderState, filled: Decimal) -> Incident:
    sentence = (
        f"the broker corrected or took back fills of it: {filled:f} instead of "
        f"{state.filled_quantity:f} are filled now"
    )
    return Incident("FILL_CORRECTED", _named(state, sentence))


def _late(state: OrderState, quantity: Decimal) -> Incident:
    sentence = f"the broker filled {quantity:f} after the order had ended as {state.status}"
    return Incident("FILL_AFTER_END", _named(state, sentence))


def _overfill(state: OrderState, filled: Decimal) -> Incident:
    sentence = f"the broker filled {filled:f} of an order for {state.order.quantity:f}"
    return Incident("OVERFILL", _named(state, sentence))


def _named(state: OrderState, sentence: str) -> str:
    order = state.order
    return f"order {order.client_order_id} ({order.side} {order.instrument.symbol}): {sentence}"
