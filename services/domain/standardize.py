"""From a payload to standardised signals: pure, exact, and with a name for each error.

The gateway runs it to answer the sender at once, ingestion runs it to make the stored signal, so
that both say the same. Formats: DESIGN §8 and docs/signal-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from services.domain.errors import InvalidSignal
from services.domain.fields import Fields, shown, upper
from services.domain.leg_orders import ORDER_TYPES, order_of
from services.domain.payloads import Payload
from services.domain.signals import Leg, PreviousPosition, Signal, wrong_guard
from services.domain.symbols import instrument_of, type_word
from services.domain.words import (
    Environment,
    GroupPolicy,
    InstrumentType,
    Intent,
    OrderType,
    QuantityUnit,
    Side,
)

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
_TELLING_ACTIONS: Final = {
    "ENTRY": Intent.ENTRY,
    "EXIT": Intent.EXIT,
    "CLOSE": Intent.EXIT,
    "SELL_ALL": Intent.EXIT,
    "CANCEL": Intent.CANCEL,
}
_OPTION_ACTIONS: Final = {
    f"{side}_{word}": (side, word[0]) for side in ("BUY", "SELL") for word in ("CALL", "PUT")
}
Sign = Literal[-1, 0, 1]
_SIGNS: Final[Mapping[str, Sign]] = {"LONG": 1, "FLAT": 0, "SHORT": -1}
_ALL_OF_IT: Final = frozenset({Intent.EXIT, Intent.CANCEL})
_PARTS: Final = frozenset({Intent.EXIT, Intent.SCALE_OUT})
_WHOLE_PERCENT: Final = Decimal(100)
_OPENS: Final = frozenset({Intent.ENTRY, Intent.SCALE_IN})


class Identity(NamedTuple):
    """Our id of a signal, whose it is, when it came, and when its door says it was sent."""

    signal_id: str
    strategy_id: str
    received_at: datetime
    sent_at: datetime | None = None


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
    told = {_TELLING_ACTIONS.get(upper(leg.get("action"))) for leg in legs if leg.get("action")}
    return told.pop() if len(told) == 1 else None


def _by_position(draft: Draft) -> tuple[Draft, ...]:
    """Intent from the positions that a charting strategy reports before and after its order."""
    head = draft.head
    after, before = _sign(head, "market_position"), _previous(head)
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


def _sign(head: Fields, name: str) -> Sign | None:
    value = head.raw(name)
    if value is None:
        return None
    word = upper(value)
    if word not in _SIGNS:
        raise head.error("UNKNOWN_VALUE", name, f"must be long, short or flat, was {shown(value)}")
    return _SIGNS[word]


def _previous(head: Fields) -> PreviousPosition | None:
    """What the sender held before: a signed number or a word, or the two fields of TradingView."""
    value = head.raw("prev_position")
    name = "prev_position"
    if value is None:
        name = "prev_market_position"
    elif upper(value) not in _SIGNS:
        held = head.signed(name) or Decimal(0)
        return PreviousPosition(sign=1 if held > 0 else -1 if held else 0, size=abs(held))
    sign = _sign(head, name)
    if sign is None:
        return None
    size = head.number("prev_market_position_size")
    return PreviousPosition(sign=sign, size=size if sign else Decimal(0))


def standardize(draft: Draft, identity: Identity) -> Signal:
    """The signal in our words. Raises: InvalidSignal, with code, sentence and field."""
    head = draft.head
    warnings = list(draft.warnings)
    equity = head.number("account_equity")
    unit = QuantityUnit.EQUITY_FRACTION if equity == 1 else QuantityUnit.UNITS
    legs = tuple(_leg(draft, index, unit, warnings) for index in range(len(draft.legs)))
    return Signal(
        signal_id=identity.signal_id,
        strategy_id=identity.strategy_id,
        external_id=head.text("signalID"),
        intent=draft.intent,
        legs=legs,
        environment=_environment(head),
        sender_equity=equity,
        # An entry refers to no other; in a reversal only its exit does.
        entry_reference=None if draft.intent is Intent.ENTRY else head.text("entry_signal_id"),
        valid_for_seconds=head.number("valid_for_s"),
        net_price=_net_price(draft),
        group_policy=head.choice("group_policy", GroupPolicy),
        # One message has one number; of a reversal the entry has it, which a gap would hold.
        sequence=None if draft.previous and draft.previous.sign else head.whole("sequence"),
        previous_position=draft.previous or _previous(head),
        occurred_at=(
            head.moment("timestamp") or head.moment("signal_sent_EPOCH") or identity.sent_at
        ),
        received_at=identity.received_at,
        warnings=tuple(warnings),
    )


def _net_price(draft: Draft) -> Decimal | None:
    """Price of one package: paid where positive, received where negative."""
    if draft.package is None:
        return None
    price = draft.package.signed("limit_price")
    return price if price is not None else draft.package.signed("price")


def _leg(draft: Draft, index: int, unit: QuantityUnit, warnings: list[str]) -> Leg:
    package = draft.package
    leg = _fields_of_leg(draft, index)
    instrument = instrument_of(leg, warnings)
    outer = [each for each in (package, draft.head) if each is not None]
    order = order_of(leg, outer, warnings, in_package=package is not None)
    ratio = _position_ratio(leg, draft)
    found = Leg(
        leg_index=index,
        instrument=instrument,
        side=_side(leg, draft),
        quantity=_quantity(leg, draft) if ratio is None else ratio,
        quantity_unit=unit if ratio is None else QuantityUnit.POSITION_FRACTION,
        **order._asdict(),
    )
    wrong = wrong_guard(found) if draft.intent in _OPENS else None
    if wrong is not None:
        raise leg.error("GUARD_WRONG_SIDE", wrong.field, wrong.sentence)
    return found


def _fields_of_leg(draft: Draft, index: int) -> Fields:
    """One leg's fields; the legs of a package inherit what the package says of all of them."""
    values = dict(draft.legs[index])
    defaults: dict[str, Any] = {}
    if draft.package is not None:
        names = ("underlying", "instrument", "expiry", "exchange", "currency", "multiplier")
        for name in (*names, "order_type", "time_in_force"):
            defaults[name] = draft.package.raw(name)
        defaults["instrument_type"] = draft.package.raw("instrument_type") or InstrumentType.OPTION
        if values.get("instrument") is None:
            values["instrument"] = defaults["underlying"] or defaults["instrument"]
    else:
        for name in ("instrument", "instrument_type", "currency", "exchange", "order_type"):
            defaults[name] = draft.head.default(name)
        defaults["time_in_force"] = draft.head.default("time_in_force")
        _read_type(values)
        _read_option_action(values)
    return Fields(values, at=draft.at[index], defaults=defaults)


def _read_type(values: dict[str, Any]) -> None:
    """`type` of older formats: whichever of three things its word is."""
    word = values.pop("type", None)
    if word is None:
        return
    if type_word(word) is not None:
        values.setdefault("instrument_type", word)
    elif ORDER_TYPES.get(upper(word), upper(word)) in OrderType.__members__:
        values.setdefault("order_type", word)


def _read_option_action(values: dict[str, Any]) -> None:
    """`BUY_CALL` → BUY with right C."""
    side, right = _OPTION_ACTIONS.get(upper(values.get("action")), (None, None))
    if side:
        values["action"] = side
        values.setdefault("right", right)
        values.setdefault("instrument_type", InstrumentType.OPTION)


def _quantity(leg: Fields, draft: Draft) -> Decimal | None:
    """Units, or a fraction of equity; None on the way out where all of it is meant."""
    quantity = draft.quantity or leg.number("quantity")
    if draft.quantity is None and draft.intent is Intent.EXIT:
        # A sender who is flat afterwards closes all, however many units their order says.
        quantity = None if _sign(draft.head, "market_position") == 0 else quantity
    if quantity is None:
        if draft.intent in _ALL_OF_IT:
            return None
        raise leg.missing("quantity", "is missing: it must be above 0")
    if draft.package is not None:
        quantity *= draft.package.number("quantity") or 1
    return quantity


def _position_ratio(leg: Fields, draft: Draft) -> Decimal | None:
    """Share of what is held, on the way out only; None where the sender gave no percentage.

    Raises:
        InvalidSignal: it is above 100, does not belong to the intent, or a quantity is there too.
    """
    name = "quantity_percent"
    places = [each for each in (leg, draft.package, draft.head) if each is not None]
    said = next((each for each in places if each.raw(name) is not None), None)
    if said is None:
        return None
    if draft.intent not in _PARTS:
        raise said.error(
            "CONTRADICTION", name, f"is for EXIT and SCALE_OUT, but signal_type is {draft.intent}"
        )
    if draft.quantity or any(each.raw("quantity") is not None for each in places):
        raise said.error("CONTRADICTION", name, "and quantity say the same thing: send one of them")
    percent = said.number(name)
    if percent is None or percent > _WHOLE_PERCENT:
        raise said.error("BAD_NUMBER", name, f"must be above 0 and at most 100, was {percent or 0}")
    return percent / _WHOLE_PERCENT


def _side(leg: Fields, draft: Draft) -> Side | None:
    """BUY or SELL; None where only the position can say which of them closes it."""
    intent = draft.intent
    word = upper(leg.raw("action") or "")
    direction = upper(leg.raw("direction") or "")
    if direction not in {"", "LONG", "SHORT"}:
        raise leg.error(
            "UNKNOWN_VALUE", "direction", f"must be LONG or SHORT, was {shown(direction)}"
        )
    opening = {"LONG": Side.BUY, "SHORT": Side.SELL}.get(direction)
    if word in _TELLING_ACTIONS:
        if _TELLING_ACTIONS[word] is not intent:
            raise leg.error("CONTRADICTION", "action", f"is {word}, but signal_type is {intent}")
        word = "SELL" if word == "SELL_ALL" else ""
    if not word:
        if intent in _ALL_OF_IT:
            return None
        if opening is None or intent not in _OPENS:
            raise leg.missing("action", "is missing: send BUY or SELL")
        return opening
    if word not in Side.__members__:
        raise leg.error(
            "UNKNOWN_VALUE", "action", f"must be BUY or SELL, was {shown(leg.raw('action'))}"
        )
    action = Side[word]
    # On the way out both conventions are in use (direction of the position, or of the closing
    # trade), so only on the way in can the two contradict each other. The direction of a leg of a
    # package is the package's.
    if intent in _OPENS and opening not in {None, action}:
        raise leg.error(
            "CONTRADICTION",
            "direction",
            f"{direction} and action {action} contradict each other for {intent}: "
            "BUY opens LONG, SELL opens SHORT",
        )
    return action


def _environment(head: Fields) -> Environment:
    given, staging = head.raw("environment"), head.raw("staging")
    if given is None:
        if isinstance(staging, bool):
            return Environment.STAGING if staging else Environment.PRODUCTION
        return Environment.STAGING
    word = str(given).lower()
    if word not in {each.value for each in Environment}:
        raise head.error(
            "UNKNOWN_VALUE", "environment", f"must be staging or production, was {shown(given)}"
        )
    return Environment(word)
