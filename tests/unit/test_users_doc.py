"""The page on users says what the code does."""

import re

from scripts.launcher.home import REPOSITORY
from services.domain.lockouts import RULES, Against
from services.domain.users import PERMISSIONS, Permission, Role

PAGE = (REPOSITORY / "docs" / "users.md").read_text(encoding="utf-8")


def test_the_table_of_roles_is_that_of_the_code():
    head = re.search(r"^\| permission \| is for \| (.*) \|$", PAGE, re.MULTILINE)
    roles = [Role(word) for word in head[1].split(" | ")]
    assert set(roles) == set(Role)
    rows = re.findall(r"^\| `([A-Z]+)` \| [^|]+ \| (.*) \|$", PAGE, re.MULTILINE)
    assert [Permission(name) for name, _ in rows] == list(Permission)
    for name, marks in rows:
        said = dict(zip(roles, (mark == "yes" for mark in marks.split(" | ")), strict=True))
        assert said == {role: Permission(name) in PERMISSIONS[role] for role in roles}, name


def test_the_table_of_waits_is_that_of_the_code():
    rows = re.findall(r"^\| one [^|]+ \| (\d+) \| (\d+) s, doubling up to (\d+) min", PAGE, re.M)
    said = [(int(free), int(first), 60 * int(longest)) for free, first, longest in rows]
    assert said == [tuple(RULES[each]) for each in (Against.PAIR, Against.ADDRESS, Against.NAME)]
