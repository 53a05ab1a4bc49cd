"""From a draft to a standardised signal: pure, exact, and with a name for each error.

The gateway runs it to answer the sender at once, ingestion runs it to make the stored signal, so
that both say the same. How a payload becomes drafts is `drafts.py`. Formats: DESIGN §8 and
docs/signal-format.md.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.domain.drafts import TELLING_ACTIONS, Draft, previous_position, sign_of
from services.domain.fields import Fields, shown, upper
from services.domain.leg_orders import ORDER_TYPES, order_of
from services.domain.signals import Leg, Signal, wrong_guard
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

_OPTION_ACTIONS: Final = {
    f"{side}_{word}": (side, word[0]) for side in ("BUY", "SELL") for word in ("CALL", "PUT")
}
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
        previous_position=draft.previous or previous_position(head),
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
        quantity = None if sign_of(draft.head, "market_position") == 0 else quantity
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
    if word in TELLING_ACTIONS:
        if TELLING_ACTIONS[word] is not intent:
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
