"""A tolerant reader of JSON: it goes on after a fault, so that one answer can name them all.

Linear in the length of the text, without recursion, and it never raises. It decides nothing: what
it repairs is shown to the sender and never traded.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from typing import Final, NamedTuple

#: Deeper than any signal.
MAX_DEPTH: Final = 32
#: Faults that are kept; a sender repairs a few at a time.
MAX_FAULTS: Final = 20
#: Strings without an end that are closed by guess; after that many the text is not worth it.
_MAX_RESCUES: Final = 20
_MAX_DIGITS: Final = 1000
_MAX_EXPONENT_DIGITS: Final = 6

_INVISIBLES = "\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
_QUOTES = "\"'`“”„‟«»‘’‚"
_SPACE = re.compile(r"[ \t\n\r]*")
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f]+")
_STRAYS = re.compile(f"[{_INVISIBLES}]+")
_BARE = re.compile(rf"(?:[^\s{_INVISIBLES}\x00-\x1f{_QUOTES}{{}}\[\]:,;=/]|/(?![/*]))+")
_PHRASE = re.compile(r"[^,;{}\[\]\"\n]*[^,;{}\[\]\"\s]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?([0-9]+))?")
_NEARLY = re.compile(r"([+-]?)([0-9][0-9_]*)?(?:(\.)([0-9_]*))?([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?=\s*[,}])")
_PLACEHOLDER = re.compile(r"\{\{[\w. -]{1,60}\}\}")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_AFTER_STRING = re.compile(r'\s*(?:"[^"\n]*"\s*:|[}\]]|\Z)')
_WINDOW = 80
_AFTER_VALUE = re.compile(r"\s*(?:[,:}\]]|\Z)")
_SMART_END = re.compile(r"[“”„‟»](?=\s*[,:}\]])")
_LINE = re.compile(r"[^\r\n]*")

_LITERALS: Final = {"true": "true", "false": "false", "null": "null"}
_SPELLINGS: Final = _LITERALS | {"none": "null", "nil": "null", "undefined": "null"}
_NOT_NUMBERS: Final = frozenset({"nan", "infinity", "inf"})
_CLOSERS: Final = {"{": "}", "[": "]"}


class Finding(NamedTuple):
    """A fault: where, which, and what its sentence may quote (never a value of the sender)."""

    offset: int
    code: str
    shown: str = ""


class _Quote(NamedTuple):
    """How a string begins and ends, and the fault that this is."""

    code: str
    closers: str
    plain: re.Pattern[str]


def _quote(code: str, closers: str) -> _Quote:
    return _Quote(code, closers, re.compile(rf"[^\\\x00-\x1f{closers}]*"))


_DOUBLE = _quote("", '"')
_QUOTE_STYLES: Final = {
    '"': _DOUBLE,
    "'": _quote("SINGLE_QUOTES", "'"),
    "`": _quote("SINGLE_QUOTES", "`"),
    **dict.fromkeys("“”„‟«»", _quote("SMART_QUOTES", '"“”„‟«»')),
    **dict.fromkeys("‘’‚", _quote("SMART_QUOTES", "'‘’‚")),
}


class _Expect(Enum):
    NAME = auto()
    COLON = auto()
    VALUE = auto()
    NEXT = auto()


class _Frame(NamedTuple):
    opener: str
    offset: int
    names: set[str]


class Scanner:
    """One pass over a text; afterwards `findings`, and `repaired` where all of it could be."""

    def __init__(self, text: str) -> None:
        self.findings: list[Finding] = []
        self._text = text
        self._at = 0
        self._pieces: list[str] = []
        self._frames: list[_Frame] = []
        self._open = {"{": 0, "[": 0}
        self._expect = _Expect.VALUE
        self._comma: tuple[int, int] | None = None  # offset, and index of its piece
        self._rescues = 0
        self._stopped = False
        self._repairable = True
        self._scan()

    @property
    def repaired(self) -> str | None:
        """The text without its faults; None where repairing it would be guessing."""
        return "".join(self._pieces) if self._repairable else None

    def _scan(self) -> None:
        self._begin()
        while not self._stopped and self._skip_space():
            self._step(self._text[self._at])
        if not self._stopped:
            self._finish()

    def _step(self, char: str) -> None:
        if char in "{[":
            self._open_bracket(char)
        elif char in "}]":
            self._close_bracket(char)
        elif char in ",;":
            self._separate(char)
        elif char in ":=":
            self._assign(char)
        elif char in _QUOTE_STYLES:
            self._string(_QUOTE_STYLES[char])
        else:
            self._bare()

    def _begin(self) -> None:
        """Pass over what stands before the JSON."""
        if not self._skip_space():
            self._give_up("EMPTY")
            return
        if self._text[self._at] in '{["':
            return
        bare = _BARE.match(self._text, self._at)
        if bare and (bare[0] in _LITERALS or _NUMBER.fullmatch(bare[0])):
            return
        start = re.compile(r"[{\[]").search(self._text, self._at)
        if start is None:
            self._give_up("NOT_JSON")
        else:
            self._found("TEXT_AROUND_JSON")
            self._at = start.start()

    def _finish(self) -> None:
        if not self._frames:
            return
        if self._expect is _Expect.COLON or self._after_colon():
            self._repairable = False
        shown = " and ".join(
            f"{frame.opener} of {place(self._text, frame.offset)}" for frame in self._frames[-3:]
        )
        self._found("UNCLOSED_BRACKET", shown=shown)
        if self._comma:
            self._pieces[self._comma[1]] = ""
        self._pieces += [_CLOSERS[frame.opener] for frame in reversed(self._frames)]

    def _skip_space(self) -> bool:
        """Go to the next character that means something; False at the end."""
        text = self._text
        while True:
            space = _SPACE.match(text, self._at)
            if space and space[0]:
                self._pieces.append(space[0])
                self._at = space.end()
            if self._at >= len(text):
                return False
            for pattern, code in (
                (_COMMENT, "COMMENT"),
                (_CONTROLS, "CONTROL_CHARACTER"),
                (_STRAYS, "INVISIBLE_CHARACTER"),
            ):
                stray = pattern.match(text, self._at)
                if stray:
                    self._found(code)
                    self._pieces.append(" ")
                    self._at = stray.end()
                    break
            else:
                return True

    # Structure

    def _after_colon(self) -> bool:
        in_object = bool(self._frames) and self._frames[-1].opener == "{"
        return in_object and self._expect is _Expect.VALUE

    def _next_entry(self) -> _Expect:
        return _Expect.NAME if self._frames[-1].opener == "{" else _Expect.VALUE

    def _ready(self) -> bool:
        """Make what is expected a name or a value; False where the JSON was over."""
        if self._expect is _Expect.NEXT:
            if not self._frames:
                self._trailing_text()
                return False
            self._found("MISSING_COMMA")
            self._pieces.append(",")
            self._expect = self._next_entry()
        elif self._expect is _Expect.COLON:
            self._found("MISSING_COLON")
            self._pieces.append(":")
            self._expect = _Expect.VALUE
        self._comma = None
        return True

    def _trailing_text(self) -> None:
        self._found("TEXT_AROUND_JSON")
        self._stopped = True
        self._repairable &= re.compile(r"[{\[]").search(self._text, self._at) is None

    def _open_bracket(self, char: str) -> None:
        if char == "{":
            placeholder = _PLACEHOLDER.match(self._text, self._at)
            if placeholder:
                self._unfilled(placeholder)
                return
        if not self._ready():
            return
        if self._expect is _Expect.NAME:
            self._found("MISSING_NAME")
            self._repairable = False
        if len(self._frames) >= MAX_DEPTH:
            self._give_up("TOO_DEEP", shown=str(MAX_DEPTH))
            return
        self._frames.append(_Frame(char, self._at, set()))
        self._open[char] += 1
        self._pieces.append(char)
        self._at += 1
        self._expect = self._next_entry()

    def _unfilled(self, placeholder: re.Match[str]) -> None:
        if not self._ready():
            return
        self._found("PLACEHOLDER", shown=placeholder[0])
        self._take(f'"{placeholder[0]}"')
        self._at = placeholder.end()

    def _close_bracket(self, char: str) -> None:
        opener = "{" if char == "}" else "["
        if not self._frames:
            self._found("UNEXPECTED_BRACKET", shown=char)
        elif not self._open[opener]:
            self._found("WRONG_BRACKET", shown=_CLOSERS[self._frames[-1].opener])
            self._close_frame()
        else:
            while self._frames[-1].opener != opener:
                self._found("UNCLOSED_BRACKET", shown=self._last_opener())
                self._close_frame()
            self._close_frame()
        self._at += 1

    def _last_opener(self) -> str:
        frame = self._frames[-1]
        return f"{frame.opener} of {place(self._text, frame.offset)}"

    def _close_frame(self) -> None:
        if self._expect is _Expect.COLON or self._after_colon():
            self._without_value()
        elif self._comma:
            self._add(Finding(self._comma[0], "TRAILING_COMMA"))
            self._pieces[self._comma[1]] = ""
        frame = self._frames.pop()
        self._open[frame.opener] -= 1
        self._pieces.append(_CLOSERS[frame.opener])
        self._comma = None
        self._expect = _Expect.NEXT

    def _without_value(self) -> None:
        self._found("MISSING_COLON" if self._expect is _Expect.COLON else "MISSING_VALUE")
        self._repairable = False

    def _separate(self, char: str) -> None:
        if not self._frames:
            self._trailing_text()
            return
        if char == ";":
            self._found("MISSING_COMMA")
        if self._expect is _Expect.NEXT:
            self._comma = (self._at, len(self._pieces))
            self._pieces.append(",")
        elif self._expect is _Expect.COLON or self._after_colon():
            self._without_value()
        else:
            self._found("EXTRA_COMMA")
        self._expect = self._next_entry()
        self._at += 1

    def _assign(self, char: str) -> None:
        if not self._frames:
            self._give_up("MISSING_BRACES")
            return
        if self._expect is _Expect.COLON:
            if char == "=":
                self._found("MISSING_COLON")
            self._pieces.append(":")
            self._expect = _Expect.VALUE
        else:
            self._found("UNEXPECTED_CHARACTER", shown=char)
            self._repairable = False
        self._at += 2 if self._text.startswith("=>", self._at) else 1

    def _take(self, piece: str) -> None:
        """A name or a value is complete."""
        self._pieces.append(piece)
        if self._expect is not _Expect.NAME:
            self._expect = _Expect.NEXT
            return
        name = json.loads(piece) if "\\" in piece else piece[1:-1]
        names = self._frames[-1].names
        if name in names:
            self._found("DUPLICATE_NAME", shown=name if name.isidentifier() else "")
        names.add(name)
        self._expect = _Expect.COLON

    # Strings

    def _string(self, style: _Quote) -> None:
        if not self._ready():
            return
        if style.code:
            self._found(style.code)
        pieces, end = self._body(style)
        if style is _DOUBLE and not _AFTER_VALUE.match(self._text, end):
            pieces, end = self._until_smart_quote(end) or (pieces, end)
        placeholder = _PLACEHOLDER.search(self._text, self._at, end)
        if placeholder:
            self._add(Finding(placeholder.start(), "PLACEHOLDER", placeholder[0]))
        self._take('"' + "".join(pieces) + '"')
        self._at = end

    def _body(self, style: _Quote) -> tuple[list[str], int]:
        """What a string holds, as JSON writes it, and where the text goes on."""
        text, at, pieces, controls = self._text, self._at + 1, [], False
        while True:
            plain = style.plain.match(text, at)
            if plain:
                pieces.append(plain[0].replace('"', '\\"'))
                at = plain.end()
            if at >= len(text) or (text[at] < " " and self._line_ends_string(at)):
                return self._unclosed(pieces, at)
            char = text[at]
            if char in style.closers:
                return pieces, at + 1
            if char == "\\":
                at = self._escape(at, style, pieces)
                continue
            if not controls:
                self._add(Finding(at, "CONTROL_CHARACTER"))
                controls = True
            run = _CONTROLS.match(text, at)
            at = run.end() if run else at + 1
            pieces.append(json.dumps(run[0])[1:-1] if run else "")

    def _line_ends_string(self, at: int) -> bool:
        """Whether the quote was forgotten: the next line begins like JSON after a string."""
        if self._rescues >= _MAX_RESCUES or self._text[at] not in "\r\n":
            return False
        return _AFTER_STRING.match(self._text[at : at + _WINDOW]) is not None

    def _unclosed(self, pieces: list[str], end: int) -> tuple[list[str], int]:
        """Close a string that has no end where its line ends."""
        text, start = self._text, self._at
        self._found("UNCLOSED_STRING")
        self._repairable &= end < len(text)  # else the rest of it may be missing
        if self._rescues >= _MAX_RESCUES:
            return pieces, end
        self._rescues += 1
        line = _LINE.match(text, start, end)
        limit = line.end() if line else end
        close = start + 1 + len(text[start + 1 : limit].rstrip(" \t,}]"))
        return [_inner(text[start + 1 : close])], close

    def _until_smart_quote(self, end: int) -> tuple[list[str], int] | None:
        """A string closed by a typographic quote, where its straight end makes no sense."""
        start = self._at + 1
        smart = _SMART_END.search(self._text, start, end)
        if smart is None or self._rescues >= _MAX_RESCUES:
            return None
        self._rescues += 1
        self._add(Finding(smart.start(), "SMART_QUOTES"))
        return [_inner(self._text[start : smart.start()])], smart.start() + 1

    def _escape(self, at: int, style: _Quote, pieces: list[str]) -> int:
        escape = _ESCAPE.match(self._text, at)
        if escape:
            pieces.append(escape[0])
            return escape.end()
        following = self._text[at + 1 : at + 2]
        if following == "'":
            if "'" not in style.closers:
                self._add(Finding(at, "BAD_ESCAPE"))
            pieces.append("'")
            return at + 2
        self._add(Finding(at, "BAD_ESCAPE"))
        pieces.append("\\\\")
        return at + 1

    # Words and numbers

    def _bare(self) -> None:
        if not self._ready():
            return
        word = self._matched(_BARE)
        if self._expect is _Expect.NAME:
            self._found("UNQUOTED_NAME")
            self._take(json.dumps(word, ensure_ascii=False))
        else:
            word = self._value(word)
        self._at += len(word)

    def _matched(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        return found[0] if found else self._text[self._at]

    def _value(self, word: str) -> str:
        """Take an unquoted value; how much of the text it is."""
        if self._after_colon():
            grouped = _THOUSANDS.match(self._text, self._at)
            if grouped:
                plain = grouped[0].replace(",", "")
                self._found("NUMBER_WITH_THOUSANDS", shown=grouped[0][:40])
                self._take(_repaired_number(plain) or plain)
                return grouped[0]
        number = _NUMBER.fullmatch(word)
        if number:
            self._check_size(word, number[1])
        if number or word in _LITERALS:
            self._take(word)
            return word
        found = _misspelled(word)
        if found:
            code, piece = found
            self._found(code, shown=word[:40])
            self._take(piece)
            return word
        phrase = self._matched(_PHRASE)
        self._found("UNQUOTED_TEXT")
        self._take(json.dumps(phrase, ensure_ascii=False))
        return phrase

    def _check_size(self, word: str, exponent: str | None) -> None:
        if len(word) > _MAX_DIGITS or len((exponent or "").lstrip("0")) > _MAX_EXPONENT_DIGITS:
            self._found("NUMBER_TOO_LARGE")
            self._repairable = False

    def _found(self, code: str, *, shown: str = "") -> None:
        self._add(Finding(self._at, code, shown))

    def _add(self, finding: Finding) -> None:
        if len(self.findings) < MAX_FAULTS:
            self.findings.append(finding)

    def _give_up(self, code: str, *, shown: str = "") -> None:
        self._found(code, shown=shown)
        self._stopped, self._repairable = True, False


def place(text: str, offset: int) -> str:
    """Where a character stands, in words that a sender finds again."""
    line = text.count("\n", 0, offset) + 1
    return f"line {line} column {offset - text.rfind(chr(10), 0, offset)}"


def _inner(text: str) -> str:
    """What JSON writes between the quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


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
    sign, whole, _, part, exponent = (each or "" for each in found.groups())
    if not whole and not part:
        return None
    whole, part = whole.replace("_", "").lstrip("0") or "0", part.replace("_", "")
    piece = sign.replace("+", "") + whole + (f".{part}" if part else "") + exponent
    return piece if _NUMBER.fullmatch(piece) else None
