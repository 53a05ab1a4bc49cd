"""The loop around a change stream: whoever follows one goes on, whatever happens to it.

A stream ends where the store is away, where its history does not reach back any more, or by a bug
of ours; what follows it must not end with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError

from services.domain.errors import TransientError

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 1.0


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
