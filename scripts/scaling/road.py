"""The road of a signal as queues: gateway → ingestion → Cerebro → desks → books.

What is modelled, and from where in the code: a gateway's threads share an interpreter; ingestion is
one thread under one lease, and waits for its own publication; a Cerebro decides what has gathered
in one transaction, which holds the accounts that it decides for; desks are `desks.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import simpy

from scripts.scaling.desks import Desks
from scripts.scaling.parameters import Work, World
from scripts.scaling.plant import Plant
from scripts.scaling.signals import Signal
from scripts.scaling.stations import Process, Station, Steps

#: Services that the signal passes; all others work beside its road.
ON_THE_ROAD = ("signal_gateway", "signal_ingestion", "cerebro", "execution")
#: The driver's pause before a transaction runs again: at first, its growth, and at most.
_AGAIN_S, _AGAIN_GROWTH, _AGAIN_MOST_S = 0.005, 1.5, 0.5
#: Commands of a decision's transaction before it has the accounts, and the abort.
_BEFORE_ACCOUNTS = 3


class Queue:
    """Messages that wait for one thread, which takes what has gathered."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._waiting: deque[Signal] = deque()
        self._bell = env.event()

    def put(self, signal: Signal) -> None:
        """Add one."""
        self._waiting.append(signal)
        if not self._bell.triggered:
            self._bell.succeed()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self) -> Steps:
        """Until there is something."""
        while not self._waiting:
            self._bell = self._env.event()
            yield self._bell

    def take(self, most: int) -> list[Signal]:
        """What has gathered, oldest first."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


class Road:
    """One simulated system; `run` it once."""

    def __init__(self, world: World, *, seed: int) -> None:
        self.plant = Plant(world, seed=seed)
        self.env, self.world = self.plant.env, world
        self.done: list[Signal] = []
        self._left = 0
        self._all_booked = self.env.event()
        design = world.design
        self._gateways = self.plant.processes("gateway", design.gateways)
        (self._ingestion,) = self.plant.processes("ingestion", 1)
        self._cerebros = self.plant.processes("cerebro", design.cerebros)
        self._beside = {
            name: Process(self.env, name, self.plant.machine)
            for name in dict.fromkeys([*world.costs.following, *world.idle])
            if name not in ON_THE_ROAD
        }
        self._raw = Queue(self.env)
        self._undecided = [Queue(self.env) for _ in self._cerebros]
        self._locked: set[int] = set()
        self.conflicts = self.transactions = 0
        self.ingesting = Station(self.env, "ingestion's one thread")
        # Of all replicas: so many work at once, each with a batch of its own.
        self.deciding = Station(self.env, "threads of cerebro", design.cerebros)
        self.desks = Desks(self.plant, on_booked=self._booked)
        self.env.process(self._ingest())
        for process, queue in zip(self._cerebros, self._undecided, strict=True):
            self.env.process(self._decide_for_ever(process, queue))
        self._rest()

    def run(self, arrivals: Iterable[float], *, until: float) -> list[Signal]:
        """Send signals at these moments and wait until all are booked; all that were sent.

        Args:
            arrivals: seconds.
            until: seconds, after which it ends in any case.
        """
        sent = [self._signal(number, at) for number, at in enumerate(arrivals)]
        self._left = len(sent)
        for signal in sent:
            self.env.process(self._receive(signal))
        self.env.run(self.env.timeout(until) | self._all_booked)
        return sent

    def _signal(self, number: int, at: float) -> Signal:
        strategy = number % self.world.strategies
        each = self.world.accounts_per_signal
        first = strategy * each
        accounts = [(first + n) % self.world.accounts for n in range(each)]
        return Signal(at, tuple(dict.fromkeys(accounts)))

    def stations(self) -> list[Station]:
        """Everything that can be full: of several processes of a kind the fullest."""
        kinds = [self._gateways, [self._ingestion], self._cerebros, self.desks.processes]
        kinds += [[each] for each in self._beside.values()]
        fullest = [max((p.interpreter for p in kind), key=lambda s: s.busy_s) for kind in kinds]
        shared = [self.plant.machine.cores] if self.plant.machine.cores else []
        threads = [self.ingesting, self.deciding, self.desks.fullest()]
        return [*shared, self.plant.store.station, *fullest, *threads]

    def _receive(self, signal: Signal) -> Steps:
        yield self.env.timeout(signal.sent_at)
        gateway = self.plant.chance.choice(self._gateways)
        yield from self.plant.do(gateway, self.world.costs.gateway, 1)
        signal.received_at = self.env.now
        yield from self.plant.pause(self.world.database.notice_ms)
        self._raw.put(signal)

    def _ingest(self) -> Steps:
        design, work = self.world.design, self.world.costs.ingestion
        if design.ingestion_batch > 1:
            work = work.together()
        while True:
            yield from self._raw.wait()
            batch = self._raw.take(design.ingestion_batch)
            yield from self.ingesting.hold(self._standardize(batch, work))

    def _standardize(self, batch: Sequence[Signal], work: Work) -> Steps:
        yield from self.plant.do(self._ingestion, work, len(batch))
        for signal in batch:
            signal.standardized_at = self.env.now
        if self.world.design.waits_for_bus:
            yield from self._announce(batch)
        else:
            self.env.process(self._announce(batch))

    def _announce(self, batch: Sequence[Signal]) -> Steps:
        yield from self.plant.ring(len(batch))
        for signal in batch:
            self.env.process(self._deliver(signal))

    def _deliver(self, signal: Signal) -> Steps:
        yield from self.plant.pause(self.world.bus.deliver_ms)
        if self.world.design.owned_accounts:
            queue = self._undecided[signal.accounts[0] % len(self._undecided)]
        else:
            queue = self.plant.chance.choice(self._undecided)
        queue.put(signal)

    def _decide_for_ever(self, process: Process, queue: Queue) -> Steps:
        while True:
            yield from queue.wait()
            batch = queue.take(self.world.design.cerebro_batch)
            yield from self.deciding.hold(self._decide(process, batch))
            for signal in batch:
                for account in signal.accounts:
                    self.env.process(self.desks.deliver(signal, account))

    def _decide(self, process: Process, batch: Sequence[Signal]) -> Steps:
        accounts = {account for signal in batch for account in signal.accounts}
        tries = 0
        while not accounts.isdisjoint(self._locked):
            self.conflicts += 1
            tries += 1
            yield from self.plant.do(process, self._in_vain(), 1)
            longest = min(_AGAIN_S * _AGAIN_GROWTH**tries, _AGAIN_MOST_S)
            yield self.env.timeout(self.plant.chance.random() * longest)
        self._locked |= accounts
        self.transactions += 1
        yield from self.plant.do(process, self.world.costs.deciding, len(batch))
        self._locked -= accounts
        for signal in batch:
            signal.decided_at = self.env.now
        yield from self.plant.ring(sum(len(signal.accounts) for signal in batch))

    def _in_vain(self) -> Work:
        """What a transaction costs that finds an account taken."""
        cpu, commands, database = self.world.costs.deciding.of(1)
        share = min(1.0, (_BEFORE_ACCOUNTS + 1) / commands) if commands else 0.0
        return Work((cpu * share, 0), (commands * share, 0), (database * share, 0), durable=0)

    def _booked(self, signal: Signal) -> None:
        """All orders of a signal are in the books."""
        signal.booked_at = self.env.now
        self.done.append(signal)
        self._left -= 1
        if not self._left:
            self._all_booked.succeed()
        for name, work in self.world.costs.following.items():
            self.env.process(self.plant.do(self._beside[name], work, 1))

    def _rest(self) -> None:
        """What is done whether or not signals come; desks share what execution does."""
        self.env.process(self.plant.machine.occupy(self.world.others_cores, self.plant.chance))
        road = {
            "signal_gateway": self._gateways,
            "signal_ingestion": [self._ingestion],
            "cerebro": self._cerebros,
            "execution": self.desks.processes,
        }
        for name, hum in self.world.idle.items():
            processes = road.get(name) or [self._beside[name]]
            share = 1 / len(processes) if name == "execution" else 1.0
            for process in processes:
                cpu, commands, database = (share * each for each in hum.of(self.world.accounts))
                self.env.process(self._hum(process, cpu, commands, database))

    def _hum(self, process: Process, cpu: float, commands: float, database: float) -> Steps:
        """So many ms of CPU, commands and ms of the database in a second, for ever."""
        rate = commands or 10.0
        while cpu > 0 or commands > 0:
            yield self.env.timeout(self.plant.chance.expovariate(rate))
            work = Work((cpu / rate, 0), (1.0 if commands else 0.0, 0), (database / rate, 0), 0)
            self.env.process(self.plant.do(process, work, 1))
