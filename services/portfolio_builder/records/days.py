"""Which day a cell names, and in which order its parts stand where that is not plain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from services.portfolio_builder.records.tables import BadRecord, Cell

_ISO: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_SHORT: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_WITH_TIME: Final = re.compile(r"(.*?\d)[T ]+(\d{1,2}:\d\d.*)")
_NAMED: Final = (
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d-%b-%y",
    "%d-%B-%Y",
    "%Y-%b-%d",
    "%a %b %d %Y",
    "%a, %d %b %Y",
)
#: Day 0 of Excel's calendar, which has a 29 February 1900 that never was.
_EXCEL_EPOCH: Final = date(1899, 12, 30)
_EXCEL_SERIALS: Final = (Decimal(20_000), Decimal(80_000))
#: Digits of milliseconds of a time that is far enough away.
_MOST_DIGITS: Final = 14


class DateOrder(StrEnum):
    """Which part of 03/04/2022 is the month."""

    DAY_FIRST = "DAY_FIRST"
    MONTH_FIRST = "MONTH_FIRST"


class Days(NamedTuple):
    """What a column of days says.

    Attributes:
        days: in the order of the rows.
        order: how short dates were read; None = there are none.
        ambiguous: whether nothing in the column proves that order.
        evidence: why it was read so.
        times: times of the day and zones that were left out, some of them.
    """

    days: tuple[date, ...]
    order: DateOrder | None
    ambiguous: bool
    evidence: str
    times: tuple[str, ...]


def looks_like_a_day(text: str) -> bool:
    """Whether a text is a day in any way of writing one; a plain number is not."""
    day, _ = _split(text)
    return bool(_ISO.fullmatch(day) or _SHORT.fullmatch(day)) or _named(day) is not None


def days_of(cells: Sequence[Cell], lines: Sequence[int], order: DateOrder | None) -> Days:
    """The days of a column.

    Args:
        cells: of the column.
        lines: where they stood, for sentences.
        order: as a person has said; None = found out.

    Raises:
        BadRecord: a cell that is no day, or short dates of both orders.
    """
    found, ambiguous, evidence = _order(cells, lines)
    used = order if order is not None and found is not None else found
    days: list[date] = []
    times: dict[str, None] = {}
    for cell, line in zip(cells, lines, strict=True):
        day, time = _day(cell, used)
        if day is None:
            sentence = f"line {line} must have a day, such as 2024-03-28, found {cell!r}"
            if used is not order or order is None:
                raise BadRecord("RECORD_DATE", sentence, field="date")
            raise BadRecord("RECORD_DATE", f"read {order}, {sentence}", field="date")
        days.append(day)
        if time:
            times[time] = None
    if used is not None and used is not found:
        evidence = "as it was confirmed"
    return Days(tuple(days), used, ambiguous, evidence, tuple(times)[:5])


def _split(text: str) -> tuple[str, str]:
    found = _WITH_TIME.fullmatch(text.strip())
    return (found[1].strip(), found[2].strip()) if found else (text.strip(), "")


def _day(cell: Cell, order: DateOrder | None) -> tuple[date | None, str]:
    """The day of a cell, and the time beside it where that says something."""
    if isinstance(cell, datetime):
        time = f"{cell:%H:%M}"
        return cell.date(), "" if time == "00:00" else time
    if isinstance(cell, date):
        return cell, ""
    if isinstance(cell, Decimal):
        return _of_number(cell)
    if cell is None:
        return None, ""
    text, time = _split(cell)
    day = _of_text(text, order)
    if day is None and text.isdecimal():
        day, time = _of_number(Decimal(text))
    plain = re.fullmatch(r"00:00(:00(\.0+)?)?", time)
    return day, "" if plain else time


def _of_number(number: Decimal) -> tuple[date | None, str]:
    """The day that a number stands for, and the time in UTC beside it where it is none's start."""
    if not number.is_finite() or number.adjusted() >= _MOST_DIGITS:
        return None, ""
    if number != number.to_integral_value() and not _EXCEL_SERIALS[0] < number < _EXCEL_SERIALS[1]:
        return None, ""
    compact = _COMPACT.fullmatch(str(int(number)))
    if compact:
        return _made(*map(int, compact.groups())), ""
    if _EXCEL_SERIALS[0] < number < _EXCEL_SERIALS[1]:
        return _EXCEL_EPOCH + timedelta(days=int(number)), ""
    for scale in (1, 1000):
        seconds = number / scale
        if 10**8 < seconds < 10**10 and (scale == 1 or number > 10**11):
            at = datetime.fromtimestamp(int(seconds), UTC)
            return at.date(), "" if at.time() == time() else f"{at:%H:%M} UTC"
    return None, ""


def _of_text(text: str, order: DateOrder | None) -> date | None:
    found = _ISO.fullmatch(text) or _COMPACT.fullmatch(text)
    if found:
        return _made(*map(int, found.groups()))
    short = _SHORT.fullmatch(text)
    if short:
        first, second, year = int(short[1]), int(short[3]), int(short[4])
        year += 2000 if year < 70 else 1900 if year < 100 else 0
        if order is DateOrder.DAY_FIRST:
            first, second = second, first
        return _made(year, first, second)
    return _named(text)


def _named(text: str) -> date | None:
    for form in _NAMED:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _order(cells: Sequence[Cell], lines: Sequence[int]) -> tuple[DateOrder | None, bool, str]:
    """How short dates are to be read, whether that is a guess, and why."""
    shorts = [
        (line, text, found)
        for line, cell in zip(lines, cells, strict=True)
        if isinstance(cell, str)
        for text in (_split(cell)[0],)
        for found in (_SHORT.fullmatch(text),)
        if found
    ]
    if not shorts:
        return None, False, ""
    _check_typed(cells, lines, shorts[0][:2])
    day_first = next(((n, t) for n, t, found in shorts if int(found[1]) > 12), None)
    month_first = next(((n, t) for n, t, found in shorts if int(found[3]) > 12), None)
    if day_first and month_first:
        sentence = (
            f"line {day_first[0]} has the day first ({day_first[1]}) and line {month_first[0]} the "
            f"month ({month_first[1]}): write all days in one way, best as 2024-03-28"
        )
        raise BadRecord("RECORD_DATE", sentence, field="date")
    if day_first:
        return DateOrder.DAY_FIRST, False, f"{day_first[1]} cannot be month first"
    if month_first:
        return DateOrder.MONTH_FIRST, False, f"{month_first[1]} cannot be day first"
    texts = [text for _, text, _ in shorts]
    return _guessed(texts, dotted=shorts[0][2][2] == ".")


def _check_typed(cells: Sequence[Cell], lines: Sequence[int], short: tuple[int, str]) -> None:
    """Raises: BadRecord: a spreadsheet took some texts for days, and others not."""
    for cell, line in zip(cells, lines, strict=True):
        if isinstance(cell, date):
            sentence = (
                f"line {line} has a date ({cell:%Y-%m-%d}) and line {short[0]} a text "
                f"({short[1]}): a spreadsheet that took some days for dates has mostly swapped "
                "their day and month; write all days as 2024-03-28"
            )
            raise BadRecord("RECORD_DATE", sentence, field="date")


def _guessed(texts: Sequence[str], *, dotted: bool) -> tuple[DateOrder, bool, str]:
    steps = {order: _largest_step(texts, order) for order in DateOrder}
    day, month = steps[DateOrder.DAY_FIRST], steps[DateOrder.MONTH_FIRST]
    if day != month:
        order = DateOrder.DAY_FIRST if day < month else DateOrder.MONTH_FIRST
        why = (
            f"so consecutive rows are at most {min(day, month)} days apart, else {max(day, month)}"
        )
        return order, True, why
    if dotted:
        return DateOrder.DAY_FIRST, True, "dates with points are written day first as a rule"
    return DateOrder.MONTH_FIRST, True, "nothing in the file tells"


def _largest_step(texts: Sequence[str], order: DateOrder) -> int:
    days = [day for text in texts if (day := _of_text(text, order)) is not None]
    return max((abs((b - a).days) for a, b in pairwise(days)), default=0)
