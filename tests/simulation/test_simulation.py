"""Many seeds through the whole road, and that a seed is the same whenever it is gone through."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.simulate_mutants import MUTANTS, try_mutant
from tests.support.servers import REPOSITORY

_SEEDS = 500


def _simulate(*arguments, seconds=900):
    command = [sys.executable, "scripts/simulate.py", *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=seconds
    )


@pytest.mark.parametrize("first", [0, _SEEDS])
def test_every_seed_ends_with_books_that_equal_the_brokers(first):
    done = _simulate("--first", first, "--seeds", _SEEDS, "--signals", 3)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_repeats_itself_to_the_letter():
    runs = [_simulate("--seed", 7) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert "drop in message" in runs[0].stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_can_be_written_into_the_code_as_it_is_now(name):
    path, old, new = MUTANTS[name]
    assert (REPOSITORY / path).read_text().count(old) == 1
    assert new != old


def test_a_fault_written_into_the_code_is_found():
    found = try_mutant("no-answer-counts-as-rejected", seeds=60)
    # What was called REJECTED has filled: after its end, and beside what was given in its place.
    assert "incident FILL_AFTER_END" in found or "is held or reserved" in found
