"""Positions by a broker's word and by our books, and when a difference is believed. Pure.

It is believed when it is seen again, unchanged, some time later: the broker's answers are of other
moments than our books, and fills happen between them. Execution compares with it, which books what
is missing; account_data does, by a session of its own, which only tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from services.domain.instruments import Instrument
from services.domain.values import ZERO, Exact, Frozen, Instant


class Held(Protocol):
    """A position, the broker's or ours."""

    @property
    def instrument(self) -> Instrument:
        """What is held."""

    @property
    def quantity(self) -> Decimal:
        """How much; signed."""


class Difference(Frozen):
    """An instrument of which the broker has another quantity than our books.

    Attributes:
        books: over all strategies and what is nobody's.
        since: when this gap was first seen.
        confirmed: it was seen again, unchanged, and counts until both agree.
    """

    instrument: Instrument
    broker: Exact
    books: Exact
    since: Instant
    confirmed: bool = False

    @property
    def gap(self) -> Decimal:
        """What the broker has more than we; signed."""
        return self.broker - self.books

    @property
    def in_words(self) -> str:
        """Both numbers, to end a sentence with."""
        return (
            f"{self.instrument.symbol}: the broker holds {self.broker:f}, "
            f"our books say {self.books:f}"
        )


def quantities(positions: Iterable[Held]) -> dict[str, Decimal]:
    """What is held of each instrument, over all strategies and what is nobody's."""
    sums: dict[str, Decimal] = {}
    for position in positions:
        key = position.instrument.key
        sums[key] = sums.get(key, ZERO) + position.quantity
    return sums


def changed(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> frozenset[str]:
    """Instruments of which another quantity is held."""
    return frozenset(
        key for key in before.keys() | after.keys() if before.get(key, ZERO) != after.get(key, ZERO)
    )


def compare(theirs: Iterable[Held], ours: Iterable[Held], now: datetime) -> list[Difference]:
    """Where the broker's positions and the sum of ours are not the same."""
    instruments: dict[str, Instrument] = {}
    sums: dict[str, list[Decimal]] = {}
    for side, positions in ((0, theirs), (1, ours)):
        for position in positions:
            key = position.instrument.key
            instruments.setdefault(key, position.instrument)
            sums.setdefault(key, [ZERO, ZERO])[side] += position.quantity
    return [
        Difference(instrument=instruments[key], broker=broker, books=books, since=now)
        for key, (broker, books) in sorted(sums.items())
        if broker != books
    ]


def judged(
    before: Sequence[Difference],
    found: Sequence[Difference],
    *,
    moving: Collection[str],
    now: datetime,
    settle: timedelta,
) -> list[Difference]:
    """What is known of differences after a look.

    Args:
        before: what was known.
        found: what this look shows.
        moving: instruments of which this look says nothing, because they were traded meanwhile.
        now: when.
        settle: how long a gap must stay the same before it is believed.
    """
    known = {each.instrument.key: each for each in before}
    after = [each for key, each in known.items() if key in moving]
    for each in found:
        earlier = known.get(each.instrument.key)
        if each.instrument.key in moving:
            continue
        if earlier is None or (earlier.gap != each.gap and not earlier.confirmed):
            after.append(each.model_copy(update={"since": now, "confirmed": False}))
            continue
        confirmed = earlier.confirmed or now - earlier.since >= settle
        after.append(each.model_copy(update={"since": earlier.since, "confirmed": confirmed}))
    return sorted(after, key=lambda each: each.instrument.key)
