"""How much there is in which hour, kept a moment; what pages choose their windows by."""

from __future__ import annotations

from typing import Final

from services.common.kept import Kept
from services.common.store import Store
from services.dashboard_creator.paging import Activity

_SECONDS: Final = 30.0
_STRATEGY_SECONDS: Final = 5.0


class Activities:
    """Reads the hours that `latency_keeper` has counted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hours = Kept(self._load, seconds=_SECONDS)
        self._strategies = Kept(self._load_strategies, seconds=_STRATEGY_SECONDS)

    def of_signals(self) -> Activity:
        """Signals by hour. What follows from them, orders and fills, comes in the same hours."""
        return self._hours("hours")

    def strategies(self) -> frozenset[str]:
        """Every strategy there is, or was a moment ago."""
        return self._strategies("all")

    def _load(self, _which: str) -> Activity:
        counted = self._store["checkpoints"].find_one({"_id": "latency_buckets"}) or {}
        rows = self._store["latency_buckets"].find({"size": "HOUR"}, {"number": 1, "signals": 1})
        hours = {row["number"]: row["signals"] for row in rows}
        first, until = counted.get("hours_from"), counted.get("hours_until")
        if first is None or until is None:
            return Activity(hours)
        return Activity(hours, (0 if counted.get("complete") else first, until - 1))

    def _load_strategies(self, _which: str) -> frozenset[str]:
        return frozenset(row["_id"] for row in self._store["strategies"].find({}, {"_id": 1}))
