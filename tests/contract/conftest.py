"""Brokers that contract tests drive."""

import pytest

from tests.support.benches.ibkr import IbkrBench


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The fake gateway for all tests of a file."""
    made = IbkrBench(tmp_path_factory.mktemp("tws"))
    yield made
    made.stop()


@pytest.fixture
def bench(gateway):
    """One that has never traded."""
    gateway.begin()
    yield gateway
    gateway.end()


@pytest.fixture
def broker(bench):
    """A connected adapter."""
    return bench.connected()
