"""What a cell says: a number in any of the ways that spreadsheets write one, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from services.portfolio_builder.records.tables import BadRecord, Cell

_NOTHING: Final = frozenset({"", "-", "--", "n/a", "na", "#n/a", "null", "none", "nan", "."})
_INFINITE: Final = frozenset({"inf", "infinity", "+inf", "-inf", "+infinity", "-infinity"})
_MONEY: Final = re.compile(r"[$€£₹¥]|\b(USD|EUR|GBP|INR|CHF|JPY)\b")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
#: Before the figure or behind it, never within.
_PERCENT: Final = re.compile(r"([(+-]?)%([^%]+)|([^%]+)%(\)?)")
#: Also in lakhs and crores: 1,23,456.
_COMMA_GROUPS: Final = re.compile(r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?")
_POINT_GROUPS: Final = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
#: Nothing that a day says of a strategy is larger, or has more digits behind the point.
_LARGEST: Final = Decimal(10) ** 15
_MOST_PLACES: Final = 1000


class Number(NamedTuple):
    """A number as it stood.

    Attributes:
        value: without any percent sign, which `percent` tells.
    """

    value: Decimal
    percent: bool


def is_nothing(cell: Cell) -> bool:
    """Whether a cell is empty, or says that it has no number."""
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _NOTHING)


def number_of(cell: Cell, *, comma: bool) -> Number | None:
    """The number in a cell; None where there is none in it.

    Args:
        cell: as it stood.
        comma: whether a comma is the decimal mark.
    """
    if isinstance(cell, Decimal):
        return Number(cell, percent=False) if _is_bounded(cell) else None
    if not isinstance(cell, str):
        return None
    text, percent = _bare(cell)
    text = text.replace(".", "").replace(",", ".") if comma else text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return Number(value, percent) if _is_bounded(value) else None


def _is_bounded(value: Decimal) -> bool:
    """Whether a number can be computed with; its exponent first, because that may be anything."""
    if not value.is_finite() or int(value.as_tuple().exponent) < -_MOST_PLACES:
        return False
    return value.adjusted() <= _LARGEST.adjusted() and abs(value) <= _LARGEST


def _bare(cell: str) -> tuple[str, bool]:
    """Sign, digits and marks only, and whether a percent sign stood there."""
    text = _MONEY.sub("", cell).replace("−", "-").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    text = re.sub(r"[\s'_]", "", text)
    signed = _PERCENT.fullmatch(text)
    text = "".join(filter(None, signed.groups())) if signed else text
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    elif text.endswith("-"):
        text = f"-{text[:-1]}"
    return text, signed is not None


def uses_comma(cells: Iterable[Cell]) -> bool | None:
    """Whether the numbers of a column have a decimal comma; None = nothing in it tells.

    Raises:
        BadRecord: some have a comma and others a point.
    """
    commas, points = "", ""
    for cell in cells:
        if not isinstance(cell, str):
            continue
        text, _ = _bare(cell)
        mark = _mark(text)
        commas, points = (cell if mark == "," else commas), (cell if mark == "." else points)
    if commas and points:
        sentence = f"decimals have a comma in {commas!r} and a point in {points!r}: use one of them"
        raise BadRecord("RECORD_CONTRADICTORY", sentence)
    return True if commas else False if points else None


def _mark(text: str) -> str:
    """The decimal mark that a text shows beyond doubt; "" where it may be either."""
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if comma >= 0:
        return "" if _COMMA_GROUPS.fullmatch(text) and not text.startswith("0") else ","
    if point >= 0:
        grouped = _POINT_GROUPS.fullmatch(text) and not text.lstrip("+-").startswith("0")
        return "" if grouped else "."
    return ""


def is_infinite(cell: Cell) -> bool:
    """Whether a cell says infinity."""
    if isinstance(cell, Decimal):
        return cell.is_infinite()
    return isinstance(cell, str) and cell.strip().lower() in _INFINITE
