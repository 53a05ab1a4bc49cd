"""Adapters that the suite runs over: one entry for each broker."""

import pytest

from tests.support.benches.ibkr import IbkrBench
from tests.support.benches.mock import MockBench
from tests.support.benches.zerodha import ZerodhaBench

BENCHES = {"ibkr": IbkrBench, "mock": MockBench, "zerodha": ZerodhaBench}


@pytest.fixture(scope="session", params=sorted(BENCHES))
def running(request, tmp_path_factory):
    """A bench for all tests: to start a broker takes longer than most of them."""
    made = BENCHES[request.param](tmp_path_factory.mktemp(request.param))
    yield made
    made.stop()


@pytest.fixture
def bench(running):
    """A running broker that has never traded."""
    running.begin()
    yield running
    running.end()


@pytest.fixture
def broker(bench):
    """A connected adapter."""
    return bench.connected()
