"""What every file becomes first: named columns, rows, and where each row stood."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from services.domain.errors import TraderError

#: Text as it stood, a number or day where the format itself says that it is one, None = empty.
Cell: TypeAlias = str | Decimal | date | None


class BadRecord(TraderError):
    """A file that is no daily record; the sentence says what was expected and what was found.

    Attributes:
        code: machine code, e.g. `RECORD_EMPTY`.
        field: the column that is wrong, or "".
    """

    def __init__(self, code: str, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


class Table(NamedTuple):
    """A file's cells.

    Attributes:
        kind: CSV, XLSX or JSON.
        names: of the columns; `column 1` … where the file has none.
        headed: whether the names are the file's own.
        rows: each as long as `names`.
        lines: where each row stood in the file, counted from 1.
        notes: what was done to read it.
    """

    kind: str
    names: tuple[str, ...]
    headed: bool
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    notes: tuple[str, ...] = ()
