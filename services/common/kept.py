"""Values that may be a moment old: loaded on first use, again when their time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Generic, TypeVar

#: Then what is out of time is forgotten.
_MOST: Final = 10_000
_NEVER: Final = (-math.inf, None)
K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Keeps what `load` found for `seconds`; what it did not find (None) is asked for each time."""

    def __init__(self, load: Callable[[K], V], *, seconds: float) -> None:
        self._load = load
        self._seconds = seconds
        self._kept: dict[K, tuple[float, V]] = {}

    def __call__(self, key: K) -> V:
        """The value of `key`, at most `seconds` old."""
        kept = self._kept.get(key)
        now = time.monotonic()
        if kept and now - kept[0] < self._seconds:
            return kept[1]
        value = self._load(key)
        if value is None:
            self._kept.pop(key, None)
        else:
            self._keep(key, value, now)
        return value

    def read_ahead(self, keys: Collection[K], load: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        """Have `load` find at once those of several that would be asked for one by one."""
        now = time.monotonic()
        due = [key for key in keys if now - self._kept.get(key, _NEVER)[0] >= self._seconds]
        if len(due) > 1:
            for key, value in load(due).items():
                self._keep(key, value, now)

    def _keep(self, key: K, value: V, now: float) -> None:
        if len(self._kept) >= _MOST:
            # A copy: other threads may be adding theirs.
            fresh = self._kept.copy().items()
            self._kept = {k: each for k, each in fresh if now - each[0] < self._seconds}
        self._kept[key] = (now, value)
