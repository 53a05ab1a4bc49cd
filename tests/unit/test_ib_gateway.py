"""ib_gateway.py against a program that stands for Docker and remembers what it was asked."""

import json
import sys

import pytest

from scripts import ib_gateway

PASSWORD = "pa55word-of-tws"
FAKE = """#!{python}
import json, os, sys
from pathlib import Path
home = Path({home!r})
words = sys.argv[1:]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([words, os.environ.get("TWS_PASSWORD", "")]) + "\\n")
state = home / "state"
if (home / "down").exists():
    sys.exit("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
if words[0] == "ps" and state.exists():
    print(state.read_text())
elif words[0] == "run":
    state.write_text("running")
elif words[0] == "rm":
    if not state.exists():
        sys.exit("No such container")
    state.unlink()
"""


class Docker:
    def __init__(self, home):
        self.home = home

    def asked(self, *kinds):
        """Command lines of these kinds, in order."""
        lines = (self.home / "calls").read_text().splitlines()
        calls = [json.loads(line) for line in lines]
        return [words for words, _ in calls if words[0] in kinds]

    def environment(self):
        lines = (self.home / "calls").read_text().splitlines()
        return [password for words, password in map(json.loads, lines) if words[0] == "run"]

    def be(self, state):
        (self.home / "state").write_text(state)


@pytest.fixture
def docker(tmp_path, monkeypatch):
    program = tmp_path / "docker"
    program.write_text(FAKE.format(python=sys.executable, home=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TWS_USERID", "olga")
    monkeypatch.setenv("TWS_PASSWORD", PASSWORD)
    return Docker(tmp_path)


def refused(capsys, *words):
    assert ib_gateway.main(list(words)) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "more", "ports"),
    [("paper", (), "127.0.0.1:4002:4004"), ("live", ("--yes-live",), "127.0.0.1:4001:4003")],
)
def test_it_starts_at_the_port_of_its_mode_and_of_this_machine_only(docker, mode, more, ports):
    assert ib_gateway.main(["start", "--mode", mode, *more]) == 0
    (ran,) = docker.asked("run")
    assert ran[ran.index("--publish") + 1] == ports
    assert ran.count("--publish") == 1
    assert f"TRADING_MODE={mode}" in ran
    assert ran[-1] == ib_gateway.IMAGE


def test_the_password_is_in_the_environment_and_on_no_command_line(docker, capsys):
    assert ib_gateway.main(["start", "--mode", "paper"]) == 0
    assert PASSWORD not in str(docker.asked("run", "ps", "rm"))
    assert docker.environment() == [PASSWORD]
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err


def test_without_credentials_it_says_which(docker, monkeypatch, capsys):
    monkeypatch.delenv("TWS_PASSWORD")
    assert "TWS_PASSWORD must be in the environment" in refused(capsys, "start", "--mode", "paper")
    assert not (docker.home / "calls").exists()


def test_live_needs_a_yes(docker, capsys):
    assert "REAL MONEY: add --yes-live" in refused(capsys, "start", "--mode", "live")
    assert not (docker.home / "calls").exists()


def test_what_runs_is_left_alone_and_what_has_ended_is_made_anew(docker, capsys):
    docker.be("running")
    assert ib_gateway.main(["start", "--mode", "paper"]) == 0
    assert "runs already" in capsys.readouterr().out
    assert docker.asked("run") == []
    docker.be("exited")
    assert ib_gateway.main(["start", "--mode", "paper"]) == 0
    assert len(docker.asked("run")) == 1


def test_it_is_looked_at_and_stopped(docker, capsys):
    assert ib_gateway.main(["status", "--mode", "paper"]) == 1
    assert "is not there" in capsys.readouterr().out
    docker.be("running")
    assert ib_gateway.main(["status", "--mode", "paper"]) == 0
    assert "is running, at 127.0.0.1:4002" in capsys.readouterr().out
    assert ib_gateway.main(["stop", "--mode", "paper"]) == 0
    assert [words[0] for words in docker.asked("stop", "rm")] == ["stop", "rm"]
    assert ib_gateway.main(["stop", "--mode", "paper"]) == 0
    assert "is not there" in capsys.readouterr().out


def test_a_daemon_that_does_not_run_is_told_in_its_own_words(docker, capsys):
    (docker.home / "down").touch()
    said = refused(capsys, "start", "--mode", "paper")
    assert "docker ps failed: Cannot connect to the Docker daemon" in said


def test_no_docker_at_all_is_told_with_what_to_do_instead(docker, capsys):
    (docker.home / "docker").unlink()
    said = refused(capsys, "start", "--mode", "paper")
    assert "Docker is not installed here" in said
    assert "by hand" in said
