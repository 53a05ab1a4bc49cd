"""Words and numbers of a text that should be JSON, and what JSON writes for misspelled ones."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

_MAX_DIGITS: Final = 1000
_MAX_EXPONENT_DIGITS: Final = 6

#: Blanks and marks that JSON does not take for blanks.
INVISIBLES: Final = "\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
#: Every character that may begin a string.
QUOTES: Final = "\"'`“”„‟«»‘’‚"
_WORD = re.compile(rf"(?:[^\s{INVISIBLES}\x00-\x1f{QUOTES}{{}}\[\]:,;=/]|/(?![/*]))+")
_PHRASE = re.compile(r"[^,;{}\[\]\"\n]*[^,;{}\[\]\"\s]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?([0-9]+))?")
_NEARLY = re.compile(r"([+-]?)([0-9][0-9_]*)?(?:\.([0-9_]*))?([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?=\s*[,}])")

_LITERALS: Final = {"true": "true", "false": "false", "null": "null"}
_SPELLINGS: Final = _LITERALS | {"none": "null", "nil": "null", "undefined": "null"}
_NOT_NUMBERS: Final = frozenset({"nan", "infinity", "inf"})


class Finding(NamedTuple):
    """A fault: where, which, and what its sentence may quote (never a value of the sender)."""

    offset: int
    code: str
    shown: str = ""


class Token(NamedTuple):
    """A piece of a text as JSON writes it.

    Attributes:
        piece: its JSON.
        end: where the text goes on.
        findings: what was wrong with it.
        certain: False where the piece is a guess that should not be shown as a repair.
    """

    piece: str
    end: int
    findings: tuple[Finding, ...] = ()
    certain: bool = True


def quoted(text: str) -> str:
    """A text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def read_name(text: str, at: int) -> Token:
    """An unquoted name."""
    word = _matched(_WORD, text, at)
    return Token(quoted(word), at + len(word), (Finding(at, "UNQUOTED_NAME"),))


def is_value(text: str, at: int) -> bool:
    """Whether a sound word or number of JSON stands here."""
    word = _matched(_WORD, text, at)
    return word in _LITERALS or _NUMBER.fullmatch(word) is not None


def read_value(text: str, at: int, *, in_object: bool) -> Token:
    """An unquoted value; in an object a comma between digits cannot part two values."""
    word = _matched(_WORD, text, at)
    grouped = _THOUSANDS.match(text, at) if in_object else None
    if grouped:
        plain = grouped[0].replace(",", "")
        fault = Finding(at, "NUMBER_WITH_THOUSANDS", grouped[0][:40])
        return Token(_repaired_number(plain) or plain, grouped.end(), (fault,))
    number = _NUMBER.fullmatch(word)
    if number and (len(word) > _MAX_DIGITS or _too_long(number[1])):
        return Token(word, at + len(word), (Finding(at, "NUMBER_TOO_LARGE"),), certain=False)
    if number or word in _LITERALS:
        return Token(word, at + len(word))
    misspelled = _misspelled(word)
    if misspelled:
        code, piece = misspelled
        return Token(piece, at + len(word), (Finding(at, code, word[:40]),))
    phrase = _matched(_PHRASE, text, at)
    return Token(quoted(phrase), at + len(phrase), (Finding(at, "UNQUOTED_TEXT"),))


def _matched(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found[0] if found else text[at]


def _too_long(exponent: str | None) -> bool:
    return len((exponent or "").lstrip("0")) > _MAX_EXPONENT_DIGITS


def _misspelled(word: str) -> tuple[str, str] | None:
    """Code and JSON of a word or a number that JSON writes otherwise."""
    lower = word.lower()
    if lower in _SPELLINGS:
        return "WRONG_CASE_LITERAL", _SPELLINGS[lower]
    if lower.lstrip("+-") in _NOT_NUMBERS:
        return "NOT_A_NUMBER", "null"
    piece = _repaired_number(word)
    if piece is None:
        return None
    if "_" in word:
        return "NUMBER_WITH_THOUSANDS", piece
    digits = word.lstrip("+-")
    bad_start = word.startswith("+") or (digits[:1] == "0" and digits[1:2].isdigit())
    return ("LEADING_ZERO_OR_PLUS" if bad_start else "NUMBER_POINT"), piece


def _repaired_number(word: str) -> str | None:
    found = _NEARLY.fullmatch(word)
    if not found or len(word) > _MAX_DIGITS:
        return None
    sign, whole, part, exponent = (each or "" for each in found.groups())
    if not whole and not part:
        return None
    whole, part = whole.replace("_", "").lstrip("0") or "0", part.replace("_", "")
    piece = sign.replace("+", "") + whole + (f".{part}" if part else "") + exponent
    return piece if _NUMBER.fullmatch(piece) else None
