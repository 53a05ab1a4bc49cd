"""Seals secrets that must be readable again, e.g. to check a signature: no hash can do that."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from services.common.settings import CommonSettings
from services.domain.errors import ConfigurationError


class Vault:
    """Encrypts with the first key of MT_SECRET_KEY, decrypts with any of them.

    Without that setting the key is `MT_HOME/.data/secret.key`, made on first use: enough for one
    machine. Several replicas need the setting, because each would make a key of its own.
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

    def _fernet(self) -> MultiFernet:
        names = [each.strip() for each in self._given.split(",") if each.strip()]
        try:
            return MultiFernet([Fernet(name) for name in names or [_own_key(self._file)]])
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                "setting MT_SECRET_KEY must be Fernet keys (32 bytes, url-safe base64), separated "
                "by commas"
            ) from error


def _own_key(file: Path) -> str:
    """The key of this machine; made once, whoever comes first."""
    try:
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
