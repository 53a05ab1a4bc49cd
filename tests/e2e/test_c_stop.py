"""Restart and stop: what is stored stays, what was started ends, and nothing else does."""

import pytest

from services.common.settings import PORTS
from tests.e2e.instance import listening

pytestmark = pytest.mark.servers


def test_restart_keeps_everything_and_stop_leaves_nothing(instance):
    before = instance.broker_orders("Mock-1")
    instance.stop()
    ports = [port + instance.offset for port in PORTS.values()]
    assert listening(ports) == []
    assert instance.run("status.py").returncode == 3
    output = instance.start("--demo")
    assert "mtk_" not in output  # keys are shown once
    assert instance.broker_orders("Mock-1") == before
    instance.wait_well()
