"""What a file does not settle, or a program must not settle: a person answers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pydantic import Field

from services.domain.values import Frozen
from services.portfolio_builder.records.checks import Gap
from services.portfolio_builder.records.columns import Role
from services.portfolio_builder.records.days import DateOrder, Days
from services.portfolio_builder.records.figures import Figures
from services.portfolio_builder.records.rows import Day, Read
from services.portfolio_builder.records.units import Confidence, Finding, Unit

#: A day that gains or loses more is signed for by a person.
_LARGE: Final = Decimal("0.5")
#: So many missing days in a row are no holidays.
_LONG_GAP: Final = 5
_CALENDARS: Final = (252, 365)


class Topic(StrEnum):
    """What a person confirms."""

    UNIT = "UNIT"  # percent or fraction
    DATE_ORDER = "DATE_ORDER"  # day or month first
    LARGE_RETURNS = "LARGE_RETURNS"  # days above 50 %
    LONG_GAPS = "LONG_GAPS"  # more than five trading days without a row
    ROWS_PER_YEAR = "ROWS_PER_YEAR"  # neither 252 nor 365


class Question(Frozen):
    """Something that the file does not settle, or that must not be settled by a program.

    Attributes:
        choices: answers; `YES` alone where a person signs for what is odd.
        suggested: what the review was made with.
        evidence: why.
    """

    topic: Topic
    sentence: str
    choices: tuple[str, ...]
    suggested: str
    confidence: Confidence
    evidence: tuple[str, ...] = ()


class Answers(Frozen):
    """What a person says of a file.

    Attributes:
        columns: names of columns, where they were not told apart rightly.
        signed_off: odd things that are so.
    """

    unit: Unit | None = None
    date_order: DateOrder | None = None
    columns: dict[Role, str] = Field(default_factory=dict)
    signed_off: tuple[Topic, ...] = ()


def unit_question(finding: Finding, unit: Unit, ratios: Sequence[float], read: Read) -> Question:
    """The question that is always asked: a factor of 100 is the dearest mistake there is."""
    largest = max(abs(each.value) for each in read.numbers[Role.RETURN] if each is not None)
    sentence = (
        f"the largest daily figure is {largest:f}; read as {unit.lower()} this is "
        f"{max(map(abs, ratios)) * 100:.6g} % a day: is that so?"
    )
    return Question(
        topic=Topic.UNIT,
        sentence=sentence,
        choices=tuple(Unit),
        suggested=finding.unit,
        confidence=finding.confidence,
        evidence=finding.evidence,
    )


def questions_of(
    days: Days, records: Sequence[Day], gaps: Sequence[Gap], figures: Figures
) -> list[Question]:
    """Whatever else of a record is odd enough to be asked."""
    found = []
    if days.ambiguous and days.order is not None:
        found.append(
            Question(
                topic=Topic.DATE_ORDER,
                sentence=f"the days run from {records[0].on} to {records[-1].on}, read as "
                f"{days.order.lower().replace('_', ' ')}: is that so?",
                choices=tuple(DateOrder),
                suggested=days.order,
                confidence=Confidence.UNSURE,
                evidence=(days.evidence,),
            )
        )
    large = [day for day in records if abs(day.ratio) > _LARGE]
    if large:
        some = ", ".join(f"{day.ratio:.1%} on {day.on}" for day in large[:5])
        sentence = f"{len(large)} days gain or lose more than 50 %: {some}; is that so?"
        found.append(_sign_off(Topic.LARGE_RETURNS, sentence))
    long = [gap for gap in gaps if gap.missing > _LONG_GAP]
    if long:
        some = ", ".join(f"{gap.missing} after {gap.after}" for gap in long[:5])
        sentence = f"more than {_LONG_GAP} trading days in a row have no row: {some}; is that so?"
        found.append(_sign_off(Topic.LONG_GAPS, sentence))
    if _is_odd_calendar(figures):
        sentence = (
            f"{figures.rows_per_year:.0f} rows a year are neither 252 (trading days) nor 365: is "
            "each row one day?"
        )
        found.append(_sign_off(Topic.ROWS_PER_YEAR, sentence))
    return found


def _sign_off(topic: Topic, sentence: str) -> Question:
    return Question(
        topic=topic,
        sentence=sentence,
        choices=("YES",),
        suggested="YES",
        confidence=Confidence.UNSURE,
    )


def _is_odd_calendar(figures: Figures) -> bool:
    """Half a year of rows or more, and more than 5 % off every calendar."""
    if (figures.last_on - figures.first_on).days < 180:
        return False
    return all(abs(figures.rows_per_year / days - 1) > 0.05 for days in _CALENDARS)
