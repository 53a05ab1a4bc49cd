"""At which price a leg is sized: its own, or what the account's broker has said just now."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from services.domain.accounts import (
    AccountContext,
    DecisionContext,
    MarketPrice,
    PreviewLeg,
    margin_preview_id,
)
from services.domain.instruments import Instrument
from services.domain.signals import Leg, Signal, plain
from services.domain.words import InstrumentType, Intent, Side


def own_price(leg: Leg) -> Decimal | None:
    """The price that came with the signal: the limit, the trigger, or what the sender saw."""
    return leg.own_price


def price_of(
    leg: Leg, account: AccountContext, context: DecisionContext
) -> tuple[Decimal | None, str]:
    """The price to size a leg at in one account, and a sentence that says where it comes from.

    None where the signal has none and the broker's is missing or older than the limits allow; the
    sentence then says what was asked of the broker and what it answered.
    """
    symbol = leg.instrument.symbol
    own = own_price(leg)
    if own is not None:
        return own, f"{symbol} at {plain(own)}, from the signal"
    broker = f"the broker of {account.account.account_id}"
    price, answer = fresh_price(leg.instrument, account, context)
    if price is not None:
        return price, f"{symbol} at {plain(price)} from {broker}, {answer}"
    return None, f"the signal names no price for {symbol}, and {broker} {answer}"


def fresh_price(
    instrument: Instrument, account: AccountContext, context: DecisionContext
) -> tuple[Decimal | None, str]:
    """The broker's price and its age in words; without a fresh one None and what it answered."""
    found = account.prices.get(instrument.key)
    limit = context.limits.price_max_age_seconds
    if found is not None and found.price is not None and found.as_of is not None:
        age = _age_seconds(found.as_of, context.now)
        if age <= limit:
            return found.price, f"{age:.1f} s old"
    return None, _answer(found, limit, context.now)


def instruments_to_price(signal: Signal, *, collared: bool) -> list[Instrument]:
    """Instruments of a signal whose price a broker should name; a full exit needs none.

    Those that came without a price, all where a price collar compares them with the market, and
    what uncovered options are written on, which their margin is of.
    """
    if signal.intent in {Intent.EXIT, Intent.CANCEL}:
        return []
    found = [leg.instrument for leg in signal.legs if collared or own_price(leg) is None]
    underlyings = {
        leg.instrument.symbol: underlying_of(leg.instrument)
        for leg in signal.legs
        if leg.instrument.instrument_type is InstrumentType.OPTION and leg.side is Side.SELL
    }
    return [*found, *underlyings.values()]


def underlying_of(instrument: Instrument) -> Instrument:
    """What an option is written on, as a broker is asked for its price."""
    return Instrument(
        instrument_type=InstrumentType.STOCK,
        symbol=instrument.symbol,
        currency=instrument.currency,
    )


def preview_key(account_id: str, signal: Signal) -> str:
    """Key of the margin preview of a signal's legs: the same for the same legs in their ratio."""
    return margin_preview_id(
        account_id,
        [
            PreviewLeg(
                instrument=leg.instrument,
                side=leg.side or Side.BUY,
                quantity=leg.quantity or Decimal(1),
            )
            for leg in signal.legs
        ],
    )


def _answer(found: MarketPrice | None, limit: Decimal, now: datetime) -> str:
    if found is None:
        return "has not been asked yet"
    if found.answered_at is None:
        return f"was asked {_age_seconds(found.wanted_at, now):.1f} s ago and has not answered"
    answered = f"{_age_seconds(found.answered_at, now):.1f} s ago"
    if found.error is not None:
        return f"could not be asked {answered}: {found.error}"
    if found.price is None or found.as_of is None:
        return f"knew none {answered}"
    age = _age_seconds(found.as_of, now)
    return f"said {plain(found.price)}, {age:.1f} s old, where {plain(limit)} s are allowed"


def _age_seconds(moment: datetime, now: datetime) -> Decimal:
    """Never negative: an answer may come between `now` and the reading of it."""
    return max(Decimal(0), Decimal(str((now - moment).total_seconds())))
