"""What guards an entry: stop-loss and take-profit as orders of their own. Pure.

An entry with `stop_loss` or `take_profit` is worked without them; as it fills, each of the two
becomes an EXIT order on the other side for what has filled. `guards_due` says what is missing or
too much, from what there is; on its own outcome it finds nothing more to do, so it may run after
every report, at every start, and twice.

The rules:

1. The live guards of one role together never exceed what is open of the entry. What is being
   canceled, or UNKNOWN, is live until the broker says that it is not.
2. Where one of the pair fills, or an exit closes the position, the other is cut or canceled.
   Less than what is held is guarded for a moment rather than more than that.
3. A guard that ended by itself (REJECTED, DENIED, EXPIRED, canceled by a person or by the broker)
   while something is open is `lost`: its role makes no more for this entry, and a person is told.
   Only what this module itself had canceled, to be cut, is made anew.
4. Where the broker takes no orders that live for longer than a day, a guard that ended with its day
   is made anew on the next. One that is refused then is `lost`, and tried again the day after.
5. A guard that the broker has refused to change is not asked to change again: it is added to, or
   canceled and made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from services.domain.lots import Lot, closed, total
from services.domain.orders import TERMINAL, Order, OrderTerms, child_order_id_for, exit_of
from services.domain.values import ZERO
from services.domain.words import (
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)

_ROLES: Final = (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)
_AT_BROKER: Final = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
_REFUSED: Final = frozenset({OrderStatus.REJECTED, OrderStatus.DENIED})
_LEAVING: Final = frozenset({OrderStatus.PENDING, OrderStatus.SUBMITTING})


class EntryView(NamedTuple):
    """An entry, and what has become of it.

    Attributes:
        order: the entry; its `stop_loss` and `take_profit` are the guards' prices.
        filled_quantity: of the entry, of its slices where an algo works it.
        held_quantity: what is open of it in the books, without a sign (`open_of`).
        is_live: it may still fill.
        native: the broker holds its guards (`place_bracket`) and brings them to life itself, each
            for no more than has filled.
    """

    order: Order
    filled_quantity: Decimal
    held_quantity: Decimal
    is_live: bool
    native: bool = False


class GuardView(NamedTuple):
    """A guard of the entry as the store has it.

    Attributes:
        number: which of its role, from 0; part of its id.
        quantity: all of it, what has filled included (FIX: OrderQty), as the broker has it.
        asked_quantity: what `modify_order` was asked for and has not answered yet; else None.
        cut: `guards_due` had it canceled: not a person, and not the broker.
        again_at: when another may be placed for it: it ended with its day, or was refused on a
            later one; None = never.
        is_fixed: the broker has refused to change it; it is added to, or canceled and made anew.
    """

    role: OrderRole
    number: int
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal = ZERO
    asked_quantity: Decimal | None = None
    cut: bool = False
    again_at: datetime | None = None
    is_fixed: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it may still fill by itself."""
        return self.status not in TERMINAL

    @property
    def most(self) -> Decimal:
        """What it may still fill, whatever comes of what was asked."""
        return max(ZERO, max(self.quantity, self.asked_quantity or ZERO) - self.filled_quantity)

    @property
    def leaves(self) -> Decimal:
        """What it may still fill once what was asked is done."""
        asked = self.quantity if self.asked_quantity is None else self.asked_quantity
        return ZERO if self.cut else max(ZERO, asked - self.filled_quantity)

    @property
    def is_lost(self) -> bool:
        """Whether it ended by itself without having filled."""
        return not self.is_live and not self.cut and self.filled_quantity < self.quantity


class Change(NamedTuple):
    """New terms of a guard; its `quantity` counts what has filled."""

    client_order_id: str
    terms: OrderTerms


class Closing(NamedTuple):
    """An exit under way: what it may still close, of which entry first; None = the oldest."""

    quantity: Decimal
    entry_signal_id: str | None = None


class _Open(NamedTuple):
    """What is to be guarded now, and what a broker that holds guards back may hold at most."""

    now: Decimal
    most: Decimal


class Ways(NamedTuple):
    """How the broker lets positions be guarded, and the time.

    Attributes:
        can_modify: whether it changes working orders.
        time_in_force: the longest life that it gives an order.
    """

    now: datetime
    can_modify: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC


class GuardPlan(NamedTuple):
    """What to do now.

    Attributes:
        create: to store as PENDING rows; a repeat collides in its id.
        change: to ask the broker for (`modify_order`).
        cancel: to request the cancel of, and to mark as `cut` in the same write.
        lost: roles that guard no more although something is open: an incident.
        again_at: when to look again, because guards that ended with their day are made anew then.
    """

    create: tuple[Order, ...] = ()
    change: tuple[Change, ...] = ()
    cancel: tuple[str, ...] = ()
    lost: tuple[OrderRole, ...] = ()
    again_at: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.create or self.change or self.cancel)


def open_of(entry_signal_id: str, lots: Sequence[Lot], closings: Iterable[Closing]) -> Decimal:
    """What is open of one entry once the exits under way have filled, in the order of the books.

    An exit that names another entry, or reaches only older ones, leaves its guards as they are.

    Args:
        entry_signal_id: of the entry's signal.
        lots: of the position, `Position.all_lots`.
        closings: the exits that are to close before a guard does: MARKET, flattening. An exit that
            rests away from the market is none of them, or the position has no stop meanwhile.
    """
    for each in closings:
        lots = closed(
            lots, each.quantity, entry_signal_id=each.entry_signal_id, sender_quantity=None
        )
    return total([lot for lot in lots if lot.entry_signal_id == entry_signal_id])


def lasting(times_in_force: Collection[TimeInForce]) -> TimeInForce:
    """How long a guard lives: until it is canceled, or a day where the broker takes no more."""
    return TimeInForce.GTC if TimeInForce.GTC in times_in_force else TimeInForce.DAY


def guards_due(entry: EntryView, guards: Sequence[GuardView], ways: Ways) -> GuardPlan:
    """What the guards of an entry lack or have too much.

    The caller runs it in the one thread of the account, with views from rows that it has just
    read, and gates, places and reconciles what comes of it as any other exit. What an exit closes
    at once should wait until the guards that are cut for it have ended.

    Args:
        entry: what is guarded.
        guards: all of its guards, whatever became of them.
        ways: what the broker can do, and the time.
    """
    guarded = sum((guard.filled_quantity for guard in guards), ZERO)
    # By the fills of the entry and its guards too: the books may not have the last one yet.
    unguarded = entry.filled_quantity - guarded
    target = max(ZERO, min(entry.held_quantity, unguarded))
    ahead = max(ZERO, entry.order.quantity - entry.filled_quantity)
    open_ = _Open(target, target + ahead if entry.native and entry.is_live else target)
    plan = GuardPlan()
    for role in _ROLES:
        mine = sorted((each for each in guards if each.role is role), key=lambda each: each.number)
        plan = _joined(plan, _of_role(entry.order, role, mine, open_, ways))
    return plan


def first_guards(entry: Order, time_in_force: TimeInForce = TimeInForce.GTC) -> tuple[Order, ...]:
    """The guards of all of an entry, for `place_bracket`: number 0 of each role with a price."""
    return tuple(
        guard_order(entry, role, 0, entry.quantity, time_in_force)
        for role in _ROLES
        if _price(entry, role) is not None
    )


def guard_order(
    entry: Order,
    role: OrderRole,
    number: int,
    quantity: Decimal,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> Order:
    """One guard of an entry, in one OCO group with its pair.

    What it closes in the sender's own account follows from the lots (`sender_quantity` is None).

    Raises:
        ValueError: the entry has no price for that role.
    """
    price = _price(entry, role)
    if price is None:
        raise ValueError(f"entry {entry.client_order_id} has no price for a {role}")
    stops = role is OrderRole.STOP_LOSS
    return exit_of(
        entry,
        role,
        number,
        quantity=quantity,
        order_type=OrderType.STOP if stops else OrderType.LIMIT,
        time_in_force=time_in_force,
        stop_price=price if stops else None,
        limit_price=None if stops else price,
        oco_group=entry.client_order_id,
    )


def _price(entry: Order, role: OrderRole) -> Decimal | None:
    return entry.stop_loss if role is OrderRole.STOP_LOSS else entry.take_profit


def _joined(one: GuardPlan, other: GuardPlan) -> GuardPlan:
    return GuardPlan(
        one.create + other.create,
        one.change + other.change,
        one.cancel + other.cancel,
        one.lost + other.lost,
        min((at for at in (one.again_at, other.again_at) if at is not None), default=None),
    )


def _of_role(
    entry: Order,
    role: OrderRole,
    guards: Sequence[GuardView],
    open_: _Open,
    ways: Ways,
) -> GuardPlan:
    live = [guard for guard in guards if guard.is_live]
    ended = [guard for guard in guards if guard.is_lost]
    excess = _total(guard.leaves for guard in live) - open_.most
    gap = open_.now - _total(guard.most for guard in live)
    lost = (role,) if open_.now and _are_lost(ended, gap, ways.now) else ()
    if excess > 0:
        return _cut(entry, live, excess, can_modify=ways.can_modify)._replace(lost=lost)
    if gap <= 0 or _price(entry, role) is None or any(each.again_at is None for each in ended):
        return GuardPlan(lost=lost)
    if (again_at := _again_at(ended, ways.now)) is not None:
        return GuardPlan(lost=lost, again_at=again_at)
    if ways.can_modify:
        grown = next((guard for guard in live if _can_change(guard)), None)
        if grown is not None:
            return GuardPlan(change=(_change(entry, grown, grown.quantity + gap),))
        if any(_answers_soon(guard) for guard in live):
            return GuardPlan()
    number = max((guard.number for guard in guards), default=-1) + 1
    return GuardPlan(create=(guard_order(entry, role, number, gap, ways.time_in_force),))


def _are_lost(ended: Sequence[GuardView], gap: Decimal, now: datetime) -> bool:
    """Whether something is held without its guard because the guard ended by itself."""
    if any(guard.again_at is None for guard in ended):
        return True
    refused = ended and ended[-1].status in _REFUSED
    return bool(refused) and gap > 0 and _again_at(ended, now) is not None


def _again_at(ended: Sequence[GuardView], now: datetime) -> datetime | None:
    """When the next may be placed; None = now."""
    latest = max((guard.again_at for guard in ended if guard.again_at), default=now)
    return latest if latest > now else None


def _cut(
    entry: Order, live: Sequence[GuardView], excess: Decimal, *, can_modify: bool
) -> GuardPlan:
    """Take the excess off, of the newest first; what is left of a canceled one is made anew."""
    plan = GuardPlan()
    for guard in reversed(live):
        if excess <= 0:
            break
        leaves = guard.leaves
        if not leaves:
            continue
        if leaves > excess and can_modify and _can_change(guard):
            changed = _change(entry, guard, guard.quantity - excess)
            return plan._replace(change=(*plan.change, changed))
        plan = plan._replace(cancel=(*plan.cancel, _id_of(entry, guard)))
        excess -= leaves
    return plan


def _can_change(guard: GuardView) -> bool:
    unasked = guard.asked_quantity is None and not guard.cut
    return guard.status in _AT_BROKER and unasked and not guard.is_fixed


def _answers_soon(guard: GuardView) -> bool:
    """Whether it can be changed, not added to, once its answer is there."""
    return not guard.cut and (guard.status in _LEAVING or guard.asked_quantity is not None)


def _change(entry: Order, guard: GuardView, quantity: Decimal) -> Change:
    order = guard_order(entry, guard.role, guard.number, quantity)
    terms = OrderTerms(
        quantity=quantity, limit_price=order.limit_price, stop_price=order.stop_price
    )
    return Change(order.client_order_id, terms)


def _id_of(entry: Order, guard: GuardView) -> str:
    return child_order_id_for(entry.client_order_id, guard.role, guard.number)


def _total(quantities: Iterable[Decimal]) -> Decimal:
    return sum(quantities, ZERO)
