"""Rows as CSV, page after page, so that a long list needs no more memory than a short one. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic import BaseModel

#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_MOST_PAGES: Final = 10_000


class Page(Protocol):
    """A page of any list."""

    @property
    def rows(self) -> Sequence[BaseModel]:
        """Its lines."""

    @property
    def next(self) -> str | None:
        """Where the next one begins."""


def lines(row_model: type[BaseModel], page: Callable[[str | None], Page]) -> Iterator[str]:
    """The header, then every row of every page.

    Args:
        row_model: of the rows; its fields are the columns.
        page: the page behind a cursor; None = the first.
    """
    columns = list(row_model.model_fields)
    yield _line(columns)
    before: str | None = None
    for _ in range(_MOST_PAGES):
        found = page(before)
        for row in found.rows:
            cells = row.model_dump(mode="json")
            yield _line([cell(cells[name]) for name in columns])
        before = found.next
        if before is None:
            return


def cell(value: object) -> str:
    """A value as text that no spreadsheet runs."""
    if value is None:
        return ""
    text = _text(value)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        known = {name: each for name, each in value.items() if each not in (None, "")}
        return str(known.get("symbol") or "; ".join(f"{k}={_text(v)}" for k, v in known.items()))
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value))
    return str(value)


def _line(cells: Sequence[Any]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
