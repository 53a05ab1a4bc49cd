"""Seals secrets that must be readable again, e.g. to check a signature: no hash can do that."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from services.common.settings import CommonSettings
from services.domain.errors import ConfigurationError


class Vault:
    """Encrypts with the first key of MT_SECRET_KEY, decrypts with any of them.

    Without that setting the keys are those of `MT_HOME/.data/secret.key`, made on first use: enough
    for one machine. Several replicas need the setting, because each would make a key of its own.
    The file is read for each secret, so that a rotation needs no restart.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._given = settings.mt_secret_key.get_secret_value()
        self._file = settings.mt_home / ".data" / "secret.key"

    def seal(self, secret: str) -> str:
        """Text that may be stored. Raises: ConfigurationError."""
        return self._fernet().encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again. Raises: ConfigurationError where no key fits."""
        try:
            return self._fernet().decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ConfigurationError(
                "a stored secret was sealed with another key: MT_SECRET_KEY must hold that one too"
            ) from error

    def is_newest(self, sealed: str) -> bool:
        """Whether it was sealed with the first key. Raises: ConfigurationError."""
        try:
            self._keys()[0].decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def add_key(self) -> None:
        """Put a new key before the one of the file; a rotation that was cut short has one already.

        Raises:
            ConfigurationError: the keys are those of MT_SECRET_KEY, which only a person changes.
        """
        self._refuse_given()
        if len(self._keys()) == 1:
            old = self._file.read_text(encoding="ascii").strip()
            _replace(self._file, f"{Fernet.generate_key().decode()}\n{old}\n")

    def drop_old_keys(self) -> None:
        """Keep the first key of the file alone. Raises: ConfigurationError: see `add_key`."""
        self._refuse_given()
        _replace(self._file, f"{self._file.read_text(encoding='ascii').split()[0]}\n")

    @property
    def is_given(self) -> bool:
        """Whether the keys are those of MT_SECRET_KEY."""
        return bool(self._given.strip())

    def _refuse_given(self) -> None:
        if self.is_given:
            raise ConfigurationError("MT_SECRET_KEY is set: its keys are changed there")

    def _fernet(self) -> MultiFernet:
        return MultiFernet(self._keys())

    def _keys(self) -> list[Fernet]:
        names = [each.strip() for each in self._given.split(",") if each.strip()]
        try:
            return [Fernet(name) for name in names or _own_key(self._file).split()]
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                "setting MT_SECRET_KEY must be Fernet keys (32 bytes, url-safe base64), separated "
                "by commas"
            ) from error


def _replace(file: Path, text: str) -> None:
    """All of it or nothing, also where the machine stops."""
    draft = file.with_suffix(".draft")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be used: {error}") from error


def _own_key(file: Path) -> str:
    """The keys of this machine, a line each; the first is made once, whoever comes first."""
    try:
        if file.exists():
            return file.read_text(encoding="ascii").strip()
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(Fernet.generate_key())
        try:
            os.link(fresh, file)  # fails where there is one; never half-written
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be used: {error}") from error
