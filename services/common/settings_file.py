"""Reads settings, once in each `__main__`, from the environment and `MT_HOME/.env`.

The environment wins over `.env`. A value that cannot be used stops the process with a sentence
that names the setting; an unknown name in `.env` does too, because it is nearly always a typo.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from services.common.settings import ALL_SETTINGS, REPOSITORY, CommonSettings
from services.domain.errors import ConfigurationError

S = TypeVar("S", bound=CommonSettings)


def load(settings: type[S]) -> S:
    """Read one class of settings.

    Raises:
        ConfigurationError: a value is missing or wrong; the sentence names the setting.
    """
    home = Path(os.environ.get("MT_HOME") or REPOSITORY).resolve()
    env_file = home / ".env"
    try:
        _refuse_unknown_names(env_file)
        return settings(_env_file=env_file, mt_home=home)
    except ValidationError as error:
        raise ConfigurationError(_sentences(error, env_file)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file} cannot be read: {error}") from error


def known_names() -> set[str]:
    """Every name that may stand in `.env`."""
    return {name.upper() for settings in ALL_SETTINGS for name in settings.model_fields}


def _refuse_unknown_names(env_file: Path) -> None:
    if not env_file.exists():
        return
    for number, line in enumerate(env_file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, _ = text.partition("=")
        if not equals:
            raise ConfigurationError(f"{env_file} line {number}: expected NAME=value, found no '='")
        if name.strip().upper() == "MT_HOME":
            raise ConfigurationError(
                f"{env_file} line {number}: MT_HOME says where this file is, so it is read from "
                "the environment only"
            )
        if name.strip().upper().startswith("BROKER_"):
            raise ConfigurationError(
                f"{env_file} line {number}: secrets of brokers are read from the environment, or "
                "stored sealed by scripts/accounts.py secret; not from this file"
            )
        if name.strip().upper() not in known_names():
            raise ConfigurationError(
                f"{env_file} line {number}: there is no setting named {name.strip()!r}; "
                "every setting is named in .env.sample"
            )


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("URI", "SECRET", "TOKEN", "PASSWORD"))


def _sentences(error: ValidationError, env_file: Path) -> str:
    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]).upper()
        shown = "a value" if _is_secret(name) else repr(problem["input"])
        sentences.append(
            f"setting {name} (environment or {env_file}): {problem['msg']}, was {shown}"
        )
    return "; ".join(sentences)
