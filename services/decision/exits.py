"""How much an exit closes in one account: what the strategy holds there, and never more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.prices import price_of
from services.decision.waterfall import Denied, Waterfall, settled
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.books import Position
from services.domain.decisions import Question
from services.domain.instruments import round_down_to_lot
from services.domain.lots import Lot, closed, share_of, total
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import Intent, QuantityUnit, Side

#: Denials of an exit that found nothing open.
NOTHING_OPEN: Final = frozenset({"NO_POSITION", "ALREADY_CLOSED"})
#: The step that says so of one account, whatever the decision comes to.
OPPOSITE: Final = "position_opposite"


class Closing(NamedTuple):
    """What a closing order is.

    Attributes:
        sender_quantity: the same in the sender's own account; None = not known.
    """

    side: Side
    quantity: Decimal
    sender_quantity: Decimal | None


class _Exit(NamedTuple):
    """One leg of an exit in one account."""

    signal: Signal
    leg: Leg
    account: AccountContext
    context: DecisionContext
    waterfall: Waterfall

    def note(self, words: str, *values: object, before: Decimal, after: Decimal) -> None:
        """How much of what is open goes."""
        index = self.leg.leg_index
        self.waterfall.note("scaled", words, *values, before=before, after=after, leg_index=index)


def size_exit(
    signal: Signal,
    leg: Leg,
    intent: Intent,
    account: AccountContext,
    context: DecisionContext,
    waterfall: Waterfall,
) -> Closing:
    """The closing order; allocation, margin, age of data do not matter.

    Raises:
        Denied: there is nothing to close.
    """
    position = _position(signal, leg, account, waterfall)
    symbol, index = leg.instrument.symbol, leg.leg_index
    held = abs(position.quantity)
    free = _free_lots(position, account)
    waterfall.note(
        "held",
        "{} held − {} already being closed",
        held,
        held - total(free),
        before=held,
        after=total(free),
        leg_index=index,
    )
    if signal.entry_reference is not None:
        free = _of_entry(free, leg, context, waterfall)
    most = total(free)
    if most <= 0:
        raise _nothing(waterfall, leg, "ALREADY_CLOSED", f"nothing of {symbol} is left to close")
    exit_ = _Exit(signal, leg, account, context, waterfall)
    quantity, theirs = _wanted(exit_, intent, free)
    if quantity <= 0:
        sentence = f"{plain(leg.wanted)} of the sender is less than one lot of {symbol}"
        raise _nothing(waterfall, leg, "QUANTITY_BELOW_LOT", sentence)
    return Closing(position.closing_side, min(quantity, most), theirs)


def _position(signal: Signal, leg: Leg, account: AccountContext, waterfall: Waterfall) -> Position:
    key, symbol = leg.instrument.key, leg.instrument.symbol
    position = next(
        (
            p
            for p in account.positions
            if p.strategy_id == signal.strategy_id and p.instrument.key == key
        ),
        None,
    )
    if position is None or not position.quantity:
        raise _nothing(waterfall, leg, "NO_POSITION", f"{signal.strategy_id} holds no {symbol}")
    if leg.side not in {None, position.closing_side}:
        sentence = f"{leg.side} does not close {plain(position.quantity)} {symbol}"
        raise _nothing(waterfall, leg, "POSITION_OPPOSITE", sentence, step=OPPOSITE)
    return position


def _free_lots(position: Position, account: AccountContext) -> tuple[Lot, ...]:
    """What is open and not being closed already, by entry, the oldest first."""
    lots = position.all_lots
    for held in account.reservations:
        mine = held.strategy_id == position.strategy_id
        if mine and held.instrument_key == position.instrument.key and held.closing_quantity:
            lots = closed(
                lots,
                held.closing_quantity,
                entry_signal_id=held.entry_signal_id,
                sender_quantity=held.sender_quantity,
                sender_unit=_unit_of(lots),
            )
    return lots


def _unit_of(lots: Sequence[Lot]) -> QuantityUnit:
    return lots[-1].sender_unit if lots else QuantityUnit.UNITS


def _of_entry(
    free: Sequence[Lot], leg: Leg, context: DecisionContext, waterfall: Waterfall
) -> tuple[Lot, ...]:
    """Only what is open of the entry that the exit names; what nobody has attributed may be it."""
    mine = tuple(lot for lot in free if lot.entry_signal_id in {context.entry_signal_id, None})
    waterfall.note(
        "entry",
        "{} is open of the entry {}",
        total(mine),
        context.entry_signal_id or "that is named",
        before=total(free),
        after=total(mine),
        limit=total(mine),
        bound=total(mine) < total(free),
        leg_index=leg.leg_index,
    )
    return mine


def _wanted(exit_: _Exit, intent: Intent, free: Sequence[Lot]) -> tuple[Decimal, Decimal | None]:
    """Ours, in whole lots, and the sender's."""
    leg, most, theirs = exit_.leg, total(free), _senders(free)
    if leg.quantity is None:
        return most, theirs
    if leg.quantity_unit is QuantityUnit.POSITION_FRACTION:
        share = min(leg.quantity, Decimal(1))
        return _in_lots(exit_, most * share, most), None if theirs is None else theirs * share
    known = share_of(free, leg.quantity, leg.quantity_unit)
    before = exit_.signal.previous_position
    if before is not None and before.size is not None and leg.quantity >= before.size:
        words = "{} is all that the sender says they held, so all of it goes"
        exit_.note(words, leg.quantity, before=most, after=most)
        return most, theirs
    if known is not None and not known[1]:
        return _in_lots(exit_, known[0], most), leg.quantity
    exact = None if known is not None or intent is Intent.EXIT else _part(exit_)
    if exact is not None:
        return _in_lots(exit_, exact, most), None
    why = "cannot be compared with what is open"
    if known is not None and theirs is not None:
        more = leg.quantity - theirs
        why = f"is {plain(more)} more than they have open" if more > 0 else "is all they have open"
    words = f"{{}} of the sender {why}, so all of it goes"
    exit_.note(words, leg.quantity, before=most, after=most)
    return most, theirs


def _senders(lots: Sequence[Lot]) -> Decimal | None:
    if any(lot.sender_quantity is None for lot in lots):
        return None
    return sum((lot.sender_quantity or ZERO for lot in lots), ZERO)


def _in_lots(exit_: _Exit, exact: Decimal, most: Decimal) -> Decimal:
    exact = min(settled(exact), most)
    lot = exit_.leg.instrument.lot
    quantity = most if exact == most else round_down_to_lot(exact, lot)
    words = "{} of the sender is {:.6f} of ours"
    exit_.note(words, exit_.leg.wanted, exact, before=most, after=quantity)
    return quantity


def _part(exit_: _Exit) -> Decimal | None:
    """A partial exit scaled as its entry was, in units; None without the figures for that."""
    leg, account = exit_.leg, exit_.account
    equity, ratio = account.account.equity, account.allocation_ratio
    theirs = exit_.signal.sender_equity
    if equity is None or not ratio:
        return None
    mine = leg.wanted * equity * ratio * account.weight_ratio
    if leg.quantity_unit is QuantityUnit.UNITS:
        return None if theirs is None else mine / theirs
    if leg.instrument.currency != account.account.currency:
        return None
    price, sentence = price_of(leg, account, exit_.context)
    exit_.waterfall.note("price", sentence, after=price, leg_index=leg.leg_index)
    if price is None:
        name = account.account.account_id
        exit_.waterfall.questions.append(Question(account_id=name, instrument=leg.instrument))
        return None
    return mine / (price * leg.instrument.multiplier)


def _nothing(
    waterfall: Waterfall, leg: Leg, code: str, sentence: str, *, step: str = "held"
) -> Denied:
    waterfall.note(step, sentence, after=ZERO, bound=True, leg_index=leg.leg_index)
    return Denied(code, sentence)
