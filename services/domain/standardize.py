"""From what a sender posted to a standardised signal: pure, exact, and with a name for each error.

The gateway runs it to answer the sender at once, ingestion runs it to make the stored signal, so
that both say the same. Formats: DESIGN §8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from services.domain.errors import InvalidSignal
from services.domain.instruments import Instrument
from services.domain.signals import Leg, Signal
from services.domain.words import (
    Environment,
    InstrumentType,
    Intent,
    OrderType,
    Side,
    TimeInForce,
)

Payload = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)

MAX_LEGS: Final = 20
_MAX_NUMBER: Final = Decimal("1e15")
_MIN_NUMBER: Final = Decimal("1e-12")
_MAX_DIGITS: Final = 30
_MAX_TEXT: Final = 200
#: Epochs above this are in milliseconds (in seconds it would be the year 5138).
_MILLISECOND_EPOCHS: Final = 100_000_000_000

_INSTRUMENT_SYNONYMS: Final = {
    "STOCKS": "STOCK",
    "EQUITY": "STOCK",
    "EQUITIES": "STOCK",
    "ETFS": "ETF",
    "FX": "FOREX",
    "FUTURES": "FUTURE",
    "OPTIONS": "OPTION",
    "CRYPTOCURRENCY": "CRYPTO",
    "CRYPTOS": "CRYPTO",
}


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object with exact numbers.

    Raises:
        InvalidSignal: BROKEN_JSON with line and column, or NOT_AN_OBJECT.
    """
    try:
        payload = json.loads(text_of(body), parse_float=_exact, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidSignal(
            "BROKEN_JSON", f"the body is not JSON: {error.msg} at {where}"
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidSignal("BROKEN_JSON", f"the body is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise InvalidSignal(
            "NOT_AN_OBJECT", f"expected one JSON object, found a {type(payload).__name__}"
        )
    return payload


def text_of(body: bytes) -> str:
    """The text of a JSON body in any of JSON's encodings. Raises: UnicodeDecodeError."""
    return body.decode(json.detect_encoding(body))


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]} is no number") from error


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not allowed as a number")


def strategy_name_of(payload: Payload) -> str:
    """Whose signal it is. Raises: InvalidSignal."""
    return _text(payload, "strategy_name", required=True) or ""


def idempotency_key_of(payload: Payload) -> str:
    """What makes a repeat recognisable: the sender's key or id, else a hash that includes a time.

    Raises:
        InvalidSignal: MISSING_IDENTITY; without id or time, a repeat cannot be told from a second
            signal, and guessing either loses a signal or doubles an order.
    """
    given = _text(payload, "idempotency_key") or _text(payload, "signalID")
    if given:
        return given
    moment = payload.get("timestamp") or payload.get("signal_sent_EPOCH")
    if not moment:
        raise InvalidSignal(
            "MISSING_IDENTITY",
            "send signalID (any text that is unique for each signal), idempotency_key, "
            "timestamp or signal_sent_EPOCH, so that a repeat can be told from a new signal",
            field="signalID",
        )
    content = [payload.get(name) for name in ("signal_type", "signal_legs", "signal", "order_id")]
    return "content:" + _digest([str(moment), *content])


def content_hash_of(payload: Payload) -> str:
    """Equal for repeats: everything that was sent but the secret and the time of sending."""
    kept = {k: v for k, v in payload.items() if k not in {"passphrase", "signal_sent_EPOCH"}}
    return _digest(kept)


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def standardize(payload: Payload, *, signal_id: str, received_at: datetime) -> Signal:
    """The signal in our words.

    Args:
        payload: what the sender posted, numbers exact.
        signal_id: our id of it.
        received_at: when we received it, aware.

    Raises:
        InvalidSignal: with code, sentence and the field that is wrong.
    """
    intent = _choice(payload, "signal_type", Intent)
    legs = tuple(
        _leg(leg, index=index, intent=intent) for index, leg in enumerate(_raw_legs(payload))
    )
    return Signal(
        signal_id=signal_id,
        strategy_id=strategy_name_of(payload),
        external_id=_text(payload, "signalID"),
        intent=intent,
        legs=legs,
        environment=_environment(payload),
        sender_equity=_number(payload, "account_equity"),
        entry_reference=_text(payload, "entry_signal_id"),
        valid_for_seconds=_number(payload, "valid_for_s"),
        occurred_at=_occurred_at(payload),
        received_at=received_at,
    )


def _raw_legs(payload: Payload) -> list[Payload]:
    for name in ("signal_legs", "signal"):
        found = payload.get(name)
        if isinstance(found, Mapping):
            found = [found]
        if found is None:
            continue
        if not isinstance(found, list) or not all(isinstance(leg, Mapping) for leg in found):
            raise InvalidSignal(
                "UNKNOWN_VALUE", f"{name} must be a list of legs, was {_shown(found)}", field=name
            )
        if not 1 <= len(found) <= MAX_LEGS:
            raise InvalidSignal(
                "MISSING_FIELD" if not found else "TOO_MANY_LEGS",
                f"{name} must have 1 to {MAX_LEGS} legs, had {len(found)}",
                field=name,
            )
        return found
    if payload.get("instrument") or payload.get("ticker"):
        return [payload]
    raise InvalidSignal(
        "MISSING_FIELD",
        "signal_legs is missing: send a list with one object for each instrument",
        field="signal_legs",
    )


def _leg(leg: Payload, *, index: int, intent: Intent | None) -> Leg:
    at = f"signal_legs[{index}]."
    order_type = _choice(leg, "order_type", OrderType, at=at) or OrderType.MARKET
    price = _number(leg, "price", at=at)
    limit_price = _number(leg, "limit_price", at=at)
    if order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
        limit_price = _needed(limit_price or price, "limit_price", order_type, at)
    stop_price = _number(leg, "stop_price", at=at)
    if order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        stop_price = _needed(stop_price, "stop_price", order_type, at)
    quantity = _number(leg, "quantity", at=at)
    if quantity is None:
        raise InvalidSignal("MISSING_FIELD", f"{at}quantity must be above 0", field=f"{at}quantity")
    return Leg(
        leg_index=index,
        instrument=_instrument(leg, at),
        side=_side(leg, intent, at),
        quantity=quantity,
        order_type=order_type,
        time_in_force=_choice(leg, "time_in_force", TimeInForce, at=at) or TimeInForce.DAY,
        reference_price=price,
        limit_price=limit_price,
        stop_price=stop_price,
        stop_loss=_number(leg, "stop_loss", at=at),
        take_profit=_number(leg, "take_profit", at=at),
    )


def _needed(value: Decimal | None, name: str, order_type: OrderType, at: str) -> Decimal:
    if value is None:
        raise InvalidSignal(
            "MISSING_FIELD", f"a {order_type} order needs {at}{name}", field=f"{at}{name}"
        )
    return value


def _instrument(leg: Payload, at: str) -> Instrument:
    symbol = _text(leg, "instrument", at=at) or _text(leg, "ticker", at=at)
    if not symbol:
        raise InvalidSignal("MISSING_FIELD", f"{at}instrument is missing", field=f"{at}instrument")
    kind = str(leg.get("instrument_type") or "").strip().upper()
    kind = _INSTRUMENT_SYNONYMS.get(kind, kind)
    if kind not in InstrumentType.__members__:
        raise InvalidSignal(
            "UNKNOWN_INSTRUMENT_TYPE" if kind else "MISSING_FIELD",
            f"{at}instrument_type must be one of {', '.join(InstrumentType)}, "
            f"was {_shown(leg.get('instrument_type'))}",
            field=f"{at}instrument_type",
        )
    return Instrument(
        instrument_type=InstrumentType(kind),
        symbol=symbol.upper(),
        currency=(_text(leg, "currency", at=at) or "USD").upper(),
        exchange=_text(leg, "exchange", at=at),
        expiry=_expiry(leg, at),
    )


def _expiry(leg: Payload, at: str) -> date | None:
    text = str(leg.get("expiry") or "").strip()
    if not text:
        return None
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InvalidSignal(
            "BAD_EXPIRY", f"{at}expiry must be YYYYMMDD, was {_shown(text)}", field=f"{at}expiry"
        ) from error


def _side(leg: Payload, intent: Intent | None, at: str) -> Side:
    action = _choice(leg, "action", Side, at=at)
    direction = str(leg.get("direction") or "").strip().upper()
    if direction not in {"", "LONG", "SHORT"}:
        raise InvalidSignal(
            "UNKNOWN_VALUE",
            f"{at}direction must be LONG or SHORT, was {_shown(direction)}",
            field=f"{at}direction",
        )
    opening = {"LONG": Side.BUY, "SHORT": Side.SELL}.get(direction)
    opens = intent in {Intent.ENTRY, Intent.SCALE_IN}
    if action is None:
        if opening is None or not opens:
            raise InvalidSignal(
                "MISSING_FIELD", f"{at}action must be BUY or SELL", field=f"{at}action"
            )
        return opening
    # On the way out both conventions are in use (direction of the position, or of the closing
    # trade), so only on the way in can the two contradict each other.
    if opens and opening not in {None, action}:
        raise InvalidSignal(
            "CONTRADICTION",
            f"{at}action {action} and direction {direction} contradict each other for {intent}: "
            "BUY opens LONG, SELL opens SHORT",
            field=f"{at}direction",
        )
    return action


def _environment(payload: Payload) -> Environment:
    if payload.get("environment") is None and payload.get("staging") is None:
        return Environment.STAGING
    if isinstance(payload.get("staging"), bool) and payload.get("environment") is None:
        return Environment.STAGING if payload["staging"] else Environment.PRODUCTION
    given = str(payload.get("environment")).strip().lower()
    if given not in {each.value for each in Environment}:
        raise InvalidSignal(
            "UNKNOWN_VALUE",
            f"environment must be staging or production, was {_shown(payload.get('environment'))}",
            field="environment",
        )
    return Environment(given)


def _occurred_at(payload: Payload) -> datetime | None:
    stamp, epoch = payload.get("timestamp"), payload.get("signal_sent_EPOCH")
    try:
        if isinstance(stamp, str) and stamp.strip():
            moment = datetime.fromisoformat(stamp.strip())
            return moment.replace(tzinfo=moment.tzinfo or UTC)
        number = _number(payload, "signal_sent_EPOCH") if epoch is not None else None
        if number is None:
            return None
        seconds = number / 1000 if number > _MILLISECOND_EPOCHS else number
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidSignal(
            "BAD_TIME",
            "timestamp must be ISO 8601 and signal_sent_EPOCH seconds since 1970, "
            f"was {_shown(stamp or epoch)}",
            field="timestamp" if stamp else "signal_sent_EPOCH",
        ) from error


def _choice(payload: Payload, name: str, words: type[E], *, at: str = "") -> E | None:
    value = payload.get(name)
    if value is None or value == "":
        return None
    word = str(value).strip().upper()
    if word not in words.__members__:
        raise InvalidSignal(
            "UNKNOWN_VALUE",
            f"{at}{name} must be one of {', '.join(words)}, was {_shown(value)}",
            field=f"{at}{name}",
        )
    return words[word]


def _text(payload: Payload, name: str, *, at: str = "", required: bool = False) -> str | None:
    value = payload.get(name)
    if value is None or value == "":
        if required:
            raise InvalidSignal("MISSING_FIELD", f"{at}{name} is missing", field=f"{at}{name}")
        return None
    if isinstance(value, (dict, list, bool)):
        raise InvalidSignal(
            "BAD_TEXT", f"{at}{name} must be text, was {_shown(value)}", field=f"{at}{name}"
        )
    text = str(value).strip()
    if not 1 <= len(text) <= _MAX_TEXT or not text.isprintable():
        raise InvalidSignal(
            "BAD_TEXT",
            f"{at}{name} must be 1 to {_MAX_TEXT} printable characters, was {_shown(value)}",
            field=f"{at}{name}",
        )
    return text


def _number(payload: Payload, name: str, *, at: str = "") -> Decimal | None:
    """A positive number; None where it is missing or 0, which senders use for "none"."""
    value = payload.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value).strip()) if not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number < 0 or not _storable(number):
        raise InvalidSignal(
            "BAD_NUMBER",
            f"{at}{name} must be a number above 0 with at most {_MAX_DIGITS} digits, "
            f"was {_shown(value)}",
            field=f"{at}{name}",
        )
    return number or None


def _storable(number: Decimal) -> bool:
    if not number:
        return True
    return _MIN_NUMBER <= number <= _MAX_NUMBER and len(number.as_tuple().digits) <= _MAX_DIGITS


def _shown(value: object) -> str:
    """A wrong value as the sentence shows it: quoted, short, ASCII."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
