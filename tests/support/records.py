"""Files of track records for tests, in the ways that developers write them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import Workbook

from services.common.settings import REPOSITORY

TODAY = date(2026, 11, 21)
MONDAY = date(2024, 1, 1)
#: Moves of both signs, none like another.
MOVES = [Decimal(f"{(-1) ** n * (n % 7 + 1)}") / 1000 + Decimal(n) / 100000 for n in range(30)]


def seed_files() -> list[Path]:
    """The nine real records, where they lie beside this repository; else the test is skipped."""
    for folder in list(REPOSITORY.parents)[:2]:
        found = sorted((folder / "shared" / "data" / "strategy_returns").glob("*.csv"))
        if found:
            return found
    pytest.skip("the real track records are not on this machine")


def weekdays(count: int, first: date = MONDAY) -> list[date]:
    """So many days, Mondays to Fridays."""
    days = (first + timedelta(days=n) for n in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def csv_of(
    rows: Sequence[Sequence[object]], *, header: str = "date,return", sep: str = ","
) -> bytes:
    """Lines of a file; an empty header is none."""
    lines = [header.replace(",", sep)] if header else []
    lines += [sep.join(map(str, row)) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def simple(moves: Sequence[object] = MOVES, **fields: str) -> bytes:
    """A file of days and returns, Mondays to Fridays."""
    return csv_of(list(zip(weekdays(len(moves)), moves, strict=True)), **fields)


def workbook(
    rows: Sequence[Sequence[object]],
    sheet: str = "Record",
    formats: Mapping[str, str] | None = None,
) -> bytes:
    """An Excel file with these rows; `formats` by the letter of a column."""
    book = Workbook()
    page = book.active
    page.title = sheet
    for row in rows:
        page.append(list(row))
    for letter, form in (formats or {}).items():
        for cell in page[letter]:
            cell.number_format = form
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()
