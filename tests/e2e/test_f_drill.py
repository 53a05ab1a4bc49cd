"""A short fault drill: services, bus and broker fail under load, and nothing is lost or doubled."""

import json
import subprocess
import sys

import pytest

from scripts.drill import plan
from tests.e2e.instance import REPOSITORY

pytestmark = pytest.mark.servers


def test_a_seed_is_the_same_plan_again():
    size = {"rate": 20, "strategies": ["A", "B"], "accounts": ["Mock-1", "Mock-2"]}
    first = plan.make(7, signals=200, faults=30, **size)
    assert first == plan.make(7, signals=200, faults=30, **size)
    assert first != plan.make(8, signals=200, faults=30, **size)
    assert {fault.kind for fault in first.faults} >= {"KILL", "FREEZE", "BROKER", "RING"}


def test_a_short_drill_is_clean(tmp_path):
    told = tmp_path / "drill.json"
    size = ["--signals", "60", "--rate", "12", "--strategies", "4", "--accounts", "2"]
    ended = subprocess.run(
        [
            *(sys.executable, str(REPOSITORY / "scripts" / "chaos.py")),
            *("--seed", "2", "--faults", "10", "--json", str(told), *size),
        ],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(told.read_text())
    assert result["accepted"] == 60
    assert result["faults_done"] >= 8
    assert result["restarts"] >= 1
    assert len(result["rules"]) >= 12
