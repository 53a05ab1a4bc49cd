"""Margin of options on shares and indexes under Regulation T, with what covers what.

Formulas: FINRA 4210(f)(2) and the Cboe margin manual, as brokers publish them; a unit is one unit
of the underlying (contracts × multiplier). Initial and maintenance margin of options are the same.

- bought: the premium; it has no loan value.
- uncovered: premium + max(b × S − out of the money, 10 % of S for calls, of the strike for puts),
  b = 20 %, 15 % on a broad index; IBKR takes at least 2.50 USD a unit.
- spreads: largest loss over the expiry prices 0, every strike, infinity, premiums excluded, and
  the net premium where they are paid for.
- iron condors of equal widths: one width. Short boxes: the width, or 102 % of what closes them.
- short straddles and strangles: the larger side, and the premium of the other.
- covered by shares: the margin of the shares, at least the worth of a call; and what a put is in
  the money.

Of all ways to pair the options that `options_plans` names the cheapest counts, as at a broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import product
from typing import Final, NamedTuple

from services.decision.margin_terms import Line, MarginRules, MarginUnknown, Requirement
from services.decision.options_plans import Option, Plan, Spread, plans_of, premium_of
from services.decision.waterfall import money
from services.domain.values import ZERO

#: Indexes of many shares; every other underlying, funds on an index too, counts as one share.
BROAD_INDEXES: Final = frozenset(
    {"SPX", "SPXW", "XSP", "OEX", "XEO", "NDX", "NDXP", "XND", "RUT", "RUTW", "MRUT", "DJX"}
)
_SHARE_RATIO: Final = Decimal("0.20")
_INDEX_RATIO: Final = Decimal("0.15")
_LEAST_RATIO: Final = Decimal("0.10")
_LEAST_USD: Final = Decimal("2.50")
_BOX_RATIO: Final = Decimal("1.02")
_SHARE_MULTIPLIER: Final = Decimal(100)
_STOCK_INITIAL: Final = Decimal("0.50")
_STOCK_MAINTENANCE: Final = Decimal("0.25")


class _Cost(NamedTuple):
    """One way to hold everything: what it needs, in the options' currency, and how it came about.

    Attributes:
        covered_capital: the part of `initial` that the capital of the shares holds already.
    """

    initial: Decimal
    maintenance: Decimal
    covered_capital: Decimal
    sentences: tuple[str, ...]


class _Cover(NamedTuple):
    """Sold options of one right, those that shares cover set apart."""

    covered: tuple[Option, ...]
    shorts: tuple[Option, ...]


def options_requirement(
    options: Sequence[Line], shares: Sequence[Line], rules: MarginRules
) -> Requirement:
    """What the options of one underlying require beyond the margin of its shares.

    Args:
        options: one line for each option, none of them 0.
        shares: one line for each share of the same symbol and currency.
        rules: with the price of the underlying, where a sold option stays uncovered.

    Raises:
        MarginUnknown: an option lacks strike, right or expiry, or the price of the underlying is
            missing where it is needed.
    """
    symbol = options[0].instrument.symbol
    costs = [
        _cost(calls, puts, shares)
        for calls, puts in product(*(_plans(right, options, shares, rules) for right in ("C", "P")))
        if _is_known(calls) and _is_known(puts)
    ]
    if not costs:
        raise _unknown(options, rules)
    best = min(costs, key=lambda cost: cost.initial)
    fx_rate = max(line.fx_rate for line in options)
    return Requirement(
        best.initial * fx_rate,
        best.maintenance * fx_rate,
        (best.initial - best.covered_capital) * fx_rate,
        f"{symbol} options: " + (", ".join(best.sentences) or "nothing beyond the shares"),
    )


def _unknown(options: Sequence[Line], rules: MarginRules) -> MarginUnknown:
    symbol = options[0].instrument.symbol
    what = f"the margin of uncovered short options on {symbol}"
    if any(_is_on_future(line, rules) for line in options):
        return MarginUnknown(f"{what} is SPAN of a future, which only the broker knows")
    return MarginUnknown(f"{what} needs the price of {symbol}, which is not known")


def _is_on_future(line: Line, rules: MarginRules) -> bool:
    """ES and CL are futures and shares: an option on a share is of 100."""
    instrument = line.instrument
    return instrument.symbol in rules.futures and instrument.multiplier != _SHARE_MULTIPLIER


def uncovered_margin(line: Line, underlying_price: Decimal) -> Decimal:
    """Requirement of one unit of a sold option that nothing covers, in the option's currency."""
    instrument, strike = line.instrument, line.instrument.strike or ZERO
    ratio = _INDEX_RATIO if instrument.symbol in BROAD_INDEXES else _SHARE_RATIO
    call = instrument.right == "C"
    out = max(ZERO, strike - underlying_price if call else underlying_price - strike)
    least = _LEAST_RATIO * (underlying_price if call else strike)
    margin = line.price + max(ratio * underlying_price - out, least)
    return max(margin, _LEAST_USD) if instrument.currency == "USD" else margin


_Way = tuple[_Cover, Plan]


def _plans(
    right: str, options: Sequence[Line], shares: Sequence[Line], rules: MarginRules
) -> list[_Way]:
    """Every way to hold the options of one right: with what shares cover, and without."""
    mine = [(line.quantity, _option(line, rules)) for line in options]
    shorts = [option for quantity, option in mine if quantity < 0 and option.right == right]
    longs = [option for quantity, option in mine if quantity > 0 and option.right == right]
    covers = [_Cover((), tuple(shorts))]
    units = _covering(right, shares)
    if shorts and units:
        covers.append(_covered(shorts, units))
    return [(cover, plan) for cover in covers for plan in plans_of(cover.shorts, longs)]


def _option(line: Line, rules: MarginRules) -> Option:
    instrument = line.instrument
    strike, expiry, right = instrument.strike, instrument.expiry, instrument.right
    if strike is None or expiry is None or right is None:
        raise MarginUnknown(f"strike, expiry and right of {instrument.key} must be known")
    underlying = rules.underlying_prices.get(instrument.symbol)
    if _is_on_future(line, rules):
        underlying = None
    return Option(
        right=right,
        expiry=expiry,
        strike=strike,
        multiplier=instrument.multiplier,
        premium=line.price,
        units=abs(line.quantity) * instrument.multiplier,
        naked=None if underlying is None else uncovered_margin(line, underlying),
    )


def _covering(right: str, shares: Sequence[Line]) -> Decimal:
    """Units that deliver what a sold call owes, or close what a sold put delivers."""
    held = sum((line.quantity * line.instrument.multiplier for line in shares), ZERO)
    return max(ZERO, held if right == "C" else -held)


def _covered(shorts: Sequence[Option], units: Decimal) -> _Cover:
    """Shares cover what is deepest in the money first: it would need most."""
    covered, left = [], []
    for short in sorted(shorts, key=lambda s: s.strike, reverse=shorts[0].right == "P"):
        taken = min(units, short.units)
        units -= taken
        covered.append(short._replace(units=taken))
        left.append(short._replace(units=short.units - taken))
    return _Cover(tuple(c for c in covered if c.units), tuple(o for o in left if o.units))


def _is_known(way: _Way) -> bool:
    return all(each.naked is not None for each in way[1].uncovered)


def _cost(calls: _Way, puts: _Way, shares: Sequence[Line]) -> _Cost:
    both = (calls[1], puts[1])
    blocks = [block for plan in both for block in plan.blocks]
    premium = sum((premium_of(plan.longs) for plan in both), ZERO)
    parts = [
        (premium, "premium"),
        (_uncovered(both), "uncovered"),
        (_spreads(both), "largest loss of spreads"),
        (_debits(both), "net premium of spreads"),
        (sum((block.risk for block in blocks), ZERO), "largest loss of other combinations"),
        (sum((block.debit for block in blocks), ZERO), "net premium of other combinations"),
    ]
    price = min((line.price for line in shares), default=ZERO)
    initial_call = _beyond_shares(calls[0].covered, _STOCK_INITIAL * price)
    maintenance_call = _beyond_shares(calls[0].covered, _STOCK_MAINTENANCE * price)
    in_the_money = sum((each.worth(price) * each.units for each in puts[0].covered), ZERO)
    parts.append((initial_call, "worth of covered calls above the margin of the shares"))
    parts.append((in_the_money, "covered puts in the money"))
    initial = sum((amount for amount, _ in parts), ZERO)
    return _Cost(
        initial,
        initial - initial_call + maintenance_call,
        initial_call,
        tuple(f"{name} {money(amount)}" for amount, name in parts if amount),
    )


def _beyond_shares(covered: Iterable[Option], margin: Decimal) -> Decimal:
    return sum((max(ZERO, each.premium - margin) * each.units for each in covered), ZERO)


def _debits(plans: Iterable[Plan]) -> Decimal:
    spreads = (each.debit * each.units for plan in plans for each in plan.spreads)
    return sum(spreads, ZERO)


def _naked(option: Option) -> Decimal:
    """What `_is_known` has made sure of."""
    if option.naked is None:
        raise MarginUnknown(f"the margin of the uncovered strike {option.strike} is not known")
    return option.naked


def _uncovered(plans: tuple[Plan, Plan]) -> Decimal:
    """Each by itself, less what a sold call and a sold put of one expiry need only once."""
    calls, puts = (sorted(plan.uncovered, key=_naked, reverse=True) for plan in plans)
    total = sum((_naked(each) * each.units for each in (*calls, *puts)), ZERO)
    left = [put.units for put in puts]
    for call in calls:
        open_units = call.units
        for i, put in enumerate(puts):
            if put.series != call.series:
                continue
            units = min(open_units, left[i])
            open_units, left[i] = open_units - units, left[i] - units
            smaller = min(call, put, key=_naked)
            total -= units * (_naked(smaller) - smaller.premium)
    return total


def _spreads(plans: tuple[Plan, Plan]) -> Decimal:
    """Each by itself, less the second width of iron condors and short boxes."""
    calls, puts = (plan.spreads for plan in plans)
    total = sum((each.width * each.units for each in (*calls, *puts)), ZERO)
    left = [put.units for put in puts]
    alike: dict[object, list[int]] = {}
    for i, put in enumerate(puts):
        alike.setdefault(_shape(put), []).append(i)
    for call in calls:
        open_units = call.units
        for i in alike.get(_shape(call), ()):
            units = min(open_units, left[i])
            saved = _saved(call, puts[i]) if units else ZERO
            if saved:
                open_units, left[i] = open_units - units, left[i] - units
                total -= units * saved
    return total


def _shape(spread: Spread) -> object:
    """Equal for spreads that may be the two sides of a condor or a box."""
    return spread.width, spread.short.series, spread.long.series


def _saved(call: Spread, put: Spread) -> Decimal:
    """What a unit of two spreads of equal width needs less than two widths: see the module."""
    if call.short.series != call.long.series:
        return ZERO
    if put.short.strike <= call.short.strike:
        return call.width
    if (call.short.strike, call.long.strike) == (put.long.strike, put.short.strike):
        paid = call.long.premium + put.long.premium
        close = call.short.premium + put.short.premium - paid
        return max(ZERO, 2 * call.width - max(call.width, _BOX_RATIO * close))
    return ZERO
