"""Which column of a file is the day, the return, the P&L, the capital: by name, else by content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import Final

from services.portfolio_builder.records.cells import number_of, uses_comma
from services.portfolio_builder.records.days import looks_like_a_day
from services.portfolio_builder.records.tables import BadRecord, Cell, Table


class Role(StrEnum):
    """What a column of a daily record is."""

    DATE = "date"
    RETURN = "return"
    PNL = "pnl"
    NOTIONAL = "notional"
    MARGIN = "margin"
    EQUITY = "equity"


#: Names of each role, the surest first; matched on words in small letters.
_NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.DATE: (r"date", r"day", r"trading (date|day)", r"datum|fecha", r".*\bdate\b.*", r"time.*"),
    Role.RETURN: (
        r"(daily )?(returns?|ret)",
        r"(daily )?(returns?|ret) (pct|percent|fraction|decimal)",
        r"(pct|percent|strategy|net|portfolio) (daily )?returns?",
        r"(daily )?(performance|perf|rendite|change|pct change|roi)",
        r"(?!.*\b(cum|cumulative|total)).*\breturns?\b.*",
    ),
    Role.PNL: (
        r"pnl|p l|pl",
        r"(daily|net|total) (pnl|p l|profit)",
        r".*\b(pnl|p l|profit|gain)\b.*",
    ),
    Role.NOTIONAL: (r"notional", r".*\bnotional\b.*", r".*\bexposure\b.*"),
    Role.MARGIN: (r"margin", r"margin used", r"(?!.*\bavailable).*\bmargin\b.*"),
    Role.EQUITY: (
        r"equity",
        r"(account )?(equity|nav|balance|value)",
        r".*\b(equity|nav|net liquidation|balance)\b.*",
    ),
}
_LOOKED_AT: Final = 200
_MOST_OF: Final = 0.9


def columns_of(table: Table, named: Mapping[Role, str]) -> dict[Role, int]:
    """The place of each role that there is a column for.

    Args:
        table: the file.
        named: columns that a person has named.

    Raises:
        BadRecord: a named one is not there, no day or no return can be found, or two may be it.
    """
    found = {role: _named(table, role, name) for role, name in named.items()}
    for role in Role:
        if role not in found and table.headed:
            place = _by_name(table, role, taken=set(found.values()))
            if place is not None:
                found[role] = place
    if Role.DATE not in found:
        found[Role.DATE] = _day_column(table, taken=set(found.values()))
    if not found.keys() & {Role.RETURN, Role.EQUITY}:
        found[Role.RETURN] = _return_column(table, taken=set(found.values()))
    return found


def _named(table: Table, role: Role, name: str) -> int:
    if name not in table.names:
        there = ", ".join(table.names)
        sentence = f"there is no column {name!r} to be the {role}; there are: {there}"
        raise BadRecord("RECORD_COLUMNS", sentence, field=role)
    return table.names.index(name)


def _by_name(table: Table, role: Role, taken: set[int]) -> int | None:
    words = [re.sub(r"[^a-z]+", " ", name.lower().replace("%", " pct ")) for name in table.names]
    for pattern in _NAMES[role]:
        places = [
            place
            for place, name in enumerate(words)
            if place not in taken and re.fullmatch(pattern, name.strip())
        ]
        if len(places) > 1:
            names = " and ".join(table.names[place] for place in places)
            sentence = f"{names} may each be the {role}: name the column that is"
            raise BadRecord("RECORD_COLUMNS", sentence, field=role)
        if places:
            return places[0]
    return None


def _day_column(table: Table, taken: set[int]) -> int:
    for place in range(len(table.names)):
        cells = [row[place] for row in table.rows[:_LOOKED_AT]]
        if place not in taken and _share(cells, _is_day) >= _MOST_OF:
            return place
    sentence = "no column has days: one is needed with a date in each row, such as 2024-03-28; "
    raise BadRecord("RECORD_COLUMNS", sentence + f"found {', '.join(table.names)}", field=Role.DATE)


def _return_column(table: Table, taken: set[int]) -> int:
    """The column of numbers, where only one can be returns: small ones of both signs."""
    found: dict[int, Decimal] = {}
    for place in range(len(table.names)):
        cells = [row[place] for row in table.rows[:_LOOKED_AT]]
        comma = any(_mark_is_comma(cell) for cell in cells)
        numbers = [each.value for cell in cells if (each := number_of(cell, comma=comma))]
        if place not in taken and numbers and len(numbers) >= _MOST_OF * len(cells):
            found[place] = median(map(abs, numbers))
    likely = [place for place, size in found.items() if size <= 20] if len(found) > 1 else [*found]
    if not table.headed and len(likely) == 1:
        return likely[0]
    sentence = (
        "no column can be told to be the daily return: name it `return`, or say which one it is; "
        f"found {', '.join(table.names)}"
    )
    raise BadRecord("RECORD_COLUMNS", sentence, field=Role.RETURN)


def _mark_is_comma(cell: Cell) -> bool:
    """Whether a cell is a number that can only have a decimal comma."""
    return (
        isinstance(cell, str)
        and number_of(cell, comma=True) is not None
        and bool(uses_comma([cell]))
    )


def _share(cells: list[Cell], is_one: Callable[[Cell], bool]) -> float:
    return sum(is_one(cell) for cell in cells) / len(cells) if cells else 0.0


def _is_day(cell: Cell) -> bool:
    if isinstance(cell, str):
        return looks_like_a_day(cell)
    return cell is not None and not isinstance(cell, Decimal)
