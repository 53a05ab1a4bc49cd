"""How long signals take: counted into histograms that can be added up. Pure.

A percentile of a histogram is read off between the bounds of a bucket: as exact as the bucket is
narrow, and never a scan of what has been.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from services.dashboard_creator.models import View
from services.dashboard_creator.words import milliseconds
from services.domain.values import Instant

#: Milliseconds; the last bucket is everything above.
BOUNDS: Final = (
    *(1, 2, 3, 5, 7, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000),
)
#: Of each stage: from, to, and what a person calls it.
STAGES: Final[Mapping[str, tuple[str, str, str]]] = {
    "standardized": ("received_at", "standardized_at", "arrival to standardized"),
    "decided": ("standardized_at", "decided_at", "standardized to decided"),
    "submitted": ("decided_at", "submitted_at", "decided to sent"),
    "first_fill": ("submitted_at", "first_fill_at", "sent to the first fill"),
    "arrival_to_submitted": ("received_at", "submitted_at", "arrival to sent"),
    "arrival_to_fill": ("received_at", "first_fill_at", "arrival to the first fill"),
}
Counts = dict[str, list[int]]


class Bucket(View):
    """A part of a histogram; `to_ms` is null above the last bound."""

    from_ms: float
    to_ms: float | None
    count: int


class StageLatency(View):
    """One stage over a window; percentiles are null where nothing came so far."""

    stage: str
    name: str
    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    histogram: tuple[Bucket, ...]


class LatencyAnswer(View):
    """Latency of the stages of a window.

    Attributes:
        until: end of the last minute that is counted; younger signals are not in it.
        signals: that arrived in the window.
    """

    since: Instant
    until: Instant
    signals: int
    stages: tuple[StageLatency, ...]


def counted(lives: Iterable[Mapping[str, Any]]) -> tuple[int, Counts]:
    """Histograms of some signals, and how many they are."""
    counts: Counts = {name: [0] * (len(BOUNDS) + 1) for name in STAGES}
    number = 0
    for life in lives:
        number += 1
        stages = {"received_at": life["received_at"], **(life.get("stages") or {})}
        for name, (begin, end, _) in STAGES.items():
            took = milliseconds(stages.get(begin), stages.get(end))
            if took is not None:
                counts[name][bisect_left(BOUNDS, max(0.0, took))] += 1
    return number, counts


def added(parts: Iterable[Mapping[str, Sequence[int]]]) -> Counts:
    """The sum of histograms; one of other bounds than ours counts for nothing."""
    total: Counts = {name: [0] * (len(BOUNDS) + 1) for name in STAGES}
    for part in parts:
        for name, counts in part.items():
            if name in total and len(counts) == len(BOUNDS) + 1:
                total[name] = [a + b for a, b in zip(total[name], counts, strict=True)]
    return total


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The value that a share of all is not above, straight between the bounds of its bucket."""
    wanted, seen = share * sum(counts), 0.0
    if not wanted:
        return None
    for number, count in enumerate(counts):
        if count and seen + count >= wanted:
            low = BOUNDS[number - 1] if number else 0
            high = BOUNDS[number] if number < len(BOUNDS) else low
            return round(low + (high - low) * (wanted - seen) / count, 1)
        seen += count
    return float(BOUNDS[-1])


def answer(
    parts: Sequence[Mapping[str, Sequence[int]]], signals: int, *, since: datetime, until: datetime
) -> LatencyAnswer:
    """What a page shows of a window."""
    total = added(parts)
    return LatencyAnswer(
        since=since,
        until=until,
        signals=signals,
        stages=tuple(_stage(name, counts) for name, counts in total.items()),
    )


def _stage(name: str, counts: Sequence[int]) -> StageLatency:
    edges = [0.0, *map(float, BOUNDS)]
    bounds: list[tuple[float, float | None]] = [*pairwise(edges), (edges[-1], None)]
    highest = max((number for number, count in enumerate(counts) if count), default=None)
    p50, p95, p99 = (percentile(counts, share) for share in (0.5, 0.95, 0.99))
    return StageLatency(
        stage=name,
        name=STAGES[name][2],
        count=sum(counts),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=None if highest is None else bounds[highest][1],
        histogram=tuple(
            Bucket(from_ms=low, to_ms=high, count=count)
            for (low, high), count in zip(bounds, counts, strict=True)
        ),
    )
