"""Faults of the mock broker on command: what goes wrong with which call; in memory."""

from __future__ import annotations

import threading
import time
from enum import StrEnum

from pydantic import Field, model_validator

from brokers.mock import twists
from brokers.mock.margin import Refusal
from brokers.mock.twists import PLAIN, Telling, Twist
from services.domain.values import Frozen
from services.domain.words import OrderStatus


class Step(StrEnum):
    """Which calls a fault is for."""

    PLACE = "PLACE"
    BRACKET = "BRACKET"
    COMBO = "COMBO"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    QUERY = "QUERY"  # orders, executions, positions, state, prices, previews
    STREAM = "STREAM"


class FaultKind(StrEnum):
    """What can be made to go wrong with the next calls."""

    DROP_BEFORE_ACCEPT = "DROP_BEFORE_ACCEPT"  # never taken, never answered
    ACCEPT_THEN_SILENCE = "ACCEPT_THEN_SILENCE"  # taken, never answered
    DELAY_ANSWER = "DELAY_ANSWER"  # taken, answered late
    DISCONNECT_BEFORE_ACCEPT = "DISCONNECT_BEFORE_ACCEPT"  # never taken, the connection is cut
    DISCONNECT_AFTER_ACCEPT = "DISCONNECT_AFTER_ACCEPT"  # taken, the connection is cut
    ERROR_BEFORE_ACCEPT = "ERROR_BEFORE_ACCEPT"  # never taken, answered 500
    ERROR_AFTER_ACCEPT = "ERROR_AFTER_ACCEPT"  # taken, answered 500
    GARBAGE_ANSWER = "GARBAGE_ANSWER"  # taken, answered with what nobody can read
    THROTTLE = "THROTTLE"  # definitely not taken: too many calls
    OUTAGE = "OUTAGE"  # every call of the account is refused for so many seconds, from now on
    REJECT_NEXT = "REJECT_NEXT"
    ANSWER_TWICE = "ANSWER_TWICE"  # every report of it is in the stream twice
    REORDER_REPORTS = "REORDER_REPORTS"  # its reports are in the stream the last one first
    HIDE_ORDER = "HIDE_ORDER"  # taken, the connection is cut, and not shown for a while
    FILL_AFTER_REJECT = "FILL_AFTER_REJECT"  # refused, and filled all the same
    OVERFILL = "OVERFILL"  # one lot more than was asked for
    CORRECT_FILL = "CORRECT_FILL"  # the last fill is told again, a cent dearer
    BUST_FILL = "BUST_FILL"  # the last fill is taken back
    FILL_AFTER_CANCEL = "FILL_AFTER_CANCEL"  # canceled, and filled all the same
    CANCEL_IGNORED = "CANCEL_IGNORED"  # answered as canceled, and works on
    CANCEL_LATE = "CANCEL_LATE"  # answered as working, canceled after so many seconds


_K = FaultKind
#: What is decided before the call is carried out.
BEFORE = frozenset({_K.DROP_BEFORE_ACCEPT, _K.DISCONNECT_BEFORE_ACCEPT, _K.ERROR_BEFORE_ACCEPT})
_CANCELS = frozenset({_K.FILL_AFTER_CANCEL, _K.CANCEL_IGNORED, _K.CANCEL_LATE})
_FILLS = frozenset({_K.FILL_AFTER_REJECT, _K.OVERFILL, _K.CORRECT_FILL, _K.BUST_FILL})
_ORDERS = frozenset({Step.PLACE, Step.BRACKET, Step.COMBO})
_ANY_STEP = BEFORE | {
    _K.ACCEPT_THEN_SILENCE,
    _K.DELAY_ANSWER,
    _K.DISCONNECT_AFTER_ACCEPT,
    _K.ERROR_AFTER_ACCEPT,
    _K.GARBAGE_ANSWER,
    _K.THROTTLE,
    _K.OUTAGE,
}
_REJECTED = Refusal("REJECTED_ON_COMMAND", "rejected on command")
_TWISTS = {
    _K.REJECT_NEXT: Twist(refusal=_REJECTED),
    _K.ANSWER_TWICE: Twist(telling=Telling.TWICE),
    _K.REORDER_REPORTS: Twist(telling=Telling.REORDERED),
    _K.FILL_AFTER_REJECT: Twist(refusal=_REJECTED, after=twists.fill_the_rest),
    _K.OVERFILL: Twist(after=twists.fill_too_much),
    _K.CORRECT_FILL: Twist(after=twists.correct_the_fill),
    _K.BUST_FILL: Twist(after=twists.bust_the_fill),
    _K.FILL_AFTER_CANCEL: Twist(after=twists.fill_the_rest),
    _K.CANCEL_IGNORED: Twist(only_says=OrderStatus.CANCELED),
}


class Fault(Frozen):
    """One fault for the next `count` calls of an account; `seconds` of silence, delay or outage."""

    account_id: str
    kind: FaultKind
    on: Step = Step.PLACE
    count: int = Field(1, ge=1, le=10_000)
    seconds: float = Field(10, ge=0, le=600)

    @model_validator(mode="before")
    @classmethod
    def _cancels_by_themselves(cls, fields: object) -> object:
        if isinstance(fields, dict) and fields.get("kind") in set(_CANCELS):
            return {"on": Step.CANCEL, **fields}
        return fields

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        if not fits(self.kind, self.on):
            raise ValueError(f"{self.kind} is no fault of {self.on}")
        return self

    @property
    def twist(self) -> Twist:
        """What it changes about what happens."""
        if self.kind is FaultKind.HIDE_ORDER:
            return Twist(hide_seconds=self.seconds)
        if self.kind is FaultKind.CANCEL_LATE:
            return Twist(only_says=OrderStatus.SUBMITTED, done_after_seconds=self.seconds)
        return _TWISTS.get(self.kind, PLAIN)


def fits(kind: FaultKind, step: Step) -> bool:
    """Whether such a call can go wrong in this way."""
    if kind in _ANY_STEP:
        return True
    if kind in _CANCELS:
        return step is Step.CANCEL
    if kind is FaultKind.REJECT_NEXT:
        return step in _ORDERS | {Step.MODIFY}
    if kind in _FILLS or kind is FaultKind.HIDE_ORDER:
        return step in _ORDERS
    return step not in {Step.QUERY, Step.STREAM}


class Faults:
    """Faults that are waiting for their calls; in memory, because a restart heals."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._out_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Wait for the next calls; an outage begins at once."""
        with self._lock:
            if fault.kind is FaultKind.OUTAGE:
                self._out_until[fault.account_id] = time.monotonic() + fault.seconds
            else:
                self._waiting += [fault] * fault.count

    def clear(self, account_id: str | None = None) -> None:
        """Let nothing go wrong any more; for all accounts where none is given."""
        with self._lock:
            if account_id is None:
                self._waiting, self._out_until = [], {}
            else:
                self._waiting = [each for each in self._waiting if each.account_id != account_id]
                self._out_until.pop(account_id, None)

    def is_out(self, account_id: str) -> bool:
        """Whether every call of an account is refused now."""
        return time.monotonic() < self._out_until.get(account_id, 0)

    def next_for(self, account_id: str, step: Step) -> Fault | None:
        """The fault of this call; None = nothing goes wrong."""
        if not self._waiting:
            return None
        with self._lock:
            for number, fault in enumerate(self._waiting):
                if (fault.account_id, fault.on) == (account_id, step):
                    return self._waiting.pop(number)
        return None
