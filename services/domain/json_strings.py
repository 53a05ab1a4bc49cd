"""Strings of a text that should be JSON: in any quotes, with or without an end."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.domain.json_words import Finding, Token, quoted

#: Strings that are closed by guess; after that many the text is not worth it.
_MAX_RESCUES: Final = 20
#: How far behind a line break it is looked whether JSON goes on there.
_WINDOW: Final = 80

PLACEHOLDER = re.compile(r"\{\{[\w. -]{1,60}\}\}")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_CONTROLS = re.compile(r"[\x00-\x1f]+")
_LINE = re.compile(r"[^\r\n]*")
_NEXT_LINE = re.compile(r'\s*(?:"[^"\n]*"\s*:|[}\]]|\Z)')
_AFTER_STRING = re.compile(r"\s*(?:[,:}\]]|\Z)")
_SMART_END = re.compile(r"[“”„‟»](?=\s*[,:}\]])")


class _Style(NamedTuple):
    """How a string begins and ends, and the fault that this is."""

    code: str
    closers: str
    plain: re.Pattern[str]


def _style(code: str, closers: str) -> _Style:
    return _Style(code, closers, re.compile(rf"[^\\\x00-\x1f{closers}]*"))


_STYLES: Final = {
    '"': _style("", '"'),
    "'": _style("SINGLE_QUOTES", "'"),
    "`": _style("SINGLE_QUOTES", "`"),
    **dict.fromkeys("“”„‟«»", _style("SMART_QUOTES", '"“”„‟«»')),
    **dict.fromkeys("‘’‚", _style("SMART_QUOTES", "'‘’‚")),
}


def read_placeholder(text: str, at: int) -> Token:
    """A placeholder without quotes, as the text that it stands for."""
    found = PLACEHOLDER.match(text, at)
    word = found[0] if found else text[at]
    return Token(quoted(word), at + len(word), (Finding(at, "PLACEHOLDER", word),))


class Strings:
    """Reads the strings of one text.

    It counts how often it guessed where a string ends, because each guess reads a part again.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._rescues = 0

    def read(self, at: int) -> Token:
        """The string that begins at a quote."""
        style = _STYLES[self._text[at]]
        token = self._read(at, style)
        if not style.code and not _AFTER_STRING.match(self._text, token.end):
            token = self._until_smart_quote(at, token)
        findings = list(token.findings)
        if style.code:
            findings.insert(0, Finding(at, style.code))
        unfilled = PLACEHOLDER.search(self._text, at, token.end)
        if unfilled:
            findings.append(Finding(unfilled.start(), "PLACEHOLDER", unfilled[0]))
        return token._replace(findings=tuple(findings))

    def _read(self, start: int, style: _Style) -> Token:
        text, at = self._text, start + 1
        pieces: list[str] = []
        faults: dict[str, Finding] = {}  # the first of each code
        while True:
            plain = style.plain.match(text, at)
            if plain:
                pieces.append(plain[0].replace('"', '\\"'))
                at = plain.end()
            if at >= len(text) or self._line_ends_string(at):
                return self._unclosed(start, at, "".join(pieces))
            if text[at] in style.closers:
                return Token(f'"{"".join(pieces)}"', at + 1, tuple(faults.values()))
            if text[at] == "\\":
                piece, end, fault = self._escape(at, style)
            else:
                run = _CONTROLS.match(text, at)
                end = run.end() if run else at + 1
                piece, fault = quoted(text[at:end])[1:-1], "CONTROL_CHARACTER"
            pieces.append(piece)
            if fault:
                faults.setdefault(fault, Finding(at, fault))
            at = end

    def _escape(self, at: int, style: _Style) -> tuple[str, int, str]:
        """JSON of what a backslash begins, where it ends, and the fault in it."""
        escape = _ESCAPE.match(self._text, at)
        if escape:
            return escape[0], escape.end(), ""
        if self._text.startswith("'", at + 1):
            return "'", at + 2, "" if "'" in style.closers else "BAD_ESCAPE"
        return "\\\\", at + 1, "BAD_ESCAPE"

    def _line_ends_string(self, at: int) -> bool:
        """Whether the quote was forgotten: the next line begins like JSON after a string."""
        if self._text[at] not in "\r\n" or self._rescues >= _MAX_RESCUES:
            return False
        return _NEXT_LINE.match(self._text[at : at + _WINDOW]) is not None

    def _unclosed(self, start: int, end: int, body: str) -> Token:
        """Close a string that has no end where its line ends."""
        text = self._text
        faults = (Finding(start, "UNCLOSED_STRING"),)
        certain = end < len(text)  # else the rest of the text may be missing
        if self._rescues >= _MAX_RESCUES:
            return Token(f'"{body}"', end, faults, certain)
        self._rescues += 1
        line = _LINE.match(text, start, end)
        limit = line.end() if line else end
        close = start + 1 + len(text[start + 1 : limit].rstrip(" \t,}]"))
        return Token(quoted(text[start + 1 : close]), close, faults, certain)

    def _until_smart_quote(self, start: int, token: Token) -> Token:
        """A string closed by a typographic quote, where its straight end makes no sense."""
        smart = _SMART_END.search(self._text, start + 1, token.end)
        if smart is None or self._rescues >= _MAX_RESCUES:
            return token
        self._rescues += 1
        body = quoted(self._text[start + 1 : smart.start()])
        return Token(body, smart.end(), (Finding(smart.start(), "SMART_QUOTES"),))
