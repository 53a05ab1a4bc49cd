"""From the bytes a sender posted to a payload: JSON or `key: value` lines, exact, secret out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.domain.errors import InvalidSignal
from services.domain.json_faults import explain_broken_json

Payload = Mapping[str, Any]

MAX_SIGNALS: Final = 100
#: Deeper than any signal, and far from where recursion ends.
_MAX_DEPTH: Final = 32
_EXPLAINED_CHARACTERS: Final = 20_000
#: Names under which senders put the secret; found at any depth it is not stored.
SECRETS: Final = ("passphrase", "token", "secret")
_LINE = re.compile(r"\s*([A-Za-z][\w .\-/]{0,63}?)\s*[:=]\s*(.*?)\s*$")
_OBJECT = re.compile(r"^[^\S\n]*\{", re.MULTILINE)
_SENTENCE = re.compile(
    r"order (buy|sell) @ (\d{1,15}(?:\.\d{1,15})?) filled on (\S{1,40}?)\. "
    r"New strategy position is (-?\d{1,15}(?:\.\d{1,15})?)"
)
_SECRET = re.compile(
    rf"""((?:{"|".join(SECRETS)})["']?\s*[:=]\s*["']?)([^"',;\s]+)""", re.IGNORECASE
)
#: A text is a signal only where it says what to trade or what to do.
_TELLING: Final = frozenset({"ticker", "instrument", "symbol", "action", "signal_type"})


def text_of(body: bytes) -> str:
    """The text of a body in any of JSON's encodings. Raises: InvalidSignal."""
    try:
        return body.decode(json.detect_encoding(body)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidSignal("BROKEN_JSON", f"the body is not text: {error.reason}") from error


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with exact numbers.

    Raises:
        InvalidSignal: BROKEN_JSON with line and column, or TOO_DEEP.
    """
    try:
        value = json.loads(text, parse_float=_exact, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidSignal("BROKEN_JSON", _explained(text, error)) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidSignal("BROKEN_JSON", f"the body is not JSON: {error}") from error
    if text.count("[") + text.count("{") > _MAX_DEPTH:
        _check_depth(value)
    return value


def _explained(text: str, error: json.JSONDecodeError) -> str:
    """In plain English; a long text, which anyone can post, gets the parser's own words."""
    if len(text) <= _EXPLAINED_CHARACTERS:
        return explain_broken_json(text)
    return f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return
    raise _too_deep()


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _too_deep() -> InvalidSignal:
    return InvalidSignal("TOO_DEEP", f"the body is nested deeper than {_MAX_DEPTH} levels")


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]} is no number") from error


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not allowed as a number")


def read_object(text: str) -> dict[str, Any]:
    """One JSON object. Raises: InvalidSignal."""
    return _object(read_json(text))


def read_batch(text: str) -> list[dict[str, Any] | InvalidSignal] | dict[str, Any]:
    """One JSON object, or an array of them; an item that is no object stands as its error.

    Raises:
        InvalidSignal: the whole body cannot be read, or is no batch.
    """
    value = read_json(text)
    if not isinstance(value, list):
        return _object(value)
    if not value:
        raise InvalidSignal("EMPTY_BATCH", "the array holds no signal")
    if len(value) > MAX_SIGNALS:
        raise InvalidSignal(
            "TOO_MANY_SIGNALS", f"one request may hold {MAX_SIGNALS} signals, had {len(value)}"
        )
    items: list[dict[str, Any] | InvalidSignal] = []
    for item in value:
        try:
            items.append(_object(item))
        except InvalidSignal as error:
            items.append(error)
    return items


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidSignal(
            "NOT_AN_OBJECT", f"expected one JSON object, found a {type(value).__name__}"
        )
    original = value.get("original_signal")  # what a forwarding collector wraps
    return original if isinstance(original, dict) else value


def read_text(text: str) -> dict[str, Any]:
    """A payload from an alert's text: JSON, lines of `key: value`, or TradingView's own sentence.

    Raises:
        InvalidSignal: UNREADABLE_TEXT where it is neither, BROKEN_JSON where it meant to be JSON.
    """
    if text.lstrip().startswith(("{", "[")):
        return read_object(text)
    return _read_sentence(text) or _read_lines(text)


def read_anything(text: str) -> list[dict[str, Any] | InvalidSignal] | dict[str, Any]:
    """What any of the doors would read. Raises: InvalidSignal."""
    meant_as_json = text.lstrip().startswith(("{", "[")) or (
        re.search(r'\{\s*"', text) and not _OBJECT.search(text)
    )
    return read_batch(text) if meant_as_json else read_letter(text)


def _read_sentence(text: str) -> dict[str, Any] | None:
    """TradingView's own message: `… order buy @ 10 filled on AAPL. New strategy position is 10`.

    What the strategy held before follows from it: position − order.
    """
    found = _SENTENCE.search(text)
    if found is None:
        return None
    action, quantity, ticker, position = found.groups()
    after = Decimal(position)
    before = after - (1 if action == "buy" else -1) * Decimal(quantity)
    return {
        "ticker": ticker,
        "action": action,
        "quantity": quantity,
        **dict(zip(("market_position", "market_position_size"), _held(after), strict=True)),
        **dict(
            zip(("prev_market_position", "prev_market_position_size"), _held(before), strict=True)
        ),
    }


def _held(position: Decimal) -> tuple[str, str]:
    side = "long" if position > 0 else "short" if position < 0 else "flat"
    return side, str(abs(position))


def read_letter(text: str) -> dict[str, Any]:
    """Like `read_text`, for e-mail: what people and servers write around the signal is passed over.

    Raises:
        InvalidSignal: as `read_text`.
    """
    start = _OBJECT.search(text)
    if start is None:
        return _read_lines(text)
    return read_object(_first_object(text[start.start() :].lstrip()))


def _first_object(text: str) -> str:
    """The text of the object that `text` begins with; all of it where that object never ends."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return text[:end]


def _read_lines(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for line in re.split(r"[\r\n;]+", text):
        found = _LINE.match(line)
        if found is None:
            continue
        name = _field_name(found[1])
        value = found[2]
        if name in fields and fields[name] != value:
            raise InvalidSignal(
                "CONTRADICTION", f"{name} is given twice, with different values", field=name
            )
        fields[name] = value
    if not fields.keys() & _TELLING:
        raise InvalidSignal(
            "UNREADABLE_TEXT",
            "the text is neither JSON nor lines like 'ticker: AAPL' and 'action: BUY'",
        )
    return fields


#: Names that are written with capitals in JSON.
_CAPITALS: Final = {"signalid": "signalID", "signal_sent_epoch": "signal_sent_EPOCH"}


def _field_name(words: str) -> str:
    """`Stop Loss` → `stop_loss`."""
    name = re.sub(r"[\s.\-/]+", "_", words.strip()).lower()
    return _CAPITALS.get(name, name)


#: How a sender's text is read: what the API takes, what alerts hold, what e-mails hold.
READERS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "json": read_object,
    "text": read_text,
    "letter": read_letter,
}


def secret_of(payload: Payload) -> str | None:
    """The secret that a sender put into the body, where there is one."""
    for name in SECRETS:
        value = payload.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def secret_in(text: str) -> str | None:
    """The secret in a text that cannot be read otherwise."""
    found = _SECRET.search(text)
    return found[2] if found else None


def stored_text(text: str, payload: Payload | None) -> str:
    """A body as it may be stored: as it came, or without the secret where it has one.

    Numbers of a rewritten JSON body become text, so that their digits stay exact.
    """
    if not any(name in text.lower() for name in SECRETS):
        return text
    if payload is not None and text.lstrip().startswith("{"):
        return to_json(without_secrets(payload))
    return _SECRET.sub(r"\1[removed]", text)


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same without the fields that hold a secret, at any depth."""
    if isinstance(value, dict):
        return {
            name: without_secrets(each)
            for name, each in value.items()
            if name.lower() not in SECRETS
        }
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    return value


def to_json(payload: Payload) -> str:
    """A payload as JSON text; exact numbers become text, so that their digits stay."""
    return json.dumps(payload, default=_as_text)


def _as_text(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
