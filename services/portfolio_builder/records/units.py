"""Whether returns are percent or fractions: by signs and names, by the capital, by their size."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import StrEnum
from statistics import pstdev
from typing import Final, NamedTuple

from services.portfolio_builder.records.cells import Number
from services.portfolio_builder.records.tables import BadRecord

#: How near a change of equity must be to a return to agree with it; files round their money.
_NEAR: Final = 2e-5
_MOST_OF: Final = 0.9


class Unit(StrEnum):
    """What 1.5 in a column of returns means."""

    PERCENT = "PERCENT"  # 1.5 %
    FRACTION = "FRACTION"  # 150 %


class Confidence(StrEnum):
    """How sure a finding is."""

    CERTAIN = "CERTAIN"  # the file says so
    LIKELY = "LIKELY"  # everything else would be odd
    UNSURE = "UNSURE"  # it may be either


class Timing(StrEnum):
    """How a column of equity goes with the returns."""

    CLOSE = "CLOSE"  # of a day after its return
    OPEN = "OPEN"  # of a day before its return
    REVERSED_CLOSE = "REVERSED_CLOSE"  # as CLOSE, but compounded from the newest day back
    REVERSED_OPEN = "REVERSED_OPEN"  # as OPEN, but compounded from the newest day back


class Finding(NamedTuple):
    """Which unit, how sure, and why."""

    unit: Unit
    confidence: Confidence
    evidence: tuple[str, ...]


def timing_of(returns: Sequence[float], equity: Sequence[float | None]) -> Timing | None:
    """How equity follows from returns, both oldest first, as fractions; None = not at all."""
    scores = {timing: _agreement(returns, equity, timing) for timing in Timing}
    best = max(scores, key=lambda timing: scores[timing])
    return best if scores[best] >= _MOST_OF else None


def _agreement(returns: Sequence[float], equity: Sequence[float | None], timing: Timing) -> float:
    """Share of the days with a return whose change of equity is that return."""
    moved = agreed = 0
    for place in range(1, len(returns)):
        before, after = equity[place - 1], equity[place]
        if timing in {Timing.REVERSED_CLOSE, Timing.REVERSED_OPEN}:
            before, after = after, before
        own = timing in {Timing.CLOSE, Timing.REVERSED_OPEN}
        asked = returns[place] if own else returns[place - 1]
        if not asked or not before or after is None:
            continue
        moved += 1
        agreed += abs(after / before - 1 - asked) <= _NEAR
    return agreed / moved if moved >= 5 else 0.0


def unit_of(name: str, numbers: Sequence[Number], equity: Sequence[float | None]) -> Finding:
    """Percent or fraction.

    Args:
        name: of the column.
        numbers: as they stood, oldest first.
        equity: of the same days; None where it is not known.
    """
    signs = sum(number.percent for number in numbers)
    if signs:
        told = (f"{signs} of {len(numbers)} figures have a percent sign",)
        return Finding(Unit.PERCENT, Confidence.CERTAIN, told)
    raw = [float(number.value) for number in numbers]
    by_capital = _by_capital(raw, equity)
    if by_capital:
        return by_capital
    _check_name(name)
    by_name = _by_name(name)
    by_size = _by_size(raw)
    if by_name is None:
        return by_size
    evidence = (f"the column is named {name!r}", *by_size.evidence)
    agree = by_name is by_size.unit
    return Finding(by_name, Confidence.LIKELY if agree else Confidence.UNSURE, evidence)


def _check_name(name: str) -> None:
    """Raises: BadRecord: the column says that it is neither percent nor fractions."""
    words = re.sub(r"[^a-z]+", " ", name.lower())
    if re.search(r"\b(bps?|basis)\b", words):
        sentence = f"{name!r} has basis points by its name: send percent or fractions"
        raise BadRecord("RECORD_COLUMNS", sentence, field="return")
    if re.search(r"\b(log|ln|cum|cumulative)\b", words):
        sentence = f"{name!r} is no simple return of one day by its name: send day ÷ day before − 1"
        raise BadRecord("RECORD_COLUMNS", sentence, field="return")


def _by_capital(raw: Sequence[float], equity: Sequence[float | None]) -> Finding | None:
    for unit, scale in ((Unit.FRACTION, 1.0), (Unit.PERCENT, 0.01)):
        timing = timing_of([each * scale for each in raw], equity)
        if timing is not None:
            told = f"the equity column moves by these figures read as {unit.lower()}"
            return Finding(unit, Confidence.CERTAIN, (told,))
    return None


def _by_name(name: str) -> Unit | None:
    if re.search(r"%|pct|percent|prozent", name, re.IGNORECASE):
        return Unit.PERCENT
    if re.search(r"fraction|decimal|ratio", name, re.IGNORECASE):
        return Unit.FRACTION
    return None


def _by_size(raw: Sequence[float]) -> Finding:
    """By what the figures would mean: volatility of a year from 0.3 % to 80 % is ordinary."""
    largest, spread = max(map(abs, raw)), pstdev(raw)
    percent, fraction = (spread * scale * math.sqrt(252) for scale in (1.0, 100.0))
    told = (
        f"read as percent, the largest day is {largest:.4g} % and the volatility {percent:.3g} % "
        "a year",
        f"read as a fraction, the largest day is {largest * 100:.4g} % and the volatility "
        f"{fraction:.3g} % a year",
    )
    if largest > 1:
        return Finding(Unit.PERCENT, Confidence.LIKELY, told)
    if fraction > 80:
        sure = fraction > 300
        return Finding(Unit.PERCENT, Confidence.LIKELY if sure else Confidence.UNSURE, told)
    sure = percent < 0.3
    return Finding(Unit.FRACTION, Confidence.LIKELY if sure else Confidence.UNSURE, told)
