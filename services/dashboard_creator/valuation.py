"""What is held is worth, and what a strategy has made today. Pure.

A day's P&L is what `live_pnl` of the portfolio builder makes of it at night: the change of what all
fills have paid and what is held is worth. Prices are the last ones of each day (`daily_marks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.dashboard_creator.overview_models import Exposure, ExposureLine, Unvalued
from services.dashboard_creator.road import instrument_in_words
from services.dashboard_creator.summary_days import Moved
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.values import ZERO

#: Account and instrument key.
Place = tuple[str, str]
#: Account, from which currency, to which; None = nobody knows.
Rate = Callable[[str, str, str], Decimal | None]
_MOST_NAMED = 3


class Marks(NamedTuple):
    """Prices of one instrument in one account; None = none was named.

    Attributes:
        today: last one of today.
        before: last one of the week before today.
        last_on: ISO date of the newest of both.
    """

    today: Decimal | None = None
    before: Decimal | None = None
    last_on: str | None = None

    @property
    def last(self) -> Decimal | None:
        """The newest."""
        return self.before if self.today is None else self.today


class Made(NamedTuple):
    """What a strategy has made today; `pnl` is None where `unknown` says why.

    Attributes:
        carried: whether anything was held when the day began.
    """

    pnl: Decimal | None
    unknown: str
    carried: bool


def made_today(
    positions: Iterable[Position],
    moved: Iterable[Moved],
    marks: Mapping[Place, Marks],
    *,
    currency: str,
    rate: Rate,
) -> Made:
    """P&L of a strategy since midnight UTC, realized and unrealized, less commissions.

    Args:
        positions: of the strategy, as they are now; flat ones where `moved` has them.
        moved: what its fills of today did.
        marks: prices by account and instrument.
        currency: of the answer.
        rate: between currencies, as an account knows it.
    """
    held = {(each.account_id, each.instrument.key): each for each in positions}
    today = {(each.account_id, each.instrument_key): each for each in moved}
    total, unknown, carried = ZERO, [], False
    for place in sorted(held.keys() | today.keys()):
        position, fills = held.get(place), today.get(place)
        if position is None:
            unknown.append(f"the book of {place[1]} in {place[0]} is missing")
            continue
        begun_with = position.quantity - (fills.quantity if fills else ZERO)
        carried = carried or bool(begun_with)
        if not position.quantity and not begun_with and fills is None:
            continue
        made = _made(position, fills, marks.get(place, Marks()), begun_with)
        if made is None:
            unknown.append(f"no price was named for {instrument_in_words(position.instrument)}")
            continue
        for source, amount in made.items():
            factor = rate(place[0], source, currency)
            if factor is None:
                unknown.append(f"no rate from {source} to {currency} is known")
            else:
                total += amount * factor
    return Made(None if unknown else total, _listed(unknown), carried)


def _made(
    position: Position, fills: Moved | None, marks: Marks, begun_with: Decimal
) -> dict[str, Decimal] | None:
    """By currency; None where a price is missing."""
    if (position.quantity and marks.today is None) or (begun_with and marks.before is None):
        return None
    multiplier = position.instrument.multiplier
    worth = position.quantity * (marks.today or ZERO) * multiplier
    worth -= begun_with * (marks.before or ZERO) * multiplier
    made = {position.instrument.currency: worth + (fills.cash if fills else ZERO)}
    for currency, paid in (fills.commissions if fills else {}).items():
        made[currency] = made.get(currency, ZERO) - paid
    return {name: amount for name, amount in made.items() if amount}


class Valued(NamedTuple):
    """A position's signed worth in the fund's currency, or why it is not known."""

    strategy_id: str
    account_id: str
    instrument: Instrument
    worth: Decimal | None
    reason: str = ""


def valued(
    positions: Iterable[Position], marks: Mapping[Place, Marks], *, currency: str, rate: Rate
) -> list[Valued]:
    """What each open position is worth by the last price of the week."""
    found = []
    for each in positions:
        if not each.quantity:
            continue
        price = marks.get((each.account_id, each.instrument.key), Marks()).last
        factor = rate(each.account_id, each.instrument.currency, currency)
        worth, reason = None, ""
        if price is None:
            reason = f"no price was named in {each.account_id} this week"
        elif factor is None:
            reason = f"no rate from {each.instrument.currency} to {currency} is known"
        else:
            worth = each.quantity * price * each.instrument.multiplier * factor
        found.append(Valued(each.strategy_id, each.account_id, each.instrument, worth, reason))
    return found


def exposure_of(worths: Sequence[Valued], *, currency: str, equity: Decimal | None) -> Exposure:
    """Sums by asset class and by instrument, largest first; what is not known is named."""
    known = [each for each in worths if each.worth is not None]
    by_class = _lines(known, lambda each: (each.instrument.instrument_type, ""), equity)
    by_instrument = _lines(
        known,
        lambda each: (each.instrument.instrument_type, instrument_in_words(each.instrument)),
        equity,
    )
    missing = {
        (f"{instrument_in_words(each.instrument)} in {each.account_id}", each.reason)
        for each in worths
        if each.worth is None
    }
    return Exposure(
        currency=currency,
        gross=sum((abs(each.worth or ZERO) for each in known), ZERO),
        net=sum((each.worth or ZERO for each in known), ZERO),
        by_asset_class=by_class,
        by_instrument=by_instrument,
        missing=tuple(Unvalued(name=name, reason=reason) for name, reason in sorted(missing)),
    )


def _lines(
    worths: Iterable[Valued],
    group: Callable[[Valued], tuple[str, str]],
    equity: Decimal | None,
) -> tuple[ExposureLine, ...]:
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for each in worths:
        gross, net = sums.get(group(each), (ZERO, ZERO))
        worth = each.worth or ZERO
        sums[group(each)] = (gross + abs(worth), net + worth)
    lines = [
        ExposureLine(
            name=name or kind,
            instrument_type=kind,
            gross=gross,
            net=net,
            gross_ratio=_ratio(gross, equity),
            net_ratio=_ratio(net, equity),
        )
        for (kind, name), (gross, net) in sums.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.gross, line.name)))


def _ratio(amount: Decimal, equity: Decimal | None) -> Decimal | None:
    return (amount / equity).quantize(Decimal("0.000001")) if equity and equity > 0 else None


def _listed(reasons: Sequence[str]) -> str:
    named = sorted(set(reasons))
    more = len(named) - _MOST_NAMED
    return "; ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
