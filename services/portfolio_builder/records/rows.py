"""Rows of days: cells read as numbers, in the order of time, each day once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from typing import Final, NamedTuple

from pydantic import Field

from services.domain.values import Frozen
from services.portfolio_builder.records.cells import (
    Number,
    is_infinite,
    is_nothing,
    number_of,
    uses_comma,
)
from services.portfolio_builder.records.columns import Role
from services.portfolio_builder.records.days import Days
from services.portfolio_builder.records.tables import BadRecord, Cell, Table

#: As many digits as the store keeps.
EXACT: Final = Context(prec=34)
_LISTED: Final = 5


class Day(NamedTuple):
    """One day of a record.

    Attributes:
        ratio: return on the allocated capital, a fraction.
        pnl: money made; None = not known, as with all below.
        notional: money at work.
        margin: held for it.
        equity: of the account.
    """

    on: date
    ratio: Decimal
    pnl: Decimal | None = None
    notional: Decimal | None = None
    margin: Decimal | None = None
    equity: Decimal | None = None


class RowView(Frozen):
    """One day of a record as it is shown; `return` is a fraction, 0.01 is 1 %."""

    date: date
    ratio: Decimal = Field(serialization_alias="return")
    pnl: Decimal | None = None
    notional: Decimal | None = None
    margin: Decimal | None = None
    equity: Decimal | None = None


def view_of(day: Day) -> RowView:
    """A day as it is shown."""
    return RowView(
        date=day.on,
        ratio=day.ratio,
        pnl=day.pnl,
        notional=day.notional,
        margin=day.margin,
        equity=day.equity,
    )


class Read(NamedTuple):
    """A file's figures, oldest first, each day once.

    Attributes:
        days: of the rows.
        numbers: by role, one for each day; None where a cell is empty.
        collapsed: days that stood there more than once with the same figures.
        order: `oldest first`, `newest first` or `not sorted`: how the file had them.
    """

    days: tuple[date, ...]
    numbers: dict[Role, list[Number | None]]
    collapsed: tuple[date, ...]
    order: str


def read_rows(table: Table, columns: Mapping[Role, int], days: Days) -> Read:
    """Numbers of every column in the order of time.

    Raises:
        BadRecord: a cell that is no number, a return that is missing, days that contradict.
    """
    comma = _comma(table, columns)
    roles = [role for role in columns if role is not Role.DATE]
    read: dict[date, tuple[Number | None, ...]] = {}
    collapsed: dict[date, None] = {}
    contradicting: dict[date, None] = {}
    for row, line, day in zip(table.rows, table.lines, days.days, strict=True):
        figures = tuple(_number(row[columns[role]], role, line, comma=comma) for role in roles)
        if day not in read:
            read[day] = figures
        elif read[day] == figures:
            collapsed[day] = None
        else:
            contradicting[day] = None
    if contradicting:
        raise BadRecord("RECORD_CONTRADICTORY", _contradiction(contradicting, len(read)))
    ordered = sorted(read)
    numbers: dict[Role, list[Number | None]] = {}
    numbers |= {role: [read[day][place] for day in ordered] for place, role in enumerate(roles)}
    return Read(tuple(ordered), numbers, tuple(sorted(collapsed)), _order(days.days))


def _contradiction(days: Mapping[date, None], of: int) -> str:
    some = listed(sorted(days))
    sentence = f"{len(days)} days stand there more than once with different figures: {some}"
    if len(days) > of / 2:
        sentence += "; this looks like rows of trades or hours: send one row a day"
    return sentence


def _order(days: Sequence[date]) -> str:
    if list(days) == sorted(days):
        return "oldest first"
    return "newest first" if list(days) == sorted(days, reverse=True) else "not sorted"


def _comma(table: Table, columns: Mapping[Role, int]) -> bool:
    """Whether the file writes decimals with a comma. Raises: BadRecord: some do, some do not."""
    places = [place for role, place in columns.items() if role is not Role.DATE]
    told = uses_comma(row[place] for row in table.rows for place in places)
    if told is not None or Role.RETURN not in columns:
        return bool(told)
    # Nobody returns thousands: 1,234 in a column of returns is 1.234.
    returns = (row[columns[Role.RETURN]] for row in table.rows)
    return any(isinstance(cell, str) and "," in cell for cell in returns)


def _number(cell: Cell, role: Role, line: int, *, comma: bool) -> Number | None:
    if is_nothing(cell):
        if role is Role.RETURN:
            sentence = (
                f"line {line} has no return, found {cell or 'an empty cell'!r}: a day without a "
                "trade is 0, a day that is not known is left out"
            )
            raise BadRecord("RECORD_NUMBER", sentence, field=role)
        return None
    number = None if is_infinite(cell) else number_of(cell, comma=comma)
    if number is None:
        shown = str(cell)[:50]
        sentence = f"line {line} must have a finite number as {role}, found {shown!r}"
        raise BadRecord("RECORD_NUMBER", sentence, field=role)
    if number.percent and role is not Role.RETURN:
        sentence = f"line {line} must have an amount as {role}, found a percentage: {cell!r}"
        raise BadRecord("RECORD_NUMBER", sentence, field=role)
    return number


def listed(days: Sequence[date]) -> str:
    """The first days in words."""
    some = ", ".join(day.isoformat() for day in days[:_LISTED])
    return f"{some} …" if len(days) > _LISTED else some


def hash_of(days: Sequence[Day]) -> str:
    """SHA-256 of what a record says, whatever file it came in."""
    seal = hashlib.sha256()
    for day in days:
        cells = (_canonical(value) for value in day[1:])
        seal.update(f"{day.on.isoformat()}|{'|'.join(cells)}\n".encode())
    return seal.hexdigest()


def _canonical(value: Decimal | None) -> str:
    if value is None:
        return ""
    return format(value.normalize(EXACT), "f") if value else "0"
