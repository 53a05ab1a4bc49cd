"""What a person is told about a setting that cannot be used."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.common.settings import CerebroSettings, CommonSettings, ExecutionSettings
from services.common.settings_file import known_names, load
from services.domain.errors import ConfigurationError


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MT_HOME", str(tmp_path))
    return tmp_path / ".env"


def sentence(settings: type[CommonSettings] = CommonSettings) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(settings)
    return str(caught.value)


def test_defaults_need_no_env_file(env_file: Path) -> None:
    settings = load(CommonSettings)
    assert settings.trading_mode == "paper"
    assert settings.embedded_database
    assert settings.embedded_bus
    assert settings.mt_home == env_file.parent


def test_env_file_is_read(env_file: Path) -> None:
    env_file.write_text("MAX_POSITION_SIZE_PCT=7.5\nexport LOG_LEVEL=DEBUG\n")
    settings = load(CerebroSettings)
    assert settings.max_position_size_pct == Decimal("7.5")
    assert settings.log_level == "DEBUG"


def test_environment_wins_over_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("MT_PORT_OFFSET=1\n")
    monkeypatch.setenv("MT_PORT_OFFSET", "2")
    assert load(CommonSettings).port("cerebro") == 9104


def test_empty_value_means_default(env_file: Path) -> None:
    env_file.write_text("MONGODB_URI=\nORDER_TIMEOUT_S=\n")
    settings = load(ExecutionSettings)
    assert settings.embedded_database
    assert settings.order_timeout_s == 5


@pytest.mark.parametrize(
    ("line", "settings", "words"),
    [
        ("MT_PORT_OFFSET=many", CommonSettings, "'many'"),
        ("MT_PORT_OFFSET=-1", CommonSettings, "greater than or equal to 0"),
        ("TRADING_MODE=real", CommonSettings, "'paper' or 'live'"),
        ("LOG_LEVEL=loud", CommonSettings, "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("MAX_POSITION_SIZE_PCT=abc", CerebroSettings, "'abc'"),
        ("MAX_POSITION_SIZE_PCT=101", CerebroSettings, "less than or equal to 100"),
        ("ACCOUNT_MAX_AGE_S=0", CerebroSettings, "greater than 0"),
        ("USE_MOCK_BROKER=perhaps", ExecutionSettings, "'perhaps'"),
    ],
)
def test_wrong_value_names_setting_value_and_file(
    env_file: Path, line: str, settings: type[CommonSettings], words: str
) -> None:
    env_file.write_text(f"{line}\n")
    said = sentence(settings)
    assert line.partition("=")[0] in said
    assert words in said
    assert str(env_file) in said
    assert "\n" not in said


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_limits_are_finite(env_file: Path, value: str) -> None:
    env_file.write_text(f"MAX_POSITION_SIZE_PCT={value}\n")
    assert "MAX_POSITION_SIZE_PCT" in sentence(CerebroSettings)


def test_a_brokers_secret_in_the_file_is_refused_without_it(env_file: Path) -> None:
    env_file.write_text("BROKER_ZE_1_API_SECRET=hunter2\n")
    assert "line 1: secrets of brokers are read from the environment" in sentence()
    assert "hunter2" not in sentence()


def test_unknown_name_is_refused_with_its_line(env_file: Path) -> None:
    env_file.write_text("# limits\n\nMAX_POSITON_SIZE_PCT=5\n")
    assert "line 3: there is no setting named 'MAX_POSITON_SIZE_PCT'" in sentence()


def test_every_process_refuses_a_name_that_none_of_them_knows(env_file: Path) -> None:
    env_file.write_text("MOCK_INITIAL_CASH=5\n")
    load(CerebroSettings)  # another process's setting is no mistake
    env_file.write_text("MOCK_CASH=5\n")
    assert "MOCK_CASH" in sentence(CerebroSettings)


def test_line_without_equals_sign_is_refused(env_file: Path) -> None:
    env_file.write_text("LOG_LEVEL DEBUG\n")
    assert "line 1: expected NAME=value, found no '='" in sentence()


def test_home_cannot_be_set_in_the_file_that_it_says_the_place_of(env_file: Path) -> None:
    env_file.write_text("MT_HOME=/elsewhere\n")
    assert "from the environment only" in sentence()


def test_credentials_are_never_shown(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("MONGODB_URI=mongodb://bob:s3cret@db.example/\n")
    assert "s3cret" not in repr(load(CommonSettings))
    monkeypatch.setenv("MT_PORT_OFFSET", "x")
    assert "s3cret" not in sentence()


def test_env_file_that_is_not_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"LOG_LEVEL=\xff\xfe\n")
    assert f"{env_file} cannot be read" in sentence()


def test_env_file_that_is_a_directory_is_refused(env_file: Path) -> None:
    env_file.mkdir()
    assert f"{env_file} cannot be read" in sentence()


def test_services_are_here_unless_service_hosts_says_where():
    settings = CommonSettings(service_hosts="cerebro=cerebro.mt, web = 10.0.0.7")
    hosts = [settings.host_of(name) for name in ("cerebro", "web", "execution")]
    assert hosts == ["cerebro.mt", "10.0.0.7", "127.0.0.1"]
