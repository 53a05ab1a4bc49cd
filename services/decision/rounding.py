"""Whole lots for all legs together: downwards, and with the legs in their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from math import gcd
from typing import Final

from services.domain.instruments import Instrument, round_down_to_lot
from services.domain.values import ZERO
from services.domain.words import InstrumentType

#: How far the legs of a group may be out of ratio because of whole lots.
TOLERANCE_RATIO: Final = Decimal("0.02")


def whole_lots(exact: Sequence[Decimal], instruments: Sequence[Instrument]) -> list[Decimal]:
    """The largest quantities that are whole lots, none above `exact`, and in its ratio.

    Options of one signal insure each other, so with one among them the ratio is exact: whole
    packages. Otherwise the legs may be out of ratio by `TOLERANCE_RATIO`: 137 : 91 shares at 1.787
    go as 244 : 162 and not as 137 : 91. All are 0 where not even the smallest group fits.

    The answer only grows with `exact` as a whole: it is the largest acceptable vector below it.
    """
    lots = [each.lot for each in instruments]
    if len(exact) == 1:
        return [round_down_to_lot(exact[0], lots[0])]
    if any(each.instrument_type is InstrumentType.OPTION for each in instruments):
        return _packages(exact, lots)
    return _within_tolerance(exact, lots)


def _packages(exact: Sequence[Decimal], lots: Sequence[Decimal]) -> list[Decimal]:
    """Whole multiples of the smallest group of whole lots that is in the ratio of `exact`."""
    first = Fraction(exact[0])
    parts = [Fraction(each) / first / Fraction(lot) for each, lot in zip(exact, lots, strict=True)]
    parts = [part.limit_denominator(1_000_000) for part in parts]
    common = 1
    for part in parts:
        common = common * part.denominator // gcd(common, part.denominator)
    counts = [int(part * common) for part in parts]
    divisor = gcd(*counts) or 1
    group = [count // divisor * lot for count, lot in zip(counts, lots, strict=True)]
    if not all(group):
        return [ZERO] * len(exact)
    times = min(
        (each / one).to_integral_value(rounding=ROUND_FLOOR)
        for each, one in zip(exact, group, strict=True)
    )
    return [times * one for one in group]


def _within_tolerance(exact: Sequence[Decimal], lots: Sequence[Decimal]) -> list[Decimal]:
    """Take a lot from whichever leg is furthest ahead, until none is too far ahead."""
    quantities = [round_down_to_lot(each, lot) for each, lot in zip(exact, lots, strict=True)]
    while all(quantities):
        done = [q / each for q, each in zip(quantities, exact, strict=True)]
        least, most = min(done), max(done)
        if most <= least * (1 + TOLERANCE_RATIO):
            return quantities
        ahead = done.index(most)
        # Straight to the largest quantity that is not too far ahead of the one furthest behind.
        fits = exact[ahead] * least * (1 + TOLERANCE_RATIO)
        lower = round_down_to_lot(fits, lots[ahead])
        quantities[ahead] = min(lower, quantities[ahead] - lots[ahead])
    return [ZERO] * len(exact)


def lots_up(quantity: Decimal, lot: Decimal) -> Decimal:
    """A quantity in whole lots, upwards: for questions to a broker, never for orders."""
    return (quantity / lot).to_integral_value(rounding=ROUND_CEILING) * lot
