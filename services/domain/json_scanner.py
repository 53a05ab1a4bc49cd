"""A tolerant reader of JSON: it goes on after a fault, so that one answer can name them all.

Linear in the length of the text, without recursion, and it never raises. It decides nothing: what
it repairs is shown to the sender and never traded.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from typing import Final, NamedTuple

from services.domain.json_strings import PLACEHOLDER, Strings, read_placeholder
from services.domain.json_words import (
    INVISIBLES,
    QUOTES,
    Finding,
    Token,
    is_value,
    read_name,
    read_value,
)

#: Deeper than any signal.
MAX_DEPTH: Final = 32
#: Faults that are kept; a sender repairs a few at a time.
MAX_FAULTS: Final = 20
#: After that many it is not JSON with faults, and repairing it would be guessing.
_HOPELESS: Final = 1000
_SHOWN_NAME: Final = 40
_SPACE = re.compile(r"[ \t\n\r]*")
_BRACKET = re.compile(r"[{\[]")
#: What stands between tokens without being JSON, and the fault that it is.
_STRAYS: Final = (
    (re.compile(r"//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL), "COMMENT"),
    (re.compile(r"[\x00-\x1f]+"), "CONTROL_CHARACTER"),
    (re.compile(f"[{INVISIBLES}]+"), "INVISIBLE_CHARACTER"),
)
_CLOSERS: Final = {"{": "}", "[": "]"}


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
        self._strings = Strings(text)
        self._at = 0
        self._pieces: list[str] = []
        self._frames: list[_Frame] = []
        self._open = {"{": 0, "[": 0}
        self._expect = _Expect.VALUE
        self._comma: tuple[int, int] | None = None  # offset, and index of its piece
        self._count = 0
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
        if char == "[" or (char == "{" and not PLACEHOLDER.match(self._text, self._at)):
            self._open_bracket(char)
        elif char in "}]":
            self._close_bracket(char)
        elif char in ",;":
            self._separate(char)
        elif char in ":=":
            self._assign(char)
        elif self._ready():
            self._take(self._token(char))

    def _token(self, char: str) -> Token:
        if char == "{":
            return read_placeholder(self._text, self._at)
        if char in QUOTES:
            return self._strings.read(self._at)
        if self._expect is _Expect.NAME:
            return read_name(self._text, self._at)
        return read_value(self._text, self._at, in_object=self._after_colon())

    def _begin(self) -> None:
        """Pass over what stands before the JSON."""
        if not self._skip_space():
            self._give_up("EMPTY")
            return
        if self._text[self._at] in '{["' or is_value(self._text, self._at):
            return
        start = _BRACKET.search(self._text, self._at)
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
        self._found_unclosed(self._frames[-3:])
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
            for pattern, code in _STRAYS:
                stray = pattern.match(text, self._at)
                if stray:
                    self._found(code)
                    self._pieces.append(" ")
                    self._at = stray.end()
                    break
            else:
                return True

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
        self._repairable &= _BRACKET.search(self._text, self._at) is None

    def _open_bracket(self, char: str) -> None:
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

    def _close_bracket(self, char: str) -> None:
        opener = "{" if char == "}" else "["
        if not self._frames:
            self._found("UNEXPECTED_BRACKET", shown=char)
        elif not self._open[opener]:
            self._found("WRONG_BRACKET", shown=_CLOSERS[self._frames[-1].opener])
            self._close_frame()
        else:
            while self._frames[-1].opener != opener:
                self._found_unclosed(self._frames[-1:])
                self._close_frame()
            self._close_frame()
        self._at += 1

    def _found_unclosed(self, frames: list[_Frame]) -> None:
        if self._count < MAX_FAULTS:  # looking for the place of each would take too long
            places = [f"{each.opener} of {_place(self._text, each.offset)}" for each in frames]
            self._found("UNCLOSED_BRACKET", shown=" and ".join(places))

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

    def _take(self, token: Token) -> None:
        """A name or a value is complete."""
        for finding in token.findings:
            self._add(finding)
        self._repairable &= token.certain
        self._pieces.append(token.piece)
        if self._expect is _Expect.NAME:
            self._note_name(token.piece)
            self._expect = _Expect.COLON
        else:
            self._expect = _Expect.NEXT
        self._at = token.end

    def _note_name(self, piece: str) -> None:
        name = json.loads(piece) if "\\" in piece else piece[1:-1]
        names = self._frames[-1].names
        if name in names:
            plain = name.isidentifier() and len(name) <= _SHOWN_NAME
            self._found("DUPLICATE_NAME", shown=name if plain else "")
        names.add(name)

    def _found(self, code: str, *, shown: str = "") -> None:
        self._add(Finding(self._at, code, shown))

    def _add(self, finding: Finding) -> None:
        self._count += 1
        if self._count <= MAX_FAULTS:
            self.findings.append(finding)
        elif self._count > _HOPELESS:
            self._stopped, self._repairable = True, False

    def _give_up(self, code: str, *, shown: str = "") -> None:
        self._found(code, shown=shown)
        self._stopped, self._repairable = True, False


def _place(text: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    return f"line {line} column {offset - text.rfind(chr(10), 0, offset)}"
