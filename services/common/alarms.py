"""Alarms that nobody answers: entries stop where they point to, until a person resumes.

Every process that decides, sends or measures watches, so that none must be alive for it; what one
does is compare-and-set and done once. Exits, guards and cancels go on.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.common.clock import utc_now
from services.common.controls import controls, set_trading_state
from services.common.daemon import Process
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError, TransientError
from services.domain.incidents import concerned
from services.domain.notifications import CRITICAL_INCIDENTS
from services.domain.risk import scope_in_words, scope_key
from services.domain.words import Scope, TradingState

_log = logging.getLogger(__name__)
#: In place of a person, where nobody has answered.
UNANSWERED: Final = "an unanswered alarm"
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LONG: Final = 300
#: Open, not acknowledged, and not answered for yet since it is open.
_UNHEARD: Final[Document] = {
    "status": "OPEN",
    "acknowledged": {"$exists": False},
    "halted": {"$exists": False},
}


class AlarmWatch:
    """Looks for critical incidents that are open for too long and that nobody has acknowledged.

    Each opening stops entries once: whoever resumes while it is still open is believed.

    Args:
        store: where incidents and switches are.
        after_seconds: how long a person has to acknowledge.
    """

    def __init__(self, store: Store, *, after_seconds: float) -> None:
        self._store = store
        self._after = timedelta(seconds=after_seconds)
        self._pause = min(_LONGEST_PAUSE_SECONDS, after_seconds / 5)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Watch in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is running."""
        self._stop.set()
        self._thread.join(timeout=10)

    def look(self) -> int:
        """Stop entries for every alarm that is overdue; how many there were.

        Raises: PyMongoError.
        """
        rows = self._store["incidents"].find(_UNHEARD | {"kind": {"$in": list(CRITICAL_INCIDENTS)}})
        return sum(self._answer_for(row["_id"]) for row in list(rows) if self._is_overdue(row))

    def _is_overdue(self, row: Document) -> bool:
        # What was opened before openings were dated counts from when it was last seen.
        since: datetime = row.get("open_since") or row["last_seen_at"]
        return utc_now() - since >= self._after

    def _answer_for(self, incident_id: str) -> bool:
        try:
            sentence = self._store.transaction(lambda session: self._halt(incident_id, session))
        except (DuplicateKeyError, TransientError) as error:
            _log.info("%s is looked at again: %s", incident_id, error)
            return False
        if sentence:
            _log.error("incident %s: %s", incident_id, sentence)
        return bool(sentence)

    def _halt(self, incident_id: str, session: ClientSession) -> str:
        """Inside a transaction; says what was done, "" where a person or another was faster."""
        query = _UNHEARD | {"_id": incident_id}
        row = self._store["incidents"].find_one(query, session=session)
        if row is None or not self._is_overdue(row):
            return ""
        place = concerned(row.get("facts") or {})
        seconds = self._after.total_seconds()
        words = f"nobody has acknowledged {incident_id} within {seconds:g} s: {row['sentence']}"
        try:
            place = self._reduce(place, words[:_LONG], session)
        except ConfigurationError:  # there is no such account or strategy any more
            place = self._reduce((Scope.GLOBAL, ""), words[:_LONG], session)
        sentence = f"entries are stopped for {scope_in_words(*place)}: {words}"[:_LONG]
        halted: dict[str, Any] = {"at": utc_now(), "scope": place[0], "scope_id": place[1]}
        halted["sentence"] = f"{sentence}; acknowledge it, then resume"
        changed = self._store["incidents"].update_one(
            query, {"$set": {"halted": halted}}, session=session
        )
        return sentence if changed.modified_count else ""

    def _reduce(
        self, place: tuple[Scope, str], reason: str, session: ClientSession
    ) -> tuple[Scope, str]:
        """Let exits through only; a switch that is as strict keeps its own reason."""
        key = scope_key(*place)
        found = [each for each in controls(self._store, session) if each.key == key]
        if not found or found[0].trading_state is TradingState.ACTIVE:
            signed = {"by": UNANSWERED, "reason": reason}
            set_trading_state(self._store, place, TradingState.REDUCING, session, **signed)
        return place

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self.look()
            except PyMongoError as error:
                _log.warning("alarms could not be read: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - nobody else would notice that it has ended
                _log.exception("alarms could not be looked at")


def watch_alarms(process: Process[Any], store: Store) -> None:
    """Have a process watch alarms for its life, unless INCIDENT_HALT_AFTER_S is 0."""
    seconds = process.settings.incident_halt_after_s
    if seconds:
        process.add(AlarmWatch(store, after_seconds=seconds))
