"""The worlds that the model is asked about, and what is assumed of those not to be had here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from scripts.scaling.parameters import (
    Broker,
    Bus,
    Costs,
    Database,
    Design,
    Hum,
    Idle,
    Work,
    World,
)

#: The system of 2026-11-21 as docs/performance.md describes it: 20 commands of a signal (gateway 1,
#: ingestion 2, Cerebro 8, execution 10), 20.5 ms of the database and 31 ms of all others at 20/s,
#: where nothing gathers; a batch shares transactions. The split of the 31 ms over processes is that
#: of bench_execution.py and bench_gateway.py that day, the rest put to ingestion and Cerebro.
PUBLISHED_COSTS = Costs(
    gateway=Work((1.3, 0), (1, 0), (1.0, 0)),
    ingestion=Work((2.5, 0), (2, 0), (2.0, 0)),
    deciding=Work((2.5, 1.5), (5, 3), (4.0, 3.3)),
    intents=Work((3.5, 2.5), (3, 2), (2.2, 2.8)),
    books=Work((3.5, 2.5), (3, 2), (2.3, 2.9)),
    following={"account_data": Work((2.0, 0))},
    bus_ms=1.2,
    broker_ms=2.9,
)
#: 4 % of a core at rest, half of it the database's.
PUBLISHED_IDLE: Idle = {"account_data": Hum((20.0, 0), (20.0, 0), (20.0, 0))}
#: p50 and p99 of accept → order at the broker in ms, and signals a second that ended.
PUBLISHED = {
    20.0: (26.0, 65.0, 20.0),
    35.0: (92.0, 227.0, 35.0),
    50.0: (389.0, 699.0, 48.0),
    100.0: (34_534.0, 87_265.0, 43.5),
}


def published() -> World:
    """The machine of docs/performance.md: two cores, nothing else at work."""
    return World(PUBLISHED_COSTS, PUBLISHED_IDLE, strategies=10, accounts=4, cores=2)


class Assumption(NamedTuple):
    """One thing that is not known, between two bounds.

    Attributes:
        set_to: the world with this value instead.
        why: where value and bounds come from.
    """

    name: str
    low: float
    value: float
    high: float
    set_to: Callable[[World, float], World]
    why: str


def _database(name: str) -> Callable[[World, float], World]:
    return lambda world, value: world._replace(database=world.database._replace(**{name: value}))


def _bus(name: str) -> Callable[[World, float], World]:
    return lambda world, value: world._replace(bus=world.bus._replace(**{name: value}))


def _service(world: World, commands_per_second: float) -> World:
    servers = world.database.servers
    service_ms = 1000 * servers / commands_per_second
    return world._replace(database=world.database._replace(service_ms=service_ms))


ASSUMPTIONS = (
    Assumption(
        "database: until a majority has a commit, ms",
        2, 5, 10, _database("majority_ms"),
        "three members in zones of one region: two round trips between zones and two journals",
    ),
    Assumption(
        "database: network, there and back, ms",
        0.5, 1, 2, _database("round_trip_ms"),
        "same region, over a private endpoint",
    ),
    Assumption(
        "database: small commands a second",
        4_000, 15_000, 40_000, _service,
        "M30 (2 cores) to M60 (16 cores), 0.4 to 0.5 ms of a core for a command in a transaction",
    ),
    Assumption(
        "change stream: until it tells of a write, ms",
        2, 10, 50, _database("notice_ms"),
        "a majority has the write, and one awaiting getMore answers",
    ),
    Assumption(
        "Pub/Sub: until a publication is answered, ms",
        10, 25, 50, _bus("publish_ms"),
        "one unbatched request; of 20 to 100 ms from publish to callback",
    ),
    Assumption(
        "Pub/Sub: from there to the callback, ms",
        10, 25, 50, _bus("deliver_ms"),
        "the other part of the same",
    ),
    Assumption(
        "broker: until a placement is answered, ms",
        20, 80, 250, lambda world, value: world._replace(
            broker=world.broker._replace(answer_ms=value)
        ),
        "a gateway near its servers; HTTP over the Internet",
    ),
    Assumption(
        "speed of a core against this machine's",
        1, 2, 4, lambda world, value: world._replace(speed=value),
        "CPU was measured while others used most of two cores; alone a step takes 1/2 to 1/5",
    ),
    Assumption(
        "accounts that a signal trades in",
        1, 1, 5, lambda world, value: world._replace(accounts_per_signal=int(value)),
        "weights of a strategy over its accounts",
    ),
)  # fmt: skip

#: What a desk may send of itself in a second: 0.8 of the broker's limit (`common/budget.py`).
BROKERS: Mapping[str, float] = {"IBKR": 0.8 * 45, "Kite": 0.8 * 10}


def production(costs: Costs, idle: Idle, design: Design | None = None) -> World:
    """1,000 strategies in 200 accounts on Cloud Pub/Sub and an Atlas cluster, as assumed above."""
    world = World(
        costs=costs._replace(bus_ms=0, broker_ms=0),
        idle=idle,
        strategies=1000,
        accounts=200,
        database=Database(servers=8),
        bus=Bus(),
        broker=Broker(per_second=BROKERS["IBKR"]),
        design=design or DESIGNS["as it is"],
    )
    for each in ASSUMPTIONS:
        world = each.set_to(world, each.value)
    return world


_TODAY = Design(gateways=2, cerebros=2)
_TOGETHER = _TODAY._replace(ingestion_batch=32)
_OWNED = _TOGETHER._replace(owned_accounts=True, cerebros=4)
_SPREAD = _OWNED._replace(executions=4)
#: From the second on each has what the one before it has. "As it is" is deploy/kubernetes: two
#: gateways, two Cerebros; of two executions one holds all leases.
DESIGNS: Mapping[str, Design] = {
    "as it was: ingestion waits for each publication": _TODAY._replace(waits_for_bus=True),
    "as it is": _TODAY,
    "+ ingestion stores what has gathered, 32 at once": _TOGETHER,
    "+ four Cerebros, each for accounts of its own": _OWNED,
    "+ desks spread over four executions": _SPREAD,
}
