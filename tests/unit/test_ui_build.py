"""When the web UI is built, and what is served when it cannot be; npm and Node are fakes."""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from scripts.complete_npm_lock import LOCK, missing
from scripts.launcher import node, ui_build
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import Home
from scripts.launcher.node import Node

FAKE = f"""#!{sys.executable}
import json, os, pathlib, sys, time
with open("../calls.txt", "a") as calls:
    calls.write(" ".join(pathlib.Path(part).name for part in sys.argv[:3]) + "\\n")
if pathlib.Path("../broken").exists():
    print("what went before")
    print("error: the fake is broken")
    sys.exit(1)
if sys.argv[1] == "ci":
    modules = pathlib.Path("node_modules")
    modules.mkdir(exist_ok=True)
    modules.joinpath(".package-lock.json").write_text(pathlib.Path("package-lock.json").read_text())
else:
    draft = pathlib.Path(sys.argv[sys.argv.index("--outDir") + 1])
    draft.joinpath("assets").mkdir(parents=True)
    time.sleep(0.05)
    draft.joinpath("index.html").write_text(pathlib.Path("src/main.tsx").read_text())
    draft.joinpath("assets", "a.js").write_text("x" * 5000)
"""


@pytest.fixture
def ui(tmp_path: Path) -> Path:
    made = tmp_path / "ui"
    (made / "src").mkdir(parents=True)
    (made / "src" / "main.tsx").write_text("first")
    (made / "package.json").write_text("{}")
    (made / "package-lock.json").write_text('{"packages": {"node_modules/a": {"version": "1"}}}')
    fake = tmp_path / "fake"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    return made


def build(ui: Path) -> bool:
    fake = str(ui.parent / "fake")
    return ui_build.ensure(ui, print, find_node=lambda _: Node(fake, fake, os.environ))


def calls(ui: Path) -> list[str]:
    return (ui.parent / "calls.txt").read_text().splitlines()


def served(ui: Path) -> str:
    return (ui / "dist" / "index.html").read_text()


def test_it_is_built_once_and_again_when_a_source_changes(ui: Path) -> None:
    assert build(ui)
    assert calls(ui) == ["fake ci", "fake vite.js build"]
    (ui.parent / "calls.txt").unlink()
    assert not build(ui)
    assert not (ui.parent / "calls.txt").exists()
    (ui / "src" / "main.tsx").write_text("second")
    assert build(ui)
    assert calls(ui) == ["fake vite.js build"]  # the packages are there
    assert served(ui) == "second"
    assert gzip.decompress((ui / "dist" / "assets" / "a.js.gz").read_bytes()) == b"x" * 5000


def test_tests_and_what_was_made_are_no_sources(ui: Path) -> None:
    before = ui_build.stamp(ui)
    for name in ("src/a.test.tsx", "node_modules/a/index.js", "dist/index.html", ".dist-draft/x"):
        (ui / name).parent.mkdir(parents=True, exist_ok=True)
        (ui / name).write_text("changed")
    assert ui_build.stamp(ui) == before
    (ui / "package-lock.json").write_text("{}")
    assert ui_build.stamp(ui) != before


def test_a_failed_build_leaves_what_is_served(ui: Path) -> None:
    build(ui)
    (ui / "src" / "main.tsx").write_text("second")
    (ui.parent / "broken").touch()
    with pytest.raises(ScriptError, match=r"vite.js failed \(1\): error: the fake is broken"):
        build(ui)
    assert served(ui) == "first"
    (ui.parent / "broken").unlink()
    assert build(ui)
    assert served(ui) == "second"


def test_two_at_once_build_once(ui: Path) -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(build(ui))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [False, False, True]


def test_a_start_without_node_goes_on_and_keeps_the_reason(
    ui: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_say: object) -> Node:
        raise node.NoNode("there is no Node.js here")

    monkeypatch.setattr(ui_build, "UI", ui)
    monkeypatch.setattr(ui_build.ensure, "__kwdefaults__", {"log": None, "find_node": nothing})
    home = Home(tmp_path / "home")
    said: list[str] = []
    assert not ui_build.build_for(home, said.append)
    assert (home.run / "ui.txt").read_text() == "there is no Node.js here"
    assert "there is no Node.js here" in said[-1]


@pytest.mark.parametrize(
    ("version", "is_new_enough"),
    [
        ("v20.19.0", True),
        ("v20.18.3", False),
        ("v18.20.0", False),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
        ("20", False),
    ],
)
def test_which_node_is_new_enough(version: str, is_new_enough: bool) -> None:
    assert node.fits(version) is is_new_enough


def test_packages_of_other_platforms_may_be_absent_and_others_not() -> None:
    lock = {"": {}, "a": {"version": "1"}, "mac": {"version": "1", "optional": True}}
    assert ui_build.agree(lock, {"a": {"version": "1"}})
    assert not ui_build.agree(lock, {})
    assert not ui_build.agree(lock, {"a": {"version": "2"}})
    assert not ui_build.agree(lock, {"a": {"version": "1"}, "left-over": {"version": "1"}})


def test_the_lock_names_the_packages_of_every_platform() -> None:
    """`npm install` forgets them: run scripts/complete_npm_lock.py after it."""
    assert missing(json.loads(LOCK.read_text())["packages"]) == {}
