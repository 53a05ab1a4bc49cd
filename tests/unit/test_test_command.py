"""The check of a change: what failed on a busy machine is run again alone, and named."""

import sys
from pathlib import Path

import pytest

from scripts.launcher import test_command

TESTS = """
from pathlib import Path

def test_that_waits_in_vain_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_that_is_wrong(): assert {right}
"""


@pytest.mark.parametrize(("right", "exit_code"), [(True, 0), (False, 1)])
def test_what_failed_is_run_again_alone_and_what_is_wrong_fails_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    right: bool,
    exit_code: int,
) -> None:
    (tmp_path / "test_some.py").write_text(TESTS.format(right=right))
    monkeypatch.setattr(test_command, "REPOSITORY", tmp_path)
    options = ("-p", "no:xdist", "-o", "cache_dir=kept", "test_some.py")
    step = test_command.Step("pytest", (sys.executable, "-m", "pytest", *options), beside=True)
    (first,) = test_command._run_all([step])
    assert first.exit_code == 1
    assert test_command._once_more(first, [step]).exit_code == exit_code
    assert "UNSTABLE, to be mended even where it passes now: test_some.py::test_that_waits" in (
        capsys.readouterr().out
    )


def test_many_failures_are_no_matter_of_a_busy_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"test_{number}": True for number in range(test_command._MOST_AGAIN + 1)}
    (tmp_path / "test_many.py").write_text("".join(f"def {n}(): assert False\n" for n in names))
    monkeypatch.setattr(test_command, "REPOSITORY", tmp_path)
    options = ("-p", "no:xdist", "-o", "cache_dir=kept", "test_many.py")
    step = test_command.Step("pytest", (sys.executable, "-m", "pytest", *options), beside=True)
    (first,) = test_command._run_all([step])
    assert test_command._once_more(first, [step]) == first
