"""kill.py cancel and flatten as an operator types them: exit code 0 only with the proof."""

import json
from contextlib import contextmanager

import pytest

from scripts import kill
from services.common.kills import kill_runs
from services.common.store import to_document
from services.domain.books import position_id
from tests.fakes.account import AccountBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_position
from tests.support.desks import make_desk
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "drill")
ONE = ("--account", ACCOUNT)


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here, monkeypatch):
    allow_trading(store)
    add_account(store)
    monkeypatch.setenv("KILL_TIMEOUT_S", "3")


@pytest.fixture
def broker(store):
    held = make_position("100")
    key = position_id(STRATEGY, ACCOUNT, held.instrument)
    row = {"_id": key, "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)
    made = AccountBroker(ACCOUNT)
    made.hold(held.instrument, "100")
    return made


@contextmanager
def execution(store, broker):
    """A desk that works beside the script."""
    desk = make_desk(store, broker)
    desk.start()
    try:
        yield
    finally:
        desk.stop()


def typed(monkeypatch, line):
    class Terminal:
        def isatty(self):
            return True

        def readline(self):
            return line

    monkeypatch.setattr("sys.stdin", Terminal())


def test_flatten_is_proven_and_told(store, broker, capsys):
    with execution(store, broker):
        assert kill.main(["flatten", *ONE, "--yes", *SIGNED]) == 0
    told = capsys.readouterr().out
    assert "DONE: proven" in told
    assert "the broker says orders = 0, positions = 0, as of" in told
    assert "closed    SELL 100 AAPL of SPX_1-D_Opt (order MT" in told
    assert " at 150" in told


def test_without_execution_nothing_is_proven(store, broker, capsys):
    assert kill.main(["flatten", *ONE, "--yes", *SIGNED]) == 1
    told = capsys.readouterr().out
    assert "INCOMPLETE" in told
    assert "REMAINS   account Mock-1: not proven: no desk has worked on it since" in told
    assert store["incidents"].find_one({"kind": "KILL_INCOMPLETE"})["status"] == "OPEN"


def test_for_machines(store, broker, capsys):
    with execution(store, broker):
        assert kill.main(["cancel", *ONE, "--json", *SIGNED]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["accounts"][0]["orders_left"]) == ("DONE", 0)
    assert told["seconds"] > 0


def test_flatten_names_what_it_closes_and_wants_a_yes(store, broker, monkeypatch, capsys):
    typed(monkeypatch, "no\n")
    assert kill.main(["flatten", *SIGNED]) == 1
    asked = capsys.readouterr().err
    assert "Mock-1: SELL 100 AAPL of SPX_1-D_Opt" in asked
    assert "nothing was changed" in asked
    assert kill_runs(store) == []
    typed(monkeypatch, "yes\n")
    with execution(store, broker):
        assert kill.main(["flatten", *SIGNED]) == 0


def test_everything_is_canceled_only_with_a_yes(store, monkeypatch):
    assert kill.main(["cancel", *SIGNED]) == 1
    assert kill_runs(store) == []
    assert kill.main(["cancel", "--yes", "--no-wait", *SIGNED]) == 1
    assert len(kill_runs(store)) == 1


def test_runs_are_listed_shown_and_abandoned(store, broker, capsys):
    kill.main(["cancel", *ONE, "--no-wait", *SIGNED])
    (run,) = kill_runs(store)
    capsys.readouterr()
    assert kill.main(["runs"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{run.run_id}  RUNNING")
    assert "CANCEL account Mock-1  by olga" in told
    assert kill.main(["show", run.run_id]) == 1
    assert kill.main(["abandon", run.run_id, *SIGNED]) == 0
    assert kill.main(["abandon", run.run_id, *SIGNED]) == 1
    assert kill.main(["show", "kill_x"]) == 1
    assert "there is no kill run 'kill_x'" in capsys.readouterr().err


def test_a_resume_ends_the_runs_of_its_scope(store, broker, capsys):
    kill.main(["cancel", *ONE, "--no-wait", *SIGNED])
    kill.main(["resume", *ONE, *SIGNED])
    (run,) = kill_runs(store)
    assert run.state == "ABANDONED"
    assert f"{run.run_id} ends: its switch is released" in capsys.readouterr().out


def test_a_lower_case_symbol_means_the_instrument(store, broker):
    with execution(store, broker):
        assert kill.main(["flatten", "--instrument", "aapl", "--yes", *SIGNED]) == 0
    assert broker.positions() == []
