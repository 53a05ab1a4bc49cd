#!/usr/bin/env python3
"""The whole road on one thread, with virtual time and faults that a seed decides.

    .venv/bin/python scripts/simulate.py --seeds 1000
    .venv/bin/python scripts/simulate.py --seed 4711

The first goes through many seeds, `--jobs` at a time, and prints a line for each that fails; the
second goes through one, which it repeats exactly, and prints everything that happens. What is
simulated, and what must hold, is in docs/simulation.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

#: Sets are iterated in the order of their hashes, which must be the same for a seed to repeat.
_HASHES = {"PYTHONHASHSEED": "0"}
#: Not so many that CI takes long, not so few that signals never meet.
SIGNALS = 4


class Ended(NamedTuple):
    """How a seed went; `found` empty = well."""

    seed: int
    trace: str
    found: list[str]
    faults: int


def simulate(seed: int, signals: int = SIGNALS, *, tell: bool = False) -> Ended:
    """Go through one seed."""
    # Not before the hashes are what they must be.
    from tests.simulation.world import World  # noqa: PLC0415

    world = World(seed, signals, told=print if tell else None)
    found = world.run()
    return Ended(seed, world.trace, found, world.faults)


def _part(first: int, count: int, signals: int) -> list[Ended]:
    return [simulate(seed, signals) for seed in range(first, first + count)]


def _all(arguments: argparse.Namespace) -> int:
    began, faults, failed, done = time.perf_counter(), 0, 0, 0
    first, last, at_once = arguments.first, arguments.first + arguments.seeds, 20
    with ProcessPoolExecutor(arguments.jobs) as pool:
        parts = [
            pool.submit(_part, start, min(at_once, last - start), arguments.signals)
            for start in range(first, last, at_once)
        ]
        for part in parts:
            for ended in part.result():
                done, faults = done + 1, faults + ended.faults
                if ended.found:
                    failed += 1
                    print(_line(ended, arguments.signals), flush=True)
            if failed and arguments.until_found:
                pool.shutdown(cancel_futures=True)
                break
    seconds = time.perf_counter() - began
    print(f"{done} seeds with {faults} faults in {seconds:.0f} s: {failed} failed")
    return 1 if failed else 0


def _line(ended: Ended, signals: int) -> str:
    more = f" (and {len(ended.found) - 1} more)" if len(ended.found) > 1 else ""
    replay = f"scripts/simulate.py --seed {ended.seed} --signals {signals}"
    return f"{replay}: trace {ended.trace}: {ended.found[0][:300]}{more}"


def _one(arguments: argparse.Namespace) -> int:
    ended = simulate(arguments.seed, arguments.signals, tell=not arguments.quiet)
    for sentence in ended.found:
        print(f"FOUND {sentence}")
    print(f"seed {ended.seed}: trace {ended.trace}: {len(ended.found)} findings")
    return 1 if ended.found else 0


def main() -> int:
    """Run seeds; 0 only when nothing was found."""
    parser = argparse.ArgumentParser(description="Seeded simulation of the whole road.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, and tell everything")
    parser.add_argument("--signals", type=int, default=SIGNALS, help="how many a seed sends")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the seeds")
    parser.add_argument("--until-found", action="store_true", help="stop where one has failed")
    parser.add_argument("--quiet", action="store_true", help="with --seed: only what was found")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, __file__, *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **_HASHES})  # noqa: S606 - itself
    return _one(arguments) if arguments.seed is not None else _all(arguments)


if __name__ == "__main__":
    sys.exit(main())
