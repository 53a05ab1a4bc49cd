"""One request, read strictly: what Kite does not know is a `Misuse`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from tests.fakes.kite.errors import Misuse

_FORM = "application/x-www-form-urlencoded"
_WHOLE = re.compile(r"\d{1,10}")
_PRICE = re.compile(r"\d{1,10}(\.\d{1,10})?")


@dataclass(frozen=True)
class Call:
    """What came in.

    Attributes:
        query: as (name, value), in the order given.
        headers: by lower-case name.
        parts: what the path names, e.g. `variety`.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    parts: dict[str, str]

    def form(self, *, required=(), optional=()):
        """The fields of a form. Raises: Misuse."""
        self.asks(())
        self._must_be(_FORM)
        try:
            pairs = parse_qsl(
                self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body)
            )
        except ValueError as error:
            raise Misuse(f"the form cannot be read: {error}") from error
        return _fields(pairs, required, optional)

    def asks(self, required=(), optional=()):
        """The parameters of the query. Raises: Misuse."""
        return _fields(self.query, required, optional)

    def instruments(self):
        """The values of `i`, which may be there many times. Raises: Misuse."""
        if not self.query or {name for name, _ in self.query} != {"i"}:
            raise Misuse(f"expected only `i` in the query, was {sorted(dict(self.query))}")
        return [value for _, value in self.query]

    def json_list(self):
        """A JSON list of objects. Raises: Misuse."""
        self._must_be("application/json")
        try:
            told = json.loads(self.body, parse_float=Decimal)
        except ValueError as error:
            raise Misuse(f"the JSON cannot be read: {error}") from error
        if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
            raise Misuse("expected a JSON list of objects")
        return told

    def has_no_body(self):
        """Neither a body nor a query. Raises: Misuse."""
        self.asks(())
        if self.body:
            raise Misuse(f"{self.method} {self.path} takes no body, was {len(self.body)} bytes")

    def _must_be(self, content_type):
        given = self.headers.get("content-type", "").partition(";")[0].strip()
        if given != content_type:
            raise Misuse(f"Content-Type must be {content_type}, was {given!r}")


def _fields(pairs, required, optional):
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Misuse(f"a field is there twice: {sorted(name for name, _ in pairs)}")
    missing = [name for name in required if not fields.get(name)]
    if missing:
        raise Misuse(f"Missing or empty field `{missing[0]}`")
    left_over = sorted(set(fields) - set(required) - set(optional))
    if left_over:
        raise Misuse(f"unknown field `{left_over[0]}`")
    return fields


def whole(fields, name, default=0):
    """A whole number. Raises: Misuse."""
    text = str(fields.get(name, default))
    if not _WHOLE.fullmatch(text):
        raise Misuse(f"Invalid `{name}`: expected a whole number, was {text!r}")
    return int(text)


def price(fields, name):
    """A price; None where there is none or it is 0. Raises: Misuse."""
    text = str(fields.get(name, 0))
    if not _PRICE.fullmatch(text):
        raise Misuse(f"Invalid `{name}`: expected a price, was {text!r}")
    return Decimal(text) or None


def one_of(fields, name, allowed):
    """A word of a closed set. Raises: Misuse."""
    value = fields.get(name)
    if value not in allowed:
        raise Misuse(
            f"Invalid `{name}`: expected one of {', '.join(sorted(allowed))}, was {value!r}"
        )
    return value
