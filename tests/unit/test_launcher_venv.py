"""When `.venv` is made, filled, or left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.launcher import venv
from scripts.launcher.errors import ScriptError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A directory for `.venv`, and a requirements file."""
    (tmp_path / "venv").mkdir()
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("pydantic>=2\n")
    return tmp_path / "venv", requirements


def stamped(files: tuple[Path, Path], version: str = "3.11.7") -> None:
    directory, requirements = files
    venv.stamp_file(directory, requirements).write_text(venv.stamp(requirements, version))


def test_installed_requirements_are_not_installed_again(files: tuple[Path, Path]) -> None:
    stamped(files)
    assert venv.is_stamped(*files, "3.11.7")


def test_missing_stamp_means_install(files: tuple[Path, Path]) -> None:
    assert not venv.is_stamped(*files, "3.11.7")


def test_changed_requirements_mean_install(files: tuple[Path, Path]) -> None:
    stamped(files)
    files[1].write_text("pydantic>=3\n")
    assert not venv.is_stamped(*files, "3.11.7")


def test_another_python_means_a_new_environment(files: tuple[Path, Path]) -> None:
    stamped(files)
    assert not venv.is_stamped(*files, "3.12.1")
    assert venv.stamped_python(files[0]) == "3.11.7"


def test_each_requirements_file_has_its_own_stamp(files: tuple[Path, Path]) -> None:
    directory, requirements = files
    stamped(files)
    development = requirements.with_name("requirements-dev.txt")
    development.write_text("pytest\n")
    assert not venv.is_stamped(directory, development, "3.11.7")


def test_environment_without_interpreter_is_not_usable(tmp_path: Path) -> None:
    assert venv.python_version(tmp_path / "nothing") is None


def test_interpreter_without_pip_is_not_usable(tmp_path: Path) -> None:
    python = venv.python_of(tmp_path)
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert venv.python_version(tmp_path) is None


def test_usable_interpreter_tells_its_version() -> None:
    expected = ".".join(str(part) for part in sys.version_info[:3])
    assert venv.python_version(Path(sys.prefix)) == expected


def test_python_that_cannot_make_environments_says_what_to_install(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ScriptError, match="apt-get install python3-venv"):
        venv.prepare(*files)


def test_failing_install_shows_the_end_of_pip_and_leaves_no_stamp(
    files: tuple[Path, Path],
) -> None:
    directory, requirements = files
    python = venv.python_of(directory)
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && echo 3.11.7 && exit 0\n'
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13; do echo line $n; done\necho no network\nexit 1\n"
    )
    python.chmod(0o755)
    with pytest.raises(ScriptError) as caught:
        venv.prepare(directory, requirements)
    lines = str(caught.value).splitlines()
    assert lines[-2:] == ["no network", "pip could not install requirements.txt (see above)"]
    assert "line 1" not in lines
    assert list(directory.glob(".*.stamp")) == []
