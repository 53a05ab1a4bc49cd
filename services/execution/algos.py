"""An order worked as slices: which child order is due now. Pure, so that a restart changes nothing.

Nothing is remembered between two looks but the child orders themselves. The rules:

1. What slices have filled, and what live ones could still fill, never exceeds the parent's
   quantity. UNKNOWN is live: it may have reached the broker.
2. One slice at a time is on its way: as long as one has not left for the broker, none is made.
3. TWAP and VWAP cut their duration into equal intervals, and at most one slice leaves in each. No
   slice is larger than planned: what a crash, a pause or a broker that was away has missed is
   never fired at once.
4. What an entry has missed is gone: it ends short with the last interval, because its strategy
   asked for that time. What an exit has missed follows, a slice in each further interval, until
   all is closed.
5. A slice that ended without having filled in full (REJECTED, DENIED, CANCELED, EXPIRED) stops the
   algo: nothing is sent again by itself. What the parent has, it keeps (`stopped_by`).
6. No slice begins at or after `cancel_at`, the first none after `expires_at`, and none once the
   parent is to be canceled or, of DAY orders, a day after the start. When a trading day ends only
   the broker knows: it says EXPIRED, and rule 5 holds.
7. ICEBERG shows the next part when the former has filled in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from services.domain.instruments import round_down_to_lot
from services.domain.orders import TERMINAL, Algo, Order, child_order_id_for
from services.domain.values import ZERO
from services.domain.words import AlgoName, OrderRole, OrderStatus, TimeInForce

_DAY: Final = timedelta(days=1)
_TIMED: Final = frozenset({AlgoName.TWAP, AlgoName.VWAP})


class ChildView(NamedTuple):
    """A slice as the store has it.

    Attributes:
        number: which one, from 0; part of its id.
        quantity: as it was ordered.
        left_at: when it was handed to the broker (SUBMITTING); None = it has not been.
    """

    number: int
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal = ZERO
    left_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether it may still fill by itself."""
        return self.status not in TERMINAL

    @property
    def committed(self) -> Decimal:
        """What it has taken of the parent, or may still take."""
        return max(self.quantity, self.filled_quantity) if self.is_live else self.filled_quantity


class Slice(NamedTuple):
    """A child order that is due."""

    number: int
    quantity: Decimal


def due_slices(
    order: Order,
    started_at: datetime,
    *,
    now: datetime,
    children: Sequence[ChildView],
    canceled: bool = False,
) -> tuple[Slice, ...]:
    """The child orders to make now: one or none.

    The caller stores `child_order` of it as a PENDING row, whose id collides with a repeat, and
    calls again when a child changes or time has passed. It bounds exits by what is still held, and
    looks at the last gate before every slice, as for any order.

    Args:
        order: the parent, which has an algo.
        started_at: when its work began, as stored; the same at every call.
        now: the time.
        children: all of its slices, whatever became of them.
        canceled: the parent is to be canceled.

    Raises:
        ValueError: the order has no algo.
    """
    algo = _algo_of(order)
    if canceled or stopped_by(children) or _is_over(order, started_at, now, children):
        return ()
    if any(_is_on_its_way(child) for child in children):
        return ()
    left = order.quantity - sum((child.committed for child in children), ZERO)
    if left <= 0:
        return ()
    if algo.name is AlgoName.ICEBERG:
        found = _next_part(order, algo, children)
    else:
        found = _of_interval(order, _schedule(order, started_at), now, children)
    return () if found is None else (found._replace(quantity=min(found.quantity, left)),)


def is_complete(
    order: Order,
    started_at: datetime,
    *,
    now: datetime,
    children: Sequence[ChildView],
    canceled: bool = False,
) -> bool:
    """Whether no slice works any more, and none will: the parent ends with what it has.

    FILLED where that is its quantity; else CANCELED (canceled, or `cancel_at`), EXPIRED (its time
    is over) or, where `stopped_by` names a slice, what became of that, and a person is told.
    """
    if any(child.is_live for child in children):
        return False
    filled = sum((child.filled_quantity for child in children), ZERO)
    if filled >= order.quantity or canceled or stopped_by(children):
        return True
    if _is_over(order, started_at, now, children):
        return True
    if _algo_of(order).name not in _TIMED or order.intent.reduces_risk:
        return False
    schedule = _schedule(order, started_at)
    ahead = range(max(0, schedule.interval_at(now)), len(schedule.plan))
    return not schedule.missing(children, ahead)


def stopped_by(children: Sequence[ChildView]) -> ChildView | None:
    """The first slice that ended without having filled in full; None = nothing has stopped."""
    return next(
        (
            child
            for child in sorted(children, key=lambda child: child.number)
            if not child.is_live and child.filled_quantity < child.quantity
        ),
        None,
    )


def child_order(order: Order, due: Slice, started_at: datetime) -> Order:
    """The order of a slice: as its parent in all but quantity and what guards it.

    The guards of an entry are of the parent's fills. Of an entry, the first slice is bound by the
    signal's own validity, the others by the time that the algo was given.
    """
    sender = order.sender_quantity
    return order.model_copy(
        update={
            "client_order_id": child_order_id_for(
                order.client_order_id, OrderRole.SLICE, due.number
            ),
            "role": OrderRole.SLICE,
            "parent_order_id": order.client_order_id,
            "quantity": due.quantity,
            "sender_quantity": None if sender is None else sender * due.quantity / order.quantity,
            "expires_at": _expires_at(order, due, started_at),
            "stop_loss": None,
            "take_profit": None,
            "algo": None,
        }
    )


def planned(order: Order) -> tuple[Decimal, ...]:
    """TWAP, VWAP: the quantity of each interval, in whole lots; together the order's own.

    A rest below one lot goes with the last part. TWAP has fewer intervals where there are fewer
    lots than slices. VWAP gives what is left after rounding down to the intervals that rounding
    has cost most, the earlier first (the largest remainder method); an interval may have nothing.

    Raises:
        ValueError: the algo lacks what it needs.
    """
    algo, lot = _algo_of(order), order.instrument.lot
    whole = round_down_to_lot(order.quantity, lot)
    lots = int(whole / lot)
    if lots < 1:
        return (order.quantity,)
    counts = _twap(lots, algo) if algo.name is AlgoName.TWAP else _vwap(lots, algo)
    parts = [count * lot for count in counts]
    last = max(index for index, count in enumerate(counts) if count)
    parts[last] += order.quantity - whole
    return tuple(parts)


def _algo_of(order: Order) -> Algo:
    if order.algo is None:
        raise ValueError(f"order {order.client_order_id} has no algo")
    return order.algo


def _twap(lots: int, algo: Algo) -> list[int]:
    count = min(algo.slices or 1, lots)
    return [lots * (place + 1) // count - lots * place // count for place in range(count)]


def _vwap(lots: int, algo: Algo) -> list[int]:
    weights = [Fraction(each) for each in algo.profile]
    total = sum(weights)
    if not total:
        raise ValueError(f"the profile of a VWAP must have volume, was {algo.profile}")
    exact = [lots * weight / total for weight in weights]
    counts = [int(each) for each in exact]
    behind = sorted(range(len(exact)), key=lambda place: counts[place] - exact[place])
    for place in behind[: lots - sum(counts)]:
        counts[place] += 1
    return counts


class _Schedule(NamedTuple):
    """Equal intervals from the start, and what is planned for each."""

    started_at: datetime
    length: timedelta
    plan: tuple[Decimal, ...]

    def interval_at(self, moment: datetime) -> int:
        """Which interval it is in; below 0 before the start, as after a clock was set back."""
        return (moment - self.started_at) // self.length

    def missing(self, children: Sequence[ChildView], numbers: Iterable[int]) -> list[int]:
        """Those of some intervals for which a slice is planned, and was never made."""
        made = {child.number for child in children}
        return [number for number in numbers if self.plan[number] and number not in made]


def _schedule(order: Order, started_at: datetime) -> _Schedule:
    plan = planned(order)
    return _Schedule(started_at, _duration(order) / len(plan), plan)


def _duration(order: Order) -> timedelta:
    seconds = _algo_of(order).duration_seconds
    if seconds is None:
        raise ValueError(f"the algo of order {order.client_order_id} has no duration")
    return timedelta(seconds=float(seconds))


def _of_interval(
    order: Order, schedule: _Schedule, now: datetime, children: Sequence[ChildView]
) -> Slice | None:
    interval, count = schedule.interval_at(now), len(schedule.plan)
    taken = [schedule.interval_at(each.left_at) for each in children if each.left_at]
    if interval < 0 or interval <= max(taken, default=-1):
        return None
    numbers = [interval] if interval < count else range(count if order.intent.reduces_risk else 0)
    missing = schedule.missing(children, numbers)
    return Slice(missing[0], schedule.plan[missing[0]]) if missing else None


def _next_part(order: Order, algo: Algo, children: Sequence[ChildView]) -> Slice | None:
    if any(child.is_live for child in children):
        return None
    number = max((child.number for child in children), default=-1) + 1
    lot = order.instrument.lot
    shown = round_down_to_lot(algo.display_quantity or order.quantity, lot)
    return Slice(number, max(shown, lot))


def _is_on_its_way(child: ChildView) -> bool:
    """Whether nobody knows yet that it has reached the broker."""
    return child.is_live and (
        child.left_at is None
        or child.status in {OrderStatus.PENDING, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN}
    )


def _is_over(
    order: Order, started_at: datetime, now: datetime, children: Sequence[ChildView]
) -> bool:
    if not children and order.expires_at is not None and now > order.expires_at:
        return True
    if order.cancel_at is not None and now >= order.cancel_at:
        return True
    return order.time_in_force is TimeInForce.DAY and now >= started_at + _DAY


def _expires_at(order: Order, due: Slice, started_at: datetime) -> datetime | None:
    if order.intent.reduces_risk:
        return None
    if due.number == 0 and order.expires_at is not None:
        return order.expires_at
    return started_at + _duration(order) if _algo_of(order).name in _TIMED else None
