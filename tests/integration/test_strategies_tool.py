"""Strategies and records as an operator types them."""

import re

import pytest

from scripts import records, strategies
from services.cerebro.store import CerebroStore
from services.portfolio_builder.record_store import RecordStore
from tests.support.records import MOVES, simple
from tests.support.rows import ACCOUNT, add_account

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("typed_here")]
STRATEGY_COMMANDS = {"create", "set", "list", "archive", "restore", "show"}
SIGNED = ["--by", "olga", "--reason", "approved"]


@pytest.fixture
def run(store, capsys):
    add_account(store)

    def run_(*words, code=0):
        tool = strategies if words[0] in STRATEGY_COMMANDS else records
        assert tool.main(list(words)) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run_


def created(run):
    return run("create", "S", f'accounts=[{{"account_id": "{ACCOUNT}"}}]', "name=Metals", *SIGNED)


def test_a_strategy_is_created_shown_changed_archived_and_restored(store, run):
    assert "ALLOCATION_MISSING" in created(run)
    run("set", "S", "priority=7", "owner=olga", *SIGNED)
    assert "priority = 7" in run("show", "S")
    assert '"version": 2' in run("show", "S", "--json")
    assert f"PAPER   {ACCOUNT}" in run("list")
    assert CerebroStore(store, reference_seconds=0).reference.strategy("S").priority == 7
    assert "archived" in run("archive", "S", *SIGNED)
    assert run("list") == ""
    assert "ARCHIVED" in run("list", "--archived")
    assert "INACTIVE" in run("restore", "S", *SIGNED)


def test_what_is_refused_is_a_sentence_and_exit_code_1(store, run):
    created(run)
    assert "there is no strategy named 'nobody'" in run("show", "nobody", code=1)
    assert "no field 'colour'" in run("set", "S", "colour=red", *SIGNED, code=1)
    assert "expected FIELD=VALUE" in run("set", "S", "priority", *SIGNED, code=1)
    assert "cannot be read" in run("upload", "S", "/nowhere.csv", code=1)
    assert "columns" in run("upload", "S", __file__, "--column", "colour=red", code=1)
    assert store["strategies"].find_one({"_id": "S"})["version"] == 1


def test_the_command_that_a_review_prints_confirms_it(store, run, tmp_path, capsys):
    created(run)
    file = tmp_path / "mine.csv"
    file.write_bytes(simple())
    said = run("upload", "S", str(file), "--by", "olga")
    assert "? UNIT: the largest daily figure is" in said
    assert RecordStore(store).days("S", "backtest") is None
    assert records.main(["show", "S"]) == 0
    assert "waits:" in capsys.readouterr().out
    command = re.search(r"scripts/records.py (confirm .*)", said)[1].split()
    assert "version 1 of backtest counts now" in run(*command, "--by", "olga")
    assert [day.ratio for day in RecordStore(store).days("S", "backtest")] == MOVES
    file.write_bytes(simple(MOVES[:10]))
    command = re.search(r"(confirm .*)", run("upload", "S", str(file)))[1].split()
    run(*command)
    assert "as version 3" in run("take-back", "S", "backtest", "1", *SIGNED)
    assert records.main(["show", "S"]) == 0
    assert "*backtest 3: 30 days, mine.csv" in capsys.readouterr().out


def test_the_live_record_and_its_comparison_are_typed(store, run, tmp_path):
    created(run)
    assert "0 days up to" in run("live", "S")
    assert "no record 'backtest'" in run("compare", "S", code=1)
    file = tmp_path / "mine.csv"
    file.write_bytes(simple())
    run(*re.search(r"(confirm .*)", run("upload", "S", str(file)))[1].split())
    assert "TOO_FEW_DAYS" in run("compare", "S")
