"""Desks: one worker for each account, in one process or several.

As `services/execution/desk.py` and `placing.py` have it: a turn takes what has gathered, up to a
batch and up to what the broker's limit leaves; gate and intents are one transaction; orders leave
one after the other; what has not left when the verdict is old is taken back and comes again; what
is answered is booked now and then, and at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from scripts.scaling.plant import Plant
from scripts.scaling.signals import Signal
from scripts.scaling.stations import Allowance, Process, Station, Steps

#: A desk without an allowance looks again after so long.
_TICK_S = 0.25


class _Desk:
    def __init__(self, desks: Desks, process: Process) -> None:
        self._plant = desks.plant
        self._env = desks.plant.env
        self._process = process
        self._waiting: deque[Signal] = deque()
        self._bell = self._env.event()
        self._allowance = Allowance(self._env, desks.plant.world.broker.per_second)
        self._desks = desks
        self.thread = Station(self._env, "fullest desk's thread")
        self._env.process(self._run())

    def wake(self, signal: Signal) -> None:
        self._waiting.append(signal)
        if not self._bell.triggered:
            self._bell.succeed()

    def _run(self) -> Steps:
        most = self._plant.world.design.desk_batch
        while True:
            while not self._waiting:
                self._bell = self._env.event()
                yield self._bell
            count = self._allowance.now(min(most, len(self._waiting)))
            if not count:
                yield self._env.timeout(_TICK_S)
                continue
            batch = [self._waiting.popleft() for _ in range(count)]
            yield from self.thread.hold(self._turn(batch))

    def _turn(self, batch: list[Signal]) -> Steps:
        design = self._plant.world.design
        yield from self._plant.do(self._process, self._plant.world.costs.intents, len(batch))
        judged_at = booked_at = self._env.now
        answered: list[Signal] = []
        again: list[Signal] = []
        for signal in batch:
            if self._env.now - judged_at > design.verdict_s:
                again.append(signal)
                self._desks.taken_back += 1
                yield from self._plant.store.command(
                    self._desks.command_ms, durable=True
                )  # its row is PENDING again
                continue
            self._allowance.take()
            yield from self._desks.call()
            signal.taken_at = self._env.now
            answered.append(signal)
            if self._env.now - booked_at > design.book_s:
                yield from self._book(answered)
                answered, booked_at = [], self._env.now
        if answered:
            yield from self._book(answered)
        self._waiting.extendleft(reversed(again))

    def _book(self, answered: list[Signal]) -> Steps:
        yield from self._plant.do(self._process, self._plant.world.costs.books, len(answered))
        for signal in answered:
            signal.left -= 1
            if not signal.left:
                self._desks.on_booked(signal)
        yield from self._plant.ring(len(answered))


class Desks:
    """All desks, over the processes of execution.

    Attributes:
        taken_back: orders that had to pass the gate again because their verdict was too old.
    """

    def __init__(self, plant: Plant, *, on_booked: Callable[[Signal], None]) -> None:
        world = plant.world
        self.plant = plant
        self.on_booked = on_booked
        self.taken_back = 0
        count = world.design.executions
        self.processes = plant.processes("execution", count)
        self._broker = Process(plant.env, "mock broker", plant.machine)
        _, commands, database_ms = world.costs.intents.of(1)
        self.command_ms = database_ms / commands if commands else 0.0
        self._desks = [_Desk(self, self.processes[n % count]) for n in range(world.accounts)]

    def fullest(self) -> Station:
        """The thread of the desk that has worked longest."""
        return max((desk.thread for desk in self._desks), key=lambda thread: thread.busy_s)

    def deliver(self, signal: Signal, account: int) -> Steps:
        """The doorbell of an order, to its desk."""
        yield from self.plant.pause(self.plant.world.bus.deliver_ms)
        self._desks[account].wake(signal)

    def call(self) -> Steps:
        """The broker takes an order and answers."""
        yield from self._broker.work(self.plant.world.costs.broker_ms / 1000)
        yield from self.plant.pause(self.plant.world.broker.answer_ms)
