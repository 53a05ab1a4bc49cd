"""Numbered points of execution's road at which a test makes the process die.

`CRASH_AT=execution.intent_stored` ends the process the first time it comes there, `…:3` the third
time: at once, with exit code 137 like a `kill -9`, nothing flushed, no handler run. Without it a
point costs one attribute check. docs/decisions/0012-crash-points.md says what each point proves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from services.domain.errors import ConfigurationError

EXIT_CODE: Final = 137
VARIABLE: Final = "CRASH_AT"


class FailPoint(StrEnum):
    """Every point, in the order of the road."""

    RECONCILED = "execution.reconciled"  # the broker was asked about every order, not open yet
    ORDER_RECEIVED = "execution.order_received"  # the doorbell rang, nothing was looked at
    GUARDS_STORED = "execution.guards_stored"  # the orders that guard an entry are durable
    SLICE_STORED = "execution.slice_stored"  # the next child of an algo is durable
    BEFORE_INTENT = "execution.before_intent"  # the gate has passed, the intent is not stored
    INTENT_STORED = "execution.intent_stored"  # the intent is durable, the broker not called
    SENT = "execution.sent"  # it left and was not answered; that is not recorded
    ANSWERED = "execution.answered"  # the answer was read, it is not recorded
    STREAM_REPORT = "execution.stream_report"  # a report of the stream arrived, it is not booked
    BEFORE_BOOKING = "execution.before_booking"  # all is written, the transaction is not committed
    BOOKED = "execution.booked"  # committed, the confirmation is not published
    CONFIRMED = "execution.confirmed"  # published, the doorbell is not acknowledged
    CANCEL_SENT = "execution.cancel_sent"  # CANCEL_PENDING is durable, the broker not called
    CANCEL_ANSWERED = "execution.cancel_answered"  # the answer was read, it is not recorded
    KILL_STEP = "execution.kill_step"  # one step of a kill run is done, the next is not begun


class _Armed:
    """One point that waits for its visit."""

    def __init__(self, point: FailPoint, visits: int) -> None:
        self._point = point
        self._visits_left = visits
        self._lock = threading.Lock()

    def reach(self, point: FailPoint) -> None:
        if point is not self._point:
            return
        with self._lock:
            self._visits_left -= 1
            if not self._visits_left:
                os.write(2, f"crash on command at {point}\n".encode())
                os._exit(EXIT_CODE)


def armed_by(environment: Mapping[str, str]) -> _Armed | None:
    """The point that the environment asks for; None = none.

    Raises:
        ConfigurationError: it names no point, or asks for it in a process that trades live.
    """
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return None
    name, _, visits = wanted.partition(":")
    if name not in set(FailPoint) or not (visits or "1").isdecimal() or visits == "0":
        known = ", ".join(FailPoint)
        raise ConfigurationError(f"{VARIABLE}={wanted}: expected one of {known}, and maybe :times")
    if environment.get("TRADING_MODE") == "live":
        raise ConfigurationError(f"{VARIABLE}={wanted}: no crashes on command where money is real")
    return _Armed(FailPoint(name), int(visits or "1"))


_armed = armed_by(os.environ)


def failpoint(point: FailPoint) -> None:
    """Die here where the environment said so; else nothing."""
    if _armed is not None:
        _armed.reach(point)
