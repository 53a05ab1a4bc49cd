"""Numbered points of the road at which a test makes the process die, or stand still.

`CRASH_AT=execution.intent_stored` ends the process the first time it comes there, `…:3` the third
time: at once, with exit code 137 like a `kill -9`, nothing flushed, no handler run. `PAUSE_AT`
stops it there as a SIGSTOP does, until a SIGCONT; `HOLD_AT` holds only the thread that comes there,
until the file `go_on` is in MT_HOME. Without them a point costs one attribute check.
docs/decisions/0012-crash-points.md says what each point proves.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from services.domain.errors import ConfigurationError

EXIT_CODE: Final = 137
CRASH: Final = "CRASH_AT"
PAUSE: Final = "PAUSE_AT"
HOLD: Final = "HOLD_AT"


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
    APPROVAL_READ = "cerebro.approval_read"  # a person has answered, the signal is not decided
    BEFORE_DECISION = "cerebro.before_decision"  # all is written, the transaction is not committed
    DECIDED = "cerebro.decided"  # committed, no doorbell was rung
    ACT_DONE = "act.done"  # what a person asked for is done, its answer is not kept


def _crash() -> None:
    os._exit(EXIT_CODE)


def _pause() -> None:
    # To this thread: one that is sent to the process lets it run on until another has taken it.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _hold() -> None:
    while not Path(os.environ["MT_HOME"], "go_on").exists():
        time.sleep(0.01)


_ACTIONS: Final[dict[str, Callable[[], None]]] = {CRASH: _crash, PAUSE: _pause, HOLD: _hold}


class _Armed:
    """One point that waits for its visit."""

    def __init__(self, variable: str, point: FailPoint, visits: int) -> None:
        self._variable = variable
        self._point = point
        self._visits_left = visits
        self._lock = threading.Lock()

    def reach(self, point: FailPoint) -> None:
        """Count a visit; on the one that was asked for the process ends or stands still."""
        if point is not self._point:
            return
        with self._lock:
            self._visits_left -= 1
            if self._visits_left:
                return
        os.write(2, f"{self._variable}: {point} is reached\n".encode())
        _ACTIONS[self._variable]()


def armed_by(environment: Mapping[str, str]) -> _Armed | None:
    """The point that the environment asks for; None = none.

    Raises:
        ConfigurationError: it names no point, or two, or asks where money is real.
    """
    asked = [
        (variable, environment[variable]) for variable in _ACTIONS if environment.get(variable)
    ]
    if not asked:
        return None
    wanted = ", ".join(f"{variable}={value}" for variable, value in asked)
    if len(asked) > 1:
        raise ConfigurationError(f"{wanted}: expected one of them")
    if environment.get("TRADING_MODE") == "live":
        raise ConfigurationError(f"{wanted}: no faults on command where money is real")
    variable, value = asked[0]
    name, _, visits = value.partition(":")
    if name not in set(FailPoint) or not (visits or "1").isdecimal() or int(visits or "1") < 1:
        known = ", ".join(FailPoint)
        raise ConfigurationError(f"{wanted}: expected one of {known}, and maybe :times")
    return _Armed(variable, FailPoint(name), int(visits or "1"))


_armed = armed_by(os.environ)


def failpoint(point: FailPoint) -> None:
    """Die or stop here where the environment said so; else nothing."""
    if _armed is not None:
        _armed.reach(point)
