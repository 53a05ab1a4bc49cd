"""How large an entry may be in one account (DESIGN §9): ratio sizing, then limits, then lots."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.decision.margin import initial_margin_ratio
from services.decision.prices import own_price, price_of
from services.decision.waterfall import Denied, Waterfall, money
from services.domain.accounts import AccountContext, DecisionContext, RiskLimits
from services.domain.instruments import Instrument, round_down_to_lot
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import AccountType, ActiveStatus, Environment, QuantityUnit, Side


class SizedLeg(NamedTuple):
    """A leg with its final quantity, and what has to be held for it in account currency."""

    leg: Leg
    side: Side
    quantity: Decimal
    capital: Decimal
    margin: Decimal


class _PricedLeg(NamedTuple):
    leg: Leg
    unit_value: Decimal  # price × multiplier, account currency
    margin_ratio: Decimal


class _ScaledLeg(NamedTuple):
    priced: _PricedLeg
    quantity: Decimal
    notional: Decimal

    @property
    def instrument(self) -> Instrument:
        return self.priced.leg.instrument

    @property
    def margin(self) -> Decimal:
        return self.notional * self.priced.margin_ratio


def size_entry(
    signal: Signal, context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> list[SizedLeg]:
    """Final quantities of all legs in one account; all legs keep their ratio, or none goes.

    Raises:
        Denied: with the rule that stopped it.
    """
    equity = _usable_equity(signal, context, account, waterfall)
    allocated = _allocated(account, equity, waterfall)
    available = _available(signal, account, allocated, waterfall)
    ratio = _ratio(signal, allocated, waterfall)
    priced = [_priced(leg, account, context, waterfall) for leg in signal.legs]
    legs = [_scaled(each, allocated, ratio, waterfall) for each in priced]
    scale = _limited(legs, account, context.limits, equity, available, waterfall)
    return [_rounded(leg, scale, waterfall) for leg in legs]


def _usable_equity(
    signal: Signal, context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> Decimal:
    snapshot, name = account.account, account.account.account_id
    waterfall.require(
        "account_status",
        snapshot.status is ActiveStatus.ACTIVE,
        "ACCOUNT_INACTIVE",
        f"account {name} is {snapshot.status}",
    )
    live = snapshot.account_type is AccountType.LIVE
    waterfall.require(
        "routing",
        not (live and signal.environment is Environment.STAGING),
        "ROUTING_STAGING_TO_LIVE",
        f"{signal.environment} signal to the {snapshot.account_type} account {name}",
    )
    age = _age_seconds(snapshot.as_of, context.now)
    limit = context.limits.account_max_age_seconds
    shown = "never read" if age is None else f"{age:.1f} s old"
    waterfall.require(
        "account_age",
        age is not None and age <= limit and snapshot.equity is not None,
        "ACCOUNT_DATA_STALE",
        f"data of {name} is {shown}, entries need it younger than {plain(limit)} s",
    )
    equity = snapshot.equity or ZERO
    waterfall.require(
        "equity", equity > 0, "EQUITY_NOT_POSITIVE", f"equity of {name} is {money(equity)}"
    )
    return equity


def _age_seconds(as_of: datetime | None, now: datetime) -> Decimal | None:
    return None if as_of is None else Decimal(str((now - as_of).total_seconds()))


def _allocated(account: AccountContext, equity: Decimal, waterfall: Waterfall) -> Decimal:
    ratio = account.allocation_ratio
    if not ratio:
        sentence = "no approved allocation for this strategy"
        waterfall.note("allocation", sentence, before=equity, after=ZERO, bound=True)
        raise Denied("ALLOCATION_MISSING", sentence)
    allocated = equity * ratio * account.weight_ratio
    waterfall.note(
        "allocation",
        f"{money(equity)} equity × {plain(ratio)} × weight {plain(account.weight_ratio)}",
        before=equity,
        after=allocated,
        limit=ratio,
    )
    return allocated


def _available(
    signal: Signal, account: AccountContext, allocated: Decimal, waterfall: Waterfall
) -> Decimal:
    mine = signal.strategy_id
    deployed = sum((p.deployed for p in account.positions if p.strategy_id == mine), ZERO)
    reserved = sum((r.capital for r in account.reservations if r.strategy_id == mine), ZERO)
    available = allocated - deployed - reserved
    waterfall.note(
        "available",
        f"{money(allocated)} allocated − {money(deployed)} deployed − {money(reserved)} reserved",
        before=allocated,
        after=available,
    )
    return available


def _ratio(signal: Signal, allocated: Decimal, waterfall: Waterfall) -> Decimal | None:
    """Our units for one unit of the sender's; None where no leg counts units."""
    if all(leg.quantity_unit is QuantityUnit.EQUITY_FRACTION for leg in signal.legs):
        return None
    theirs = signal.sender_equity
    if theirs is None:
        sentence = "account_equity is missing, so the quantities cannot be scaled to our account"
        waterfall.note("ratio", sentence, bound=True)
        raise Denied("SENDER_EQUITY_MISSING", sentence)
    ratio = allocated / theirs
    waterfall.note(
        "ratio", f"{money(allocated)} allocated / {money(theirs)} of the sender", after=ratio
    )
    return ratio


def _priced(
    leg: Leg, account: AccountContext, context: DecisionContext, waterfall: Waterfall
) -> _PricedLeg:
    """The price comes last: no broker is asked for one that could not be used."""
    instrument, symbol = leg.instrument, leg.instrument.symbol
    if instrument.currency != account.account.currency:
        sentence = (
            f"{symbol} trades in {instrument.currency}, the account is in "
            f"{account.account.currency}, and no rate between them is known"
        )
        raise _no(waterfall, leg, "fx_rate", "FX_RATE_MISSING", sentence)
    margin_ratio = initial_margin_ratio(instrument)
    if margin_ratio is None:
        sentence = f"the margin of {instrument.instrument_type} {symbol} is not known"
        raise _no(waterfall, leg, "margin_rate", "MARGIN_UNKNOWN", sentence)
    price, sentence = price_of(leg, account, context)
    if price is None:
        raise _no(waterfall, leg, "price", "PRICE_MISSING", sentence)
    waterfall.note("price", sentence, after=price, leg_index=leg.leg_index)
    if own_price(leg) is None:
        leg = leg.model_copy(update={"reference_price": price})
    return _PricedLeg(leg, price * instrument.multiplier, margin_ratio)


def _scaled(
    priced: _PricedLeg, allocated: Decimal, ratio: Decimal | None, waterfall: Waterfall
) -> _ScaledLeg:
    leg, asked = priced.leg, plain(priced.leg.wanted)
    if ratio is None or leg.quantity_unit is QuantityUnit.EQUITY_FRACTION:
        notional = leg.wanted * allocated
        quantity = notional / priced.unit_value
        sentence = (
            f"{asked} of {money(allocated)} allocated / {plain(priced.unit_value)} for one "
            f"{leg.instrument.symbol}"
        )
    else:
        quantity = leg.wanted * ratio
        notional = quantity * priced.unit_value
        sentence = f"{asked} {leg.instrument.symbol} × {ratio:.6f}"
    waterfall.note("scaled", sentence, before=leg.wanted, after=quantity, leg_index=leg.leg_index)
    return _ScaledLeg(priced, quantity, notional)


def _no(waterfall: Waterfall, leg: Leg, name: str, code: str, sentence: str) -> Denied:
    waterfall.note(name, sentence, bound=True, leg_index=leg.leg_index)
    return Denied(code, sentence)


def _limited(
    legs: list[_ScaledLeg],
    account: AccountContext,
    limits: RiskLimits,
    equity: Decimal,
    available: Decimal,
    waterfall: Waterfall,
) -> Decimal:
    """The scale, at most 1, at which the whole group fits every limit."""
    notional = sum((leg.notional for leg in legs), ZERO)
    margin = sum((leg.margin for leg in legs), ZERO)
    scale = waterfall.cap("available_capital", Decimal(1), wanted=notional, limit=available)
    for instrument in {leg.instrument.key: leg.instrument for leg in legs}.values():
        asked = sum((x.notional for x in legs if x.instrument.key == instrument.key), ZERO)
        room = equity * limits.max_position_ratio - _exposure(account, instrument)
        scale = waterfall.cap("position_size", scale, wanted=asked, limit=room)
    room = equity * limits.max_broker_allocation_ratio - _exposure(account, None)
    scale = waterfall.cap("broker_share", scale, wanted=notional, limit=room)
    return waterfall.cap("margin", scale, wanted=margin, limit=_free_margin(account, equity))


def _free_margin(account: AccountContext, equity: Decimal) -> Decimal:
    """Margin for new risk: the smaller of the broker's figure and our own, less what is reserved.

    The broker's figure is as old as the last poll and misses what has filled since; ours is equity
    less the margin of the positions in our books, which knows every fill.
    """
    reported = account.account.available_funds
    if reported is None:
        raise Denied("MARGIN_UNKNOWN", "the account's available funds are not known")
    used = sum(
        (p.deployed * (initial_margin_ratio(p.instrument) or 1) for p in account.positions), ZERO
    )
    reserved = sum((r.margin for r in account.reservations), ZERO)
    return min(reported, equity - used) - reserved


def _exposure(account: AccountContext, instrument: Instrument | None) -> Decimal:
    """Money at work and reserved in the account, over all strategies, in one instrument or all."""
    held = sum((p.deployed for p in account.positions if instrument in {None, p.instrument}), ZERO)
    reserved = sum(
        (
            r.capital
            for r in account.reservations
            if instrument is None or r.instrument_key == instrument.key
        ),
        ZERO,
    )
    return held + reserved


def _rounded(scaled: _ScaledLeg, scale: Decimal, waterfall: Waterfall) -> SizedLeg:
    leg = scaled.priced.leg
    exact = scaled.quantity * scale
    quantity = round_down_to_lot(exact, leg.instrument.lot)
    waterfall.note(
        "lot",
        f"{exact:.6f} {leg.instrument.symbol} down to lots of {plain(leg.instrument.lot)}",
        before=exact,
        after=quantity,
        limit=leg.instrument.lot,
        bound=not quantity,
        leg_index=leg.leg_index,
    )
    if not quantity:
        raise Denied(
            "QUANTITY_BELOW_LOT",
            f"{exact:.6f} {leg.instrument.symbol} is less than one lot of "
            f"{plain(leg.instrument.lot)}",
        )
    if leg.side is None:
        raise Denied("SIDE_MISSING", f"neither BUY nor SELL was said for {leg.instrument.symbol}")
    capital = quantity * scaled.priced.unit_value
    return SizedLeg(leg, leg.side, quantity, capital, capital * scaled.priced.margin_ratio)
