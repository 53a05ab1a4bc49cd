"""One fake Kite for all these tests: each finds it as on the first day, INFY at 150."""

import pytest

from tests.support.fake_kite import FakeKite


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    made = FakeKite(tmp_path_factory.mktemp("kite"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def lax(running):
    """A fake that has never traded, INFY at 150; clients may do wrong."""
    running.start_over()
    running.without_limits()
    running.set_price(150)
    return running


@pytest.fixture
def fake(lax):
    """The same; whatever a client does wrong fails the test."""
    yield lax
    assert lax.violations() == []


@pytest.fixture
def kite(lax):
    made = lax.client()
    yield made
    made.reqsession.close()
