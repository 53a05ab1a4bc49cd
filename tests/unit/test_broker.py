"""What the broker interface does by itself, for adapters that say nothing else."""

import pytest

from brokers.errors import BrokerUnavailable, LoginRequired, UnsupportedOrder
from tests.fakes.broker import FakeBroker
from tests.support.builders import make_preview_leg


def test_a_broker_without_previews_says_so_and_of_what():
    broker = FakeBroker("Mock-1")
    assert not broker.capabilities.margin_preview
    with pytest.raises(UnsupportedOrder, match="previews no margin, asked of AAPL"):
        broker.preview_margin([make_preview_leg()])


def test_a_broker_that_says_nothing_else_remembers_for_ever_and_tells_no_time():
    broker = FakeBroker("Mock-1")
    assert (broker.remembers_since(), broker.clock_skew()) == (None, None)


def test_whoever_must_log_in_has_sent_nothing():
    assert issubclass(LoginRequired, BrokerUnavailable)
