#!/usr/bin/env python3
"""Simulate the road of a signal: check the model against measurements, then let it forecast.

    .venv/bin/python scripts/scale.py check
    .venv/bin/python scripts/scale.py forecast     # or steady, use, sensitivity
    .venv/bin/python scripts/scale.py check --measured commands.json --more idle-16.json

Costs come from `scripts/bench_commands.py`, as kept in `scripts/scaling/measured/`; what is assumed
of the cloud is `scripts/scaling/worlds.py`. Prints the tables of docs/scaling.md. No promise.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.scaling import worlds
from scripts.scaling.calibration import Measured
from scripts.scaling.parameters import Costs, Work, World
from scripts.scaling.road import Road
from scripts.scaling.signals import latencies

_MEASURED = Path(__file__).parent / "scaling" / "measured"
_TO_BROKER = "accept → order at the broker"
_LONGEST_S = 900.0
_STEADY_S = 20.0
#: Signals that are sent at once to find out what the system carries.
_FLOOD = 2000
_STEADY_RATES = (10, 25, 50, 100)
_CARRIED = 25


class Outcome(NamedTuple):
    """What became of simulated signals.

    Attributes:
        p50_ms: accept → order at the broker.
        p99_ms: the same.
        last_s: from the first signal to the last booking; infinite where not all were booked.
        per_s: booked in a second, from the first signal to the last booking.
        use: stations by how much of their time they worked, fullest first.
    """

    p50_ms: float
    p99_ms: float
    last_s: float
    per_s: float
    use: Sequence[tuple[str, float]]
    conflicts: int
    taken_back: int


def main() -> int:
    """Check or forecast; prints Markdown."""
    arguments = _arguments()
    few, more = (
        Measured(json.loads(path.read_text())) for path in (arguments.measured, arguments.more)
    )
    if arguments.what == "check":
        _check_published()
        _check_measured(few, more, arguments.full)
    else:
        low, high = few.phases_of(1, arguments.full)
        world = worlds.production(few.costs(low, high), few.idle(more, embedded=False))
        ask = {
            "forecast": _forecast,
            "steady": _steady,
            "use": _use,
            "sensitivity": _sensitivity,
        }
        ask[arguments.what](world)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("check", "forecast", "steady", "use", "sensitivity"))
    parser.add_argument("--measured", type=Path, default=_MEASURED / "rates.json")
    parser.add_argument("--more", type=Path, default=_MEASURED / "more_accounts.json")
    parser.add_argument("--full", type=float, default=35, help="rate with large batches")
    return parser.parse_args()


def simulate(world: World, arrivals: Sequence[float], *, seed: int) -> Outcome:
    """One run of the model."""
    road = Road(world, seed=seed)
    sent = road.run(arrivals, until=arrivals[-1] + _LONGEST_S)
    p50, p99 = latencies(sent, (0.5, 0.99))[_TO_BROKER]
    whole = len(road.done) == len(sent)
    last = max(signal.booked_at for signal in sent) if whole else float("inf")
    now = road.env.now
    use = [(each.name, each.busy_s / each.servers / now) for each in road.stations()]
    return Outcome(
        p50,
        p99,
        last,
        len(road.done) / now,
        sorted(use, key=lambda each: -each[1]),
        road.conflicts,
        road.desks.taken_back,
    )


def _evenly(rate: float, seconds: float) -> list[float]:
    return [number / rate for number in range(int(rate * seconds))]


def _poisson(rate: float, seconds: float, *, seed: int) -> list[float]:
    chance = random.Random(f"arrivals {seed}")  # noqa: S311 - a model, no secret
    at, found = 0.0, []
    while (at := at + chance.expovariate(rate)) < seconds:
        found.append(at)
    return found


def _row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def _head(*cells: str) -> None:
    print()
    _row(*cells)
    _row(*("---" for _ in cells))


def _check_published() -> None:
    """The quiet machine of docs/performance.md."""
    _head("signals/s", "measured p50 / p99 ms", "model p50 / p99 ms", "ended/s", "model", "fullest")
    for rate, (p50, p99, per_s) in worlds.PUBLISHED.items():
        seconds = 60.0 if rate == 100 else 20.0
        found = simulate(worlds.published(), _evenly(rate, seconds), seed=1)
        modelled = f"{found.p50_ms:,.0f} / {found.p99_ms:,.0f}"
        row = (f"{rate:g}", f"{p50:,.0f} / {p99:,.0f}", modelled, per_s, f"{found.per_s:.1f}")
        _row(*row, _full(found, 2))


def _check_measured(few: Measured, more: Measured, full: float) -> None:
    """The machine as it was when the costs were measured, others at work on it."""
    idle = few.idle(more, embedded=True)
    low, high = few.phases_of(1, full)
    costs = few.costs(low, high)
    _print_costs(few, low, costs)
    _head(
        "signals/s", "others' cores", "measured p50 / p99 ms", "model", "ended/s", "model", "full"
    )
    for phase in few.rates:
        world = World(
            costs,
            idle,
            strategies=few.strategies,
            accounts=few.accounts,
            cores=2,
            others_cores=phase["others_cores"],
        )
        arrivals = _evenly(phase["rate"], phase["signals"] / phase["rate"])
        found = simulate(world, arrivals, seed=1)
        measured = phase["latency_ms"][_TO_BROKER]
        _row(
            f"{phase['rate']:g}",
            phase["others_cores"],
            f"{measured['p50']:,.0f} / {measured['p99']:,.0f}",
            f"{found.p50_ms:,.0f} / {found.p99_ms:,.0f}",
            phase["ended_per_s"],
            f"{found.per_s:.1f}",
            _full(found, 2),
        )


def _print_costs(few: Measured, low: Mapping[str, Any], costs: Costs) -> None:
    _head("step", "CPU ms of a batch + each", "commands", "embedded database ms")
    for name, work in {**costs._asdict(), **costs.following}.items():
        if isinstance(work, Work):
            _row(name, *(f"{a:.1f} + {b:.1f}" for a, b in work[:3]))
    size = few.batch("cerebro", low)
    print(f"\nsignals of a batch: {size:.1f} at {low['rate']:g}/s")


def _full(found: Outcome, count: int) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in found.use[:count])


def _forecast(world: World) -> None:
    """Each design: all strategies within a second, all at once, and steady rates."""
    _head(
        "design", "burst p50 / p99 s", "all booked after s", "carries at most, 1/s", "fullest then",
        "conflicts", "gate again",
    )  # fmt: skip
    for name, design in worlds.DESIGNS.items():
        built = world._replace(design=design)
        burst = _burst(built)
        flood = simulate(built, [0.0] * _FLOOD, seed=1)
        _row(
            name,
            f"{burst.p50_ms / 1000:.1f} / {burst.p99_ms / 1000:.1f}",
            f"{burst.last_s:.1f}",
            f"{flood.per_s:.0f}",
            _full(flood, 2),
            burst.conflicts,
            burst.taken_back,
        )
    last = list(worlds.DESIGNS.values())[-1]
    _head("broker", "accounts of a signal", "burst p50 / p99 s", "all booked after s", "fullest")
    for broker, per_second in worlds.BROKERS.items():
        for accounts in (1, 5):
            limited = world._replace(
                design=last,
                accounts_per_signal=accounts,
                broker=world.broker._replace(per_second=per_second),
            )
            found = _burst(limited)
            times = f"{found.p50_ms / 1000:.1f} / {found.p99_ms / 1000:.1f}"
            _row(broker, accounts, times, f"{found.last_s:.1f}", _full(found, 2))


def _steady(world: World) -> None:
    """Each design at rates that arrive at random."""
    _head("design", *(f"{rate}/s p50 / p99 ms" for rate in _STEADY_RATES))
    for name, design in worlds.DESIGNS.items():
        cells = []
        for rate in _STEADY_RATES:
            arrivals = _poisson(rate, _STEADY_S, seed=1)
            found = simulate(world._replace(design=design), arrivals, seed=1)
            cells.append(f"{found.p50_ms:,.0f} / {found.p99_ms:,.0f}")
        _row(name, *cells)


def _use(world: World) -> None:
    """How busy everything is at a rate that all designs carry."""
    found = []
    every = list(worlds.DESIGNS.items())
    for name, design in (every[1], every[-1]):
        arrivals = _poisson(_CARRIED, _STEADY_S, seed=1)
        outcome = simulate(world._replace(design=design), arrivals, seed=1)
        found.append((name, dict(outcome.use)))
    _head(f"busy at {_CARRIED}/s", *(name for name, _ in found))
    for station in found[0][1]:
        uses = [next(v for k, v in use.items() if _kind(k) == _kind(station)) for _, use in found]
        _row(_kind(station), *(f"{use:.0%}" for use in uses))


def _kind(station: str) -> str:
    """A station's name without the number of its replica."""
    return station.rstrip(" 0123456789")


def _burst(world: World) -> Outcome:
    """Every strategy sends once within a second."""
    chance = random.Random("burst")  # noqa: S311 - a model, no secret
    arrivals = sorted(chance.random() for _ in range(world.strategies))
    return simulate(world, arrivals, seed=1)


def _sensitivity(world: World) -> None:
    """One assumption at a time at its bounds, in the first and the last design."""
    designs = [name for name in worlds.DESIGNS if name in {"as it is", list(worlds.DESIGNS)[-1]}]
    _head("assumption", "low – value – high", *(f"{n}: p99 s, booked after s" for n in designs))
    for each in worlds.ASSUMPTIONS:
        cells = []
        for name in designs:
            built = world._replace(design=worlds.DESIGNS[name])
            bursts = [_burst(each.set_to(built, bound)) for bound in (each.low, each.high)]
            ends = (f"{burst.p99_ms / 1000:.1f}, {burst.last_s:.1f}" for burst in bursts)
            cells.append(" – ".join(ends))
        _row(each.name, f"{each.low:g} – {each.value:g} – {each.high:g}", *cells)


if __name__ == "__main__":
    sys.exit(main())
