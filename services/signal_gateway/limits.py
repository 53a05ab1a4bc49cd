"""How much may come in a minute: from a strategy, from an address, with wrong credentials.

Counted in the store, so that any number of gateways share one limit. A gateway takes allowances in
small handfuls and spends them without asking: together they never allow more than the limit; one
that dies takes at most a handful with it. Windows are minutes of the clock, so a burst over the
turn of a minute may be up to two limits long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pymongo.errors import DuplicateKeyError

from services.common.problems import Refusal
from services.common.store import Store

Kind = Literal["strategy", "address", "failures", "lint"]
WINDOW_SECONDS: Final = 60
_HANDFUL: Final = 32
_SHARE: Final = 16
_REMEMBERED: Final = 10_000
_WORDS: Final[Mapping[Kind, str]] = {
    "strategy": "signals of strategy {key}",
    "address": "requests from {key}",
    "failures": "wrong credentials from {key}",
    "lint": "questions to the lint from {key}",
}


class RateLimits:
    """Limits by kind; 0 = none."""

    def __init__(self, store: Store, per_minute: Mapping[Kind, int]) -> None:
        self._store = store
        self._limits = per_minute
        self._lock = threading.Lock()
        #: What is left of a handful, by kind and key, and of which window it is.
        self._held: dict[tuple[Kind, str], tuple[int, int]] = {}

    def spend(self, kind: Kind, key: str, *, now: float | None = None) -> None:
        """Count one; `now` is epoch seconds.

        Raises:
            Refusal: 429, the limit of this minute is reached.
            PyMongoError: the count cannot be asked for.
        """
        limit = self._limits.get(kind, 0)
        if not limit:
            return
        moment = time.time() if now is None else now
        window = int(moment) // WINDOW_SECONDS
        if self._spend_held(kind, key, window):
            return
        taken = self._take(kind, key, window, limit)
        if not taken:
            wait = WINDOW_SECONDS - int(moment) % WINDOW_SECONDS
            raise Refusal(
                429,
                "RATE_LIMITED",
                f"more than {limit} {_WORDS[kind].format(key=key)} in a minute: wait {wait} s",
                retry_after=wait,
            )
        self._hold(kind, key, window, taken - 1)

    def _spend_held(self, kind: Kind, key: str, window: int) -> bool:
        with self._lock:
            of_window, left = self._held.get((kind, key), (window, 0))
            if of_window != window or not left:
                return False
            self._held[kind, key] = (window, left - 1)
            return True

    def _hold(self, kind: Kind, key: str, window: int, more: int) -> None:
        with self._lock:
            if len(self._held) > _REMEMBERED:
                self._held = {name: held for name, held in self._held.items() if held[0] == window}
            of_window, left = self._held.get((kind, key), (window, 0))
            self._held[kind, key] = (window, more + (left if of_window == window else 0))

    def _take(self, kind: Kind, key: str, window: int, limit: int) -> int:
        """A handful of what is left of the window in the store; 0 where nothing is."""
        name, windows = f"{kind}|{key}", self._store["rate_windows"]
        while True:
            row = windows.find_one({"_id": name})
            current = row is not None and row["window"] >= window
            left = limit - (row["used"] if row is not None and current else 0)
            if left <= 0:
                return 0
            handful = max(1, min(_HANDFUL, left // _SHARE))
            if row is not None and current:
                changed = windows.update_one(
                    {"_id": name, "window": row["window"], "used": {"$lte": limit - handful}},
                    {"$inc": {"used": handful}},
                )
                if changed.modified_count:
                    return handful
                continue
            fresh = {
                "window": window,
                "used": handful,
                "expires_at": datetime.now(UTC) + timedelta(seconds=2 * WINDOW_SECONDS),
            }
            try:
                if row is None:
                    windows.insert_one({"_id": name, **fresh})
                    return handful
                if windows.update_one(
                    {"_id": name, "window": row["window"]}, {"$set": fresh}
                ).modified_count:
                    return handful
            except DuplicateKeyError:
                continue
