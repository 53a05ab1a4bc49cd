"""The page on allocations names what the code does."""

import ast
import re

import pytest

from services.common.settings import REPOSITORY
from services.portfolio_builder.jobs.seed_words import Constructor

PAGE = (REPOSITORY / "docs" / "allocations.md").read_text(encoding="utf-8")
HERE = REPOSITORY / "services" / "portfolio_builder"
MODULES = [
    HERE / "allocation_caps.py",
    HERE / "allocation_service.py",
    HERE / "scheduled.py",
    *sorted((HERE / "jobs").glob("*.py")),
]
CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")
#: Names that are no codes of refusals: of settings, incidents and what is audited.
OTHERS = {"MAX_TOTAL_ALLOCATION_PCT", "REOPTIMIZE_CRON", "REOPTIMIZATION_REFUSED"}


def codes_of(path):
    """Codes that are refused with, or kept as the reason of a failure."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if CODE.fullmatch(text) and not text.startswith(("STUDY_ASKED", "ALLOCATION_CAPS")):
                yield text


USED = {code for path in MODULES for code in codes_of(path)}
AUDITED = {
    "ALLOCATION_PROPOSED",
    "ALLOCATION_APPROVED",
    "ALLOCATION_REJECTED",
    "REOPTIMIZATION_SET",
    "STUDY_CANCELED",
    "STUDY_ARCHIVED",
}
METHODS = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"}
METHODS |= {"MT_HOME"}


@pytest.mark.parametrize("code", sorted(USED - AUDITED - METHODS - OTHERS))
def test_every_code_is_explained(code):
    assert f"`{code}`" in PAGE


def test_no_code_is_explained_that_nobody_answers_with():
    section = PAGE.split("\n## Refusals\n")[1]
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", section)) - {"BODY_TOO_LARGE"}
    assert named - USED == set()


@pytest.mark.parametrize("constructor", Constructor)
def test_every_constructor_of_the_seed_is_explained(constructor):
    assert f"\n| `{constructor}` |" in PAGE
