"""How much an exit closes in one account: what the strategy holds there, and never more."""

from __future__ import annotations

from decimal import Decimal

from services.decision.prices import price_of
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.decisions import Question
from services.domain.instruments import round_down_to_lot
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import Intent, QuantityUnit, Side


def size_exit(
    signal: Signal,
    leg: Leg,
    intent: Intent,
    account: AccountContext,
    context: DecisionContext,
    waterfall: Waterfall,
) -> tuple[Side, Decimal]:
    """Side and quantity of the closing order; allocation, margin, age of data do not matter.

    Raises:
        Denied: there is nothing to close.
    """
    key, symbol = leg.instrument.key, leg.instrument.symbol
    position = next(
        (
            p
            for p in account.positions
            if p.strategy_id == signal.strategy_id and p.instrument.key == key
        ),
        None,
    )
    held = abs(position.quantity) if position else ZERO
    if position is None or not held:
        raise _nothing(waterfall, leg, "NO_POSITION", f"{signal.strategy_id} holds no {symbol}")
    if leg.side not in {None, position.closing_side}:
        sentence = f"{leg.side} does not close {plain(position.quantity)} {symbol}"
        raise _nothing(waterfall, leg, "POSITION_OPPOSITE", sentence)
    closing = sum(
        (
            r.closing_quantity
            for r in account.reservations
            if r.strategy_id == signal.strategy_id and r.instrument_key == key
        ),
        ZERO,
    )
    quantity = held - closing
    sentence = f"{plain(held)} held − {plain(closing)} already being closed"
    waterfall.note("held", sentence, before=held, after=quantity, leg_index=leg.leg_index)
    if signal.entry_reference is not None:
        quantity = _of_entry(leg, account, quantity, waterfall)
    if intent is Intent.SCALE_OUT:
        exact = _part(signal, leg, account, context, waterfall)
        quantity = _at_most(quantity, exact, leg, waterfall)
    if quantity <= 0:
        raise _nothing(waterfall, leg, "ALREADY_CLOSED", f"nothing of {symbol} is left to close")
    return position.closing_side, quantity


def _of_entry(leg: Leg, account: AccountContext, free: Decimal, waterfall: Waterfall) -> Decimal:
    key = leg.instrument.key
    filled, closed = account.entry_filled.get(key, ZERO), account.entry_closed.get(key, ZERO)
    quantity = min(free, filled - closed)
    waterfall.note(
        "entry",
        f"the entry filled {plain(filled)}, of which {plain(closed)} is closed or closing",
        before=free,
        after=quantity,
        limit=filled - closed,
        bound=quantity < free,
        leg_index=leg.leg_index,
    )
    return quantity


def _part(
    signal: Signal,
    leg: Leg,
    account: AccountContext,
    context: DecisionContext,
    waterfall: Waterfall,
) -> Decimal | None:
    """A partial exit scaled as its entry was, in units; None without the figures for that."""
    equity, ratio, theirs = account.account.equity, account.allocation_ratio, signal.sender_equity
    if equity is None or not ratio:
        return None
    mine = leg.wanted * equity * ratio * account.weight_ratio
    if leg.quantity_unit is QuantityUnit.UNITS:
        return None if theirs is None else mine / theirs
    if leg.instrument.currency != account.account.currency:
        return None
    price, sentence = price_of(leg, account, context)
    waterfall.note("price", sentence, after=price, leg_index=leg.leg_index)
    if price is None:
        name = account.account.account_id
        waterfall.questions.append(Question(account_id=name, instrument=leg.instrument))
    return None if price is None else mine / (price * leg.instrument.multiplier)


def _at_most(most: Decimal, exact: Decimal | None, leg: Leg, waterfall: Waterfall) -> Decimal:
    """`exact` in whole lots, or all there is where no ratio is known."""
    if exact is None:
        sentence = "no ratio is known for a partial exit, so all of it goes"
        waterfall.note("scaled", sentence, before=most, after=most, leg_index=leg.leg_index)
        return most
    quantity = min(most, round_down_to_lot(exact, leg.instrument.lot))
    waterfall.note(
        "scaled",
        f"{plain(leg.wanted)} of the sender is {exact:.6f} of ours",
        before=most,
        after=quantity,
        leg_index=leg.leg_index,
    )
    return quantity


def _nothing(waterfall: Waterfall, leg: Leg, code: str, sentence: str) -> Denied:
    waterfall.note("held", sentence, after=ZERO, bound=True, leg_index=leg.leg_index)
    return Denied(code, sentence)
