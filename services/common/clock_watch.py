"""Whether the clock of this process is right, by the database's, and whether it was set back.

Ages, validities and sessions are reckoned by it. One that is behind takes old figures for fresh
ones and sends what has expired, so where it is wrong no entry goes; exits do.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo.errors import PyMongoError

from services.common.clock import doubted_by, utc_now
from services.common.daemon import Process
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store

_log = logging.getLogger(__name__)
INCIDENT: Final = "CLOCK_WRONG"
_EVERY_SECONDS: Final = 5.0


class ClockWatch:
    """Compares the clock with the database's every few seconds, and with itself whenever asked.

    Args:
        store: whose clock it is compared with.
        service: whose clock it is.
        most_seconds: how far it may be off.
        fresh_seconds: how old figures may be that are traded on. After a step backwards what was
            stored before it looks younger than it is, until it is older than that by any clock.
    """

    def __init__(
        self, store: Store, service: str, *, most_seconds: float, fresh_seconds: float
    ) -> None:
        self._store = store
        self._service = service
        self._most = most_seconds
        self._fresh = fresh_seconds
        self._lock = threading.Lock()
        self._ahead: timedelta | None = None
        self._stepped_by = 0.0
        self._held_until = 0.0
        self._course = _course()
        self._is_told: bool | None = None  # None: an earlier process may have left an incident open
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Look once, and from now on in a thread."""
        doubted_by(self.trouble)
        self._look_if_possible()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(timeout=10)
        doubted_by(str)

    def trouble(self) -> str:
        """Why no entry may go by this clock, in a sentence; "" = it is right as far as is known."""
        with self._lock:
            self._notice_step()
            if self._ahead is not None:
                seconds = self._ahead.total_seconds()
                where = "ahead of" if seconds > 0 else "behind"
                return (
                    f"the clock of {self._service} is {abs(seconds):.0f} s {where} the database's, "
                    f"{self._most:g} s are forgiven"
                )
            if time.monotonic() < self._held_until:
                return (
                    f"the clock of {self._service} was set back by {self._stepped_by:.0f} s: "
                    "figures of before look younger than they are"
                )
        return ""

    def _notice_step(self) -> None:
        course = _course()
        back, self._course = self._course - course, course
        if back > self._most:
            self._stepped_by = back
            self._held_until = time.monotonic() + back + self._fresh

    def look(self) -> None:
        """Compare with the database's clock, and tell a person what has changed.

        Raises: PyMongoError.
        """
        asked, before = time.monotonic(), utc_now()
        theirs: datetime = self._store.client.admin.command("hello")["localTime"]
        # The answer is of some moment between: half of what it took is no skew.
        half = timedelta(seconds=(time.monotonic() - asked) / 2)
        # The admin database is read with other options than ours: its times may be without a zone.
        ahead = before + half - theirs.replace(tzinfo=UTC)
        off = abs(ahead) - half > timedelta(seconds=self._most)
        with self._lock:
            self._ahead = ahead if off else None
        self._tell(self.trouble())

    def _tell(self, sentence: str) -> None:
        if bool(sentence) == self._is_told:
            return
        if sentence:
            told = f"{sentence}; no entry goes, exits do. Set it by NTP (timedatectl set-ntp true)"
            raise_incident(self._store, kind=INCIDENT, key=self._service, sentence=told)
        else:
            clear_incident(self._store, kind=INCIDENT, key=self._service)
        self._is_told = bool(sentence)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self._look_if_possible()

    def _look_if_possible(self) -> None:
        try:
            self.look()
        except PyMongoError as error:
            _log.warning("the clock could not be compared: %s", type(error).__name__)


def _course() -> float:
    """Wall clock less monotonic clock; changes only where the clock is set. Seconds."""
    return utc_now().timestamp() - time.monotonic()


def watch_clock(process: Process[Any], store: Store) -> None:
    """Have a process that decides or sends watch its clock for its life."""
    settings = process.settings
    fresh_seconds = float(settings.account_max_age_s)
    process.add(
        ClockWatch(
            store,
            process.service,
            most_seconds=settings.clock_max_skew_s,
            fresh_seconds=fresh_seconds,
        )
    )
