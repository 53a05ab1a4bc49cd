"""A desk at the mock broker's own process, with and without what brokers hold themselves."""

import pytest

from tests.support.benches.mock import MockBench
from tests.support.desks import make_desk, wait_for
from tests.support.rows import allow_trading
from tests.support.working import AAPL, EMULATED, MSFT, NATIVE


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    made = MockBench(tmp_path_factory.mktemp("mock"))
    yield made
    made.stop()


@pytest.fixture
def bench(running):
    running.begin()
    running.set_price(AAPL, "150")
    running.set_price(MSFT, "300")
    yield running
    running.end()


@pytest.fixture
def open_desk(store, bench):
    """Opens desks, one after the other, on the same account."""
    allow_trading(store)
    opened = []

    def start():
        desk = make_desk(store, bench.adapter())
        desk.start()
        opened.append(desk)
        wait_for(desk._is_open)
        return desk

    yield start
    for desk in opened:
        desk.stop()


@pytest.fixture(params=[NATIVE, EMULATED], ids=["native", "emulated"])
def desk(request, bench, open_desk):
    bench.without(**request.param)
    return open_desk()
