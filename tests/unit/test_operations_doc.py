"""The operator's page names everything that can be set."""

import re

import pytest

from scripts.launcher.home import REPOSITORY
from services.domain.risk import LimitSet

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
ABOUT_THE_ROW = {"scope", "scope_id", "version", "reason", "set_by", "set_at"}
LIMITS_SECTION = PAGE.split("\n## Limits\n")[1].split("\n## ")[0]
LIMITS = set(LimitSet.model_fields) - ABOUT_THE_ROW


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_limit_has_a_row(name):
    assert f"\n| `{name}` |" in LIMITS_SECTION


def test_no_row_names_a_limit_that_is_not():
    named = re.findall(r"^\| `([a-z_]+)` \|", LIMITS_SECTION, re.MULTILINE)
    assert set(named) <= LIMITS
