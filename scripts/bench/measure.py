"""What happened to the signals of a run, read back from the store and the broker."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
import urllib3

from services.common.store import Store

#: By the broker's own books; the last of its orders.
_TAKEN = "taken_at"
#: Stage → (from, to): names of `stages` in signal_store.
STAGES = {
    "received → standardized": ("received_at", "standardized_at"),
    "standardized → decided": ("standardized_at", "decided_at"),
    "decided → at the broker": ("decided_at", _TAKEN),
    "at the broker → booked": (_TAKEN, "completed_at"),
    "accept → order at the broker": ("received_at", _TAKEN),
    "accept → booked": ("received_at", "completed_at"),
}
_NOT_ENDED = {"UNREAD", "RECEIVED", "STANDARDIZED", "DECIDED", "WORKING"}


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and maximum, nearest rank; empty where there are no values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    ranks = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[round(last * share)], 1) for name, share in ranks.items()}


def stage_latencies(
    store: Store, signal_ids: Iterable[str], at_broker: Mapping[str, Sequence[datetime]]
) -> dict[str, dict[str, float]]:
    """Milliseconds of each stage over the signals of a run.

    Args:
        store: the database.
        signal_ids: of the run.
        at_broker: as `orders_at_broker` says.
    """
    lives = []
    for batch in _batches(signal_ids):
        query = {"signal_id": {"$in": batch}}
        taken: dict[str, datetime] = {}
        for order in store["orders"].find(query, {"signal_id": 1}):
            moments = [
                *at_broker.get(order["_id"], ()),
                *filter(None, [taken.get(order["signal_id"])]),
            ]
            if moments:
                taken[order["signal_id"]] = max(moments)
        for found in store["signal_store"].find({"_id": {"$in": batch}}, {"stages": 1}):
            known = {_TAKEN: taken[found["_id"]]} if found["_id"] in taken else {}
            lives.append(found["stages"] | known)
    return {
        name: percentiles(
            _milliseconds(life[begin], life[end]) for life in lives if begin in life and end in life
        )
        for name, (begin, end) in STAGES.items()
    }


def outcomes(store: Store, signal_ids: Iterable[str]) -> dict[str, int]:
    """How many signals of a run are where; UNREAD are stored as they came, and nothing else yet."""
    counts: dict[str, int] = {}
    asked = 0
    for batch in _batches(signal_ids):
        asked += len(batch)
        for found in store["signal_store"].find({"_id": {"$in": batch}}, {"status": 1}):
            counts[found["status"]] = counts.get(found["status"], 0) + 1
    missing = asked - sum(counts.values())
    return counts | ({"UNREAD": missing} if missing else {})


def left_on_the_road(store: Store, signal_ids: Iterable[str]) -> list[str]:
    """Each signal of a run without an end, with its orders, in a sentence."""
    left = []
    for batch in _batches(signal_ids):
        query = {"_id": {"$in": batch}, "status": {"$in": sorted(_NOT_ENDED)}}
        for row in store["signal_store"].find(query, {"status": 1}):
            orders = store["orders"].find({"signal_id": row["_id"]}, {"status": 1, "text": 1})
            words = ", ".join(f"{each['status']} {each.get('text', '')}".strip() for each in orders)
            left.append(f"{row['_id']} {row['status']}, orders: {words or 'none'}")
    return left


def lost(counts: Mapping[str, int]) -> int:
    """Signals of a run without an end: unknown to the store, or left on the road."""
    return sum(count for status, count in counts.items() if status in _NOT_ENDED)


def unfinished(store: Store) -> int:
    """Signals without a decision and orders without an end, now."""
    undecided = store["signal_store"].count_documents({"undecided": True})
    return undecided + store["orders"].count_documents({"working": True})


def orders_at_broker(broker_url: str, account_ids: Iterable[str]) -> dict[str, list[datetime]]:
    """When each client_order_id was taken or filled, in the broker's own books; twice = doubled."""
    found: dict[str, list[datetime]] = {}
    for account_id in account_ids:
        answer = urllib3.request("GET", f"{broker_url}/v1/accounts/{account_id}/orders")
        for order in answer.json():
            moment = datetime.fromisoformat(order["report"]["occurred_at"])
            found.setdefault(order["client_order_id"], []).append(moment)
    return found


class Processes:
    """CPU and memory of the processes of an instance, from start to stop; samples the backlog."""

    def __init__(self, pids: Mapping[str, int], store: Store) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._cpu_at_start: dict[str, float] = {}
        self._begun = 0.0
        self.backlog: list[int] = []
        self._memory: dict[str, list[float]] = {name: [] for name in pids}

    def start(self) -> None:
        """Begin measuring."""
        self._begun = time.perf_counter()
        self._cpu_at_start = {n: _cpu_seconds(p) for n, p in self._processes.items()}
        self._thread.start()

    def stop(self) -> dict[str, dict[str, float]]:
        """CPU percent of one core, resident megabytes and their growth, of each process and in all.

        Growth is from the second tenth of the time, when everything has been used once, to the
        last one, in percent; of a short run it says nothing.
        """
        self._stop.set()
        self._thread.join()
        seconds = time.perf_counter() - self._begun
        rows = {}
        for name, process in self._processes.items():
            used = _cpu_seconds(process) - self._cpu_at_start[name]
            rows[name] = {
                "cpu_pct": round(100 * used / seconds, 1),
                "rss_mb": round(process.memory_info().rss / 1e6, 1),
            }
        rows["all"] = {
            key: round(sum(row[key] for row in rows.values()), 1) for key in ("cpu_pct", "rss_mb")
        }
        in_all = [sum(moment) for moment in zip(*self._memory.values(), strict=False)]
        for name, samples in {**self._memory, "all": in_all}.items():
            rows[name]["growth_pct"] = growth_percent(samples)
        return rows

    def _sample(self) -> None:
        # Not in step with what is sent: every look would find the same signal on its way.
        while not self._stop.wait(random.uniform(4.0, 6.0)):  # noqa: S311 - no secret
            self.backlog.append(unfinished(self._store))
            for name, process in self._processes.items():
                self._memory[name].append(process.memory_info().rss / 1e6)


def growth_percent(samples: Sequence[float]) -> float:
    """From the mean of the second tenth of the samples to that of the last; 0 of fewer than 20."""
    tenth = len(samples) // 10
    if tenth < 2:
        return 0.0
    before, after = fmean(samples[tenth : 2 * tenth]), fmean(samples[-tenth:])
    return round(100 * (after / before - 1), 1)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _milliseconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000


def _batches(signal_ids: Iterable[str], size: int = 500) -> Iterable[list[str]]:
    every: list[Any] = list(signal_ids)
    return (every[start : start + size] for start in range(0, len(every), size))


def listener(port: int) -> int | None:
    """The process of this machine that listens on a port; None = nobody that we may see."""
    for each in psutil.net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port:
            return int(each.pid) if each.pid else None
    return None


def cpu_milliseconds(pid: int | None) -> float:
    """What the threads that a process has now have worked, to the nanosecond (Linux)."""
    worked = 0
    for each in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has just ended
            worked += int(each.read_text().split()[0])
    return worked / 1e6
