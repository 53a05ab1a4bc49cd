"""The document says what the code does, and its examples are sound."""

import json
import re
import subprocess
import sys

import pytest

from scripts.make_docs import DOCUMENT, REPOSITORY, TABLES, filled
from services.domain.fields_table import KNOWN_NAMES
from services.domain.json_faults import find_faults

TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def blocks(language):
    return [block for name, block in BLOCKS if name == language]


def test_the_tables_are_up_to_date():
    command = [sys.executable, "scripts/make_docs.py", "--check"]
    checked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_outdated_table_is_noticed():
    assert filled(TEXT.replace("| `KEY_REUSED` |", "| `OLD` |")) == TEXT


def test_every_table_is_used():
    assert set(re.findall(r"<!-- generated: ([a-z-]+) -->", TEXT)) == set(TABLES)


def objects():
    """Each example; one that begins on its own line is one of its own."""
    return [
        example
        for block in blocks("json")
        for example in block.replace("\n ", " ").strip().split("\n")
    ]


@pytest.mark.parametrize("example", objects())
def test_json_examples_are_sound_and_use_known_names(example):
    codes = {fault.code for fault in find_faults(example)}
    assert codes <= ({"PLACEHOLDER"} if "{{" in example else set())
    assert json.loads(example).keys() <= KNOWN_NAMES


@pytest.mark.parametrize("example", blocks("python"))
def test_python_examples_compile(example):
    compile(example, "signal-format.md", "exec")
