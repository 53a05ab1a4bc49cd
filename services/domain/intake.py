"""A payload as the signals it is, with the key that tells a repeat from a new one.

All doors and ingestion go through `take_in`, so that the same alert by two doors is one signal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.domain.drafts import drafts_of
from services.domain.errors import InvalidSignal
from services.domain.fields import Fields
from services.domain.payloads import Payload
from services.domain.signals import Signal, signal_id_for
from services.domain.standardize import Identity, standardize

_TIMES = ("timestamp", "bar_time")
#: What two sendings of one signal may differ in.
_NO_CONTENT = {"received_at", "occurred_at", "warnings", "follows"}
#: Fields of legs that signals of version 0.1.0 do not have: repeats of those are still repeats.
_LATER_OF_LEGS = ("trail_amount", "trail_ratio", "cancel_after_seconds", "algo")


class Intake(NamedTuple):
    """What one payload is.

    Attributes:
        strategy_id: whose it is.
        key: the same for every repeat of it; "" where the sender gave nothing to make one of.
        content_hash: equal where the meaning is; the times of sending do not count.
        signals: one, or the exit and the entry of a reversal.
    """

    strategy_id: str
    key: str
    content_hash: str
    signals: tuple[Signal, ...]

    def keyed(self, key: str) -> Intake:
        """The same with this key, and each signal with the id that follows from it.

        The last signal has the id that the sender can compute; what goes before it, its own. The
        entry of a reversal names its exit.
        """
        before = [f"{key}\x00{index}" for index in range(len(self.signals) - 1)]
        ids = [signal_id_for(self.strategy_id, each) for each in (*before, key)]
        signals = [
            signal.model_copy(update={"signal_id": signal_id})
            for signal, signal_id in zip(self.signals, ids, strict=True)
        ]
        if len(signals) > 1:
            signals[-1] = signals[-1].model_copy(update={"follows": ids[-2]})
        return self._replace(key=key, signals=tuple(signals))


def take_in(
    payload: Payload,
    *,
    strategy_id: str,
    received_at: datetime,
    defaults: Payload | None = None,
    sent_at: datetime | None = None,
) -> Intake:
    """Standardise a payload.

    Args:
        payload: what the sender posted.
        strategy_id: whose it is.
        received_at: when it came, aware.
        defaults: what the strategy's operator set for fields that are left out.
        sent_at: when its door says it was sent, where the payload does not say.

    Raises:
        InvalidSignal: with code, sentence and the field that is wrong.
    """
    unnamed = Identity("", strategy_id, received_at, sent_at)
    try:
        signals = tuple(standardize(draft, unnamed) for draft in drafts_of(payload, defaults))
    except (ArithmeticError, ValueError, TypeError) as error:
        # A hole in the rules above must not stop the signals behind this one.
        raise InvalidSignal(
            "UNREADABLE", f"the signal cannot be read ({type(error).__name__})"
        ) from error
    content_hash = _digest([_content(signal) for signal in signals])
    key = _given_key(payload) or _key_of_content(payload, signals)
    return Intake(strategy_id, key, content_hash, signals).keyed(key)


def _content(signal: Signal) -> str:
    """What it means, as text: without the fields that came later where they say nothing."""
    without: dict[str, Any] = dict.fromkeys(_NO_CONTENT, True)
    if signal.group_policy is None:
        without["group_policy"] = True
    without["legs"] = {
        place: {name for name in _LATER_OF_LEGS if getattr(leg, name) is None}
        for place, leg in enumerate(signal.legs)
    }
    return signal.model_dump_json(exclude=without)


def strategy_name_of(payload: Payload) -> str | None:
    """Whose signal the payload says it is. Raises: InvalidSignal."""
    name = Fields(payload).text("strategy_name")
    if name is None and isinstance(payload.get("signal"), dict):
        name = Fields(payload["signal"]).text("strategy_name")
    return name


def _given_key(payload: Payload) -> str | None:
    fields = Fields(payload)
    return fields.text("idempotency_key") or fields.text("signalID")


def _key_of_content(payload: Payload, signals: Sequence[Signal]) -> str:
    """From instruments, sides, type, order id and times; "" where there is no time."""
    fields = Fields(payload)
    times = [text for text in map(fields.text, _TIMES) if text] or [
        text for text in [fields.text("signal_sent_EPOCH")] if text
    ]
    if not times:
        return ""
    content = [
        [signal.intent, [[leg.instrument.key, leg.side] for leg in signal.legs]]
        for signal in signals
    ]
    return f"content:{_digest([content, times, fields.text('order_id')])}"


def moment_key(content_hash: str, received_at: datetime, *, seconds: int, back: int = 0) -> str:
    """A key for a payload with neither id nor time: its content in one window of `seconds`.

    Args:
        content_hash: of the payload.
        received_at: when it came.
        seconds: length of a window; windows begin at multiples of it.
        back: 1 for the window before.
    """
    window = int(received_at.timestamp()) // seconds - back
    return f"moment:{content_hash}:{window}"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
