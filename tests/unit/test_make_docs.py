"""Documents say what the code does, and their examples are sound."""

import json
import re

import pytest

from scripts.make_docs import DOCUMENTS, TABLES, filled
from scripts.make_roles import modules_of, own_uses_of
from scripts.pictures import PICTURES
from services.domain.fields_table import KNOWN_NAMES
from services.domain.json_faults import find_faults

TEXTS = {document.name: document.read_text(encoding="utf-8") for document in DOCUMENTS}
SIGNALS = TEXTS["signal-format.md"]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", SIGNALS, re.DOTALL)
ARROW = re.compile(r"  (\w+) (-->|-\.->|<-->) (\w+)")


def blocks(language):
    return [block for name, block in BLOCKS if name == language]


@pytest.mark.parametrize("name", TEXTS)
def test_tables_and_pictures_are_up_to_date(name):
    assert filled(TEXTS[name]) == TEXTS[name], "run python3 scripts/make_docs.py"


@pytest.mark.parametrize("was", ["| `KEY_REUSED` |", "  execution --> positions\n"])
def test_what_is_outdated_is_noticed(was):
    text = next(each for each in TEXTS.values() if was in each)
    assert filled(text.replace(was, "| `OLD` |")) == text


def test_every_table_and_picture_is_used_once():
    used = re.findall(r"<!-- generated: ([a-z-]+) -->", "".join(TEXTS.values()))
    assert sorted(used) == sorted(TABLES)


@pytest.mark.parametrize("name", [name for name, draw in PICTURES.items() if "mermaid" in draw()])
def test_a_picture_is_of_the_simplest_syntax_and_small_enough_to_read(name):
    fence, kind, *lines, end, last = PICTURES[name]().split("\n")
    assert (fence, end, last) == ("```mermaid", "```", "")
    assert re.fullmatch("flowchart (LR|TB)", kind)
    arrows = [line for line in lines if ARROW.fullmatch(line)]
    nodes = [line for line in lines if line not in arrows]
    assert all(re.fullmatch(r"  \w+(\[.*\]|\(\[.*\]\))", line) for line in nodes), nodes
    assert 3 < len(arrows) < 25


def test_a_name_that_a_constant_holds_is_the_collection_and_no_other_is_written():
    """account_data writes by `store[_FLOWS]` in modules that name fills and positions, too."""
    _, writes = own_uses_of("account_data")
    assert {"capital_flows", "account_positions", "fund_history"} <= writes
    assert not writes & {"positions", "execution_confirmations"}
    assert "services.common.incidents" in modules_of("services.account_data")  # not its own


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
