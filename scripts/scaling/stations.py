"""The queues of the model: cores, interpreters, the database, a broker's allowance."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import simpy

from scripts.scaling.parameters import Database

Steps = Generator[simpy.Event, Any, None]
#: An interpreter lets the next thread in after so long (`sys.getswitchinterval`).
_SLICE_S = 0.005


class Station:
    """Equal servers with one queue, first come first served.

    Attributes:
        busy_s: what its servers have worked, together.
        waited_s: what everybody has waited for a server, together.
        served: how many have been served.
    """

    def __init__(self, env: simpy.Environment, name: str, servers: int = 1) -> None:
        self.name = name
        self.servers = servers
        self.busy_s = self.waited_s = 0.0
        self.served = 0
        self._env = env
        self._queue = simpy.Resource(env, capacity=servers)

    def serve(self, seconds: float) -> Steps:
        """Wait for a server and hold it for so long."""
        came = self._env.now
        with self._queue.request() as turn:
            yield turn
            self.waited_s += self._env.now - came
            yield self._env.timeout(seconds)
        self.busy_s += seconds
        self.served += 1

    def hold(self, inner: Steps) -> Steps:
        """Wait for a server and hold it until `inner` has ended."""
        came = self._env.now
        with self._queue.request() as turn:
            yield turn
            began = self._env.now
            self.waited_s += began - came
            yield from inner
        self.busy_s += self._env.now - began
        self.served += 1


class Machine:
    """Cores that processes share, or none: then each has a core of its own."""

    def __init__(self, env: simpy.Environment, cores: int | None, speed: float) -> None:
        self._env = env
        self._speed = speed
        self.cores = Station(env, "cores", cores) if cores else None

    def run(self, seconds: float) -> Steps:
        """Work of so many seconds at the speed that it was measured at."""
        seconds /= self._speed
        if self.cores is None:
            yield self._env.timeout(seconds)
        else:
            yield from self.cores.serve(seconds)

    def occupy(self, cores: float, chance: random.Random) -> Steps:
        """What others take of the machine, for ever: slices at random times."""
        while cores > 0:
            yield self._env.timeout(chance.expovariate(cores / _SLICE_S))
            self._env.process(self.run(_SLICE_S * self._speed))


class Process:
    """One Python process: its threads share an interpreter, in slices."""

    def __init__(self, env: simpy.Environment, name: str, machine: Machine) -> None:
        self.interpreter = Station(env, name)
        self._machine = machine

    def work(self, seconds: float) -> Steps:
        """CPU of so many seconds."""
        while seconds > 0:
            part = min(seconds, _SLICE_S)
            yield from self.interpreter.hold(self._machine.run(part))
            seconds -= part


class Store:
    """The database: servers, then the network, then a majority where a write waits for one."""

    def __init__(
        self, env: simpy.Environment, database: Database, machine: Machine, chance: random.Random
    ) -> None:
        self.station = Station(env, "database", database.servers)
        self.commands = 0
        self._env = env
        self._database = database
        self._machine = machine
        self._chance = chance

    def command(self, measured_ms: float, *, durable: bool) -> Steps:
        """One command; `measured_ms` = its mean with the embedded database."""
        self.commands += 1
        given = self._database.service_ms
        mean = (measured_ms if given is None else given) / 1000
        service = self._chance.expovariate(1 / mean) if mean > 0 else 0.0
        if given is None:  # on the machine of everything else
            yield from self.station.hold(self._machine.run(service))
        else:
            yield from self.station.serve(service)
        away = self._database.round_trip_ms
        if durable and self._database.majority_ms:
            away += self._chance.expovariate(1 / self._database.majority_ms)
        yield self._env.timeout(away / 1000)


class Allowance:
    """Orders that may leave now: tokens that come back at a rate, a second's worth at most."""

    def __init__(self, env: simpy.Environment, per_second: float | None) -> None:
        self._env = env
        self._rate = per_second
        self._tokens = per_second or 0.0
        self._filled_at = 0.0

    def now(self, most: int) -> int:
        """How many may leave, up to `most`."""
        if self._rate is None:
            return most
        grown = self._tokens + (self._env.now - self._filled_at) * self._rate
        self._tokens, self._filled_at = min(max(1.0, self._rate), grown), self._env.now
        return min(most, int(self._tokens + 1e-9))

    def take(self) -> None:
        """One less."""
        self._tokens -= 1
