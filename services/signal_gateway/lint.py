"""What would happen to a payload, in plain English, without anything happening to it.

Reads with the same functions as the doors, so that both say the same. The report goes to whoever
sent the payload and is never logged: it shows parts of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from services.domain.errors import InvalidSignal
from services.domain.json_faults import Diagnosis, Fault, diagnose
from services.domain.refusals import CODES
from services.domain.signals import Signal
from services.signal_gateway.lint_words import signal_in_words, warnings_of

Payload = Mapping[str, Any]
#: From a text to a payload, or to a list of payloads and errors.
Parse = Callable[[str], Any]
#: From a payload to its signals: one, or the two of a reversal.
Read = Callable[[Payload], Sequence[Signal]]

#: What holes in reading rules raise; the doors answer those as UNREADABLE too.
_HOLES = (ArithmeticError, ValueError, TypeError, RecursionError)
_SHOWN_SIGNALS: Final = 10
_PLACEHOLDER = re.compile(r"\{\{([\w. -]{1,60})\}\}")
#: What a charting tool could fill in, for trying a template.
_SAMPLES: Final = {
    "ticker": "AAPL",
    "exchange": "NASDAQ",
    "interval": "60",
    "open": "149",
    "high": "151",
    "low": "148",
    "close": "150",
    "volume": "100000",
    "syminfo.currency": "USD",
    "strategy.order.action": "buy",
    "strategy.order.contracts": "10",
    "strategy.order.price": "150",
    "strategy.order.id": "Long",
    "strategy.order.comment": "",
    "strategy.order.alert_message": "",
    "strategy.market_position": "long",
    "strategy.market_position_size": "10",
    "strategy.position_size": "10",
    "strategy.prev_market_position": "flat",
    "strategy.prev_market_position_size": "0",
}


class LintProblem(BaseModel):
    """One reason for a refusal; line, column and excerpt where the JSON is broken."""

    code: str
    message: str
    fix: str = ""
    field: str = ""
    line: int | None = None
    column: int | None = None
    excerpt: str | None = None


class LintReport(BaseModel):
    """What would happen to a payload.

    Attributes:
        ok: it would be accepted as it is. Whether and how much of it is traded is decided later.
        summary: what would happen, in sentences.
        problems: why it would be refused.
        warnings: what may not be meant as it is read.
        repaired: the same without the faults of its JSON, where that takes no guessing; to copy,
            never traded.
    """

    ok: bool
    summary: str
    problems: list[LintProblem] = []
    warnings: list[str] = []
    repaired: str | None = None


def lint(text: str, *, now: datetime, parse: Parse, read: Read) -> LintReport:
    """Say what would happen to `text`; whatever it is, nothing is raised.

    Args:
        text: what would be sent.
        now: the time that a template is tried with.
        parse: reads it as the door does; raises InvalidSignal.
        read: standardises one payload as the door does; raises InvalidSignal.
    """
    report = _look(text, parse, read)
    diagnosis = diagnose(text)
    if report.ok:
        report.warnings += _told_twice(diagnosis)
        return report
    if report.problems[0].code in {"BROKEN_JSON", "TOO_DEEP"}:
        report.problems = [_of_fault(each) for each in diagnosis.faults] or report.problems
        report.repaired = diagnosis.repaired
    sound = report.repaired or text
    filled = _filled(sound, now)
    if filled != text:
        _add_second_look(report, _look(filled, parse, read), filled=filled != sound)
    return report


def _look(text: str, parse: Parse, read: Read) -> LintReport:
    try:
        found = parse(text)
    except InvalidSignal as error:
        return _refused(error)
    except _HOLES as error:
        return _refused(InvalidSignal("BROKEN_JSON", f"it cannot be read ({type(error).__name__})"))
    if not isinstance(found, list):
        return _look_at_one(found, read)
    if not found:
        return _refused(InvalidSignal("EMPTY_BATCH", "the list holds no signal"))
    reports = [_look_at_one(each, read, at=f"[{index}].") for index, each in enumerate(found)]
    accepted = sum(report.ok for report in reports)
    counted = f"A list of {len(reports)} signals: {accepted} would be accepted."
    return LintReport(
        ok=accepted == len(reports),
        summary=" ".join([counted, *(each.summary for each in reports[:_SHOWN_SIGNALS])]),
        problems=[problem for report in reports for problem in report.problems],
        warnings=[warning for report in reports for warning in report.warnings],
    )


def _look_at_one(payload: object, read: Read, *, at: str = "") -> LintReport:
    try:
        if isinstance(payload, InvalidSignal):
            raise payload
        if not isinstance(payload, Mapping):
            kind = type(payload).__name__
            raise InvalidSignal("NOT_AN_OBJECT", f"expected one JSON object, found a {kind}")
        signals = read(payload)
    except InvalidSignal as error:
        return _refused(error, at=at)
    except _HOLES as error:
        kind = type(error).__name__
        return _refused(InvalidSignal("UNREADABLE", f"it cannot be read ({kind})"), at=at)
    sentences = [signal_in_words(signal, payload) for signal in signals]
    return LintReport(
        ok=True,
        summary=" ".join(sentences),
        warnings=[f"{at.rstrip('.')} {each}".lstrip() for each in warnings_of(signals, payload)],
    )


def _refused(error: InvalidSignal, *, at: str = "") -> LintReport:
    meaning = CODES.get(error.code)
    problem = LintProblem(
        code=error.code,
        message=str(error),
        fix=meaning.fix if meaning else "",
        field=f"{at}{error.field}" if error.field else at.rstrip("."),
    )
    return LintReport(
        ok=False, summary=f"This would be refused: {problem.message}.", problems=[problem]
    )


def _of_fault(fault: Fault) -> LintProblem:
    return LintProblem(
        code=fault.code,
        message=fault.sentence,
        line=fault.line,
        column=fault.column,
        excerpt=fault.excerpt,
    )


def _told_twice(diagnosis: Diagnosis) -> list[str]:
    return [
        f"line {fault.line} column {fault.column}: {fault.sentence}"
        for fault in diagnosis.faults
        if fault.code == "DUPLICATE_NAME"
    ]


def _filled(text: str, now: datetime) -> str:
    """A template as it would arrive; placeholders that nobody fills in stay."""
    samples = {**_SAMPLES, "time": now.isoformat(), "timenow": now.isoformat()}
    return _PLACEHOLDER.sub(lambda each: samples.get(each[1].strip(), each[0]), text)


def _add_second_look(report: LintReport, second: LintReport, *, filled: bool) -> None:
    """What the payload would be once it is repaired, and filled in where it is a template."""
    done = [word for word, true in (("repaired", report.repaired), ("filled in", filled)) if true]
    if report.repaired:
        count = len(report.problems)
        faults = "1 fault" if count == 1 else f"{count} faults"
        report.summary = f"This would be refused: its JSON has {faults}."
    report.summary += f" Once {' and '.join(done)}: {second.summary}"
    known = {(problem.code, problem.field) for problem in report.problems}
    report.problems += [each for each in second.problems if (each.code, each.field) not in known]
    report.warnings += second.warnings
    if filled:
        report.warnings.append("placeholders were filled with examples to try the template")
