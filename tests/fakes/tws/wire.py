"""Frames and fields of the TWS text protocol, read strictly: nothing is guessed, nothing left over.

A frame is a length (4 bytes, big-endian) and text fields, each with a NUL behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

_LENGTH = struct.Struct(">I")
#: What real clients send or expect for a number that is not set.
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"
_UNSET = {UNSET_DOUBLE.lower(), "1.7976931348623157e+308", UNSET_INTEGER}
_FLAGS = {"0": False, "1": True}


class Malformed(Exception):
    """A message that the real gateway would not have understood."""


def frame(fields: Iterable[object]) -> bytes:
    """One message as it goes over the wire."""
    body = "".join(f"{text(each)}\0" for each in fields).encode()
    return _LENGTH.pack(len(body)) + body


def length_of(prefix: bytes) -> int:
    """How many bytes follow."""
    return _LENGTH.unpack(prefix)[0]


def fields_of(body: bytes) -> list[str]:
    """The fields of one message. Raises: Malformed: it does not end with a field's end."""
    fields = body.decode("ascii", errors="backslashreplace").split("\0")
    if fields.pop():
        raise Malformed(f"the message does not end with NUL: {body[:80]!r}")
    return fields


def text(value: object) -> str:
    """A value as TWS writes it; None = not set = empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return plain(value)
    return str(value)


def plain(value: Decimal) -> str:
    """Without exponent and without zeros that say nothing: 150.0 → 150, 1E+2 → 100."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


class Reader:
    """The fields of one message, taken one after the other by name and kind.

    Kinds: `name` any text, `name:int`, `name:num`, `name:flag`; with `?` it may be empty or unset.
    """

    def __init__(self, message: str, fields: list[str]):
        self._message = message
        self._fields = fields
        self._next = 0

    def take(self, spec: str) -> object:
        """The next field. Raises: Malformed: there is none, or it is of another kind."""
        name, _, kind = spec.partition(":")
        if self._next >= len(self._fields):
            raise Malformed(f"{self._message}: the field {name} is missing")
        found = self._fields[self._next]
        self._next += 1
        try:
            return _read(found, kind)
        except (ValueError, KeyError, InvalidOperation) as error:
            raise Malformed(f"{self._message}: {name} is no {kind}: {found!r}") from error

    def run(self, specs: Iterable[str]) -> dict[str, object]:
        """Fields in a row, by name."""
        return {spec.partition(":")[0]: self.take(spec) for spec in specs}

    def rows(self, specs: Iterable[str], *, most: int = 1000) -> list[dict[str, object]]:
        """A count, and then so many runs."""
        count = self.take("count:int")
        if not 0 <= count <= most:
            raise Malformed(f"{self._message}: a count of {count}")
        specs = tuple(specs)
        return [self.run(specs) for _ in range(count)]

    def end(self) -> None:
        """Raises: Malformed: there are fields that nobody has asked for."""
        left = self._fields[self._next :]
        if left:
            raise Malformed(f"{self._message}: {len(left)} fields left over: {left[:5]}")


def _read(found: str, kind: str) -> object:
    if kind.endswith("?"):
        if not found or found.lower() in _UNSET:
            return None
        kind = kind[:-1]
    if kind == "int":
        return int(found)
    if kind == "num":
        return _number(found)
    if kind == "flag":
        return _FLAGS[found]
    return found


def _number(found: str) -> Decimal:
    value = Decimal(found)
    if not value.is_finite():
        raise ValueError(found)
    return value
