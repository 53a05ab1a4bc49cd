"""The keys of an instance, sealed with a passphrase: a backup alone opens no broker account."""

from __future__ import annotations

import base64
import json
import os

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from services.domain.errors import ConfigurationError

_SALT_BYTES = 16
#: 32 MB and about 0.1 s for each guess.
_COST = 2**15
SHORTEST_PASSPHRASE = 12


def seal(files: dict[str, str], passphrase: str) -> bytes:
    """Name → text, as one sealed file. Raises: ConfigurationError: the passphrase is short."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise ConfigurationError(
            f"the passphrase must have at least {SHORTEST_PASSPHRASE} characters, "
            f"had {len(passphrase)}"
        )
    salt = os.urandom(_SALT_BYTES)
    return salt + _fernet(salt, passphrase).encrypt(json.dumps(files).encode())


def unseal(sealed: bytes, passphrase: str) -> dict[str, str]:
    """What `seal` was given. Raises: ConfigurationError: it is another passphrase."""
    salt, token = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    try:
        files: dict[str, str] = json.loads(_fernet(salt, passphrase).decrypt(token))
    except InvalidToken as error:
        raise ConfigurationError("the passphrase does not open the keys of this backup") from error
    return files


def _fernet(salt: bytes, passphrase: str) -> Fernet:
    derived = Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
