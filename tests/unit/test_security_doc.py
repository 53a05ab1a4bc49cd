"""The threat model names tests that there are: a control without one is a hope."""

import re

from scripts.launcher.home import REPOSITORY

PAGE = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = PAGE.split("## Threats by boundary")[1].split("\n## ")[0].splitlines()


def test_every_test_named_is_there():
    tests = "\n".join(file.read_text() for file in (REPOSITORY / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)", tests))
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= there


def test_every_threat_has_a_control_and_a_test():
    threats = [row.split("|")[1:-1] for row in ROWS if row.startswith("| ")][1:]
    assert len(threats) > 30
    for boundary, letters, threat, control, test in threats:
        assert set(letters.strip().split(", ")) <= set("STRIDE"), boundary
        assert threat.strip()
        assert control.strip()
        assert "`test_" in test, threat


def test_every_boundary_of_the_drawing_is_looked_at():
    assert set(re.findall(r"^\| (\d) ", PAGE, re.MULTILINE)) == set("123456789")
