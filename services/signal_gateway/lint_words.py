"""A signal as a person says it, and what its sender may not have meant: pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from services.domain.fields_table import ENVELOPE_FIELDS, KNOWN_NAMES
from services.domain.instruments import Instrument
from services.domain.orders import Algo
from services.domain.signals import Leg, Signal, plain
from services.domain.words import (
    AlgoName,
    Environment,
    GroupPolicy,
    OrderType,
    QuantityUnit,
    Side,
    TimeInForce,
)

Payload = Mapping[str, Any]

_DURATIONS: Final = {
    TimeInForce.DAY: "day order",
    TimeInForce.GTC: "good till canceled",
    TimeInForce.IOC: "immediate or cancel",
    TimeInForce.FOK: "fill or kill",
    TimeInForce.OPG: "at the opening",
    TimeInForce.CLS: "at the close",
}
_PAST = timedelta(hours=1)
_FUTURE = timedelta(minutes=1)
#: Names that are compared with the known ones; comparing is slow, and hostile bodies have many.
_COMPARED = 30
_NEARNESS = 0.8
_TIMES = ("timestamp", "bar_time", "signal_sent_EPOCH")


def signal_in_words(signal: Signal, payload: Payload) -> str:
    """One sentence on what would be accepted."""
    kind = signal.intent or "signal (what for, follows from what the strategy holds)"
    article = "an" if kind[0] in "AEIOU" else "a"
    parts = [
        f"This would be accepted as {article} {kind} of {_strategy(signal)}: "
        + " and ".join(_leg(leg) for leg in signal.legs)
    ]
    if signal.net_price is not None:
        parts.append(f"the price of all legs together is {plain(signal.net_price)}")
    if signal.entry_reference:
        parts.append(f"closing the entry {signal.entry_reference!a}")
    if signal.sender_equity is not None and _opens(signal):
        parts.append(f"your quantities refer to an account of {signal.sender_equity:,f}")
    if signal.valid_for_seconds is not None and _opens(signal):
        parts.append(f"it can be traded for {plain(signal.valid_for_seconds)} s")
    if signal.group_policy is GroupPolicy.UNWIND and _opens(signal) and len(signal.legs) > 1:
        parts.append("where one leg cannot be had, the others are closed again")
    if signal.environment is Environment.STAGING:
        parts.append("staging, so it never reaches a live account")
    else:
        parts.append("production")
    parts.append(f"a repeat is recognised by {_identity(payload)}")
    return "; ".join(parts) + "."


def _strategy(signal: Signal) -> str:
    return f"strategy {signal.strategy_id}" if signal.strategy_id else "your strategy"


def _opens(signal: Signal) -> bool:
    return signal.intent is None or not signal.intent.reduces_risk


def _leg(leg: Leg) -> str:
    side = leg.side or "close"
    instrument = _instrument(leg.instrument)
    if leg.quantity is None:
        what = f"{side} all {instrument}"
    elif leg.quantity_unit is QuantityUnit.EQUITY_FRACTION:
        what = f"{side} {instrument} for {plain(leg.quantity * 100)} % of your equity"
    else:
        what = f"{side} {plain(leg.quantity)} {instrument}"
    words = [f"{what} {_order(leg)}", _DURATIONS[leg.time_in_force]]
    if leg.algo:
        words.append(_algo(leg.algo))
    if leg.cancel_after_seconds:
        seconds = plain(leg.cancel_after_seconds)
        words.append(f"canceled where it has not filled {seconds} s after the decision")
    if leg.stop_loss:
        words.append(f"stop loss at {plain(leg.stop_loss)}")
    if leg.take_profit:
        words.append(f"take profit at {plain(leg.take_profit)}")
    return ", ".join(words)


def _instrument(instrument: Instrument) -> str:
    details: list[str] = [instrument.instrument_type.lower()]
    if instrument.right and instrument.strike:
        details.append(f"{plain(instrument.strike)} {'call' if instrument.right == 'C' else 'put'}")
    if instrument.expiry:
        details.append(f"expiry {instrument.expiry}")
    if instrument.currency != "USD":
        details.append(f"in {instrument.currency}")
    return f"{instrument.symbol} ({', '.join(details)})"


def _order(leg: Leg) -> str:
    limit = plain(leg.limit_price) if leg.limit_price else "?"
    stop = plain(leg.stop_price) if leg.stop_price else "?"
    return {
        OrderType.MARKET: "at market",
        OrderType.LIMIT: f"at {limit} or better" if leg.limit_price else "at a limit",
        OrderType.STOP: f"at market once {stop} is reached",
        OrderType.STOP_LIMIT: f"at {limit} or better once {stop} is reached",
        OrderType.TRAILING_STOP: f"by a trailing stop {_trail(leg)}",
    }[leg.order_type]


def _trail(leg: Leg) -> str:
    """`2 % below the best price`: a sale follows the highest, a purchase the lowest."""
    ratio, amount = leg.trail_ratio, leg.trail_amount
    distance = f"{plain(ratio * 100)} %" if ratio else plain(amount) if amount else "?"
    if leg.side is None:
        return f"{distance} behind the best price"
    return f"{distance} {'below' if leg.side is Side.SELL else 'above'} the best price"


def _algo(algo: Algo) -> str:
    seconds = plain(algo.duration_seconds) if algo.duration_seconds else "?"
    if algo.name is AlgoName.TWAP:
        return f"in {algo.slices} equal parts over {seconds} s"
    if algo.name is AlgoName.VWAP:
        return f"in {len(algo.profile)} parts by a volume profile over {seconds} s"
    shown = plain(algo.display_quantity) if algo.display_quantity else "?"
    return f"no more than {shown} shown at a time"


def _identity(payload: Payload) -> str:
    for name in ("idempotency_key", "signalID"):
        if payload.get(name) not in (None, ""):
            return f"{name} {str(payload[name]).strip()!a}"
    if any(_sent(payload, name) for name in _TIMES):
        return "its instruments, sides and times"
    return "the same content shortly afterwards"


def warnings_of(signals: Sequence[Signal], payload: Payload) -> list[str]:
    """What is accepted, but may not be meant so."""
    first = signals[0]
    warnings = list(dict.fromkeys(each for signal in signals for each in signal.warnings))
    if not any(_sent(payload, name) for name in ("signalID", "idempotency_key", *_TIMES)):
        warnings.append(
            "there is no signalID and no time: two equal signals in a row may count as one"
        )
    if not _sent(payload, "signal_type"):
        meant = first.intent or "from what the strategy holds when the signal arrives"
        warnings.append(f"signal_type is missing: it is inferred ({meant})")
    if first.sender_equity is None and any(_opens(signal) for signal in signals):
        warnings.append("account_equity is missing: without it an entry is denied")
    if not _sent(payload, "environment"):
        warnings.append("environment is missing: this is staging and never reaches a live account")
    if _sent(payload, "passphrase"):
        warnings.append("the secret in the body is removed before anything is stored")
    return warnings + _about_time(first) + _about_names(payload)


def _about_time(signal: Signal) -> list[str]:
    if signal.occurred_at is None:
        return []
    age = signal.received_at - signal.occurred_at
    if age < -_FUTURE:
        return [f"it was sent {_rough(-age)} in the future: is the clock or the time zone right?"]
    if signal.valid_for_seconds and age.total_seconds() > signal.valid_for_seconds:
        return [f"it was sent {_rough(age)} ago: it would not be traded any more (valid_for_s)"]
    if age > _PAST:
        return [f"it was sent {_rough(age)} ago"]
    return []


def _rough(age: timedelta) -> str:
    seconds = age.total_seconds()
    for length, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {word}"
    return f"{seconds:.0f} seconds"


def _about_names(payload: Payload) -> list[str]:
    known = {_folded(name): name for name in KNOWN_NAMES}
    unknown = dict.fromkeys(
        name for level in _levels(payload) for name in level if name not in KNOWN_NAMES
    )
    warnings: list[str] = []
    unread: list[str] = []
    for name in list(unknown)[:_COMPARED]:
        near = difflib.get_close_matches(_folded(name[:40]), known, n=1, cutoff=_NEARNESS)
        if near:
            warnings.append(f"unknown field {_short(name)}: did you mean {known[near[0]]!r}?")
        else:
            unread.append(_short(name))
    if unread:
        more = len(unknown) - _COMPARED
        others = f" and {more} more" if more > 0 else ""
        warnings.append(f"not read: {', '.join(unread)}{others}")
    return warnings


def _folded(name: str) -> str:
    return name.replace("_", "").replace(" ", "").lower()


def _short(name: str) -> str:
    return ascii(name if len(name) <= 40 else name[:37] + "...")


def _levels(payload: Payload) -> Iterator[Payload]:
    """The payload, its legs, the legs of a package, and algos in those."""
    level: list[Any] = [payload]
    for _ in range(3):
        objects = [each for each in level if isinstance(each, Mapping)]
        yield from objects
        level = []
        for each in objects:
            for name in ("signal_legs", "signal", "legs", "algo"):
                found = each.get(name)
                level += found if isinstance(found, list) else [found]


def _sent(payload: Payload, name: str) -> bool:
    """Whether a field was sent under any of its names, anywhere."""
    field = ENVELOPE_FIELDS[name]
    return any(
        level.get(each) not in (None, "")
        for level in _levels(payload)
        for each in (name, *field.other_names)
    )
