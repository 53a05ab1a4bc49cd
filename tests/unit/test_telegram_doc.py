"""The page on notifications names every command, every kind, and what breaks through the night."""

import re

from services.common.settings import REPOSITORY
from services.domain.notifications import CRITICAL_INCIDENTS, CRITICAL_KINDS, SETTABLE
from tests.support.telegram import NEEDS

PAGE = (REPOSITORY / "docs" / "telegram.md").read_text(encoding="utf-8")


def section(name):
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def words(text):
    return set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|FILL|DENIAL|REJECTION|EXPIRY)`", text))


def test_every_command_has_its_permission():
    rows = [line for line in section("Commands").splitlines() if line.startswith("| `/")]
    named = {name: row for row in rows for name in re.findall(r"`/(\w+)", row.split("|")[1])}
    assert set(named) == set(NEEDS)
    for name, permissions in NEEDS.items():
        asked = set(re.findall(r"\b(READ|OWN|TRADE|SELF)\b", named[name].split("|")[3]))
        assert asked == set(permissions), name


def test_every_kind_is_in_the_table():
    rows = [line.split("|")[1] for line in section("What is told").splitlines() if "| `" in line]
    assert words(" ".join(rows)) == set(SETTABLE)


def test_what_breaks_through_is_named():
    assert words(section("Quiet hours")) == CRITICAL_INCIDENTS | CRITICAL_KINDS
