"""Futures that our books hold without an expiry, found again in what a broker tells by its month.

An order for a future without an expiry trades the nearest contract, and its books are kept without
one. A broker tells executions, orders and positions by their contract: which of its contracts ours
is must be worked out anew by every process, and where that is not clear nothing is guessed. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from services.domain.instruments import Instrument
from services.domain.words import InstrumentType


class OfInstrument(Protocol):
    """What a broker tells of an instrument: a position, an order, an execution."""

    @property
    def instrument(self) -> Instrument:
        """Of which."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """The same with other values."""


Told = TypeVar("Told", bound=OfInstrument)


def months(ours: Iterable[Instrument], theirs: Collection[Instrument]) -> dict[str, Instrument]:
    """The futures without an expiry that are ours, by the key of the one contract each can be.

    Args:
        ours: what our books hold or are about to.
        theirs: what the broker tells of; a contract that `ours` names by its month is not another.
    """
    named = {each.key: each for each in ours}
    told = {each.key: each for each in theirs}
    found = {}
    for key, front in named.items():
        fits = [name for name, each in told.items() if name not in named and _fits(each, front)]
        if key not in told and len(fits) == 1:
            found[fits[0]] = front
    return found


def _fits(contract: Instrument, front: Instrument) -> bool:
    """Whether it is a month of a future that is named without one."""
    return (
        front.instrument_type is contract.instrument_type is InstrumentType.FUTURE
        and front.expiry is None
        and contract.expiry is not None
        and (contract.symbol, contract.currency) == (front.symbol, front.currency)
    )


def in_our_words(told: Sequence[Told], names: Mapping[str, Instrument]) -> list[Told]:
    """What was told, with these instruments instead of those of that key."""
    return [called(each, names.get(each.instrument.key, each.instrument)) for each in told]


def called(told: Told, instrument: Instrument) -> Told:
    """What was told, of this instrument; details of the same one stay as they were told."""
    if told.instrument.key == instrument.key:
        return told
    return told.model_copy(update={"instrument": instrument})
