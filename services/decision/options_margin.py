"""Margin of the options on one underlying, together: what insures is taken off what is risked.

Regulation T as brokers apply it (FINRA rule 4210(f)(2)): uncovered options by a share of the
underlying, everything whose loss is limited by the most it can lose, premium apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.margin_lines import Line, MarginUnknown, Requirement
from services.domain.values import ZERO

_EQUITY: Final = Decimal("0.20")
_INDEX: Final = Decimal("0.15")
_LEAST: Final = Decimal("0.10")
#: Broad indices, on which less is asked.
BROAD_INDICES: Final = frozenset({"SPX", "XSP", "NDX", "XND", "RUT", "MRUT", "DJX", "OEX", "XEO"})


class _Side(NamedTuple):
    """Calls, or puts: what insures and is insured, and what is not.

    Attributes:
        loss: the most that longs and insured shorts can lose together, premium apart.
        naked: requirement of the shorts that nothing insures.
        contracts: how many those are.
        premium: what they were sold for.
        debit: paid for the longs less received for the insured shorts; below 0 = received.
        expiries: of everything that is insured.
    """

    loss: Decimal
    naked: Decimal
    contracts: Decimal
    premium: Decimal
    debit: Decimal
    expiries: frozenset[object]


def options_requirement(
    lines: Sequence[Line], *, shares: Decimal, underlying_price: Decimal | None
) -> Requirement:
    """What options of one underlying need.

    Args:
        lines: the options, any strikes, rights and expiries.
        shares: of the underlying that are held, signed; long ones cover calls, short ones puts.
        underlying_price: for what nothing insures.

    Raises:
        MarginUnknown: something is uncovered, and the price of the underlying is not known.
    """
    for line in lines:
        if line.instrument.strike is None or line.instrument.right is None:
            raise MarginUnknown(f"an option on {line.instrument.symbol} has no strike or right")
    calls = [each for each in lines if each.instrument.right == "C"]
    puts = [each for each in lines if each.instrument.right == "P"]
    price = underlying_price
    # A spread needs its width or what its short would need uncovered, whichever is less.
    of_calls = [_side(calls, shares, price, insure=True)]
    of_puts = [_side(puts, -shares, price, insure=True)]
    if price is not None:
        of_calls.append(_side(calls, shares, price, insure=False))
        of_puts.append(_side(puts, -shares, price, insure=False))
    return min(
        (_requirement(one, other) for one in of_calls for other in of_puts),
        key=lambda found: found.initial,
    )


def _requirement(calls: _Side, puts: _Side) -> Requirement:
    insured = _insured(calls, puts)
    naked = _strangle(calls, puts)
    debit = max(ZERO, calls.debit + puts.debit)
    total = insured + naked + debit
    words = (
        f"options: {insured:,.2f} at risk, {naked:,.2f} for uncovered ones, {debit:,.2f} of premium"
    )
    return Requirement(total, total, total, words)


def _insured(calls: _Side, puts: _Side) -> Decimal:
    """One of two equal wings of one expiry can lose, never both; else the sum."""
    both = calls.loss and puts.loss
    one_expiry = len(calls.expiries | puts.expiries) == 1
    if both and one_expiry and calls.loss == puts.loss:
        return calls.loss
    return calls.loss + puts.loss


def _strangle(calls: _Side, puts: _Side) -> Decimal:
    """The larger side and the other's premium for each pair of a call and a put; the rest alone."""
    pairs = min(calls.contracts, puts.contracts)
    if not pairs:
        return calls.naked + puts.naked
    call, put = calls.naked / calls.contracts, puts.naked / puts.contracts
    other = puts.premium / puts.contracts if call >= put else calls.premium / calls.contracts
    alone = (calls.contracts - pairs) * call + (puts.contracts - pairs) * put
    return pairs * (max(call, put) + other) + alone


def _side(
    lines: Sequence[Line], shares: Decimal, underlying_price: Decimal | None, *, insure: bool
) -> _Side:
    """All calls, with the long shares that cover them; or all puts, with the short ones."""
    longs = [each for each in lines if each.quantity > 0]
    shorts = _riskiest_first([each for each in lines if each.quantity < 0])
    shorts, covered = _take(shorts, _contracts(shares, shorts))
    uncovered = _uncovered(longs if insure else [], shorts)
    insured, naked = _take(shorts, uncovered)
    margins = [_naked(each, underlying_price) for each in naked]
    paid = sum((each.value for each in longs), ZERO)
    received = sum((each.value for each in [*insured, *covered]), ZERO)
    return _Side(
        loss=_most_lost([*longs, *insured]) if insured else ZERO,
        naked=sum(margins, ZERO),
        contracts=sum((abs(each.quantity) for each in naked), ZERO),
        premium=sum((each.value for each in naked), ZERO),
        debit=paid - received,
        expiries=frozenset(each.instrument.expiry for each in [*longs, *insured]),
    )


def _riskiest_first(shorts: list[Line]) -> list[Line]:
    """Calls by the lowest strike, puts by the highest."""
    return sorted(
        shorts,
        key=lambda line: (
            (line.instrument.strike or ZERO) * (1 if line.instrument.right == "C" else -1)
        ),
    )


def _contracts(shares: Decimal, shorts: Sequence[Line]) -> Decimal:
    """How many contracts these shares cover."""
    if shares <= 0 or not shorts:
        return ZERO
    return shares / shorts[0].instrument.multiplier


def _take(shorts: Sequence[Line], count: Decimal) -> tuple[list[Line], list[Line]]:
    """The first `count` contracts apart from the others; returns the others, then those."""
    rest: list[Line] = []
    taken: list[Line] = []
    for line in shorts:
        part = min(count, -line.quantity)
        count -= part
        if part:
            taken.append(line._replace(quantity=-part))
        if part < -line.quantity:
            rest.append(line._replace(quantity=line.quantity + part))
    return rest, taken


def _uncovered(longs: Sequence[Line], shorts: Sequence[Line]) -> Decimal:
    """Contracts that no long insures; one insures only what expires no later than itself."""
    most = ZERO
    for day in {each.instrument.expiry for each in shorts}:
        later_shorts = sum((-x.quantity for x in shorts if _lasts(x, day)), ZERO)
        later_longs = sum((x.quantity for x in longs if _lasts(x, day)), ZERO)
        most = max(most, later_shorts - later_longs)
    return most


def _lasts(line: Line, day: object) -> bool:
    expiry = line.instrument.expiry
    return day is None or expiry is None or str(expiry) >= str(day)


def _most_lost(lines: Sequence[Line]) -> Decimal:
    """The worst pay-off at expiry over all prices, premium apart; found at a strike, or at 0."""
    strikes = [line.instrument.strike or ZERO for line in lines]
    worst = ZERO
    for price in (ZERO, *strikes, 2 * max(strikes)):
        payoff = sum((_payoff(line, price) for line in lines), ZERO)
        worst = max(worst, -payoff)
    return worst


def _payoff(line: Line, price: Decimal) -> Decimal:
    instrument = line.instrument
    gain = price - (instrument.strike or ZERO)
    inside = max(ZERO, gain if instrument.right == "C" else -gain)
    return inside * line.quantity * instrument.multiplier * line.fx_rate


def _naked(line: Line, price: Decimal | None) -> Decimal:
    """multiplier × (premium + max(b × S − out of the money, 10 % of S; of the strike for puts))."""
    instrument = line.instrument
    if price is None:
        raise MarginUnknown(
            f"an uncovered option on {instrument.symbol} needs the price of {instrument.symbol}, "
            "which is not known"
        )
    strike, call = instrument.strike or ZERO, instrument.right == "C"
    share = _INDEX if instrument.symbol in BROAD_INDICES else _EQUITY
    out = max(ZERO, strike - price if call else price - strike)
    least = _LEAST * (price if call else strike)
    each = line.price + max(share * price - out, least)
    return each * -line.quantity * instrument.multiplier * line.fx_rate
