"""Fixtures of the fake gateway; of a test module: `pytest_plugins`."""

from __future__ import annotations

import logging

import pytest

from tests.support.fake_tws import FakeTws


@pytest.fixture(scope="session")
def tws_process(tmp_path_factory):
    """One for all tests: to start it takes longer than most of them."""
    pytest.importorskip("ib_async")
    made = FakeTws(tmp_path_factory.mktemp("tws"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def tws(tws_process, caplog):
    """A gateway that has never traded; INFY at 150. What either side could not read fails the test.

    Of ib_async that is seen in its log alone.
    """
    tws_process.call("POST", "/v1/start-over")
    tws_process.price(150)
    with caplog.at_level(logging.ERROR, logger="ib_async.Decoder"):
        yield tws_process
    assert [each.getMessage() for each in caplog.records if "Decoder" in each.name] == []
    assert tws_process.violations() == []
