"""From a payload to drafts: its legs, its head, and what it is for; pure.

A draft is what the sender said of one signal, before any field of it is read as a value. What the
fields of a draft are worth is `standardize.py`. Formats: DESIGN §8 and docs/signal-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from services.domain.errors import InvalidSignal
from services.domain.fields import Fields, shown, upper
from services.domain.payloads import Payload
from services.domain.signals import PreviousPosition
from services.domain.words import Intent

MAX_LEGS: Final = 20

_INTENTS: Final = {
    "OPEN": "ENTRY",
    "CLOSE": "EXIT",
    "FLAT": "EXIT",
    "FLATTEN": "EXIT",
    "ADD": "SCALE_IN",
    "REDUCE": "SCALE_OUT",
    "CANCELLED": "CANCEL",
}
#: An action that says why instead of what: the side follows from direction or from the position.
TELLING_ACTIONS: Final = {
    "ENTRY": Intent.ENTRY,
    "EXIT": Intent.EXIT,
    "CLOSE": Intent.EXIT,
    "SELL_ALL": Intent.EXIT,
    "CANCEL": Intent.CANCEL,
}
Sign = Literal[-1, 0, 1]
_SIGNS: Final[Mapping[str, Sign]] = {"LONG": 1, "FLAT": 0, "SHORT": -1}


class Draft(NamedTuple):
    """A signal that still needs its identity: the sender's fields, and what they mean together.

    A reversal in one alert (long to short) is two drafts, the exit first.
    """

    head: Fields
    legs: tuple[Payload, ...]
    at: tuple[str, ...]
    package: Fields | None
    intent: Intent | None
    warnings: tuple[str, ...] = ()
    quantity: Decimal | None = None
    previous: PreviousPosition | None = None


def drafts_of(payload: Payload, defaults: Payload | None = None) -> tuple[Draft, ...]:
    """What a payload asks for: one signal, or two where it turns a position around.

    Args:
        payload: what the sender posted, numbers exact.
        defaults: what holds for this strategy where the sender left a field out.

    Raises:
        InvalidSignal: with code, sentence and the field that is wrong.
    """
    name, legs = _raw_legs(payload)
    head = Fields(_head(payload, legs), defaults=defaults)
    if head.raw("trigger") is not None:
        raise head.error(
            "CONDITION_UNSUPPORTED",
            "trigger",
            "is a condition, and conditions are not watched here: send the signal when it is true",
        )
    package = None
    if len(legs) == 1 and isinstance(legs[0].get("legs"), list):
        at = f"{name}[0]." if name else ""
        package = Fields(legs[0], at=at, defaults=defaults)
        name = f"{at}legs"
        legs = _objects(legs[0]["legs"], name)
    places = tuple(f"{name}[{index}]." if name else "" for index in range(len(legs)))
    draft = Draft(head, tuple(legs), places, package, _intent(head, legs))
    if draft.intent is not None:
        return (draft,)
    return _by_position(draft)


def _raw_legs(payload: Payload) -> tuple[str, list[Payload]]:
    """The field that holds the legs, and they; no field where the payload itself is the leg."""
    for name in ("signal_legs", "signal"):
        found = payload.get(name)
        if isinstance(found, Mapping):
            found = [found]
        if found is not None:
            return name, _objects(found, name)
    if any(payload.get(name) for name in ("instrument", "ticker", "symbol", "legs", "action")):
        return "", [payload]
    raise InvalidSignal(
        "MISSING_FIELD",
        "signal_legs is missing: send a list with one object for each instrument",
        field="signal_legs",
    )


def _objects(found: Any, name: str) -> list[Payload]:  # noqa: ANN401 - whatever was sent
    if not isinstance(found, list) or not all(isinstance(leg, Mapping) for leg in found):
        raise InvalidSignal(
            "UNKNOWN_VALUE", f"{name} must be a list of legs, was {shown(found)}", field=name
        )
    if not 1 <= len(found) <= MAX_LEGS:
        raise InvalidSignal(
            "TOO_MANY_LEGS" if found else "MISSING_FIELD",
            f"{name} must have 1 to {MAX_LEGS} legs, had {len(found)}",
            field=name,
        )
    return found


def _head(payload: Payload, legs: list[Payload]) -> Payload:
    """The envelope; what it lacks and all legs agree on comes from them (older formats)."""
    first = legs[0]
    if first is payload:
        return payload
    agreed = {
        name: value
        for name, value in first.items()
        if payload.get(name) in (None, "") and all(leg.get(name) == value for leg in legs)
    }
    for leg in legs:
        if payload.get("environment") is None and leg.get("environment") != first.get(
            "environment"
        ):
            raise InvalidSignal(
                "CONTRADICTION", "the legs name different environments", field="environment"
            )
    return {**payload, **agreed}


def _intent(head: Fields, legs: list[Payload]) -> Intent | None:
    """What the sender said it is for; None where that has to be inferred."""
    said = head.choice("signal_type", Intent, _INTENTS)
    if said is None and head.raw("type") is not None:
        word = upper(head.raw("type"))
        word = _INTENTS.get(word, word)
        said = Intent(word) if word in Intent.__members__ else None
    if said is not None:
        return said
    told = {TELLING_ACTIONS.get(upper(leg.get("action"))) for leg in legs if leg.get("action")}
    return told.pop() if len(told) == 1 else None


def _by_position(draft: Draft) -> tuple[Draft, ...]:
    """Intent from the positions that a charting strategy reports before and after its order."""
    head = draft.head
    after, before = sign_of(head, "market_position"), previous_position(head)
    if after == 0:
        return (draft._replace(intent=Intent.EXIT),)
    if after is None or before is None:
        return (draft,)
    if before.sign == 0:
        return (draft._replace(intent=Intent.ENTRY),)
    if before.sign == after:
        size = head.number("market_position_size")
        if size is None or before.size is None:
            return (draft,)
        grows = size > before.size
        return (draft._replace(intent=Intent.SCALE_IN if grows else Intent.SCALE_OUT),)
    return _reversal(draft, before, head.number("market_position_size"))


def _reversal(draft: Draft, before: PreviousPosition, size: Decimal | None) -> tuple[Draft, ...]:
    if len(draft.legs) != 1 or size is None or before.size is None:
        raise draft.head.error(
            "MISSING_FIELD",
            "market_position_size",
            "and prev_market_position_size are needed to turn a position around: it is read as an "
            "exit and an entry",
        )
    warning = f"a reversal: read as EXIT of {before.size} and ENTRY of {size}"
    both = draft._replace(warnings=(warning,))
    flat = PreviousPosition(sign=0, size=Decimal(0))
    return (
        both._replace(intent=Intent.EXIT, quantity=before.size, previous=before),
        both._replace(intent=Intent.ENTRY, quantity=size, previous=flat),
    )


def sign_of(head: Fields, name: str) -> Sign | None:
    """LONG, FLAT or SHORT as a sign; None where nothing was sent. Raises: InvalidSignal."""
    value = head.raw(name)
    if value is None:
        return None
    word = upper(value)
    if word not in _SIGNS:
        raise head.error("UNKNOWN_VALUE", name, f"must be long, short or flat, was {shown(value)}")
    return _SIGNS[word]


def previous_position(head: Fields) -> PreviousPosition | None:
    """What the sender held before: a signed number or a word, or the two fields of TradingView."""
    value = head.raw("prev_position")
    name = "prev_position"
    if value is None:
        name = "prev_market_position"
    elif upper(value) not in _SIGNS:
        held = head.signed(name) or Decimal(0)
        return PreviousPosition(sign=1 if held > 0 else -1 if held else 0, size=abs(held))
    sign = sign_of(head, name)
    if sign is None:
        return None
    size = head.number("prev_market_position_size")
    return PreviousPosition(sign=sign, size=size if sign else Decimal(0))
