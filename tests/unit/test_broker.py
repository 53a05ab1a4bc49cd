"""What the broker interface does by itself, for adapters that say nothing else."""

import pytest

from brokers.errors import UnsupportedOrder
from tests.fakes.broker import FakeBroker
from tests.support.builders import make_preview_leg


def test_a_broker_without_previews_says_so_and_of_what():
    broker = FakeBroker("Mock-1")
    assert not broker.capabilities.margin_preview
    with pytest.raises(UnsupportedOrder, match="previews no margin, asked of AAPL"):
        broker.preview_margin([make_preview_leg()])
