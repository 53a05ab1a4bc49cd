"""What everything in the model shares: clock, chance, cores, database and bus."""

from __future__ import annotations

import random

import simpy

from scripts.scaling.parameters import Work, World
from scripts.scaling.stations import Machine, Process, Steps, Store


class Plant:
    """The ground that stages and desks stand on."""

    def __init__(self, world: World, *, seed: int) -> None:
        self.env = simpy.Environment()
        self.world = world
        self.chance = random.Random(f"road {seed}")  # noqa: S311 - a model, no secret
        self.machine = Machine(self.env, world.cores, world.speed)
        self.store = Store(self.env, world.database, self.machine, self.chance)
        self._bus = Process(self.env, "bus", self.machine)

    def processes(self, name: str, count: int) -> list[Process]:
        """Replicas of a service."""
        names = [name] if count == 1 else [f"{name} {n + 1}" for n in range(count)]
        return [Process(self.env, each, self.machine) for each in names]

    def do(self, process: Process, work: Work, n: int) -> Steps:
        """What a batch of n costs: CPU, and commands in turn; the last of them are durable."""
        cpu_ms, commands, database_ms = work.of(n)
        whole = int(commands)
        count = whole + (self.chance.random() < commands - whole)
        for number in range(count):
            yield from process.work(cpu_ms / 1000 / count)
            durable = number >= count - work.durable
            yield from self.store.command(database_ms / count, durable=durable)
        if not count:
            yield from process.work(cpu_ms / 1000)

    def pause(self, mean_ms: float) -> Steps:
        """A wait of that mean."""
        if mean_ms:
            yield self.env.timeout(self.chance.expovariate(1000 / mean_ms))

    def ring(self, n: int) -> Steps:
        """Publish n doorbells in one request, and wait for its answer as the code does."""
        yield from self._bus.work(n * self.world.costs.bus_ms / 1000)
        yield from self.pause(self.world.bus.publish_ms)
