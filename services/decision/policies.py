"""How many units of each leg a strategy's sizing policy asks for, before any limit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.decision.waterfall import Waterfall, money
from services.domain.signals import Leg, Signal, plain
from services.domain.sizing import (
    FixedSizing,
    FractionSizing,
    PercentSizing,
    RiskSizing,
    SizingPolicy,
    VolatilitySizing,
)
from services.domain.values import ZERO
from services.domain.words import QuantityUnit


class PricedLeg(NamedTuple):
    """A leg with what one unit of it is worth.

    Attributes:
        price: instrument currency.
        fx_rate: account currency for one unit of the instrument's currency.
        unit_value: price × multiplier × fx_rate, account currency.
    """

    leg: Leg
    price: Decimal
    fx_rate: Decimal
    unit_value: Decimal


def shape(policy: SizingPolicy, priced: Sequence[PricedLeg]) -> list[Decimal]:
    """Units of each leg for one unit of scale: what the policy multiplies.

    Quantities as they were sent; where they are shares of equity, the units that one unit of
    capital buys, so that the legs keep the ratio of their values.
    """
    if _counts_fractions(policy, priced):
        return [each.leg.wanted / each.unit_value for each in priced]
    return [each.leg.wanted for each in priced]


def _counts_fractions(policy: SizingPolicy, priced: Sequence[PricedLeg]) -> bool:
    fraction = QuantityUnit.EQUITY_FRACTION
    return isinstance(policy, FractionSizing) or priced[0].leg.quantity_unit is fraction


def scale_of(  # noqa: PLR0913 - everything that a policy may look at, by name
    policy: SizingPolicy,
    signal: Signal,
    priced: Sequence[PricedLeg],
    *,
    capital: Decimal,
    multiple: Decimal,
    volatility: Decimal | None,
    waterfall: Waterfall,
) -> Decimal:
    """What `shape` is multiplied with to give the quantities that are wanted in one account.

    Args:
        policy: the strategy's.
        signal: as it was sent.
        priced: its legs.
        capital: allocated to the strategy here, times all multipliers, account currency.
        multiple: the multipliers alone, for policies that do not look at the capital.
        volatility: annual, of the strategy's own record.
        waterfall: where the step is noted.

    Raises:
        Denied: the signal or the record lacks what the policy needs.
    """
    match policy:
        case PercentSizing():
            return _percent(policy, priced, capital, waterfall)
        case FixedSizing():
            return _fixed(policy, priced, multiple, waterfall)
        case RiskSizing():
            return _risk(policy, priced, capital, waterfall)
        case VolatilitySizing():
            scale = _ratio(policy, signal, priced, capital, waterfall)
            return scale * _calm(policy, volatility, waterfall)
        case _:
            return _ratio(policy, signal, priced, capital, waterfall)


def _ratio(
    policy: SizingPolicy,
    signal: Signal,
    priced: Sequence[PricedLeg],
    capital: Decimal,
    waterfall: Waterfall,
) -> Decimal:
    if _counts_fractions(policy, priced):
        waterfall.note("ratio", "shares of {:,.2f} allocated", capital, after=capital)
        return capital
    theirs = signal.sender_equity
    if theirs is None:
        sentence = "account_equity is missing, so the quantities cannot be scaled to our account"
        raise waterfall.stop("ratio", "SENDER_EQUITY_MISSING", sentence)
    ratio = capital / theirs
    waterfall.note(
        "ratio", "{:,.2f} allocated / {:,.2f} of the sender", capital, theirs, after=ratio
    )
    return ratio


def _percent(
    policy: PercentSizing, priced: Sequence[PricedLeg], capital: Decimal, waterfall: Waterfall
) -> Decimal:
    value = _value(policy, priced)
    scale = policy.ratio * capital / value
    waterfall.note(
        "percent_of_allocated",
        "{} of {:,.2f} allocated / {:,.2f} of the legs as they were sent",
        policy.ratio,
        capital,
        value,
        after=scale,
    )
    return scale


def _value(policy: SizingPolicy, priced: Sequence[PricedLeg]) -> Decimal:
    units = shape(policy, priced)
    return sum((x.unit_value * n for x, n in zip(priced, units, strict=True)), ZERO)


def _fixed(
    policy: FixedSizing, priced: Sequence[PricedLeg], multiple: Decimal, waterfall: Waterfall
) -> Decimal:
    first = shape(policy, priced)[0]
    scale = policy.quantity * multiple / first
    waterfall.note(
        "fixed_quantity",
        "{} of {} × {} instead of {}",
        policy.quantity,
        priced[0].leg.instrument.symbol,
        multiple,
        first,
        after=scale,
    )
    return scale


def _risk(
    policy: RiskSizing, priced: Sequence[PricedLeg], capital: Decimal, waterfall: Waterfall
) -> Decimal:
    """Fixed fractional: what all stops together cost is the policy's share of the capital."""
    at_risk = ZERO
    for each, units in zip(priced, shape(policy, priced), strict=True):
        leg = each.leg
        stop = leg.stop_loss
        if stop is None:
            sentence = f"{leg.instrument.symbol} has no stop_loss to measure the risk with"
            raise waterfall.stop("risk_per_trade", "STOP_LOSS_MISSING", sentence)
        distance = (each.price - stop) * (leg.side.sign if leg.side else 1)
        if distance <= 0:
            sentence = (
                f"stop_loss {plain(stop)} of {leg.side} {leg.instrument.symbol} at "
                f"{plain(each.price)} is on the wrong side"
            )
            raise waterfall.stop("risk_per_trade", "STOP_LOSS_WRONG_SIDE", sentence)
        at_risk += units * distance * leg.instrument.multiplier * each.fx_rate
    scale = policy.ratio * capital / at_risk
    waterfall.note(
        "risk_per_trade",
        "{} of {:,.2f} allocated / {:,.2f} lost at the stops of what was sent",
        policy.ratio,
        capital,
        at_risk,
        after=scale,
    )
    return scale


def _calm(policy: VolatilitySizing, volatility: Decimal | None, waterfall: Waterfall) -> Decimal:
    if not volatility:
        sentence = f"a target of {money(policy.target_ratio)} needs the strategy's own record"
        raise waterfall.stop("volatility_target", "VOLATILITY_UNKNOWN", sentence)
    multiple = min(policy.max_multiple, policy.target_ratio / volatility)
    waterfall.note(
        "volatility_target",
        "{} a year wanted, {:.4f} observed, at most {} times",
        policy.target_ratio,
        volatility,
        policy.max_multiple,
        after=multiple,
    )
    return multiple
