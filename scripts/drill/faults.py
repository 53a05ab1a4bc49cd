"""Carries the faults of a plan out on the real processes, and takes all of them back."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import psutil
import urllib3
from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from scripts.drill.plan import Fault, Kind
from scripts.drill.stack import Stack
from services.common.bus import Publisher, Ring
from services.common.topology import EXECUTION_CONFIRMATIONS, STANDARDIZED_SIGNALS, TRADING_ORDERS

#: Which rows a doorbell rings for: collection, since when, topic, the message's id and key.
_BELLS = (
    ("signal_store", "received_at", STANDARDIZED_SIGNALS, "signal_id", "strategy_id"),
    ("orders", "created_at", TRADING_ORDERS, "client_order_id", "account_id"),
    ("orders", "created_at", EXECUTION_CONFIRMATIONS, "client_order_id", "account_id"),
)
_RUNG_AGAIN = 40
#: What is being started again may be hurt a little later.
_TRIED_SECONDS = 20.0
_UNLIMITED = resource.RLIM_INFINITY


class Faults:
    """One thread that hurts the system by the plan, for as long as a `with` block of it.

    At its end the last fault is waited for; where the block was left by an exception no more come.

    Attributes:
        done: how often each kind was done.
        missed: those that found nothing to hurt, with why.
        log: what was done, for people.
    """

    def __init__(self, stack: Stack, plan: Sequence[Fault], seed: int) -> None:
        self._stack = stack
        self._plan = plan
        self._chance = random.Random(f"doorbells {seed}")  # noqa: S311 - not a secret
        self._publisher = Publisher(stack.settings)
        self._store = stack.store()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._later: list[tuple[float, Callable[[], None]]] = []
        self.done: Counter[str] = Counter()
        self.missed: list[str] = []
        self.log: list[str] = []

    def __enter__(self) -> Faults:
        """Begin; the plan counts from now."""
        self._thread.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Wait for the last fault, and take everything back that still lasts."""
        if error is not None:
            self._given_up.set()
        self._thread.join()
        for _, undo in self._later:
            undo()
        self._later.clear()
        self._store.close()

    def _run(self) -> None:
        begun = time.monotonic()
        for fault in self._plan:
            self._wait_until(begun + fault.at)
            if self._given_up.is_set():
                return
            if error := self._tried(fault):
                self.missed.append(f"{fault}: {error}")
                continue
            self.done[self._name(fault)] += 1
            self.log.append(str(fault))
        last = max((due for due, _ in self._later), default=0.0)
        self._wait_until(last)

    def _tried(self, fault: Fault) -> str:
        """Do it, once what it wants is there again; what was in the way, empty = nothing."""
        until = time.monotonic() + _TRIED_SECONDS
        while True:
            try:
                self._do(fault)
            except (OSError, psutil.Error, PyMongoError, urllib3.exceptions.HTTPError) as error:
                if time.monotonic() > until or self._given_up.is_set():
                    return type(error).__name__
                self._wait_until(time.monotonic() + 0.2)
            else:
                return ""

    @staticmethod
    def _name(fault: Fault) -> str:
        return f"{fault.kind} {fault.detail['kind'] if fault.detail else fault.target}"

    def _wait_until(self, moment: float) -> None:
        """Sleep, and undo meanwhile what has lasted long enough."""
        while True:
            for entry in [each for each in self._later if each[0] <= time.monotonic()]:
                self._later.remove(entry)
                entry[1]()
            left = moment - time.monotonic()
            if left <= 0 or self._given_up.wait(min(left, 0.05)):
                return

    def _do(self, fault: Fault) -> None:
        if fault.kind is Kind.BROKER:
            self._stack.broker("POST", "/v1/faults", fault.detail)
        elif fault.kind is Kind.RING:
            self._ring_again()
        else:
            self._hurt(fault, self._process(fault.target))

    def _process(self, name: str) -> psutil.Process:
        pid = self._stack.pid(name)
        if pid is None:
            raise psutil.NoSuchProcess(0, name)
        return psutil.Process(pid)

    def _hurt(self, fault: Fault, process: psutil.Process) -> None:
        until = time.monotonic() + fault.seconds
        if fault.kind is Kind.FREEZE:
            process.send_signal(signal.SIGSTOP)
            self._later.append((until, lambda: _resume(process)))
        elif fault.kind is Kind.FULL_DISK:
            process.rlimit(psutil.RLIMIT_FSIZE, (0, _UNLIMITED))
            self._later.append((until, lambda: _give_room(process)))
        else:
            _resume(process)  # a frozen process is killed as well, and is then not woken
            process.send_signal(signal.SIGKILL)
            if fault.kind is Kind.LOSE_BUS:
                process.wait(timeout=5)
                shutil.rmtree(self._stack.home.root / ".data" / "pubsub", ignore_errors=True)

    def _ring_again(self) -> None:
        """What a bus may do: the last doorbells come twice, late, and in another order."""
        for collection, since, topic, id_field, key_field in _BELLS:
            newest = self._store[collection].find().sort(since, DESCENDING).limit(_RUNG_AGAIN)
            names = [(str(row[id_field]), str(row[key_field])) for row in newest]
            rings = [Ring(key, {id_field: name, key_field: key}) for name, key in names] * 2
            self._chance.shuffle(rings)
            if not self._publisher.ring(topic, rings):
                raise ConnectionError("the bus does not answer")


def _resume(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.Error:
        return  # it has ended meanwhile


def _give_room(process: psutil.Process) -> None:
    try:
        process.rlimit(psutil.RLIMIT_FSIZE, (_UNLIMITED, _UNLIMITED))
    except (OSError, psutil.Error):
        return  # it has ended of it
