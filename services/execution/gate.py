"""The last gate: what is looked at once more in the same step that stores the intent; pure.

Cerebro has decided on the same rules moments ago. Whatever changed since, or was never seen because
something went wrong on the way, ends here. What reduces risk is stopped by a person's HALT only,
and cut to what is still held; a rule that cannot be checked stops an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.domain.books import Position
from services.domain.orders import UNATTRIBUTED, Order
from services.domain.risk import Control, LimitSet, RiskLock, scopes_of, state_for
from services.domain.signals import plain
from services.domain.values import ZERO
from services.domain.words import OrderRole, OrderStatus, OrderType, TradingState

#: Orders that execution makes because a person said so go where everything else is halted.
_BY_A_PERSON = frozenset({OrderRole.FLATTEN})
GUARDS = frozenset({OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT})


class Working(NamedTuple):
    """An order of the account that is not at its end.

    Attributes:
        left: what of it has not filled.
    """

    order: Order
    status: OrderStatus
    left: Decimal


class Seen(NamedTuple):
    """What the gate knows, all of one instant.

    Attributes:
        now: the time.
        controls: everything that persons have set.
        locks: scopes whose entries are stopped.
        limits: every stored limit.
        positions: of our books, in the instruments of the orders, by `position_id`.
        working: orders of the account in these instruments.
        currency: of the account; None = not known.
        entries_stopped: why no entry may go in this account at all; empty = it may.
        repeated: why an order is one too many of its kind in a short time; empty = it is not.
    """

    now: datetime
    controls: Sequence[Control]
    locks: Sequence[RiskLock]
    limits: Sequence[LimitSet]
    positions: dict[str, Position]
    working: Sequence[Working]
    currency: str | None = None
    entries_stopped: str = ""
    repeated: Callable[[Order], str] = lambda _: ""


class Verdict(NamedTuple):
    """What the gate says of one order.

    Attributes:
        order: as it may leave; smaller than it came where more would turn the position round.
        code: why it may not; empty = it may.
        sentence: the same in words, or how it was cut.
        waits: it stays as it is and is looked at again.
        is_closed: it would close what is closed already, or is being closed.
    """

    order: Order
    code: str = ""
    sentence: str = ""
    waits: bool = False
    is_closed: bool = False


def judge(order: Order, seen: Seen, *, position: Position | None) -> Verdict:
    """Whether an order may leave now.

    Args:
        order: what would leave.
        seen: what is known.
        position: what its strategy holds of the instrument in the account.
    """
    if order.expires_at is not None and seen.now > order.expires_at:
        return Verdict(order, "SIGNAL_EXPIRED", f"valid until {order.expires_at.isoformat()}")
    scopes = scopes_of(
        account_id=order.account_id, strategy_id=order.strategy_id, instruments=(order.instrument,)
    )
    state, control = state_for(seen.controls, scopes)
    of = f" for {control.in_words}" if control else ""
    if state is TradingState.HALTED and order.role not in _BY_A_PERSON:
        return Verdict(order, "TRADING_HALTED", f"trading is HALTED{of}")
    if order.intent.reduces_risk:
        return _exit(order, seen, position)
    if state is TradingState.REDUCING:
        return Verdict(order, "TRADING_REDUCING", f"no entries: trading is REDUCING{of}")
    return _entry(order, seen, set(scopes))


def _entry(order: Order, seen: Seen, scopes: set[str]) -> Verdict:
    if seen.entries_stopped:
        return Verdict(order, "ACCOUNT_NOT_RECONCILED", seen.entries_stopped, waits=True)
    for lock in seen.locks:
        if lock.account_id in (None, order.account_id) and lock.scoped in scopes:
            return Verdict(order, "ENTRIES_LOCKED", lock.sentence)
    refused = _size(order, seen, scopes) or _beside(order, seen)
    if refused is not None:
        return refused
    if repeated := seen.repeated(order):
        return Verdict(order, "REPEATED_EXECUTION", repeated)
    return _within_parent(order, seen)


def _beside(order: Order, seen: Seen) -> Verdict | None:
    """What other orders of the account in the same instrument have against it."""
    others = [each for each in seen.working if each.order.instrument.key == order.instrument.key]
    for each in others:
        mine = each.order
        if mine.client_order_id == order.client_order_id:
            continue
        if each.status is OrderStatus.UNKNOWN and not _akin(mine, order):
            sentence = f"nobody knows what became of order {mine.client_order_id} in "
            return Verdict(order, "OUTCOME_UNKNOWN", sentence + order.instrument.symbol, waits=True)
        if _crosses(order, each):
            sentence = f"it would trade with our own order {mine.client_order_id}"
            return Verdict(order, "SELF_MATCH", sentence)
    return None


def _size(order: Order, seen: Seen, scopes: set[str]) -> Verdict | None:
    """Fat finger, once more. Money only where it needs no rate: Cerebro has checked the rest."""
    price = order.limit_price or order.stop_price or order.reference_price
    for each in seen.limits:
        if each.key not in scopes:
            continue
        most = each.max_order_quantity
        if most is not None and order.quantity > most:
            sentence = f"quantity {plain(order.quantity)}, {plain(most)} allowed"
            return Verdict(order, "ORDER_TOO_LARGE", sentence)
        worth = each.max_order_notional
        if worth is not None and price is not None and order.instrument.currency == seen.currency:
            notional = order.quantity * price * order.instrument.multiplier
            if notional > worth:
                sentence = f"notional {notional:,.2f}, {worth:,.2f} allowed"
                return Verdict(order, "ORDER_TOO_LARGE", sentence)
    return None


def _akin(one: Order, other: Order) -> bool:
    """Legs of one signal, or parts of one order, do not wait for each other."""
    return one.signal_id == other.signal_id


def _crosses(order: Order, resting: Working) -> bool:
    """Whether an order could fill against one of our own that rests."""
    other = resting.order
    if other.side is order.side or other.order_type is not OrderType.LIMIT:
        return False
    if resting.status not in {OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED}:
        return False
    if order.limit_price is None or other.limit_price is None:
        return order.order_type is OrderType.MARKET
    if order.side.sign > 0:
        return order.limit_price >= other.limit_price
    return order.limit_price <= other.limit_price


def _within_parent(order: Order, seen: Seen) -> Verdict:
    """Children never come to more than their parent (SEC 34-70694: what Knight Capital lacked)."""
    if order.role is not OrderRole.SLICE:
        return Verdict(order)
    parent = next(
        (w for w in seen.working if w.order.client_order_id == order.parent_order_id), None
    )
    if parent is None:
        return Verdict(order, "PARENT_ENDED", "the order that it is a part of has ended")
    live = sum(
        (
            each.left
            for each in seen.working
            if each.order.parent_order_id == order.parent_order_id
            and each.order.role is OrderRole.SLICE
            and each.order.client_order_id != order.client_order_id
        ),
        ZERO,
    )
    if live + order.quantity > parent.left:
        sentence = f"{plain(live + order.quantity)} of children, {plain(parent.left)} of it left"
        return Verdict(order, "PARENT_EXCEEDED", sentence)
    return Verdict(order)


def _exit(order: Order, seen: Seen, position: Position | None) -> Verdict:
    """Never more than is held, less what other exits are closing; guards of it give way first."""
    verdict = _within_parent(order, seen)
    if verdict.code or order.role in GUARDS:
        return verdict
    if order.role is OrderRole.FLATTEN and order.strategy_id == UNATTRIBUTED:
        return verdict  # of what our books do not know; capped by the broker's own position
    held = position.quantity if position is not None else ZERO
    mine = [
        each
        for each in seen.working
        if each.order.strategy_id == order.strategy_id
        and each.order.instrument.key == order.instrument.key
        and each.order.client_order_id != order.client_order_id
    ]
    closing = sum((each.left for each in mine if _closes_too(each, order)), ZERO)
    free = max(ZERO, -held * order.side.sign) - closing
    # What rests far away goes beside the guards, and is cut when they have filled.
    guarding = _guarding(mine, order) if order.order_type is OrderType.MARKET else ZERO
    if guarding and order.quantity > free - guarding:
        sentence = f"guards of the position over {plain(guarding)} are cut first"
        return Verdict(order, "GUARDS_WORKING", sentence, waits=True)
    if free <= 0:
        beside = f", {plain(closing)} of it in other exits" if closing else ""
        sentence = f"{plain(held)} is held{beside}"
        opposite = held * order.side.sign > 0  # somebody believes that it is the other way round
        return Verdict(order, "NOTHING_TO_CLOSE", sentence, is_closed=not opposite)
    if order.quantity > free:
        sentence = f"cut from {plain(order.quantity)} to {plain(free)}, which is what is held"
        return Verdict(order.model_copy(update={"quantity": free}), sentence=sentence)
    return verdict


def _guarding(mine: Sequence[Working], order: Order) -> Decimal:
    """What guards of the position may still close: of each pair only one does."""
    totals = [
        sum((w.left for w in mine if w.order.role is role and w.order.side is order.side), ZERO)
        for role in sorted(GUARDS)
    ]
    return max(totals)


def _closes_too(each: Working, order: Order) -> bool:
    """Whether another working order closes the same position and is on its way already."""
    other = each.order
    if not other.intent.reduces_risk or other.side is not order.side:
        return False
    if other.client_order_id == order.parent_order_id or other.role is OrderRole.SLICE:
        return False  # a slice counts in its parent
    if other.role in GUARDS:
        return False
    return each.status is not OrderStatus.PENDING
