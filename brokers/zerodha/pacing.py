"""How fast Kite may be called, by all processes of this machine together.

Kite counts by the key of the app: https://kite.trade/docs/connect/v3/exceptions (API rate limit).
It counts when a call arrives, and nobody here knows when that is: some time between its start and
its answer. So a call's place is free again only when the window has passed since its answer, and
whatever the network does, Kite never sees more than it allows.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from brokers.errors import BrokerUnavailable

_log = logging.getLogger(__name__)


class Window(NamedTuple):
    """At most so many calls in any so many seconds."""

    most: int
    seconds: float


#: What Kite allows, with a little time more for clocks of another speed. One question is left for
#: a person who logs in.
ORDERS: Final = (Window(10, 1.01), Window(200, 60.1))
QUESTIONS: Final = (Window(9, 1.01),)
QUOTES: Final = (Window(1, 1.01),)
#: A call that was never answered, because its process died, has arrived by then or never will.
_LOST_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.01
#: The file is held for less than a millisecond, unless its holder is halted.
_LOCK_SECONDS: Final = 3.0
_LOCK_AGAIN_SECONDS: Final = 0.001
#: One call: when it began, and when it was answered (0 = not yet).
_Call = tuple[float, float]


class Pacer:
    """Gives calls their turn; safe to use from any thread, and from any process with the same file.

    Args:
        windows: what is allowed.
        file: where calls are counted; its folder is made where it is not there.
        clock: seconds that all processes share.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        file: Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._windows = windows
        self._file = file
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()
        self._calls = 0

    @contextmanager
    def turn(self, most_seconds: float) -> Iterator[None]:
        """A call's turn: it is made inside.

        Raises:
            BrokerUnavailable: its turn would not come within so many seconds.
        """
        until = self._clock() + most_seconds
        if not self._turn.acquire(timeout=max(most_seconds, 0)):
            raise _crowded(most_seconds)
        try:
            call = self._begin(until, most_seconds)
        finally:
            self._turn.release()
        try:
            yield
        finally:
            self._end(call)

    def is_free(self, calls: int) -> bool:
        """Whether so many calls could be made now without any wait."""
        with self._books() as books:
            return wait_seconds(books.values(), self._windows, self._clock(), calls) == 0

    def _begin(self, until: float, most_seconds: float) -> str:
        while True:
            with self._books() as books:
                now = self._clock()
                wait = wait_seconds(books.values(), self._windows, now)
                if wait == 0:
                    self._calls += 1
                    call = f"{os.getpid()}-{id(self)}-{self._calls}"
                    books[call] = (now, 0.0)
                    return call
            if now + wait > until:
                raise _crowded(most_seconds)
            self._sleep(max(wait, _LOOK_SECONDS))

    def _end(self, call: str) -> None:
        """The call has its answer, whatever becomes of our count: it counts as lost without."""
        try:
            with self._books() as books:
                if call in books:
                    books[call] = (books[call][0], self._clock())
        except BrokerUnavailable as error:
            _log.warning("%s", error)

    @contextmanager
    def _books(self) -> Iterator[dict[str, _Call]]:
        """The calls that still count, by whichever process; what is changed is kept."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+", encoding="utf-8") as file:
                self._lock(file)
                file.seek(0)
                before = _read(file.read())
                books = still_counting(before, self._windows, self._clock())
                yield books
                if books != before:
                    file.seek(0)
                    file.truncate()
                    json.dump(books, file)
        except OSError as error:
            raise BrokerUnavailable(f"calls cannot be counted in {self._file}: {error}") from error

    def _lock(self, file: IO[str]) -> None:
        """Alone with the file. Raises: TimeoutError: another process, halted, does not let go."""
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"it is locked for {_LOCK_SECONDS:g} s") from None
            time.sleep(_LOCK_AGAIN_SECONDS)


def still_counting(
    calls: Mapping[str, _Call], windows: Sequence[Window], now: float
) -> dict[str, _Call]:
    """Without those that no window looks back to."""
    longest = max(window.seconds for window in windows)
    return {
        key: (began, ended)
        for key, (began, ended) in calls.items()
        if (now - ended < longest if ended else now - began < _LOST_SECONDS)
        and began <= now + _LOST_SECONDS  # a clock that was set back counts nothing for long
    }


def wait_seconds(
    calls: Iterable[_Call], windows: Sequence[Window], now: float, wanted: int = 1
) -> float:
    """How long until so many calls more may begin, as far as is known: 0 = now.

    Where too many are not answered yet, it says when to look again.
    """
    told = [(began, ended) for began, ended in calls]
    waits = [0.0]
    for window in windows:
        frees = [ended + window.seconds - now if ended else _LOOK_SECONDS for _, ended in told]
        held = sorted(each for each in frees if each > 0)
        if (over := len(held) + wanted - window.most) > 0:
            waits.append(held[over - 1] if over <= len(held) else window.seconds)
    return max(waits)


def _read(text: str) -> dict[str, _Call]:
    try:
        return {
            key: (float(began), float(ended)) for key, (began, ended) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}  # empty, or half written by a process that died: Kite itself still counts


def _crowded(most_seconds: float) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"too many calls, nothing was sent: Kite's limit leaves no turn within {most_seconds:g} s"
    )
