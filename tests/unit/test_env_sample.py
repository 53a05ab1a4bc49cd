"""`.env.sample` and the settings classes say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.common.settings import ALL_SETTINGS, REPOSITORY
from services.common.settings_file import known_names, load

SAMPLE = REPOSITORY / ".env.sample"
LINES = SAMPLE.read_text(encoding="utf-8").splitlines()
SETTING = re.compile(r"#?([A-Z][A-Z0-9_]*)=(.*)")
ONLY_IN_THE_ENVIRONMENT = {"MT_HOME"}


def sampled() -> dict[str, str]:
    found = [match.groups() for line in LINES if (match := SETTING.fullmatch(line))]
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), "a name stands twice"
    return dict(found)


def test_sample_names_every_setting_and_no_other() -> None:
    assert set(sampled()) == known_names() - ONLY_IN_THE_ENVIRONMENT


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_sample_values_are_the_defaults(settings: type) -> None:
    for name, field in settings.model_fields.items():
        if name.upper() in ONLY_IN_THE_ENVIRONMENT:
            continue
        default = field.default
        shown = sampled()[name.upper()]
        if isinstance(default, SecretStr):
            assert shown == default.get_secret_value(), name
        elif default is None:
            assert shown == "", name
        elif isinstance(default, bool):
            assert shown == str(default).lower(), name
        elif isinstance(default, str):
            assert shown == default, name
        else:
            assert type(default)(shown) == default, name


def test_every_setting_has_a_comment_that_names_its_default() -> None:
    for number, line in enumerate(LINES):
        if SETTING.fullmatch(line):
            comment = "\n".join(_comment_above(number))
            assert "Default" in comment, f"line {number + 1}: {line}"


def _comment_above(number: int) -> list[str]:
    above = []
    while number > 0 and LINES[number - 1].startswith("# "):
        number -= 1
        above.append(LINES[number])
    return above


def test_sample_with_every_setting_switched_on_is_a_valid_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(f"{name}={value}" for name, value in sampled().items())
    (tmp_path / ".env").write_text(text)
    monkeypatch.setenv("MT_HOME", str(tmp_path))
    loaded = [load(settings) for settings in ALL_SETTINGS]
    assert {each.mt_home for each in loaded} == {tmp_path}


def test_a_setting_shared_by_classes_has_one_default() -> None:
    defaults: dict[str, set[str]] = {}
    for settings in ALL_SETTINGS:
        for name, field in settings.model_fields.items():
            defaults.setdefault(name, set()).add(repr(field.default))
    assert {name for name, values in defaults.items() if len(values) > 1} == set()
