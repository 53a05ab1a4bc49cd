"""Dependencies: bounded, from registries with checksums, and audited where that can be asked."""

import json
import re

import pytest

from scripts.audit import npm_verdict, pip_verdict
from scripts.launcher.home import REPOSITORY

LOCK = json.loads((REPOSITORY / "frontend-admin" / "package-lock.json").read_text())["packages"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_bounded_and_of_the_registry(name):
    for line in (REPOSITORY / name).read_text().splitlines():
        text = line.partition("#")[0].partition(";")[0].strip()
        if text and not text.startswith("-r "):
            assert re.fullmatch(r"[\w-]+(\[[\w,]+\])?(==[\w.]+|>=[\w.]+,<[\w.]+)", text), text


def test_every_package_of_the_web_ui_has_a_checksum():
    """But tools of other platforms, which npm has never seen where the lock is written."""
    for path, package in LOCK.items():
        other_platform = package.get("optional") and package.get("dev")
        if path and not package.get("link") and not other_platform:
            assert package["integrity"].startswith("sha512-"), path
            assert package.get("resolved", "https://").startswith("https://"), path


def test_weaknesses_that_are_told_are_found():
    told = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]}
    assert pip_verdict(json.dumps(told), "").weaknesses == ("a 1: PYSEC-1",)
    assert pip_verdict('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "") == (
        None,
        (),
    )
    told = {"vulnerabilities": {"b": {"severity": "high"}}}
    assert npm_verdict(json.dumps(told), "").weaknesses == ("b: high",)


@pytest.mark.parametrize("verdict", [pip_verdict, npm_verdict])
@pytest.mark.parametrize("output", ["", "not JSON", "[]", '{"error": {"code": "ENOTFOUND"}}'])
def test_no_answer_is_never_taken_for_no_weakness(verdict, output):
    found = verdict(output, "warning\nConnectionError: no network\n")
    assert found.skipped == "ConnectionError: no network"
    assert verdict(output, "").skipped


def test_what_could_not_be_asked_about_is_said_beside_what_was_found():
    told = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]},
            {"name": "b", "skip_reason": "Dependency not found on PyPI: b (2)"},
        ]
    }
    found = pip_verdict(json.dumps(told), "")
    assert found.skipped == "1 of 2 packages: Dependency not found on PyPI: b (2)"
    assert found.weaknesses == ("a 1: PYSEC-1",)
