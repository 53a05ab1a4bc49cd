"""The scaling model against queueing theory, and against itself: nothing is lost in it."""

import random
from collections import Counter

import pytest
import simpy

from scripts.scaling.parameters import Broker, Bus, Costs, Database, Design, Work, World
from scripts.scaling.road import Road
from scripts.scaling.signals import latencies
from scripts.scaling.stations import Allowance, Machine, Process, Station

#: Customers of a queue: with so many the mean wait is within 8 % of theory.
_MANY = 60_000
_COSTS = Costs(
    gateway=Work((1, 0), (2, 0), (2, 0)),
    ingestion=Work((1, 0), (1, 0), (1, 0)),
    deciding=Work((2, 1), (8, 3), (6, 3)),
    intents=Work((1, 1), (4, 2), (3, 2)),
    books=Work((1, 1), (4, 2), (3, 2)),
    following={"dashboard_creator": Work((1, 0), (5, 0), (4, 0))},
    bus_ms=0.1,
    broker_ms=1,
)


def _queue(service, *, rate: float, servers: int = 1) -> Station:
    """A station after many customers with exponential times between them."""
    env, chance = simpy.Environment(), random.Random(7)  # noqa: S311 - a model
    station = Station(env, "queue", servers)

    def arrive():
        for _ in range(_MANY):
            yield env.timeout(chance.expovariate(rate))
            env.process(station.serve(service(chance)))

    env.process(arrive())
    env.run()
    return station


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_server_with_random_service_waits_as_m_m_1(load):
    station = _queue(lambda chance: chance.expovariate(1.0), rate=load)
    # Wq = ρ / (μ − λ), with μ = 1
    assert station.waited_s / station.served == pytest.approx(load / (1 - load), rel=0.08)
    assert station.served == _MANY


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_server_with_fixed_service_waits_as_m_d_1(load):
    station = _queue(lambda _: 1.0, rate=load)
    # Pollaczek and Khinchine: Wq = ρ / (2 μ (1 − ρ)), half of what random service waits
    assert station.waited_s / station.served == pytest.approx(load / (2 * (1 - load)), rel=0.08)


def test_two_servers_wait_as_m_m_2():
    station = _queue(lambda chance: chance.expovariate(1.0), rate=1.4, servers=2)
    # Erlang C for two servers: Wq = ρ² / (1 − ρ²), with μ = 1 and ρ = λ / 2 = 0.7
    assert station.waited_s / station.served == pytest.approx(0.49 / 0.51, rel=0.08)


def test_a_process_uses_one_core_at_a_time_and_all_of_them_share_the_machine():
    env = simpy.Environment()
    machine = Machine(env, 2, 1.0)
    alone, others = Process(env, "a", machine), [Process(env, str(n), machine) for n in range(3)]
    ended = {}

    def run(name, process, seconds):
        yield from process.work(seconds)
        ended[name] = env.now

    for name in ("first", "second"):
        env.process(run(name, alone, 1.0))
    env.run()
    assert max(ended.values()) == pytest.approx(2.0)  # two threads, one interpreter
    for number, process in enumerate(others):
        env.process(run(number, process, 1.0))
    env.run()
    assert env.now == pytest.approx(2.0 + 1.5, abs=0.02)  # three processes on two cores


def test_an_allowance_never_lets_more_leave_than_its_rate_and_a_second_saved_up():
    env = simpy.Environment()
    allowance = Allowance(env, 8.0)
    left = []

    def leave():
        while env.now < 10:
            for _ in range(allowance.now(100)):
                allowance.take()
                left.append(env.now)
            yield env.timeout(0.01)

    env.process(leave())
    env.run()
    assert len(left) == 8 + 80
    busiest = max(sum(1 for at in left if begin <= at < begin + 1) for begin in left)
    assert busiest <= 16  # what was saved, and what came back meanwhile


def _world(**changes) -> World:
    return World(_COSTS, {}, strategies=20, accounts=6)._replace(**changes)


@pytest.mark.parametrize(
    "world",
    [
        _world(cores=2, others_cores=0.3),
        _world(accounts_per_signal=3, broker=Broker(120, 8.0), bus=Bus(30, 40)),
        _world(
            accounts_per_signal=2,
            database=Database(4, 0.3, 1, 5, 5),
            design=Design(gateways=2, cerebros=3, executions=2, ingestion_batch=8),
        ),
    ],
)
def test_every_signal_is_booked_once_and_passes_its_stages_in_order(world):
    road = Road(world, seed=3)
    sent = road.run([0.05 * n for n in range(200)], until=600)
    assert Counter(map(id, road.done)) == Counter(map(id, sent))
    for each in sent:
        moments = [each.sent_at, each.received_at, each.standardized_at, each.decided_at]
        assert moments == sorted(moments)
        assert each.decided_at < each.taken_at < each.booked_at
        assert each.left == 0


def test_the_same_seed_gives_the_same_run():
    def run(seed):
        return latencies(Road(_world(cores=2), seed=seed).run([0.0] * 50, until=100))

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_a_thread_is_busy_for_as_long_as_its_steps_take():
    waiting = Design(waits_for_bus=True)
    road = Road(_world(bus=Bus(publish_ms=10), design=waiting), seed=1)
    sent = road.run([n / 5 for n in range(2000)], until=500)
    assert len(road.done) == len(sent)
    # Ingestion: 1 ms CPU, a command of 1 ms and 0.1 ms away, 0.1 ms of the bus, 10 ms its answer;
    # the database, used a tenth by then, adds a little.
    assert road.ingesting.busy_s / road.ingesting.served == pytest.approx(0.0122, rel=0.08)
    assert road.ingesting.busy_s / road.env.now == pytest.approx(5 * 0.0122, rel=0.08)


def test_replicas_on_the_same_accounts_collide_and_on_their_own_do_not():
    shared = Road(_world(design=Design(cerebros=2)), seed=2)
    shared.run([n / 80 for n in range(800)], until=60)
    apart = Road(_world(design=Design(cerebros=2, owned_accounts=True)), seed=2)
    apart.run([n / 80 for n in range(800)], until=60)
    assert shared.conflicts > 0
    assert apart.conflicts == 0
    assert len(shared.done) == len(apart.done) == 800


def test_a_verdict_that_is_old_is_passed_again():
    slow = Road(_world(broker=Broker(answer_ms=150)), seed=4)
    slow.run([0.0] * 60, until=300)
    quick = Road(_world(broker=Broker(answer_ms=1)), seed=4)
    quick.run([0.0] * 60, until=300)
    assert slow.desks.taken_back > 0
    assert quick.desks.taken_back == 0
    assert len(slow.done) == len(quick.done) == 60
