"""A signal on its road, and when it was where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

#: As `scripts/bench/measure.py` names them: from, to.
STAGES = {
    "HTTP answer": ("sent_at", "received_at"),
    "received → standardized": ("received_at", "standardized_at"),
    "standardized → decided": ("standardized_at", "decided_at"),
    "decided → at the broker": ("decided_at", "taken_at"),
    "at the broker → booked": ("taken_at", "booked_at"),
    "accept → order at the broker": ("received_at", "taken_at"),
    "accept → booked": ("received_at", "booked_at"),
}


@dataclass
class Signal:
    """Moments in seconds of the simulation; NaN = not yet.

    Attributes:
        accounts: that it trades in.
        taken_at: its last order is at the broker.
        left: its orders that are not in the books.
    """

    sent_at: float
    accounts: tuple[int, ...]
    received_at: float = float("nan")
    standardized_at: float = float("nan")
    decided_at: float = float("nan")
    taken_at: float = float("nan")
    booked_at: float = float("nan")
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.accounts)


def latencies(
    signals: Iterable[Signal], shares: Sequence[float] = (0.5, 0.95, 0.99)
) -> Mapping[str, tuple[float, ...]]:
    """Quantiles of each stage in milliseconds, of signals that have passed it; else NaN."""
    every = list(signals)
    found = {}
    for name, (begin, end) in STAGES.items():
        passed = np.array([getattr(s, end) - getattr(s, begin) for s in every])
        passed = passed[~np.isnan(passed)]
        nothing = (float("nan"),) * len(shares)
        found[name] = tuple(1000 * np.quantile(passed, shares)) if passed.size else nothing
    return found
