"""A short fault drill: services, bus and broker fail under load, and nothing is lost or doubled."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
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


def drill(*options):
    return [sys.executable, str(REPOSITORY / "scripts" / "chaos.py"), "--seed", "2", *options]


def test_a_short_drill_is_clean(tmp_path):
    told = tmp_path / "drill.json"
    size = ["--signals", "60", "--rate", "12", "--strategies", "4", "--accounts", "2"]
    ended = subprocess.run(
        drill("--faults", "10", "--json", str(told), *size),
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


def test_a_drill_that_is_told_to_end_takes_its_instance_with_it():
    size = ["--signals", "5000", "--rate", "10", "--strategies", "1", "--accounts", "1"]
    with subprocess.Popen(drill("--faults", "100", *size), stdout=subprocess.PIPE) as started:
        try:
            home = started.stdout.readline().split()[-1].decode()
            while b"faults begin" not in started.stdout.readline():
                assert started.poll() is None
            time.sleep(3)  # some are hurt, maybe frozen
            started.terminate()
            time.sleep(1)
            started.terminate()  # an impatient person; what ends the instance is not ended by it
            assert started.wait(120) == 143
        finally:
            started.kill()  # one that does not end must not keep the tests
    assert not Path(home).exists()
    assert not [each for each in psutil.process_iter(["environ"]) if lives_in(each, home)]


def lives_in(process, home):
    return (process.info["environ"] or {}).get("MT_HOME") == home
