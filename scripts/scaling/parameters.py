"""What the model is told: costs of each step, and the world that they are paid in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Work(NamedTuple):
    """What a batch of n messages costs a process: `fixed` + n × `each`.

    Attributes:
        cpu_ms: of the process.
        commands: to the database, one after the other.
        database_ms: work of the embedded database for all of them; a real one is told by its
            `Database.service_ms` for each command instead.
        durable: of the commands those that wait until a majority has them.
    """

    cpu_ms: tuple[float, float] = (0.0, 0.0)
    commands: tuple[float, float] = (0.0, 0.0)
    database_ms: tuple[float, float] = (0.0, 0.0)
    durable: int = 1

    def of(self, n: int) -> tuple[float, float, float]:
        """CPU ms, commands and database ms of a batch of n."""
        (cpu, cpu_each), (commands, each), (database, database_each) = self[:3]
        return cpu + n * cpu_each, commands + n * each, database + n * database_each

    def together(self) -> Work:
        """The same work where each command is one for the whole batch."""
        fixed, each = self.commands
        return self._replace(commands=(fixed + each, 0.0))


class Costs(NamedTuple):
    """What the steps of the road cost.

    Attributes:
        intents: a desk's gate and write-ahead of a batch.
        books: a desk's booking of a batch.
        following: what others do about a signal, beside its road, by service.
        bus_ms: CPU of the local bus for each message, both ways; 0 = it is Google's.
        broker_ms: CPU of the mock broker for an order.
    """

    gateway: Work
    ingestion: Work
    deciding: Work
    intents: Work
    books: Work
    following: Mapping[str, Work]
    bus_ms: float = 0.0
    broker_ms: float = 0.0


class Hum(NamedTuple):
    """What a process does in a second whether or not signals come: at all, and for each account.

    Attributes:
        database_ms: the embedded database's work for it.
    """

    cpu_ms: tuple[float, float] = (0.0, 0.0)
    commands: tuple[float, float] = (0.0, 0.0)
    database_ms: tuple[float, float] = (0.0, 0.0)

    def of(self, accounts: int) -> tuple[float, float, float]:
        """CPU ms, commands and database ms of a second."""
        cpu, commands, database = (a + accounts * b for a, b in self)
        return cpu, commands, database


#: By service.
Idle = Mapping[str, Hum]


class Database(NamedTuple):
    """The database.

    Attributes:
        servers: commands that it works on at once: 1 for the embedded one, cores of a real one.
        service_ms: of one core for a command; None = as measured with the embedded one.
        round_trip_ms: network, there and back.
        majority_ms: until a majority has a write.
        notice_ms: until a change stream has told of a write, on average.
    """

    servers: int = 1
    service_ms: float | None = None
    round_trip_ms: float = 0.1
    majority_ms: float = 0.0
    notice_ms: float = 1.0


class Bus(NamedTuple):
    """The bus: until a publication is answered, and until it is delivered; mean milliseconds."""

    publish_ms: float = 1.0
    deliver_ms: float = 1.5


class Broker(NamedTuple):
    """The brokers.

    Attributes:
        answer_ms: until a placement is answered, mean.
        per_second: orders that a desk sends of itself in a second; None = no limit.
    """

    answer_ms: float = 2.0
    per_second: float | None = None


class Design(NamedTuple):
    """How the system is built, where that decides what scales; the defaults are today's.

    Attributes:
        gateways: replicas.
        cerebros: replicas; two that want the same account get in each other's way.
        executions: processes that the desks are spread over. Today whichever starts first gets
            every lease, so more than one is a change.
        waits_for_bus: whether ingestion waits for each publication, as it did when the costs were
            measured; today a thread beside it rings.
        ingestion_batch: signals that ingestion stores together; today one by one.
        cerebro_batch: doorbells that a Cerebro takes together.
        desk_batch: orders that a desk takes together.
        owned_accounts: whether each Cerebro decides for accounts of its own; today it does not.
        verdict_s: how long the gate's verdict is good for.
        book_s: how often a desk books while it sends.
    """

    gateways: int = 1
    cerebros: int = 1
    executions: int = 1
    waits_for_bus: bool = False
    ingestion_batch: int = 1
    cerebro_batch: int = 32
    desk_batch: int = 16
    owned_accounts: bool = False
    verdict_s: float = 0.2
    book_s: float = 0.1


class World(NamedTuple):
    """Everything that the model is told.

    Attributes:
        accounts_per_signal: accounts that one signal trades in.
        cores: that all processes share; None = each has one of its own, on machines of its own.
        others_cores: of these, used by what is not ours.
        speed: of a core against the one that costs were measured on.
    """

    costs: Costs
    idle: Idle
    strategies: int
    accounts: int
    accounts_per_signal: int = 1
    database: Database = Database()
    bus: Bus = Bus()
    broker: Broker = Broker()
    design: Design = Design()
    cores: int | None = None
    others_cores: float = 0.0
    speed: float = 1.0
