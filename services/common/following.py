"""The loop around a change stream: whoever follows one goes on, whatever happens to it.

A stream ends where the store is away, where its history does not reach back any more, or by a bug
of ours; what follows it must not end with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError

from services.domain.errors import TransientError

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 1.0
#: What one look may take until the next pause: what waits is there at once, the next one is not.
_LOOK_SECONDS: Final = 0.005


class Pace:
    """Rests between looks at a stream, so that each brings many changes instead of one.

    A stream answers with the first change that there is: whoever asks again at once asks the store
    once for every change of all who write. To be called before every change.

    Args:
        stop: ends a rest.
        seconds: of a rest; a change is seen so much later at most. May be changed at any time.
    """

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        self.seconds = seconds
        self._stop = stop
        self._rested_at = time.monotonic()

    def keep(self) -> None:
        """Rest, where the last rest is long enough ago."""
        if time.monotonic() - self._rested_at > _LOOK_SECONDS:
            self._stop.wait(self.seconds)
            self._rested_at = time.monotonic()


def keep_following(
    name: str,
    stop: threading.Event,
    follow: Callable[[], None],
    lost: Callable[[], None],
    *,
    pause_seconds: float = _PAUSE_SECONDS,
) -> None:
    """Follow a stream until told to stop; returns then only.

    Args:
        name: of what follows, for the log.
        stop: set to end it; `follow` looks at it, too.
        follow: opens the stream where it ended and reads it; returns at once where it is not its
            turn, and is called again after a pause.
        lost: forgets the place in the stream: its history is gone, and all is read anew.
        pause_seconds: between two tries.
    """
    while not stop.is_set():
        try:
            follow()
        except OperationFailure as error:
            _log.warning("%s: changes are lost, beginning anew: %s", name, error.details)
            _forget(name, lost)
        except (PyMongoError, TransientError) as error:
            _log.warning("%s pauses: %s", name, error)
        except Exception:  # noqa: BLE001 - whatever it is, what happens next must be told
            _log.exception("%s pauses", name)
        stop.wait(pause_seconds)


def _forget(name: str, lost: Callable[[], None]) -> None:
    try:
        lost()
    except PyMongoError as error:
        _log.warning("%s: its place could not be reset: %s", name, type(error).__name__)
