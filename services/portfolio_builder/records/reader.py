"""A file's bytes to a table: CSV of any dialect, Excel workbooks, JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from services.portfolio_builder.records.cells import number_of
from services.portfolio_builder.records.days import looks_like_a_day
from services.portfolio_builder.records.tables import BadRecord, Cell, Table

MOST_ROWS: Final = 50_000
MOST_COLUMNS: Final = 100
#: A line of 100 columns has some thousand letters; the reader of CSV breaks at 131,072.
_LONGEST_LINE: Final = 100_000
#: The comma last: in a file of the others it is the decimal mark.
_DELIMITERS: Final = (";", "\t", "|", ",")
_LOOKED_AT: Final = 50
#: What a workbook may hold once it is unpacked; a record of 50 years has some megabytes.
_MOST_UNPACKED: Final = 200_000_000
_MOST_RATIO: Final = 200
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
#: Where the seed and others keep the rows in an object.
_ROWS_ARE_IN: Final = (
    "raw_data_backtest_full",
    "raw_data_developer_live",
    "daily_returns",
    "returns",
    "records",
    "rows",
    "data",
)


def read_table(content: bytes) -> Table:
    """The cells of a file, whatever of the three kinds it is.

    Raises:
        BadRecord: empty, too large, damaged, of another kind, or not a table.
    """
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise BadRecord("RECORD_EMPTY", "the file is empty")
    if content.startswith(b"PK\x03\x04"):
        table = _workbook(content)
    elif content.startswith(_OLD_EXCEL):
        sentence = "the file is an Excel workbook of before 2007 or protected; save it as .xlsx"
        raise BadRecord("RECORD_UNREADABLE", sentence)
    else:
        text, notes = _decoded(content)
        is_json = text.lstrip()[:1] in {"{", "["}
        table = _json(text, notes) if is_json else _delimited(text, notes)
    if not table.rows:
        raise BadRecord("RECORD_EMPTY", "the file has a header at most, and no rows")
    return table


def _decoded(content: bytes) -> tuple[str, list[str]]:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            try:
                return content.decode(encoding), ["the file is UTF-16"]
            except UnicodeDecodeError as error:
                raise BadRecord("RECORD_UNREADABLE", f"the file is no UTF-16: {error}") from error
    if b"\x00" in content:
        sentence = "the file is neither text nor an .xlsx workbook: it has NUL bytes"
        raise BadRecord("RECORD_UNREADABLE", sentence)
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        note = "the file is not UTF-8 and was read as Windows-1252: look at names with accents"
        return content.decode("cp1252", errors="replace"), [note]


def _delimited(text: str, notes: list[str]) -> Table:
    written = [each for each in enumerate(text.splitlines(), start=1) if each[1].strip()]
    lines = [each for each in written if not each[1].lstrip().startswith("#")]
    if len(lines) < len(written):
        count = len(written) - len(lines)
        notes.append(f"lines that begin with # are left out, there are {count} of them")
    if len(lines) > MOST_ROWS + 1:
        raise _too_long(len(lines))
    longest = max((len(line) for _, line in lines), default=0)
    if longest > _LONGEST_LINE:
        sentence = f"a line may have {_LONGEST_LINE} letters at most, found {longest}"
        raise BadRecord("RECORD_TOO_LARGE", sentence)
    delimiter = _delimiter([line for _, line in lines[:_LOOKED_AT]])
    if delimiter != ",":
        notes.append(f"columns are separated by {'tabs' if delimiter == chr(9) else delimiter!r}")
    rows: list[list[Cell]] = []
    numbers: list[int] = []
    for number, line in lines:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if any(cell.strip() for cell in cells):
            rows.append([cell.strip() or None for cell in cells])
            numbers.append(number)
    return _table("CSV", rows, numbers, notes)


def _delimiter(lines: Sequence[str]) -> str:
    """The one that cuts most lines into the same number of columns, more columns first."""

    def fitness(delimiter: str) -> tuple[float, int]:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        columns, times = counts.most_common(1)[0]
        return (times / len(lines) if columns > 1 else 0.0), columns

    return max(_DELIMITERS, key=fitness) if lines else ","


def _table(kind: str, rows: list[list[Cell]], lines: list[int], notes: list[str]) -> Table:
    if not rows:
        raise BadRecord("RECORD_EMPTY", "the file has no rows")
    headed = _is_header(rows[0])
    width = len(rows[0]) if headed else max(map(len, rows))
    while headed and width and rows[0][width - 1] is None:
        width -= 1
    if width > MOST_COLUMNS:
        sentence = f"a record has at most {MOST_COLUMNS} columns, found {width}"
        raise BadRecord("RECORD_TOO_LARGE", sentence)
    names = tuple(
        str(rows[0][place] or f"column {place + 1}") if headed else f"column {place + 1}"
        for place in range(width)
    )
    if not headed:
        notes.append("the file has no header: columns were told apart by what is in them")
    body, places = (rows[1:], lines[1:]) if headed else (rows, lines)
    return Table(
        kind,
        names,
        headed,
        tuple(_fitted(row, width, line) for row, line in zip(body, places, strict=True)),
        tuple(places),
        tuple(notes),
    )


def _fitted(row: list[Cell], width: int, line: int) -> tuple[Cell, ...]:
    if any(cell is not None for cell in row[width:]):
        sentence = f"line {line} has {len(row)} cells, the header has {width}"
        raise BadRecord("RECORD_UNREADABLE", sentence)
    return tuple(row[:width]) + (None,) * (width - len(row))


def _is_header(row: Sequence[Cell]) -> bool:
    """Whether a first row names columns: then nothing in it is a day or a number."""
    return not any(
        not isinstance(cell, str) or looks_like_a_day(cell) or number_of(cell, comma=False)
        for cell in row
        if cell is not None
    )


def _too_long(rows: int) -> BadRecord:
    sentence = f"a daily record has at most {MOST_ROWS} rows, found {rows}"
    return BadRecord("RECORD_TOO_LARGE", sentence)


def _json(text: str, notes: list[str]) -> Table:
    try:
        # Numbers stay as exact as they were written.
        found = json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=str,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise BadRecord("RECORD_UNREADABLE", f"the file is no JSON: {error}") from error
    rows = _rows_in(found, notes)
    if len(rows) > MOST_ROWS:
        raise _too_long(len(rows))
    names: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            sentence = f"each row of the JSON must be an object with named fields, row {number} is "
            raise BadRecord("RECORD_UNREADABLE", sentence + type(row).__name__)
        names.update(dict.fromkeys(map(str, row)))
    if len(names) > MOST_COLUMNS:
        sentence = f"a record has at most {MOST_COLUMNS} fields, found {len(names)}"
        raise BadRecord("RECORD_TOO_LARGE", sentence)
    cells = tuple(tuple(_plain(row.get(name)) for name in names) for row in rows)
    lines = tuple(range(1, len(rows) + 1))
    return Table("JSON", tuple(names), headed=True, rows=cells, lines=lines, notes=tuple(notes))


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; JSON itself would silently take the last of two fields of one name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(
            name for name, times in Counter(name for name, _ in pairs).items() if times > 1
        )
        raise BadRecord("RECORD_CONTRADICTORY", f"{twice!r} is there twice in one JSON object")
    return found


def _rows_in(found: Any, notes: list[str]) -> list[Any]:  # noqa: ANN401 - whatever JSON says
    if isinstance(found, list):
        return found
    for name in _ROWS_ARE_IN:
        if isinstance(found.get(name), list) and found[name]:
            notes.append(f"the rows are those of {name}")
            return list(found[name])
    if found and all(looks_like_a_day(day) for day in found):
        notes.append("the object is days with a return each")
        return [{"date": day, "return": value} for day, value in found.items()]
    some = ", ".join(map(str, list(found)[:5])) or "nothing"
    sentence = f"the JSON must be a list of rows, or an object with one, found {some}"
    raise BadRecord("RECORD_UNREADABLE", sentence)


def _plain(value: Any) -> Cell:  # noqa: ANN401 - whatever JSON says
    if value is None or isinstance(value, str | Decimal):
        return value or None if isinstance(value, str) else value
    if isinstance(value, Mapping) and len(value) == 1 and "$date" in value:  # extended JSON
        return _plain(value["$date"])
    return str(value)


def _workbook(content: bytes) -> Table:
    _check_archive(content)
    # Here, because it brings numpy along, which the rest of the process does without.
    from openpyxl import load_workbook  # noqa: PLC0415

    notes: list[str] = []
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        for sheet in sheets:
            rows, lines = _rows_of(sheet)
            if rows:
                break
        else:
            raise BadRecord("RECORD_EMPTY", "the workbook has no visible sheet with rows")
        book.close()
    except BadRecord:
        raise
    except Exception as error:  # a damaged file fails anywhere in there
        sentence = f"the workbook cannot be read: {type(error).__name__}: {error}"[:300]
        raise BadRecord("RECORD_UNREADABLE", sentence) from error
    if len(sheets) > 1:
        notes.append(f"of {len(sheets)} sheets the first with rows was read: {sheet.title!r}")
    return _table("XLSX", rows, lines, notes)


def _check_archive(content: bytes) -> None:
    """What is inside, before it is unpacked. Raises: BadRecord."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            heads = [
                archive.open(each).read(1024)
                for each in members[:_LOOKED_AT]
                if each.filename.endswith(".xml")
            ]
    except Exception as error:  # what is damaged fails anywhere in there, in zlib too
        sentence = f"the workbook is damaged or protected: {error}"
        raise BadRecord("RECORD_UNREADABLE", sentence) from error
    names = [each.filename for each in members]
    unpacked = sum(each.file_size for each in members)
    if unpacked > _MOST_UNPACKED or unpacked > _MOST_RATIO * len(content):
        sentence = f"the workbook unpacks from {len(content)} to {unpacked} bytes: it is not read"
        raise BadRecord("RECORD_TOO_LARGE", sentence)
    if any(re.search(r"vbaProject\.bin|macrosheets/", name, re.IGNORECASE) for name in names):
        sentence = "the workbook has macros: save it as .xlsx without them"
        raise BadRecord("RECORD_UNREADABLE", sentence)
    if "xl/workbook.xml" not in names:
        sentence = "the file is an archive, but not an .xlsx workbook"
        raise BadRecord("RECORD_UNREADABLE", sentence)
    if any(b"<!DOCTYPE" in head or b"<!ENTITY" in head for head in heads):
        sentence = "the workbook declares XML entities, which no workbook needs: it is not read"
        raise BadRecord("RECORD_UNREADABLE", sentence)


def _rows_of(sheet: Any) -> tuple[list[list[Cell]], list[int]]:  # noqa: ANN401 - it has no types
    rows: list[list[Cell]] = []
    lines: list[int] = []
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if len(row) > 10 * MOST_COLUMNS:
            sentence = f"a record has at most {MOST_COLUMNS} columns, found {len(row)}"
            raise BadRecord("RECORD_TOO_LARGE", sentence)
        cells = [_typed(cell.value, cell) for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            rows.append(cells)
            lines.append(number)
        if len(rows) > MOST_ROWS + 1 or number > 10 * MOST_ROWS:
            raise _too_long(number)
    return rows, lines


def _typed(value: Any, cell: Any) -> Cell:  # noqa: ANN401 - whatever Excel keeps
    if value is None or isinstance(value, date):  # a datetime is a date, too
        return value.replace(tzinfo=None) if isinstance(value, datetime) else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(repr(value)) if value == value else None  # noqa: PLR0124 - NaN differs
        if number is None:
            return "NaN"
        # What Excel shows as 1.5 % it keeps as 0.015.
        return f"{number * 100:f}%" if "%" in str(cell.number_format) else number
    return str(value).strip() or None
