"""The second factor: codes of an app, each good once, and recovery codes for a lost telephone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
RECOVERY_CODES: Final = 10
ISSUER: Final = "Mathematricks Trader"
#: Steps that a telephone's clock may be off.
_DRIFT: Final = 1
_LETTERS: Final = "abcdefghjkmnpqrstvwxyz0123456789"


def new_secret() -> str:
    """160 random bits, as apps take them."""
    return pyotp.random_base32()


def uri_of(secret: str, name: str, *, place: str) -> str:
    """What the QR code says; `place` tells instances apart in the app."""
    issuer = f"{ISSUER} ({place})" if place else ISSUER
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of_code(secret: str, code: str, *, now: datetime, after: int) -> int | None:
    """The time step that a code is of, where it is right and later than `after`; None otherwise."""
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - _DRIFT, current + _DRIFT + 1):
        right = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if right and step > after:
            found = step
    return found


def recovery_codes() -> list[str]:
    """Codes of 80 random bits: they need no slow hash, there is no dictionary to try."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
        for _ in range(RECOVERY_CODES)
    ]


def hash_recovery_code(code: str) -> str:
    """What is stored of one, and looked up; however it was typed."""
    plain = "".join(each for each in code.casefold() if each.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
