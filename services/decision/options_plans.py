"""Ways to set bought options off against sold ones: each is allowed, the cheapest counts.

One right (calls or puts) of one underlying at a time. Quantities are units of the underlying
(contracts × multiplier), amounts a unit, in the option's currency. A bought option protects a sold
one only where it expires no earlier and has the same multiplier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from services.domain.values import ZERO

Right = Literal["C", "P"]


class Option(NamedTuple):
    """Some units of one option, bought or sold by where it stands.

    Attributes:
        naked: requirement of one unit where nothing covers it; None where it cannot be known.
    """

    right: Right
    expiry: date
    strike: Decimal
    multiplier: Decimal
    premium: Decimal
    units: Decimal
    naked: Decimal | None = None

    @property
    def series(self) -> tuple[date, Decimal]:
        """What settles together."""
        return self.expiry, self.multiplier

    def worth(self, price: Decimal) -> Decimal:
        """Of one unit at expiry."""
        gain = price - self.strike if self.right == "C" else self.strike - price
        return max(ZERO, gain)


class Spread(NamedTuple):
    """One sold option that one bought option protects."""

    short: Option
    long: Option
    units: Decimal

    @property
    def width(self) -> Decimal:
        """What one unit may lose, premiums excluded."""
        return max(ZERO, _further(self.long, self.short))

    @property
    def debit(self) -> Decimal:
        """What one unit costs to buy; 0 where it brings money in."""
        return max(ZERO, self.long.premium - self.short.premium)


class Block(NamedTuple):
    """Options of one series that lose at most `risk`, however the underlying ends."""

    shorts: tuple[Option, ...]
    longs: tuple[Option, ...]

    @property
    def risk(self) -> Decimal:
        """Largest loss over the prices 0, every strike and infinity, premiums excluded.

        Between strikes the worth is a straight line; where as much is bought as sold, it does not
        fall beyond the last strike.
        """
        prices = [ZERO, *(each.strike for each in (*self.shorts, *self.longs))]
        return max(ZERO, *(_worth(self.shorts, at) - _worth(self.longs, at) for at in prices))

    @property
    def debit(self) -> Decimal:
        """What the block costs to buy; 0 where it brings money in."""
        return max(ZERO, premium_of(self.longs) - premium_of(self.shorts))


class Plan(NamedTuple):
    """Every option of one right in exactly one place."""

    uncovered: tuple[Option, ...] = ()
    spreads: tuple[Spread, ...] = ()
    blocks: tuple[Block, ...] = ()
    longs: tuple[Option, ...] = ()


def premium_of(options: Iterable[Option]) -> Decimal:
    """Premium of all units."""
    return sum((each.premium * each.units for each in options), ZERO)


def plans_of(shorts: Sequence[Option], longs: Sequence[Option]) -> list[Plan]:
    """Every way that is looked at; the first sets nothing off."""
    found = [Plan(uncovered=tuple(shorts), longs=tuple(longs))]
    if shorts and longs:
        found += _set_off(shorts, longs)
        flies, left_shorts, left_longs = _butterflies(shorts, longs)
        if flies:
            rest = _set_off(left_shorts, left_longs)
            found += [plan._replace(blocks=(*flies, *plan.blocks)) for plan in rest]
    return list(dict.fromkeys(found))


_Order = Callable[[Option, Option], tuple[Decimal, ...]]


def _set_off(shorts: Sequence[Option], longs: Sequence[Option]) -> list[Plan]:
    found = []
    for order in (_by_nearness, _by_saving, _by_expiry):
        found.append(_paired(shorts, longs, order))
        found += [_by_series(shorts, longs, order, far_first=each) for each in (True, False)]
    return found


def _butterflies(
    shorts: Sequence[Option], longs: Sequence[Option]
) -> tuple[tuple[Block, ...], tuple[Option, ...], tuple[Option, ...]]:
    """Two sold in the middle of two bought, the narrowest first, and what is left over."""
    place = {(long.series, long.strike): k for k, long in enumerate(longs)}
    wings = sorted(
        (short.strike - low.strike, i, j, k)
        for i, short in enumerate(shorts)
        for j, low in enumerate(longs)
        if short.series == low.series
        and low.strike < short.strike
        and (k := place.get((low.series, 2 * short.strike - low.strike))) is not None
    )
    sold, bought = [each.units for each in shorts], [each.units for each in longs]
    found = []
    for _, i, j, k in wings:
        units = min(sold[i], 2 * bought[j], 2 * bought[k])
        if units > 0:
            wing = units / 2
            sold[i], bought[j], bought[k] = sold[i] - units, bought[j] - wing, bought[k] - wing
            pair = (longs[j]._replace(units=wing), longs[k]._replace(units=wing))
            found.append(Block((shorts[i]._replace(units=units),), pair))
    return tuple(found), _left(shorts, sold), _left(longs, bought)


def _further(one: Option, other: Option) -> Decimal:
    """How much further out of the money the strike of `one` is."""
    distance = one.strike - other.strike
    return distance if one.right == "C" else -distance


def _worth(options: Iterable[Option], price: Decimal) -> Decimal:
    return sum((each.worth(price) * each.units for each in options), ZERO)


def _by_nearness(short: Option, long: Option) -> tuple[Decimal, ...]:
    """As people build spreads: the same expiry, the next strike."""
    days = (long.expiry - short.expiry).days
    return Decimal(days), abs(long.strike - short.strike)


def _by_saving(short: Option, long: Option) -> tuple[Decimal, ...]:
    """What saves most goes first."""
    cost = _pair_cost(short, long)
    return (cost if short.naked is None else cost - short.naked - long.premium,)


def _by_expiry(short: Option, long: Option) -> tuple[Decimal, ...]:
    """Late shorts first, which few longs outlive: as many as can be are protected."""
    return Decimal(-short.expiry.toordinal()), _pair_cost(short, long)


def _pair_cost(short: Option, long: Option) -> Decimal:
    spread = Spread(short, long, short.units)
    return spread.width + spread.debit


def _paired(shorts: Sequence[Option], longs: Sequence[Option], order: _Order) -> Plan:
    """One to one, in the given order."""
    pairs = sorted(
        (order(short, long), i, j)
        for i, short in enumerate(shorts)
        for j, long in enumerate(longs)
        if long.expiry >= short.expiry and long.multiplier == short.multiplier
    )
    sold, bought = [each.units for each in shorts], [each.units for each in longs]
    spreads = []
    for _, i, j in pairs:
        units = min(sold[i], bought[j])
        if units > 0:
            sold[i], bought[j] = sold[i] - units, bought[j] - units
            spreads.append(Spread(shorts[i], longs[j], units))
    return Plan(_left(shorts, sold), tuple(spreads), (), _left(longs, bought))


def _left(options: Sequence[Option], units: Sequence[Decimal]) -> tuple[Option, ...]:
    pairs = zip(options, units, strict=True)
    return tuple(option._replace(units=left) for option, left in pairs if left > 0)


def _by_series(
    shorts: Sequence[Option], longs: Sequence[Option], order: _Order, *, far_first: bool
) -> Plan:
    """Series by series at their largest loss; what is left over is paired across expiries."""
    blocks: list[Block] = []
    spreads: list[Spread] = []
    open_shorts: list[Option] = []
    open_longs = [each for each in longs if each.series not in {s.series for s in shorts}]
    for series in dict.fromkeys(each.series for each in shorts):
        sold = [each for each in shorts if each.series == series]
        bought = [each for each in longs if each.series == series]
        excess = sum((s.units for s in sold), ZERO) - sum((b.units for b in bought), ZERO)
        peeled, kept = _peel(sold, excess, far_first=far_first)
        open_shorts += peeled
        block = Block(kept, tuple(bought))
        pairs = next((p for p in _pairings(block, order) if _no_dearer(p, block)), None)
        if pairs is None:
            blocks.append(block)
        else:
            spreads += pairs.spreads
            open_longs += pairs.longs
    across = _paired(open_shorts, open_longs, order)
    return Plan(across.uncovered, (*spreads, *across.spreads), tuple(blocks), across.longs)


def _pairings(block: Block, order: _Order) -> Iterator[Plan]:
    yield _paired(block.shorts, block.longs, _by_nearness)
    yield _paired(block.shorts, block.longs, order)


def _no_dearer(pairs: Plan, block: Block) -> bool:
    """Pairs say the same with names that people know, and may become condors."""
    cost = sum((each.units * (each.width + each.debit) for each in pairs.spreads), ZERO)
    return cost + premium_of(pairs.longs) <= block.risk + block.debit


def _peel(
    shorts: Sequence[Option], units: Decimal, *, far_first: bool
) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """So many units that nothing in their series protects, and the rest."""
    ordered = sorted(shorts, key=lambda s: s.strike, reverse=(shorts[0].right == "C") == far_first)
    peeled, kept = [], []
    for short in ordered:
        taken = max(ZERO, min(units, short.units))
        units -= taken
        peeled.append(short._replace(units=taken))
        kept.append(short._replace(units=short.units - taken))
    return tuple(p for p in peeled if p.units > 0), tuple(k for k in kept if k.units > 0)
