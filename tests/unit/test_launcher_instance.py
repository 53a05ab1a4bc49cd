"""Which options and settings go together, and what is started for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.launcher import table
from scripts.launcher.child import environment
from scripts.launcher.home import Home
from scripts.launcher.instance import Options, refuse
from scripts.launcher.test_command import folders
from services.common.settings import CommonSettings

REAL = "mongodb://db.example/?replicaSet=r"


def settings(**fields: Any) -> CommonSettings:
    return CommonSettings(**{"mongodb_uri": "", "trading_mode": "paper", **fields})


def test_paper_trading_needs_nothing() -> None:
    assert refuse(Options(), settings(), use_mock_broker=False) is None


def test_live_setting_without_live_switch_is_refused() -> None:
    said = refuse(Options(), settings(trading_mode="live"), use_mock_broker=False)
    assert said is not None
    assert "TRADING_MODE=live" in said


@pytest.mark.parametrize(
    ("options", "uri", "use_mock_broker", "words"),
    [
        (Options(live=True), "", False, "--live needs a real MongoDB replica set: set MONGODB_URI"),
        (Options(live=True, demo=True), REAL, False, "--demo exclude each other"),
        (Options(live=True), REAL, True, "mock broker exclude each other"),
    ],
)
def test_live_trading_refuses_what_is_made_for_tests(
    options: Options, uri: str, use_mock_broker: bool, words: str
) -> None:
    live = settings(mongodb_uri=uri, trading_mode="live")
    assert words in (refuse(options, live, use_mock_broker=use_mock_broker) or "")


def test_live_trading_on_a_real_database_is_accepted() -> None:
    live = settings(mongodb_uri=REAL, trading_mode="live")
    assert refuse(Options(live=True), live, use_mock_broker=False) is None


def test_options_are_handed_on_to_the_supervisor() -> None:
    assert Options(use_mock_broker=True, demo=True).arguments() == ["--use-mock-broker", "--demo"]


def test_embedded_servers_start_before_services_and_gateway_last() -> None:
    processes = (
        *table.infrastructure(settings(), mock_broker=True),
        *table.services(settings()),
    )
    assert tuple(process.name for process in processes) == table.ORDER


def test_real_servers_are_not_started() -> None:
    real = settings(mongodb_uri=REAL, pubsub_project_id="p")
    assert table.infrastructure(real, mock_broker=False) == ()


def test_every_port_is_shifted() -> None:
    def ports(offset: int) -> list[int]:
        shifted = settings(mt_port_offset=offset)
        processes = (
            *table.infrastructure(shifted, mock_broker=True),
            *table.services(shifted),
        )
        return [port for process in processes for port in process.listens_on]

    assert ports(100) == [port + 100 for port in ports(0)]
    assert len(set(ports(0))) == 14


def test_embedded_database_survives_a_power_cut(tmp_path: Path) -> None:
    [database] = table.infrastructure(
        settings(mt_home=tmp_path, pubsub_project_id="p"), mock_broker=False
    )
    assert "--sync-on-commit" in database.command
    assert str(tmp_path / ".data" / "mongodb") in database.command


def test_embedded_database_is_hardly_ever_stopped_by_the_garbage_collector(tmp_path: Path) -> None:
    [database] = table.infrastructure(
        settings(mt_home=tmp_path, pubsub_project_id="p"), mock_broker=False
    )
    asked = (sys.executable, "-c", "import gc; print(*gc.get_threshold())")
    told = subprocess.run(
        asked, env={**os.environ, **database.environment}, capture_output=True, check=True
    )
    youngest, younger, all_of_them = map(int, told.stdout.split())
    assert youngest * younger * all_of_them >= 10**9
    # Its program reads the environment of its Python, where that is found.
    program = Path(database.command[0]).read_text().splitlines()[0]
    assert program.startswith("#!")
    assert " -" not in program


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_health_is_asked_where_the_service_listens(bound: str, asked: str) -> None:
    [gateway] = [p for p in table.services(settings(mt_bind_host=bound)) if "gateway" in p.name]
    assert gateway.url == f"http://{asked}:8001/health"


def test_processes_are_told_their_instance() -> None:
    told = environment(
        home=Home(Path("/x")), port_offset=7, trading_mode="paper", use_mock_broker=True
    )
    assert told["MT_HOME"] == "/x"
    assert told["MT_PORT_OFFSET"] == "7"
    assert told["TRADING_MODE"] == "paper"
    assert told["USE_MOCK_BROKER"] == "true"
    assert told["MT_SUPERVISED"] == "1"


def test_commands_to_type_name_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_HOME", "/x")
    monkeypatch.delenv("MT_PORT_OFFSET", raising=False)
    assert Home(Path("/x")).command("stop.py") == "MT_HOME=/x python3 scripts/stop.py"


def test_quick_folders_run_first_and_none_is_forgotten(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    for folder in ("e2e", "unit", "zoo", "support"):
        (tests / folder).mkdir(parents=True)
        name = "servers.py" if folder == "support" else "test_it.py"
        (tests / folder / name).touch()
    assert folders(fast=False, tests=tests) == ["tests/unit", "tests/e2e", "tests/zoo"]
    assert folders(fast=True, tests=tests) == ["tests/unit"]
