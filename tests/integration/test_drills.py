"""The fault drill of the System page: one at a time, apart from all that is the instance's own."""

import json
import textwrap

import pytest

from services.common.problems import Refusal
from services.common.settings import CommonSettings
from services.dashboard_creator.drills import Drills, DrillSize
from tests.support.execution_process import wait_until

pytestmark = pytest.mark.servers
REPORT = {
    "clean": False,
    "started_at": "2026-11-22T05:00:00+00:00",
    "machine": "2 cores",
    "asked": {"seed": 7, "signals": 60, "rate": 12.0, "faults": 10},
    "seconds": {"in all": 31.5},
    "accepted": 60,
    "orders": 40,
    "fills": 30,
    "faults_done": 10,
    "restarts": 3,
    "rules": {"orders are placed once": ["MT1 is FILLED, 2 at the broker"], "cash": []},
    "log": ["1.0 s KILL cerebro"],
}
#: As long as the file `go_on` is not there; what it was given is in `seen`.
STUB = """
    import json, os, sys, time
    from pathlib import Path
    told = Path(sys.argv[sys.argv.index("--json") + 1])
    told.with_name("seen").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
    print("faults begin", flush=True)
    while not told.with_name("go_on").exists():
        time.sleep(0.02)
    told.write_text({report!r})
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ".data" / "drill"


@pytest.fixture
def drills(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://of-the-instance")
    script = tmp_path / "stub.py"
    script.write_text(textwrap.dedent(STUB).format(report=json.dumps(REPORT)))
    return Drills(store, CommonSettings(mt_home=tmp_path), script)


def test_a_drill_runs_alone_and_its_report_stays(drills, store, folder):
    assert drills.state().report is None
    begun = drills.start(DrillSize(seed=7, signals=60), "before the audit", by="ada")
    try:
        assert begun.running
        assert begun.started_by == "ada"
        with pytest.raises(Refusal, match="a drill runs"):
            drills.start(DrillSize(), "again", by="bob")
        wait_until(lambda: drills.state().lines == ("faults begin",), "it tells")
    finally:
        (folder / "go_on").touch()
    wait_until(lambda: not drills.state().running, "it ends")
    report = drills.state().report
    assert (report.clean, report.seed, report.seconds) == (False, 7, 31.5)
    assert [(rule.name, rule.count) for rule in report.rules] == [
        ("orders are placed once", 1),
        ("cash", 0),
    ]
    (line,) = store["audit_log"].find({"what": "DRILL_STARTED"})
    assert (line["by"], line["facts"]["reason"]) == ("ada", "before the audit")


def test_a_drill_is_not_told_of_this_instance(drills, folder):
    drills.start(DrillSize(), "why not", by="ada")
    (folder / "go_on").touch()
    wait_until(lambda: not drills.state().running, "it ends")
    _, environment = json.loads((folder / "seen").read_text())
    assert not {"MONGODB_URI", "MT_HOME", "MT_PORT_OFFSET"} & set(environment)


def test_no_drill_runs_where_money_is_real(store, tmp_path, folder):
    drills = Drills(store, CommonSettings(mt_home=tmp_path, trading_mode="live"))
    with pytest.raises(Refusal, match="where trading is paper"):
        drills.start(DrillSize(), "oops", by="ada")
    assert not folder.exists()
