"""The page of accounts names every refusal that account data answers with, and no other."""

import ast
import re

from scripts.launcher.home import REPOSITORY

PAGE = (REPOSITORY / "docs" / "accounts.md").read_text(encoding="utf-8")
TABLE = PAGE.split("\n## Refusals\n")[1]
SOURCES = (
    *sorted((REPOSITORY / "services" / "account_data").glob("*.py")),
    REPOSITORY / "services" / "common" / "account_setup.py",
)
#: Of what all interfaces share.
SHARED = {"MISSING_KEY", "WRONG_KEY", "INVALID_PARAMETER", "BODY_TOO_LARGE", "STORE_UNAVAILABLE"}


def codes_in_use():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if name in {"Declined", "Refusal"}:
                yield from (
                    each.value
                    for each in node.args
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def test_every_code_has_a_row_and_no_other():
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", TABLE))
    assert named == {each for each in codes_in_use() if each.isupper()} | SHARED
