"""What was read of a file, in words, and what a person has to confirm before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from services.domain.values import Frozen
from services.portfolio_builder.records.cells import Number
from services.portfolio_builder.records.checks import (
    Gap,
    check_days,
    check_figures,
    gaps_of,
    is_derived,
)
from services.portfolio_builder.records.columns import Role, columns_of
from services.portfolio_builder.records.days import DateOrder, Days, days_of
from services.portfolio_builder.records.figures import Figures, figures_of
from services.portfolio_builder.records.questions import (
    Answers,
    Question,
    Topic,
    questions_of,
    unit_question,
)
from services.portfolio_builder.records.rows import (
    EXACT,
    Day,
    Read,
    RowView,
    hash_of,
    listed,
    read_rows,
    view_of,
)
from services.portfolio_builder.records.tables import BadRecord, Table
from services.portfolio_builder.records.units import (
    Confidence,
    Finding,
    Timing,
    Unit,
    timing_of,
    unit_of,
)

_SHOWN_GAPS: Final = 50
_SHARE: Final = Decimal("0.000000000001")
#: Refused later, and not to be rounded: it may have more digits than a decimal keeps.
_ABSURD: Final = Decimal(1000)


class Review(Frozen):
    """What was read, before anything is stored.

    Attributes:
        columns: which column was taken for what.
        unused: columns that were not.
        rows: in the file, `figures.days` of them are left.
        gaps: longest first, at most 50 of `gap_count`.
        margin_is_derived: margin follows from the size of the returns, so that it was not measured.
        content_hash: of the days and figures, whatever file they came in.
        first, last: rows as they would be stored.
    """

    kind: str
    columns: dict[Role, str]
    unused: tuple[str, ...]
    rows: int
    file_order: str
    unit: Unit
    date_order: DateOrder | None
    collapsed: tuple[date, ...]
    gap_count: int
    gaps: tuple[Gap, ...]
    weekend_days: int
    margin_is_derived: bool
    equity_timing: Timing | None
    notes: tuple[str, ...]
    questions: tuple[Question, ...]
    figures: Figures
    content_hash: str
    first: tuple[RowView, ...]
    last: tuple[RowView, ...]


class Reviewed(NamedTuple):
    """A review, and the days that it is of."""

    review: Review
    days: tuple[Day, ...]

    def unanswered(self, answers: Answers) -> tuple[Question, ...]:
        """Questions that the answers leave open."""
        said = set(answers.signed_off) - {Topic.UNIT, Topic.DATE_ORDER}
        said |= {Topic.UNIT} if answers.unit else set()
        said |= {Topic.DATE_ORDER} if answers.date_order else set()
        return tuple(each for each in self.review.questions if each.topic not in said)


def review_of(table: Table, answers: Answers, *, today: date) -> Reviewed:
    """Read a table as a daily record.

    Args:
        table: the file.
        answers: what a person has said of it so far.
        today: in UTC; later days are refused, but for one that has begun elsewhere.

    Raises:
        BadRecord: it is none, with everything that is wrong of the figures in one sentence.
    """
    columns = columns_of(table, answers.columns)
    cells = [row[columns[Role.DATE]] for row in table.rows]
    days = days_of(cells, table.lines, answers.date_order)
    read = read_rows(table, columns, days)
    check_days(read, today)
    finding, ratios, computed = _ratios(table, columns.get(Role.RETURN), read, answers.unit)
    unit = answers.unit or finding.unit
    records = _records(read, ratios)
    check_figures(records)
    equity = [None if each.equity is None else float(each.equity) for each in records]
    floats = [float(each.ratio) for each in records]
    timing = None if computed else timing_of(floats, equity)
    figures = figures_of([each.on for each in records], floats)
    gaps, weekends = gaps_of(records)
    questions = [] if computed else [unit_question(finding, unit, floats, read)]
    questions += questions_of(days, records, gaps, figures)
    review = Review(
        kind=table.kind,
        columns={role: table.names[place] for role, place in columns.items()},
        unused=tuple(
            name for place, name in enumerate(table.names) if place not in columns.values()
        ),
        rows=len(table.rows),
        file_order=read.order,
        unit=unit,
        date_order=days.order,
        collapsed=read.collapsed,
        gap_count=len(gaps),
        gaps=tuple(gaps[:_SHOWN_GAPS]),
        weekend_days=weekends,
        margin_is_derived=is_derived(records),
        equity_timing=timing,
        notes=(*table.notes, *_notes(days, read, records, timing, computed=computed)),
        questions=tuple(questions),
        figures=figures,
        content_hash=hash_of(records),
        first=tuple(map(view_of, records[:3])),
        last=tuple(map(view_of, records[-3:])),
    )
    return Reviewed(review, records)


def _ratios(
    table: Table, place: int | None, read: Read, unit: Unit | None
) -> tuple[Finding, list[Decimal | None], bool]:
    """Returns as fractions, how their unit was found, and whether they come from equity."""
    nothing: list[Number | None] = [None] * len(read.days)
    found = read.numbers.get(Role.EQUITY, nothing)
    equity = [None if each is None else each.value for each in found]
    if place is None:
        computed = Finding(Unit.FRACTION, Confidence.CERTAIN, ("computed from equity",))
        return computed, _from_equity(read, equity), True
    numbers = [each for each in read.numbers[Role.RETURN] if each is not None]
    plain = [each for each in numbers if not each.percent and each.value]
    if plain and any(each.percent for each in numbers):
        sentence = (
            f"some returns have a percent sign and others have none, e.g. {plain[0].value}: "
            "write all of them in one way"
        )
        raise BadRecord("RECORD_CONTRADICTORY", sentence, field=Role.RETURN)
    floats = [None if each is None else float(each) for each in equity]
    finding = unit_of(table.names[place], numbers, floats)
    if unit is Unit.FRACTION and any(each.percent for each in numbers):
        sentence = "the figures have percent signs, so they cannot be read as fractions"
        raise BadRecord("RECORD_CONTRADICTORY", sentence, field=Role.RETURN)
    scale = 100 if (unit or finding.unit) is Unit.PERCENT else 1
    return finding, [EXACT.divide(each.value, Decimal(scale)) for each in numbers], False


def _from_equity(read: Read, equity: Sequence[Decimal | None]) -> list[Decimal | None]:
    """Change of equity since the day before; of the first day nothing is known."""
    ratios: list[Decimal | None] = [None]
    for day, (before, after) in zip(read.days[1:], pairwise(equity), strict=True):
        if before is None or after is None or before <= 0 or after <= 0:
            sentence = (
                f"returns can only be computed where equity is above 0 on each day, on {day} it is "
                f"{after} after {before}"
            )
            raise BadRecord("RECORD_IMPOSSIBLE", sentence, field=Role.EQUITY)
        change = EXACT.divide(after, before) - 1
        ratios.append(change.quantize(_SHARE) if change < _ABSURD else change)
    return ratios


def _records(read: Read, ratios: Sequence[Decimal | None]) -> tuple[Day, ...]:
    def of(role: Role, place: int) -> Decimal | None:
        number = read.numbers[role][place] if role in read.numbers else None
        return None if number is None else EXACT.plus(number.value)

    return tuple(
        Day(
            on,
            ratio,
            of(Role.PNL, place),
            of(Role.NOTIONAL, place),
            of(Role.MARGIN, place),
            of(Role.EQUITY, place),
        )
        for place, (on, ratio) in enumerate(zip(read.days, ratios, strict=True))
        if ratio is not None
    )


_TIMINGS: Final = {
    Timing.CLOSE: "equity follows from the returns: it is that of the end of each day",
    Timing.OPEN: "equity follows from the returns: it is that of the beginning of each day",
    Timing.REVERSED_CLOSE: "equity is compounded from the newest day back: no account's history",
    Timing.REVERSED_OPEN: "equity is compounded from the newest day back: no account's history",
}


def _notes(
    days: Days, read: Read, records: Sequence[Day], timing: Timing | None, *, computed: bool
) -> list[str]:
    notes = []
    if computed:
        notes.append("returns are computed from equity: deposits and withdrawals look like results")
    if read.order != "oldest first":
        notes.append(f"rows were {read.order}, and are sorted by day")
    if read.collapsed:
        count = len(read.collapsed)
        notes.append(
            f"{count} days stood there twice, alike, and count once: {listed(read.collapsed)}"
        )
    if days.times:
        notes.append(
            f"times of the day or zones ({', '.join(days.times)}) are left out: a day is the one "
            "that is written, and counts as a day in UTC"
        )
    if Role.EQUITY in read.numbers and not computed:
        notes.append(_TIMINGS[timing] if timing else "equity does not follow from the returns")
    opposite = sum(
        1 for day in records if day.pnl and day.ratio and (day.pnl > 0) != (day.ratio > 0)
    )
    if opposite > len(records) / 20:
        notes.append(f"P&L has another sign than the return on {opposite} days")
    if is_derived(records):
        notes.append(
            "margin is the same multiple of the size of every return: it was computed from them, "
            "not measured, and is no basis for limits"
        )
    if len(records) < 252:
        notes.append(f"{len(records)} days: fewer than the 252 that an allocation is based on")
    return notes
