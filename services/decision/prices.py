"""At which price a leg is sized: its own, or what the account's broker has said just now."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from services.domain.accounts import AccountContext, DecisionContext, MarketPrice
from services.domain.decisions import Step
from services.domain.instruments import Instrument
from services.domain.signals import Leg, Signal, plain
from services.domain.words import Intent


def own_price(leg: Leg) -> Decimal | None:
    """The price that came with the signal: the limit, the trigger, or what the sender saw."""
    return leg.limit_price or leg.stop_price or leg.reference_price


def price_of(
    leg: Leg, account: AccountContext, context: DecisionContext
) -> tuple[Decimal | None, str]:
    """The price to size a leg at in one account, and a sentence that says where it comes from.

    None where the signal has none and the broker's is missing or older than the limits allow; the
    sentence then says what was asked of the broker and what it answered.
    """
    symbol, broker = leg.instrument.symbol, f"the broker of {account.account.account_id}"
    own = own_price(leg)
    if own is not None:
        return own, f"{symbol} at {plain(own)}, from the signal"
    found = account.prices.get(leg.instrument.key)
    limit = context.limits.price_max_age_seconds
    if found is not None and found.price is not None and found.as_of is not None:
        age = _age_seconds(found.as_of, context.now)
        if age <= limit:
            return found.price, f"{symbol} at {plain(found.price)} from {broker}, {age:.1f} s old"
    answer = _answer(found, limit, context.now)
    return None, f"the signal names no price for {symbol}, and {broker} {answer}"


def unpriced(signal: Signal) -> list[Instrument]:
    """Instruments of a signal whose price only a broker can name; a full exit needs none."""
    if signal.intent in {Intent.EXIT, Intent.CANCEL}:
        return []
    return [leg.instrument for leg in signal.legs if own_price(leg) is None]


def lacks_price(step: Step) -> bool:
    """Whether a step of a decision found no price to go on with."""
    return step.name == "price" and step.after is None


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
