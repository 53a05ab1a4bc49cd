"""What margin is asked of, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.domain.instruments import Instrument
from services.domain.values import ZERO


class Line(NamedTuple):
    """One holding, or one leg that would be added.

    Attributes:
        quantity: signed, above 0 = long.
        price: of one unit, instrument currency; of an option, its premium.
        fx_rate: account currency for one unit of the instrument's currency.
    """

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    fx_rate: Decimal

    @property
    def value(self) -> Decimal:
        """|quantity| × price × multiplier, account currency."""
        return abs(self.quantity) * self.price * self.instrument.multiplier * self.fx_rate


class Requirement(NamedTuple):
    """Account currency.

    Attributes:
        initial: to open.
        maintenance: to keep.
        capital: what it ties up of a strategy's allocation: the value of stocks and crypto, the
            margin of what is traded on margin, the premium of options that are bought.
        sentence: how it came about.
    """

    initial: Decimal
    maintenance: Decimal
    capital: Decimal
    sentence: str


class MarginUnknown(Exception):
    """Of something nothing is known; its text is a sentence that names it."""


def together(parts: Sequence[Requirement]) -> Requirement:
    """The sum of requirements that do not insure each other."""
    if len(parts) == 1:
        return parts[0]
    return Requirement(
        sum((each.initial for each in parts), ZERO),
        sum((each.maintenance for each in parts), ZERO),
        sum((each.capital for each in parts), ZERO),
        "; ".join(each.sentence for each in parts),
    )
