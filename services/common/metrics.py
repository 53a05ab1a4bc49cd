"""What a process tells Prometheus: its counters, whether it is ready, and figures it is asked for.

Counters live as long as the process; figures are asked for at each scrape. What cannot be asked is
left out and told by `figures_ok 0`: a failure never reads as zero.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_log = logging.getLogger(__name__)

#: Milliseconds from the arrival of a signal to each later stage, for every process.
STAGE_LATENCY: Final = Histogram(
    "signal_stage_milliseconds",
    "Milliseconds from the arrival of a signal to a stage of its road",
    ["stage"],
    buckets=(1, 2, 5, 10, 15, 20, 25, 35, 50, 75, 100, 250, 500, 1000, 5000, 30000),
)
#: RECEIVED, STANDARDIZED, DECISION, SUBMITTING and the states of orders.
STEPS: Final = Counter("signal_steps", "Steps on the road of signals and their orders", ["step"])
#: handled, again (it comes once more) or dead.
MESSAGES: Final = Counter(
    "bus_messages", "Doorbells by what became of them", ["subscription", "outcome"]
)


class Figure(NamedTuple):
    """One number of now; all of one name have the same labels."""

    name: str
    words: str
    value: float
    labels: Mapping[str, str] = {}


#: Raises where it cannot be known.
Figures = Callable[[], Iterable[Figure]]


def exposition(figures: Sequence[Figures]) -> bytes:
    """Everything, in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    gauges: dict[str, Gauge] = {}
    failed = False
    for ask in figures:
        try:
            found = list(ask())
        except Exception as error:  # noqa: BLE001 - whatever it is, the other figures are told
            _log.warning("figures cannot be told: %s: %s", type(error).__name__, error)
            failed = True
            continue
        for figure in found:
            _set(gauges, registry, figure)
    told = Gauge("figures_ok", "1 where all figures of this process are told", registry=registry)
    told.set(0 if failed else 1)
    return generate_latest() + generate_latest(registry)


def _set(gauges: dict[str, Gauge], registry: CollectorRegistry, figure: Figure) -> None:
    gauge = gauges.get(figure.name)
    if gauge is None:
        gauge = Gauge(figure.name, figure.words, sorted(figure.labels), registry=registry)
        gauges[figure.name] = gauge
    (gauge.labels(**figure.labels) if figure.labels else gauge).set(figure.value)
