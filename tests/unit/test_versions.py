"""Every process says which code it runs, and a mixture is seen."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scripts.launcher.home import Home
from scripts.launcher.status_command import as_lines, exit_code
from services.common.daemon import Process
from services.common.settings import REPOSITORY, CommonSettings
from services.common.versions import VERSION, mixture, running_version
from services.dashboard_creator.system_models import ServiceRow
from services.dashboard_creator.versions import version_check


def row(name: str, version: str | None, layout: int | None = None) -> ServiceRow:
    return ServiceRow(name=name, state="UP", version=version, layout=layout)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION


def test_an_image_names_the_commit_it_was_built_of() -> None:
    assert running_version("4f2a9c1b77de") == f"{VERSION}+4f2a9c1b77de"


def test_elsewhere_git_is_asked_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    known = running_version("")
    assert known == VERSION or known.startswith(f"{VERSION}+")
    monkeypatch.setattr("services.common.versions._commit", lambda: "")
    assert running_version("") == VERSION


def test_a_process_tells_it_in_its_health(tmp_path: Path) -> None:
    settings = CommonSettings(mt_home=tmp_path, mt_commit="abc")
    assert Process("cerebro", settings).health.report()["version"] == f"{VERSION}+abc"


def test_a_mixture_names_who_runs_what() -> None:
    assert mixture({"cerebro": "1+a", "web": "1+a", "mongodb": None}) == ""
    assert mixture({"cerebro": "1+a", "web": "1+b", "telegram": "1+a"}) == (
        "1+a: cerebro, telegram; 1+b: web"
    )


@pytest.mark.parametrize(
    ("rows", "state", "words"),
    [
        ([row("cerebro", "1+a", 7), row("web", "1+a")], "GREEN", "all processes run 1+a"),
        ([row("cerebro", "1+a", 7), row("web", "1+b")], "AMBER", "versions differ: 1+a: cerebro"),
        (
            [row("cerebro", "1+a", 7), row("execution", "1+b", 8)],
            "RED",
            "layouts differ: layout 7: cerebro; layout 8: execution",
        ),
        ([row("mongodb", None)], "AMBER", "no process has said"),
    ],
)
def test_readiness_says_so(rows: list[ServiceRow], state: str, words: str) -> None:
    check = version_check(rows)
    assert check.state == state
    assert check.sentence.startswith(words)
    assert check.fix or state == "GREEN"


def document(*versions: str) -> dict[str, object]:
    processes = [
        {
            "name": f"service_{number}",
            "ok": True,
            "state": "ready",
            "detail": "",
            "pid": 1,
            "uptime_s": 1.0,
            "restarts": 0,
            "memory_mb": 1.0,
            "port": 1,
            "version": version,
            "layout": 12,
            "dependencies": {},
        }
        for number, version in enumerate(versions)
    ]
    return {
        "home": "here",
        "state": "running",
        "trading_mode": "paper",
        "web_ui": None,
        "supervisor": {"pid": 1},
        "processes": processes,
        "mixture": mixture({str(each["name"]): str(each["version"]) for each in processes}),
        "database": {"ok": True, "detail": "ready"},
        "bus": {"ok": True, "detail": "ready"},
        "all_well": True,
    }


def test_status_says_it_in_one_line_and_a_mixture_is_a_warning(tmp_path: Path) -> None:
    same, mixed = document("1+a", "1+a"), document("1+a", "1+b")
    (line,) = [each for each in as_lines(same, Home(tmp_path)) if " version " in each]
    assert line.split() == ["ok", "version", "1+a,", "layout", "12"]
    (line,) = [each for each in as_lines(mixed, Home(tmp_path)) if " version " in each]
    assert line.split(maxsplit=2) == ["!!", "version", "differs: 1+a: service_0; 1+b: service_1"]
    assert exit_code(mixed) == 0
