"""A clock that is wrong on purpose: for one service of a drill, and never where money is real."""

from datetime import UTC, datetime, timedelta

import pytest

from services.common import clock
from services.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _right_again(monkeypatch):
    monkeypatch.setattr(clock, "_skew", timedelta())


def test_a_clock_is_wrong_for_the_service_that_is_named():
    asked = {"CLOCK_SKEW": "cerebro=-300,execution=12.5"}
    clock.skew_by("account_data", asked)
    assert abs(clock.utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
    clock.skew_by("cerebro", asked)
    behind = datetime.now(UTC) - clock.utc_now()
    assert timedelta(seconds=295) < behind < timedelta(seconds=305)


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"CLOCK_SKEW": "execution"}, "must be service=seconds"),
        ({"CLOCK_SKEW": "execution=soon"}, "must be service=seconds"),
        ({"CLOCK_SKEW": "execution=1", "TRADING_MODE": "live"}, "where money is real"),
    ],
)
def test_a_clock_that_cannot_be_meant_stops_the_process(environment, why):
    with pytest.raises(ConfigurationError, match=why):
        clock.skew_by("execution", environment)
