"""What is wrong with a text that should be JSON: every fault to the character, in plain English.

Senders write JSON by hand into an alert box, and their keyboards, spreadsheets and languages put
in what JSON does not know. Linear in the length of the text; nothing here raises.
"""

from __future__ import annotations

import json
import re
from typing import Final

from services.domain.json_scanner import Scanner
from services.domain.json_words import Finding
from services.domain.values import Frozen

_AROUND = 40

#: What is there, and what should be. `{shown}` never holds a value of the sender, because these
#: sentences are stored with the refusal and a misplaced quote can turn a secret into anything.
SENTENCES: Final[dict[str, str]] = {
    "BAD_ESCAPE": "a backslash stands before a character that needs none: write \\\\ for a "
    "backslash, and nothing before an apostrophe",
    "COMMENT": "JSON has no comments: delete it",
    "CONTROL_CHARACTER": "a line break, tab or other control character stands here as it is: "
    "inside a text write \\n or \\t, elsewhere delete it",
    "DUPLICATE_NAME": "the name {shown} stands twice in one object: only the last would count, so "
    "delete one of the two",
    "EMPTY": "the text is empty: a signal was expected",
    "EXTRA_COMMA": "a comma has nothing before it: delete it",
    "INVISIBLE_CHARACTER": "an invisible character (a special blank or a byte order mark, often "
    "from copying) stands here: delete it",
    "LEADING_ZERO_OR_PLUS": "{shown} is not how JSON writes a number: without plus and "
    "without zeros in front",
    "MISSING_BRACES": "names and values stand without braces around them: begin with {{ and end "
    "with }}",
    "MISSING_COLON": "a colon must stand here, between a name and its value",
    "MISSING_COMMA": "a comma must stand here, between two entries",
    "MISSING_NAME": "a name in double quotes and a colon must stand before this",
    "MISSING_VALUE": "the value is missing: write one after the colon, or null",
    "NOT_A_NUMBER": "{shown} is no number in JSON: send a number, or leave the field out",
    "NOT_JSON": "this is not JSON: it has neither {{ nor [",
    "NUMBER_POINT": "{shown} is not how JSON writes a number: digits must stand on both sides of "
    "the point",
    "NUMBER_TOO_LARGE": "this number is longer than any that can be traded",
    "NUMBER_WITH_THOUSANDS": "{shown} has separators between the thousands: write the digits only",
    "PLACEHOLDER": "the placeholder {shown} was not filled in; in a template keep it in double "
    "quotes, so that the alert stays JSON whatever it is filled with",
    "SINGLE_QUOTES": 'the quote here must be a double quote (")',
    "SMART_QUOTES": 'a typographic quote (“ or ”) stands here: use the straight one (")',
    "TEXT_AROUND_JSON": "there is text outside the JSON here: send one JSON value and nothing "
    "before or after it (several signals go into one list)",
    "TOO_DEEP": "brackets are nested more than {shown} levels deep: no signal needs that",
    "TRAILING_COMMA": "a comma stands before the closing bracket: delete it",
    "UNCLOSED_BRACKET": "a bracket is not closed here: {shown}",
    "UNCLOSED_STRING": "the text that begins here has no closing double quote",
    "UNEXPECTED_BRACKET": "{shown} closes nothing: delete it",
    "UNEXPECTED_CHARACTER": "{shown} cannot stand here",
    "UNQUOTED_NAME": "the name must stand in double quotes",
    "UNQUOTED_TEXT": "text must stand in double quotes",
    "WRONG_BRACKET": "the wrong bracket closes here: {shown} was expected",
    "WRONG_CASE_LITERAL": "{shown} is not a word of JSON: it knows true, false and null, in lower "
    "case",
}


class Fault(Frozen):
    """One fault of a text.

    Attributes:
        code: machine code, a key of `SENTENCES`.
        line: from 1.
        column: from 1, in characters.
        excerpt: the line around it, and a second line with a caret under the place.
        sentence: what is there and what should be.
    """

    code: str
    line: int
    column: int
    excerpt: str
    sentence: str


class Diagnosis(Frozen):
    """All faults of a text (the first 20), in order.

    Attributes:
        faults: none where the text is sound JSON.
        repaired: the JSON it would be without them, where that takes no guessing. Only for
            showing: it is never traded.
    """

    faults: tuple[Fault, ...]
    repaired: str | None


def diagnose(text: str) -> Diagnosis:
    """Every fault of `text`, and what it would be without them."""
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be answered
    scanner = Scanner(text)
    findings = sorted(scanner.findings, key=lambda finding: finding.offset)
    repaired = scanner.repaired if findings else None
    if repaired is not None and (repaired == text or not _is_json(repaired)):
        repaired = None
    return Diagnosis(faults=tuple(_fault(text, each) for each in findings), repaired=repaired)


def find_faults(text: str) -> list[Fault]:
    """The faults of `text`, at most 20; none where it is sound JSON."""
    return list(diagnose(text).faults)


def explain_broken_json(text: str) -> str:
    """One sentence on a text that JSON refuses: its first fault, and how many more there are."""
    faults = diagnose(text).faults
    if not faults:
        return "the body is not JSON"
    first, more = faults[0], len(faults) - 1
    others = "" if not more else f" (and {more} more fault{'s' if more > 1 else ''})"
    where = f"line {first.line} column {first.column}"
    return f"the body is not JSON: at {where} {first.sentence}{others}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _fault(text: str, finding: Finding) -> Fault:
    start = text.rfind("\n", 0, finding.offset) + 1
    column = finding.offset - start + 1
    shown = "of this field" if finding.code == "DUPLICATE_NAME" else ""
    return Fault(
        code=finding.code,
        line=text.count("\n", 0, start) + 1,
        column=column,
        excerpt=_excerpt(text, start, finding.offset),
        sentence=SENTENCES[finding.code].format(shown=finding.shown or shown),
    )


def _excerpt(text: str, start: int, offset: int) -> str:
    first = max(start, offset - _AROUND)
    newline = text.find("\n", offset, offset + _AROUND)
    last = newline if newline >= 0 else min(len(text), offset + _AROUND)
    before = _visible(text[first:offset])
    return f"{before}{_visible(text[offset:last])}\n{' ' * len(before)}^"


def _visible(text: str) -> str:
    """One printable character for each character."""
    return re.sub(r"[^ -~]", lambda each: each[0] if each[0].isprintable() else "·", text)
