"""Reads an object of a payload field by field: aliases, exact numbers, a name for each error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from services.domain.errors import InvalidSignal
from services.domain.payloads import Payload

E = TypeVar("E", bound=StrEnum)

_MAX_NUMBER: Final = Decimal("1e15")
_MIN_NUMBER: Final = Decimal("1e-12")
_MAX_DIGITS: Final = 30
_MAX_TEXT: Final = 200
#: Epochs above this are in milliseconds (in seconds it would be the year 5138).
_MILLISECOND_EPOCHS: Final = 100_000_000_000
#: 2001-09-09; a smaller number is something else, e.g. a date without hyphens.
_FIRST_EPOCH: Final = 1_000_000_000

#: Other names that senders use for a field.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "strategy_name": ("strategy_id", "strategy"),
    "instrument": ("ticker", "symbol"),
    "instrument_type": ("asset_class", "secType"),
    "quantity": ("qty", "contracts"),
    "price": ("close",),
    "expiry": ("expiration", "lastTradeDateOrContractMonth"),
    "time_in_force": ("tif",),
    "timestamp": ("timenow",),
    "bar_time": ("time",),
}


class Fields:
    """One object of a payload.

    Args:
        values: the object.
        at: where it stands in the payload, e.g. `signal_legs[0].`, for sentences.
        defaults: what holds for fields that the sender left out.
    """

    def __init__(self, values: Payload, *, at: str = "", defaults: Payload | None = None) -> None:
        self._values = values
        self._defaults = defaults or {}
        self.at = at

    def raw(self, name: str) -> Any:  # noqa: ANN401 - whatever the sender wrote
        """The value as it was sent; None where it is missing or empty.

        Raises:
            InvalidSignal: BAD_PLACEHOLDER where an alert template was not filled in.
        """
        value = self._values.get(name)
        if value is None or value == "":
            value = next(
                (
                    self._values[alias]
                    for alias in ALIASES.get(name, ())
                    if self._values.get(alias) not in (None, "")
                ),
                self._defaults.get(name),
            )
        if isinstance(value, str):
            if "{{" in value:
                raise self.error(
                    "BAD_PLACEHOLDER",
                    name,
                    f"still holds the placeholder {shown(value)}: it was not filled in. "
                    "{{strategy.…}} works in alerts of strategies only",
                )
            return value.strip() or None
        return value

    def default(self, name: str) -> Any:  # noqa: ANN401 - whatever the operator set
        """What holds where the sender left the field out."""
        return self._defaults.get(name)

    def error(self, code: str, name: str, sentence: str) -> InvalidSignal:
        """A named error about one field; `sentence` goes on after the field's name."""
        return InvalidSignal(code, f"{self.at}{name} {sentence}", field=f"{self.at}{name}")

    def missing(self, name: str, sentence: str = "is missing") -> InvalidSignal:
        """The error for a field that has to be there; hints at one that differs in case only."""
        near = next(
            (each for each in self._values if isinstance(each, str) and _same(each, name)), None
        )
        hint = f" (found {shown(near)}: names are case-sensitive)" if near else ""
        return self.error("MISSING_FIELD", name, sentence + hint)

    def text(self, name: str) -> str | None:
        """Printable text. Raises: InvalidSignal."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, (dict, list, bool)):
            raise self.error("BAD_TEXT", name, f"must be text, was {shown(value)}")
        text = str(value)
        if len(text) > _MAX_TEXT or not text.isprintable():
            raise self.error(
                "BAD_TEXT",
                name,
                f"must be 1 to {_MAX_TEXT} printable characters, was {shown(value)}",
            )
        return text

    def number(self, name: str) -> Decimal | None:
        """A positive number; None where it is missing or 0, which senders use for "none"."""
        number = self.signed(name)
        if number is not None and number < 0:
            raise self._bad_number(name, "above 0")
        return number or None

    def signed(self, name: str) -> Decimal | None:
        """A number of any sign; None where it is missing. Raises: InvalidSignal."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            number = None if isinstance(value, (bool, dict, list)) else Decimal(str(value))
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or not _storable(number.copy_abs()):
            raise self._bad_number(name, "")
        return number

    def _bad_number(self, name: str, kind: str) -> InvalidSignal:
        words = f"must be a number {kind}".rstrip()
        return self.error(
            "BAD_NUMBER",
            name,
            f"{words} with at most {_MAX_DIGITS} digits, was {shown(self.raw(name))}",
        )

    def whole(self, name: str) -> int | None:
        """A whole number of 0 or more; None where it is missing. Raises: InvalidSignal."""
        number = self.signed(name)
        if number is None:
            return None
        if number < 0 or number != number.to_integral_value():
            raise self.error(
                "BAD_NUMBER", name, f"must be a whole number from 0, was {shown(number)}"
            )
        return int(number)

    def choice(
        self, name: str, words: type[E], synonyms: Mapping[str, str] | None = None
    ) -> E | None:
        """One word of a closed set, in any case. Raises: InvalidSignal."""
        value = self.raw(name)
        if value is None:
            return None
        word = upper(value)
        word = (synonyms or {}).get(word, word)
        if word not in words.__members__:
            raise self.error(
                "UNKNOWN_VALUE", name, f"must be one of {', '.join(words)}, was {shown(value)}"
            )
        return words[word]

    def moment(self, name: str) -> datetime | None:
        """An instant: ISO 8601 (UTC where it names no zone), or an epoch. Raises: InvalidSignal."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC)
        try:
            if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
                moment = datetime.fromisoformat(value)
                return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
            number = self.number(name)
            if number is None:
                return None
            seconds = number / 1000 if number > _MILLISECOND_EPOCHS else number
            if seconds < _FIRST_EPOCH:
                raise ValueError("no epoch of this century")
            return datetime.fromtimestamp(float(seconds), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise self.error(
                "BAD_TIME",
                name,
                f"must be ISO 8601 or seconds since 1970, was {shown(value)}",
            ) from error

    def day(self, name: str) -> date | None:
        """A date as YYYYMMDD or YYYY-MM-DD. Raises: InvalidSignal."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.date()
        try:
            text = str(value).replace("-", "")
            if len(text) != 8:  # strptime would read 202512 as 2 January
                raise ValueError("no day")
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError as error:
            raise self.error(
                "BAD_EXPIRY", name, f"must be a day as YYYYMMDD, was {shown(value)}"
            ) from error


def upper(value: object) -> str:
    """A word as closed sets are compared: capitals, `_` for blanks and hyphens."""
    return str(value).strip().upper().replace("-", "_").replace(" ", "_")


def _same(one: str, other: str) -> bool:
    return one != other and one.replace("_", "").lower() == other.replace("_", "").lower()


def _storable(number: Decimal) -> bool:
    if not number:
        return True
    return _MIN_NUMBER <= number <= _MAX_NUMBER and len(number.as_tuple().digits) <= _MAX_DIGITS


def shown(value: object) -> str:
    """A wrong value as a sentence shows it: quoted, short, ASCII."""
    text = ascii(str(value) if isinstance(value, Decimal) else value)
    return text if len(text) <= 60 else text[:57] + "..."
