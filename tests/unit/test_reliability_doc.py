"""docs/reliability.md names tests: each of them exists, and no row of the matrix is left out."""

import re

from services.common.settings import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "reliability.md").read_text()


def test_every_test_that_is_named_exists():
    sources = (path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert named
    assert named - defined == set()


def test_every_row_and_requirement_is_answered():
    matrix = DOCUMENT.partition("## The fault matrix")[2]
    rows = re.findall(r"^\| (\d+|R\d+) \|", matrix, re.MULTILINE)
    expected = [str(number) for number in range(1, 29)] + [f"R{number}" for number in range(1, 36)]
    assert rows == expected
