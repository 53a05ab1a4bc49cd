"""What daily returns and closed trades come to. Pure, and plain Python: a year is 260 numbers.

Returns are time-weighted: what was paid in or out is no part of them (GIPS Standards 2020, 2.A.22).
A year has 252 of them, so a weekend's is part of Monday's, as in `marks`. What nobody can know is
None, never 0: a figure of one day has no deviation, and without a loss there is no profit factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import fmean, stdev
from typing import Any, Final, NamedTuple

DAYS_A_YEAR: Final = 252
YEAR_DAYS: Final = 365.25
#: A growth of less than a month says nothing of a year.
LEAST_SPAN_DAYS: Final = 30
_FRIDAY: Final = 5
#: Below this a standard deviation is rounding, of a series that does not move.
_STILL: Final = 1e-12


class Day(NamedTuple):
    """Return of one day of the calendar (UTC); None = nobody knows: a curve begins anew there."""

    on: date
    ratio: float | None


def day_return(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> Decimal | None:
    """Return of a stored day of an equity, what was paid left out; None of the first day.

    close / start − 1, where `start` is what the day began with at the size of its end
    (`marks.day_open`). Where a payment was entered after its looks were gone, `start` is not known:
    (close − flows − close before) / close before, flows counted at the end of the day (GIPS
    Standards 2020, 2.A.22, allows it for flows that are not large).

    Args:
        before: the stored day before; another currency begins anew.
        row: of `equity_history` or `fund_history`.
    """
    if before is None or before["currency"] != row["currency"]:
        return None
    start: Decimal | None = row.get("start")
    if start is not None:
        return row["close"] / start - 1 if start > 0 else None
    base: Decimal = before["close"]
    gain: Decimal = row["close"] - row["flows"] - base
    return gain / base if base > 0 else None


def days_of(rows: Iterable[Mapping[str, Any]]) -> list[Day]:
    """Stored days of one equity, oldest first; here exact amounts become floats."""
    found: list[Day] = []
    before: Mapping[str, Any] | None = None
    for row in rows:
        ratio = day_return(before, row)
        found.append(Day(date.fromisoformat(row["date"]), None if ratio is None else float(ratio)))
        before = row
    return found


def known(days: Sequence[Day]) -> list[tuple[date, float]]:
    """The days after the last one that nobody knows, oldest first."""
    found: list[tuple[date, float]] = []
    for day in reversed(days):
        if day.ratio is None:
            break
        found.append((day.on, day.ratio))
    return found[::-1]


def compounded(returns: Iterable[float]) -> float:
    """Π(1 + r) − 1; empyrical.cum_returns_final."""
    growth = 1.0
    for each in returns:
        growth *= 1.0 + each
    return growth - 1.0


def period_return(days: Sequence[Day], since: date) -> float | None:
    """Compounded from `since` on; None where no day of it is known, or one in the middle is not.

    The very first day of a history has no return, and begins it: that is not unknown.
    """
    inside = [day for day in days if day.on >= since]
    if inside and days and inside[0] == days[0] and inside[0].ratio is None:
        inside = inside[1:]
    ratios = [day.ratio for day in inside if day.ratio is not None]
    return compounded(ratios) if ratios and len(ratios) == len(inside) else None


def working_days(days: Sequence[tuple[date, float]]) -> list[float]:
    """Returns from Monday to Friday, each with that of the weekend before it.

    A weekend without a Monday yet is left out: it is part of a return that has not ended.
    """
    found, weekend = [], 1.0
    for on, ratio in days:
        weekend *= 1.0 + ratio
        if on.isoweekday() <= _FRIDAY:
            found.append(weekend - 1.0)
            weekend = 1.0
    return found


def years_of(first: date, last: date) -> float:
    """From the first day to the last, both counted."""
    return ((last - first).days + 1) / YEAR_DAYS


def cagr(returns: Sequence[float], years: float) -> float | None:
    """Π(1 + r)^(1/years) − 1; None for less than a month, or where nothing is left.

    The formula of empyrical.annual_return, with the years of the calendar, not of the count.
    """
    growth = 1.0 + compounded(returns)
    if not returns or years * YEAR_DAYS < LEAST_SPAN_DAYS or growth <= 0:
        return None
    try:
        return float(growth ** (1.0 / years)) - 1.0
    except OverflowError:
        return None


def volatility(returns: Sequence[float], periods: int = DAYS_A_YEAR) -> float | None:
    """Standard deviation (n − 1) × √periods; empyrical.annual_volatility. None for one day."""
    return stdev(returns) * math.sqrt(periods) if len(returns) > 1 else None


def sharpe(returns: Sequence[float], periods: int = DAYS_A_YEAR) -> float | None:
    """Mean / standard deviation × √periods, cash at 0; None where nothing moves.

    W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994);
    empyrical.sharpe_ratio.
    """
    deviation = stdev(returns) if len(returns) > 1 else 0.0
    return fmean(returns) / deviation * math.sqrt(periods) if deviation > _STILL else None


def value_at_risk(returns: Sequence[float], least_days: int = 20) -> float | None:
    """Loss of a day that one day in twenty exceeds, linear between days; None for too few.

    −empyrical.value_at_risk(cutoff=0.05); historical simulation, no distribution is assumed.
    """
    if len(returns) < least_days:
        return None
    ordered = sorted(returns)
    place = 0.05 * (len(ordered) - 1)
    below = math.floor(place)
    step = ordered[min(below + 1, len(ordered) - 1)] - ordered[below]
    return -(ordered[below] + (place - below) * step)


def index_of(returns: Iterable[float]) -> list[float]:
    """What 1 has become at the end of each day."""
    found, level = [], 1.0
    for each in returns:
        level *= 1.0 + each
        found.append(level)
    return found


def drawdowns(returns: Iterable[float]) -> list[float]:
    """Loss since the peak at the end of each day, the start counting as one; 0 or above.

    Its maximum is −empyrical.max_drawdown, its last value the current one.
    """
    found, peak = [], 1.0
    for level in index_of(returns):
        peak = max(peak, level)
        found.append(1.0 - level / peak)
    return found


class Month(NamedTuple):
    """Compounded return of a calendar month."""

    year: int
    month: int
    ratio: float


def months_of(days: Sequence[tuple[date, float]]) -> list[Month]:
    """Every calendar month that has days, oldest first."""
    grouped: dict[tuple[int, int], list[float]] = {}
    for on, ratio in days:
        grouped.setdefault((on.year, on.month), []).append(ratio)
    return [Month(year, month, compounded(each)) for (year, month), each in grouped.items()]


class Performance(NamedTuple):
    """What daily returns come to; ratios, so 0.1 is 10 %. None = not known.

    Attributes:
        daily: of `today`, where it is known.
        mtd: of the calendar month of `today`, `ytd` of its year; from the first day that is known.
        since: first day that the others are of.
        days: returns of working days that they are of.
    """

    daily: float | None = None
    mtd: float | None = None
    ytd: float | None = None
    total: float | None = None
    cagr: float | None = None
    sharpe: float | None = None
    volatility: float | None = None
    max_drawdown: float | None = None
    current_drawdown: float | None = None
    var_95: float | None = None
    since: date | None = None
    days: int = 0


def performance_of(days: Sequence[Day], today: date) -> Performance:
    """All figures of daily returns, oldest first, each day of the calendar at most once."""
    series = known(days)
    last = days[-1] if days else None
    daily = last.ratio if last is not None and last.on == today else None
    if not series:
        return Performance(daily=daily)
    ratios = [ratio for _, ratio in series]
    working = working_days(series)
    losses = drawdowns(ratios)
    first_on = series[0][0]
    return Performance(
        daily=daily,
        mtd=period_return(days, today.replace(day=1)),
        ytd=period_return(days, today.replace(month=1, day=1)),
        total=compounded(ratios),
        cagr=cagr(ratios, years_of(first_on, series[-1][0])),
        sharpe=sharpe(working),
        volatility=volatility(working),
        max_drawdown=max(losses),
        current_drawdown=losses[-1],
        var_95=value_at_risk(working),
        since=first_on,
        days=len(working),
    )


class Trades(NamedTuple):
    """Closed trades of one currency: how many won and lost, and how much; both sums 0 or above."""

    won: int = 0
    lost: int = 0
    gross_won: Decimal = Decimal(0)
    gross_lost: Decimal = Decimal(0)

    @property
    def win_rate(self) -> float | None:
        """Won / (won + lost); None where nothing was won or lost."""
        closed = self.won + self.lost
        return self.won / closed if closed else None

    @property
    def profit_factor(self) -> float | None:
        """Gross profit / gross loss (R. Pardo, Design, Testing, and Optimization of Trading
        Systems, 1992); None where nothing was lost."""
        return float(self.gross_won / self.gross_lost) if self.gross_lost else None

    @property
    def average_win(self) -> Decimal | None:
        """Gross profit / trades won."""
        return self.gross_won / self.won if self.won else None

    @property
    def average_loss(self) -> Decimal | None:
        """Gross loss / trades lost; above 0."""
        return self.gross_lost / self.lost if self.lost else None


def percentile(counts: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """A percentile of a histogram: linear within its bucket, as Prometheus' histogram_quantile.

    Args:
        counts: how many in each bucket; one more than `bounds`, for what is above the last.
        bounds: upper ends, rising; the first bucket begins at 0.
        share: 0.95 for p95.

    Returns: None where there is nothing; the last bound for what lies above it.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, passed = share * total, 0
    for place, count in enumerate(counts[: len(bounds)]):
        if count and passed + count >= wanted:
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * max(0.0, wanted - passed) / count
        passed += count
    return bounds[-1]
