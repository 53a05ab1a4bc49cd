"""What a strategy made each day, from its fills and the day's last prices. Pure.

A day is a day in UTC. Its P&L is the change of what all its fills have paid and what it holds is
worth: money of fills, less commissions, plus quantity × price × multiplier. Summed over all days
this is realized P&L less commissions plus what is unrealized at the end. P&L in another currency is
converted at the day's rate; what a position's own currency gains or loses meanwhile is the
account's, not the strategy's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from services.domain.values import ZERO

#: A rate that is older says nothing of a day.
_RATE_DAYS: Final = 7
_NAMED: Final = 3


class Traded(NamedTuple):
    """One fill that counts.

    Attributes:
        quantity: signed; bought is above 0.
        commission: paid; below 0 is a rebate.
    """

    at: datetime
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_currency: str


class Holding(NamedTuple):
    """All that a strategy did with one instrument in one account.

    Attributes:
        marks: last price of each day on which it was held and one was named.
    """

    account_id: str
    instrument_key: str
    currency: str
    multiplier: Decimal
    fills: tuple[Traded, ...]
    marks: Mapping[date, Decimal]


class DayPnl(NamedTuple):
    """What one day made.

    Attributes:
        covers: days of the calendar that it is the P&L of: more than 1 after unknown ones.
        idle: whether nothing was held or traded.
    """

    on: date
    pnl: Decimal
    covers: int
    idle: bool


class Unknown(NamedTuple):
    """A day whose result nobody knows, and why."""

    on: date
    reason: str


class Rates:
    """Exchange rates as they were named, day by day.

    Args:
        currency: that everything is converted to.
        named: by account and currency, what one unit was worth, by day.
    """

    def __init__(
        self, currency: str, named: Mapping[tuple[str, str], Mapping[date, Decimal]]
    ) -> None:
        self._currency = currency
        self._named = {key: sorted(rates.items()) for key, rates in named.items()}

    def on(self, day: date, account_id: str, currency: str) -> Decimal | None:
        """The day's rate, or the last one of the week before; None = nobody knows."""
        if currency == self._currency:
            return Decimal(1)
        rates = self._named.get((account_id, currency), [])
        place = bisect_right(rates, day, key=lambda each: each[0])
        if not place or day - rates[place - 1][0] > timedelta(days=_RATE_DAYS):
            return None
        return rates[place - 1][1]


def daily_pnl(
    holdings: Sequence[Holding], rates: Rates, *, every_day: bool, until: date
) -> tuple[list[DayPnl], list[Unknown]]:
    """P&L of each day from the first fill on, and days of which it is not known.

    Args:
        holdings: everything the strategy ever did.
        rates: to the currency of the result.
        every_day: whether weekends are days of their own; else they are part of the next Monday.
        until: last day.

    A day with something held that no price was named for is unknown; the next known day has the P&L
    of both.
    """
    fills = sorted(
        (fill.at, holding.account_id, holding.instrument_key, place, fill)
        for place, holding in enumerate(holdings)
        for fill in holding.fills
    )
    if not fills:
        return [], []
    book = _Book(holdings)
    days: list[DayPnl] = []
    unknown: list[Unknown] = []
    covers, idle, next_fill = 0, True, 0
    with localcontext(prec=34):
        for day in _calendar(fills[0][0].date(), until, every_day=every_day):
            covers += 1
            idle = idle and not book.open
            while next_fill < len(fills) and fills[next_fill][0].date() <= day:
                _, _, _, place, fill = fills[next_fill]
                book.add(place, fill)
                next_fill, idle = next_fill + 1, False
            worth, missing = book.worth(day)
            pnl = None if missing else _converted(worth, book.settled, rates, day)
            if isinstance(pnl, Decimal):
                days.append(DayPnl(day, pnl, covers, idle))
                book.settled, covers, idle = worth, 0, True
            else:
                unknown.append(Unknown(day, pnl or f"no price was named for {_some(missing)}"))
    return days, unknown


def _calendar(first: date, until: date, *, every_day: bool) -> Iterable[date]:
    for step in range((until - first).days + 1):
        day = first + timedelta(days=step)
        if every_day or day.weekday() < 5:
            yield day


#: By account and currency.
_Amounts = dict[tuple[str, str], Decimal]


class _Book:
    """Cash that fills have moved, and what is open.

    Attributes:
        open: signed quantity by place of the holding.
        settled: worth at the last known day.
    """

    def __init__(self, holdings: Sequence[Holding]) -> None:
        self._holdings = holdings
        self._cash: _Amounts = {}
        self.open: dict[int, Decimal] = {}
        self.settled: _Amounts = {}

    def add(self, place: int, fill: Traded) -> None:
        """Book a fill."""
        holding = self._holdings[place]
        paid = fill.quantity * fill.price * holding.multiplier
        self._move(holding.account_id, holding.currency, -paid)
        if fill.commission:
            self._move(holding.account_id, fill.commission_currency, -fill.commission)
        quantity = self.open.pop(place, ZERO) + fill.quantity
        if quantity:
            self.open[place] = quantity

    def _move(self, account_id: str, currency: str, amount: Decimal) -> None:
        key = account_id, currency
        self._cash[key] = self._cash.get(key, ZERO) + amount

    def worth(self, day: date) -> tuple[_Amounts, list[str]]:
        """Cash and open positions at the prices of a day, and what has no price."""
        worth, missing = dict(self._cash), []
        for place, quantity in self.open.items():
            holding = self._holdings[place]
            price = holding.marks.get(day)
            if price is None:
                missing.append(f"{holding.instrument_key} in {holding.account_id}")
                continue
            worth[holding.account_id, holding.currency] += quantity * price * holding.multiplier
        return worth, missing


def _converted(worth: _Amounts, before: _Amounts, rates: Rates, day: date) -> Decimal | str:
    """The change of worth in one currency, or why it cannot be told."""
    total = ZERO
    for (account_id, currency), amount in worth.items():
        change = amount - before.get((account_id, currency), ZERO)
        if not change:
            continue
        rate = rates.on(day, account_id, currency)
        if rate is None:
            return f"no rate of {currency} was named in {account_id}"
        total += change * rate
    return total


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
