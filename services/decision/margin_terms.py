"""The words of margin: what is held, whose figures count, and what is required."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from pydantic import Field

from services.domain.instruments import Instrument
from services.domain.risk import FuturesMargin
from services.domain.values import ZERO, Frozen, Positive
from services.domain.words import MarginModel


class MarginUnknown(Exception):
    """No honest figure can be named; its text is a sentence with the instrument and the reason."""


class Line(NamedTuple):
    """One holding, or one leg that would be added to what is held.

    Attributes:
        quantity: signed; above 0 = long or bought.
        price: of one unit, in the instrument's currency; of an option the premium per unit.
        fx_rate: account currency for one unit of the instrument's currency.
    """

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    fx_rate: Decimal

    @property
    def notional(self) -> Decimal:
        """Market value without sign, account currency."""
        return abs(self.quantity) * self.price * self.instrument.multiplier * self.fx_rate


def _lean(symbol: str, initial: str, maintenance: str) -> FuturesMargin:
    return FuturesMargin(
        symbol=symbol,
        initial=Decimal(initial),
        maintenance=Decimal(maintenance),
        as_on=date(2022, 1, 21),
        source="QuantConnect Lean, 2022-01-21",
    )


#: Old figures, each with its day: a fallback for tests and simulation, no word of a broker's.
BUILT_IN_FUTURES: Final[dict[str, FuturesMargin]] = {
    each.symbol: each
    for each in (
        _lean("ES", "11880", "10800"),
        _lean("NQ", "16500", "15000"),
        _lean("CL", "7480", "6800"),
        _lean("GC", "6600", "6000"),
        _lean("ZN", "1650", "1500"),
    )
}


class MarginRules(Frozen):
    """Whose rules hold, and the figures that no formula can replace.

    Attributes:
        futures: by symbol.
        underlying_prices: by symbol, in the option's currency; for uncovered short options.
    """

    model: MarginModel = MarginModel.REG_T
    futures: dict[str, FuturesMargin] = Field(default_factory=lambda: dict(BUILT_IN_FUTURES))
    underlying_prices: dict[str, Positive] = Field(default_factory=dict)

    def with_futures(self, stored: Mapping[str, FuturesMargin | None]) -> MarginRules:
        """These rules with an operator's own figures; None takes a figure away."""
        if not stored:
            return self
        futures = {**self.futures, **stored}
        known = {symbol: each for symbol, each in futures.items() if each is not None}
        return self.model_copy(update={"futures": known})


class Requirement(NamedTuple):
    """What is required, in account currency.

    Attributes:
        initial: margin to open; of options with the premium that is paid.
        maintenance: margin to keep.
        capital: what it ties up of a strategy's allocation.
        sentence: how the figures came about.
    """

    initial: Decimal
    maintenance: Decimal
    capital: Decimal
    sentence: str


NOTHING: Final = Requirement(ZERO, ZERO, ZERO, "nothing is held")


def together(requirements: Iterable[Requirement]) -> Requirement:
    """The sum; sentences one after the other."""
    parts = [each for each in requirements if each is not NOTHING]
    if not parts:
        return NOTHING
    return Requirement(
        sum((each.initial for each in parts), ZERO),
        sum((each.maintenance for each in parts), ZERO),
        sum((each.capital for each in parts), ZERO),
        "; ".join(each.sentence for each in parts),
    )
