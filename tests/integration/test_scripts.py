"""start.py, status.py and stop.py as a person types them, each in a home and ports of its own.

Where the processes of the system are not what is tested, stubs stand in their place: see
`tests/support/stub_instance.py`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from scripts.launcher import drain, identity
from services.common.settings import PORTS
from tests.support.instances import SECONDS, Instance, stub
from tests.support.servers import Server, free_port

pytestmark = pytest.mark.servers
URI = "mongodb://bob:s3cret@127.0.0.1:9/?replicaSet=r"


def test_wrong_setting_stops_the_start_before_anything_runs(instance: Instance) -> None:
    (instance.home.root / ".env").write_text("MAX_POSITION_SIZE_PCT=abc\n")
    done = instance.type("start.py")
    assert done.returncode == 78
    assert "setting MAX_POSITION_SIZE_PCT" in done.stderr
    assert done.stderr.count("\n") == 1
    instance.assert_nothing_runs()


def test_taken_port_is_named_with_its_service(instance: Instance) -> None:
    port = PORTS["account_data"] + int(instance.environment["MT_PORT_OFFSET"])
    with socket.create_server(("127.0.0.1", port)):
        done = instance.type("start.py")
    assert done.returncode == 1
    assert f"port {port}, which account_data needs, is taken by pid {os.getpid()}" in done.stderr
    assert done.stderr.count("\n") == 1
    instance.assert_nothing_runs()


def test_unreachable_database_is_told_without_its_password(instance: Instance) -> None:
    done = instance.type("start.py", MONGODB_URI=URI)
    assert done.returncode == 1
    assert "127.0.0.1:9 (MONGODB_URI) does not answer" in done.stderr
    assert done.stderr.count("\n") == 1
    instance.assert_nothing_runs()
    written = [file.read_text() for file in instance.home.logs.glob("*.*")]
    assert "s3cret" not in "".join([done.stdout, done.stderr, *written])


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        ([], {"TRADING_MODE": "live"}, "start with --live"),
        (["--live"], {}, "--live needs a real MongoDB replica set: set MONGODB_URI"),
        (["--live", "--demo", "--yes-live"], {"MONGODB_URI": URI}, "--demo exclude each other"),
        (["--live"], {"MONGODB_URI": URI, "USE_MOCK_BROKER": "true"}, "exclude each other"),
        (["--live"], {"MONGODB_URI": URI}, "there is no terminal: add --yes-live"),
    ],
)
def test_live_trading_never_starts_by_mistake(
    instance: Instance, arguments: list[str], variables: dict[str, str], words: str
) -> None:
    done = instance.type("start.py", *arguments, **variables)
    assert done.returncode == 78
    assert words in done.stderr
    instance.assert_nothing_runs()


def test_nothing_to_stop_and_nothing_to_see(instance: Instance) -> None:
    stopped, looked = instance.type("stop.py"), instance.type("status.py", "--json")
    assert (stopped.returncode, looked.returncode) == (0, 3)
    assert "nothing is running" in stopped.stdout
    assert json.loads(looked.stdout)["state"] == "stopped"


def test_status_is_well_only_when_everything_is(instance: Instance, database: Server) -> None:
    bus = free_port()
    instance.environment["MONGODB_URI"] = database.address
    instance.environment["PUBSUB_EMULATOR_HOST"] = f"127.0.0.1:{bus}"
    instance.supervise(f"pubsub_local:{bus}:ready", stub("cerebro"))
    instance.wait_running()
    looked = instance.type("status.py")
    assert looked.returncode == 0, looked.stdout
    assert looked.stdout.rstrip().endswith("all is well")
    [_, cerebro] = instance.status()["processes"]
    assert cerebro["pid"] == instance.pid("cerebro")
    assert cerebro["memory_mb"] > 1
    assert cerebro["dependencies"] == {"stub": {"ok": True, "detail": "answers"}}
    os.kill(instance.pid("cerebro"), signal.SIGSTOP)  # alive, and deaf
    looked = instance.type("status.py")
    os.kill(instance.pid("cerebro"), signal.SIGCONT)
    assert looked.returncode == 1
    assert "NOT well: cerebro" in looked.stdout


def test_stop_ends_processes_in_reverse_order(instance: Instance) -> None:
    names = ["mongodb", "cerebro", "signal_gateway"]
    instance.supervise(*(stub(name) for name in names))
    instance.wait_running()
    done = instance.type("stop.py")
    assert done.returncode == 0, done.stdout
    instance.assert_nothing_runs()
    ends = [
        float((instance.home.logs / f"{name}.out").read_text().split()[-1])
        for name in reversed(names)
    ]
    assert ends == sorted(ends)
    assert "3 ports are free" in done.stdout


def test_dead_process_is_started_again(instance: Instance) -> None:
    instance.supervise(stub("cerebro"), stub("execution"))
    instance.wait_running()
    first = instance.pid("cerebro")
    os.kill(first, signal.SIGKILL)
    instance.wait_for(lambda: instance.pid("cerebro") not in (0, first))
    cerebro = next(each for each in instance.status()["processes"] if each["name"] == "cerebro")
    assert cerebro["restarts"] == 1


def test_third_death_within_a_minute_raises_an_incident(instance: Instance) -> None:
    instance.supervise(stub("cerebro"))
    instance.wait_running()
    seen: set[int] = {0}
    for _ in range(3):
        instance.wait_for(lambda: instance.pid("cerebro") not in seen)
        seen.add(instance.pid("cerebro"))
        os.kill(instance.pid("cerebro"), signal.SIGKILL)
    incidents = instance.home.root / "incidents.txt"
    instance.wait_for(incidents.exists)
    assert "PROCESS_DIES cerebro: three deaths within a minute" in incidents.read_text()
    assert instance.status()["processes"][0]["state"] == "restarting"


def test_wrong_setting_of_a_process_stops_the_start(instance: Instance) -> None:
    supervisor = instance.supervise(stub("mongodb"), stub("cerebro", "wrong_setting"))
    _, said = supervisor.communicate(timeout=SECONDS)
    assert supervisor.returncode == 78
    assert said == "cerebro: configuration error: setting STUB must be above 0, was -1\n"
    instance.assert_nothing_runs()


def test_process_that_dies_three_times_stops_the_start(instance: Instance) -> None:
    supervisor = instance.supervise(stub("mongodb"), stub("cerebro", "dies"))
    _, said = supervisor.communicate(timeout=SECONDS)
    assert supervisor.returncode == 1
    assert "stub: something broke" in said
    assert "cerebro died three times while starting (exit code 1)" in said
    instance.assert_nothing_runs()


def test_process_that_is_never_ready_stops_the_start(instance: Instance) -> None:
    supervisor = instance.supervise(stub("mongodb"), stub("cerebro", "unready"))
    _, said = supervisor.communicate(timeout=SECONDS)
    assert supervisor.returncode == 1
    assert "cerebro is not ready after 1 s: stub: does not answer" in said
    instance.assert_nothing_runs()


def test_a_broker_that_does_not_answer_does_not_stop_the_start(instance: Instance) -> None:
    instance.supervise(stub("mongodb"), stub("execution", "usable"))
    instance.wait_running()
    asked = instance.type("status.py")
    assert asked.returncode == 1
    assert "stub: does not answer" in asked.stdout


def test_ctrl_c_in_the_foreground_drains(instance: Instance) -> None:
    supervisor = instance.supervise(stub("mongodb"), stub("cerebro"))
    instance.wait_running()
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=SECONDS)
    assert supervisor.returncode == 0
    instance.assert_nothing_runs()


def test_trading_goes_on_without_its_supervisor(instance: Instance) -> None:
    supervisor = instance.supervise(stub("mongodb"), stub("cerebro"))
    instance.wait_running()
    supervisor.kill()
    supervisor.communicate(timeout=SECONDS)
    looked, again = instance.type("status.py"), instance.type("start.py")
    assert looked.returncode == 1
    assert "The supervisor is gone" in looked.stdout
    assert again.returncode == 1
    assert "already running" in again.stderr
    assert "without their supervisor" in again.stderr
    stopped = instance.type("stop.py")
    assert stopped.returncode == 0, stopped.stdout
    assert stopped.stdout.index("cerebro") < stopped.stdout.index("mongodb")
    instance.assert_nothing_runs()


def test_second_start_is_refused(instance: Instance) -> None:
    instance.supervise(stub("cerebro"))
    instance.wait_running()
    again = instance.supervise(stub("execution"))
    _, said = again.communicate(timeout=SECONDS)
    assert again.returncode == 1
    assert "already running" in said
    assert list(drain.running(instance.home)) == ["supervisor", "cerebro"]


def test_process_that_does_not_drain_is_killed_after_the_timeout(instance: Instance) -> None:
    instance.supervise(stub("mongodb"), stub("cerebro", "stubborn"))
    instance.wait_running()
    done = instance.type("stop.py", "--timeout", "0.5")
    assert done.returncode == 0, done.stdout
    assert "cerebro            killed" in done.stdout
    instance.assert_nothing_runs()


def test_stop_ends_nothing_that_it_did_not_start(instance: Instance) -> None:
    instance.home.make()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        identity.write(
            instance.home.pids / "cerebro.pid", identity.Identity(stranger.pid, "boot:1")
        )
        done = instance.type("stop.py")
        assert stranger.poll() is None
        stranger.kill()
    assert done.returncode == 0
    assert "nothing is running" in done.stdout
