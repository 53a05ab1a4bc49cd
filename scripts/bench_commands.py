#!/usr/bin/env python3
"""Measure what one signal costs: commands by process and collection, CPU of each process.

    .venv/bin/python scripts/bench_commands.py --rates 4,20,35,50,100 --json commands.json

Starts an instance of its own, every service under a listener that counts what it sends to the
database. First nothing is sent, then each rate in turn; a rate is measured until nothing of it is
unfinished. `--accounts` with `--rates` empty says what an account costs while nothing happens.
The result is what `scripts/scale.py` takes its parameters from. Numbers, no verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

import psutil

from scripts import bench_pipeline
from scripts.bench import measure, venues
from scripts.bench.embedded import until_works
from scripts.bench.load import OpenLoop
from scripts.launcher import probes, table
from scripts.tool import end_when_told
from services.common.bootstrap import prepare
from services.common.settings import REPOSITORY, CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.dashboard_creator.latency_keeper import CHECKPOINT

#: A service writes its counts twice a second.
_WRITTEN_SECONDS = 1.2
_WARM_SECONDS = 4.0
_SETTLED_SECONDS = 5.0


def main() -> int:
    """Measure, print, write; exit code 1 where a signal of a rate has no end."""
    arguments = _arguments()
    end_when_told()
    with tempfile.TemporaryDirectory(prefix="mt-bench-") as home, ExitStack() as parts:
        os.environ |= {"MT_HOME": home, "MT_PORT_OFFSET": str(arguments.port_offset)}
        os.environ |= {"RATE_LIMIT_STRATEGY_PER_MIN": "0", "RATE_LIMIT_ADDRESS_PER_MIN": "0"}
        os.environ |= {"USE_MOCK_BROKER": "true", "PYTHONPATH": str(REPOSITORY)}
        if arguments.stored:
            bench_pipeline.store_past(arguments.stored)
        settings = load(CommonSettings)
        running = parts.enter_context(_instance(settings, Path(home)))
        venue = parts.enter_context(venues.running("mock", Path(home), arguments.accounts))
        store = Store.connect(settings)
        parts.callback(store.close)
        keys = bench_pipeline.seed(store, venue, arguments.strategies)
        bench_pipeline.wait_for_accounts(settings, store, venue.accounts)
        bench = _Bench(settings, store, venue, keys, running)
        bench.rate(arguments.rates[0] if arguments.rates else 2.0, _WARM_SECONDS)
        time.sleep(_SETTLED_SECONDS)
        phases = [bench.idle(arguments.idle)]
        for rate in [*arguments.rates, None]:
            if arguments.json:
                _write(arguments, phases)
            if rate is not None:
                phases.append(bench.rate(rate, arguments.duration))
    return 1 if any(phase["lost"] for phase in phases) else 0


def _write(arguments: argparse.Namespace, phases: list[dict[str, Any]]) -> None:
    result = {"accounts": arguments.accounts, "strategies": arguments.strategies, "phases": phases}
    arguments.json.write_text(json.dumps(result) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rates",
        type=lambda text: [float(each) for each in text.split(",") if each],
        default=[4.0, 20.0, 35.0, 50.0, 100.0],
        help="signals a second, comma-separated",
    )
    parser.add_argument("--duration", type=float, default=15, help="seconds of each (%(default)s)")
    parser.add_argument("--idle", type=float, default=20, help="seconds of rest (%(default)s)")
    parser.add_argument("--strategies", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--accounts", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--stored", type=int, default=0, help="signals of the past, put in before")
    parser.add_argument("--port-offset", type=int, default=27000)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    return parser.parse_args()


@contextmanager
def _instance(settings: CommonSettings, home: Path) -> Iterator[dict[str, psutil.Process]]:
    """Every process of an instance, its services with a listener."""
    begun: list[subprocess.Popen[bytes]] = []
    running: dict[str, psutil.Process] = {}
    try:
        for each in table.infrastructure(settings, mock_broker=True):
            running[each.name] = _spawn(each, each.command, home, begun)
        prepare(settings)
        _forget_past(settings)
        for each in table.services(settings, ui=False):
            counted = ("scripts.bench.commands", str(_counts(home, each.name)))
            command = (*each.command[:2], *counted, each.command[2])
            running[each.name] = _spawn(each, command, home, begun)
        yield running
    finally:
        for process in reversed(begun):
            process.terminate()
            process.wait(60)


def _forget_past(settings: CommonSettings) -> None:
    """The dashboard looks through the hours before the first start: a minute of work, once."""
    store = Store.connect(settings)
    store["checkpoints"].insert_one({"_id": CHECKPOINT, "complete": True})
    store.close()


def _spawn(
    each: table.Process, command: tuple[str, ...], home: Path, begun: list[subprocess.Popen[bytes]]
) -> psutil.Process:
    with (home / f"{each.name}.out").open("wb") as output:
        popen = subprocess.Popen(command, cwd=home, stdout=output, stderr=output)
    begun.append(popen)

    def works() -> None:
        answer = (
            probes.embedded_database(each.port)
            if each.probe == "mongodb"
            else probes.health(each.host, each.port)
        )
        if not answer.ready and not answer.report:
            raise OSError(f"{each.name}: {answer.detail}")

    until_works(works)
    return psutil.Process(popen.pid)


def _counts(home: Path, name: str) -> Path:
    return home / f"{name}.commands.json"


class _Bench:
    """An instance under measurement."""

    def __init__(
        self,
        settings: CommonSettings,
        store: Store,
        venue: venues.Venue,
        keys: dict[str, str],
        running: dict[str, psutil.Process],
    ) -> None:
        self._settings = settings
        self._store = store
        self._venue = venue
        self._keys = keys
        self._running = running

    def idle(self, seconds: float) -> dict[str, Any]:
        """What the instance costs while nothing is sent."""
        begin = self._look()
        time.sleep(seconds)
        return _print({"rate": 0.0, "signals": 0, "lost": 0, **_between(begin, self._look())})

    def rate(self, rate: float, seconds: float) -> dict[str, Any]:
        """One rate, until nothing of it is unfinished."""
        url = f"http://127.0.0.1:{self._settings.port('signal_gateway')}"
        begin, began = self._look(), time.monotonic()
        loop = OpenLoop(url, self._keys, run_id=uuid.uuid4().hex[:8], leg_of=self._venue.leg_of)
        sent = loop.run(rate=rate, duration=seconds)
        drained = bench_pipeline.drain(self._store, 120.0, sent.accepted)
        ended = time.monotonic() - began
        found = _between(begin, self._look())
        taken = self._venue.orders(self._settings)
        outcomes = measure.outcomes(self._store, sent.accepted)
        return _print(
            {
                "rate": rate,
                "sent_for_s": seconds,
                "signals": len(sent.accepted),
                "refused": len(sent.refused),
                "late": sent.late,
                "drained_in_s": drained,
                "ended_per_s": round(len(sent.accepted) / ended, 1),
                "lost": measure.lost(outcomes),
                "latency_ms": {
                    "HTTP answer": measure.percentiles(sent.accepted.values()),
                    **measure.stage_latencies(self._store, sent.accepted, taken),
                },
                **found,
            }
        )

    def _look(self) -> dict[str, Any]:
        """Counts of everything so far, as the services have written them by now."""
        time.sleep(_WRITTEN_SECONDS)
        commands = {}
        home = self._settings.mt_home
        for name in self._running:
            if _counts(home, name).exists():
                commands[name] = json.loads(_counts(home, name).read_text())
        cpu = {name: sum(each.cpu_times()[:2]) for name, each in self._running.items()}
        return {"at": time.monotonic(), "cpu": cpu, "commands": commands, "busy": _busy_seconds()}


def _busy_seconds() -> float:
    """CPU seconds of the whole machine, everybody's."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _between(begin: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    seconds = end["at"] - begin["at"]
    cpu = {name: round(end["cpu"][name] - begin["cpu"][name], 3) for name in end["cpu"]}
    others = end["busy"] - begin["busy"] - sum(cpu.values())
    commands: dict[str, dict[str, list[float]]] = {}
    for process, rows in end["commands"].items():
        before = begin["commands"].get(process, {})
        for name, row in sorted(rows.items()):
            old = before.get(name, [0, 0])
            if row[0] > old[0]:
                more = [round(a - b, 3) for a, b in zip(row, old, strict=True)]
                commands.setdefault(process, {})[name] = more
    return {
        "seconds": round(seconds, 2),
        "cpu_s": cpu,
        "others_cores": round(max(0.0, others) / seconds, 2),
        "commands": commands,
    }


def _print(phase: dict[str, Any]) -> dict[str, Any]:
    per, unit = (phase["signals"], "a signal") if phase["signals"] else (phase["seconds"], "1/s")
    print(f"\n{phase['rate']:g} signals/s; others use {phase['others_cores']} cores; {unit}:")
    for process, seconds in phase["cpu_s"].items():
        rows = phase["commands"].get(process, {})
        count = sum(row[0] for row in rows.values()) / per
        print(f"  {process:20}{1000 * seconds / per:8.2f} ms of CPU{count:8.2f} commands")
        for name, row in sorted(rows.items(), key=lambda each: -each[1][0]):
            if row[0] / per >= 0.05:
                mean = row[1] / row[0]
                print(f"    {name:72}{row[0] / per:8.2f}{mean:8.2f} ms")
    for name, row in phase.get("latency_ms", {}).items():
        print(f"  {name:30}{row}")
    sys.stdout.flush()
    return phase


if __name__ == "__main__":
    sys.exit(main())
