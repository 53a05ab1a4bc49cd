"""Records side by side, by date: what can be used, and a hash of exactly that. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.domain.errors import InvalidMessage
from services.portfolio_builder.backtest.metrics import STILL, years_of
from services.portfolio_builder.optimizers.problem import Matrix, Vector
from services.portfolio_builder.study import Record

#: A daily return from here on is a unit mistaken or a record made up: 10,000 %.
ABSURD_RATIO = 100.0
#: A daily move from here on is told.
LARGE_RATIO = 0.5
#: Correlation from which two records are taken for one.
SAME_CORRELATION = 0.999
#: Below so many common days a correlation says nothing.
COMMON_DAYS = 20


@dataclass(frozen=True)
class Panel:
    """Records on the union of their days.

    Attributes:
        dates: T days on which any strategy reported.
        returns: T × N; NaN before a strategy began and after it ended, 0 where it was closed.
        margins: T × N ratios of capital, 0 where a strategy did not exist, and as before where it
            was closed; None = not known of all strategies.
    """

    strategy_ids: tuple[str, ...]
    dates: tuple[date, ...]
    returns: Matrix
    margins: Matrix | None

    @property
    def path(self) -> Matrix:
        """Returns with 0 where a strategy did not exist: what a weight in it would have made."""
        return np.nan_to_num(self.returns, nan=0.0)

    @property
    def periods_per_year(self) -> float:
        """Rows a year, by calendar days."""
        return len(self.dates) / years_of(self.dates)


def usable(
    records: Sequence[Record],
    strategy_ids: Sequence[str],
    *,
    from_on: date | None = None,
    today: date | None = None,
) -> list[Record]:
    """The records of these strategies from a day on, in their order.

    Args:
        today: no day may be later than it; None = not checked.

    Raises:
        InvalidMessage: a record is missing, or cannot be used; says which and why.
    """
    known = {each.strategy_id: each for each in records}
    missing = [each for each in strategy_ids if each not in known]
    if missing:
        raise InvalidMessage(f"no record of {', '.join(missing)}: upload one, or leave it out")
    twice = {each for each in strategy_ids if list(strategy_ids).count(each) > 1}
    if twice:
        raise InvalidMessage(f"strategy_ids must name each once, {sorted(twice)[0]} comes twice")
    return [_usable(known[each], from_on, today) for each in strategy_ids]


def _usable(record: Record, from_on: date | None, today: date | None) -> Record:
    _check_shape(record)
    for before, day in pairwise(record.dates):
        if day <= before:
            again = "twice" if day == before else f"after {before}"
            raise InvalidMessage(_of(record, f"each day once, oldest first; {day} comes {again}"))
    returns = record.returns
    _refuse(record, ~np.isfinite(returns), "a finite return on each day")
    _refuse(record, returns <= -1, "returns above -1, which is all of the capital")
    _refuse(record, returns >= ABSURD_RATIO, f"daily returns below {ABSURD_RATIO:,.0%}")
    if today is not None and record.dates[-1] > today:
        raise InvalidMessage(_of(record, f"no day after {today}; its last is {record.dates[-1]}"))
    return _from(record, from_on)


def _refuse(record: Record, wrong: NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        found = f"{record.dates[row]} has {record.returns[row]:.6g}"
        raise InvalidMessage(_of(record, f"{expected}; {found}"))


def _check_shape(record: Record) -> None:
    days = len(record.dates)
    if days == 0:
        raise InvalidMessage(_of(record, "at least one day; it is empty"))
    if len(record.returns) != days:
        raise InvalidMessage(_of(record, f"{days} returns, was {len(record.returns)}"))
    if record.margins is None:
        return
    if len(record.margins) != days:
        raise InvalidMessage(_of(record, f"{days} margins, was {len(record.margins)}"))
    if not np.all(np.isfinite(record.margins)) or np.any(record.margins < 0):
        raise InvalidMessage(_of(record, "margins of 0 or more on each day"))


def _of(record: Record, expected: str) -> str:
    return f"the record of {record.strategy_id} must have {expected}"


def _from(record: Record, from_on: date | None) -> Record:
    if from_on is None or record.dates[0] >= from_on:
        return record
    start = bisect_left(record.dates, from_on)
    if start == len(record.dates):
        last = record.dates[-1]
        raise InvalidMessage(_of(record, f"days from {from_on} on; its last is {last}"))
    return _cut(record, slice(start, None))


def between(records: Sequence[Record], first: date, last: date) -> list[Record]:
    """Records cut to days from `first` to `last`, both included; without those that have none."""
    found = []
    for each in records:
        start, stop = bisect_left(each.dates, first), bisect_right(each.dates, last)
        if start < stop:
            found.append(_cut(each, slice(start, stop)))
    return found


def _cut(record: Record, rows: slice) -> Record:
    margins = None if record.margins is None else record.margins[rows]
    return replace(record, dates=record.dates[rows], returns=record.returns[rows], margins=margins)


def panel_of(records: Sequence[Record]) -> Panel:
    """Records that are usable on the union of their days."""
    dates = tuple(sorted({day for each in records for day in each.dates}))
    rows = {day: row for row, day in enumerate(dates)}
    returns = np.full((len(dates), len(records)), np.nan)
    margins = np.zeros_like(returns)
    for column, record in enumerate(records):
        own = [rows[day] for day in record.dates]
        returns[own[0] : own[-1] + 1, column] = 0.0
        returns[own, column] = record.returns
        if record.margins is not None:
            # What is held while a market is closed still takes margin.
            latest = np.searchsorted(own, np.arange(own[0], own[-1] + 1), side="right") - 1
            margins[own[0] : own[-1] + 1, column] = record.margins[latest]
    known = all(each.margins is not None for each in records)
    return Panel(
        tuple(each.strategy_id for each in records), dates, returns, margins if known else None
    )


def hash_of(records: Sequence[Record]) -> str:
    """SHA-256 of ids, sources, days, returns and margins; the same in any order of strategies."""
    digest = hashlib.sha256()
    for each in sorted(records, key=lambda record: record.strategy_id):
        for text in (each.strategy_id, each.source, " ".join(map(str, each.dates))):
            digest.update(text.encode() + b"\0")
        digest.update(_bytes(each.returns))
        digest.update(b"-" if each.margins is None else _bytes(each.margins))
    return digest.hexdigest()


def _bytes(values: Vector) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def correlation_of(panel: Panel) -> tuple[tuple[float | None, ...], ...]:
    """Correlation of each two strategies on their common days; None of too few, or where still.

    To six digits, for people to look at; optimizers have their own, shrunk estimate.
    """
    alive = (~np.isnan(panel.returns)).astype(np.float64)
    path = panel.path
    days = alive.T @ alive
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of each two, on the days of both: sums of the first, of its squares, and of products.
        means = (path.T @ alive) / days
        variance = (path**2).T @ alive / days - means**2
        covariance = path.T @ path / days - means * means.T
        found = np.clip(covariance / np.sqrt(variance * variance.T), -1.0, 1.0)
    moving = (variance > STILL) & (variance.T > STILL)
    found[(days < COMMON_DAYS) | ~moving] = np.nan
    return tuple(
        tuple(None if np.isnan(each) else round(float(each), 6) for each in row) for row in found
    )


def oddities_of(panel: Panel) -> list[str]:
    """What a person should know of records that can be used nevertheless, in sentences."""
    found = []
    for column, strategy_id in enumerate(panel.strategy_ids):
        own = panel.returns[:, column]
        own = own[~np.isnan(own)]
        if len(own) > 1 and float(np.std(own)) < STILL:
            found.append(f"{strategy_id} has the same return on each of its {len(own)} days.")
        largest = float(np.max(np.abs(own)))
        if largest > LARGE_RATIO:
            found.append(f"{strategy_id} moved {largest:.0%} in a day: is that in percent?")
    found += _same(panel)
    if len(panel.dates) < len(panel.strategy_ids):
        found.append(
            f"There are fewer days ({len(panel.dates)}) than strategies "
            f"({len(panel.strategy_ids)}): how they move together can hardly be told."
        )
    found += _gaps(panel.dates)
    return found


def _same(panel: Panel) -> list[str]:
    table = correlation_of(panel)
    return [
        f"{panel.strategy_ids[one]} and {panel.strategy_ids[two]} move as one "
        f"(correlation {value:.4f}): weights between them are arbitrary."
        for one, row in enumerate(table)
        for two, value in enumerate(row)
        if two > one and value is not None and value > SAME_CORRELATION
    ]


def _gaps(dates: Sequence[date], longest: int = 10) -> list[str]:
    return [
        f"No strategy has a day between {one} and {two}."
        for one, two in pairwise(dates)
        if (two - one).days > longest
    ]
