"""Passwords as they are stored: Argon2id, with work for whoever has none, too."""

from __future__ import annotations

import secrets
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.common.problems import Refusal
from services.domain.passwords import fault_of, normalized

#: OWASP password storage cheat sheet: at least 19 MiB and 2 passes with 1 lane.
HASHER: Final = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
#: Former passwords that may not come back.
HISTORY: Final = 5
#: Hashes at a time: each takes memory, and a flood of log-ins must not take all of it.
_AT_A_TIME: Final = 2
_PATIENCE_SECONDS: Final = 5.0


class Passwords:
    """Makes and checks hashes.

    Args:
        hasher: how hard they are to try.
    """

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._turns = threading.BoundedSemaphore(_AT_A_TIME)
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """What is stored of a password. Raises: Refusal (503): too many are under way."""
        self._take_turn()
        try:
            return self._hasher.hash(normalized(password))
        finally:
            self._turns.release()

    def is_right(self, kept: str | None, password: str) -> bool:
        """Whether it is the one; takes as long where there is none to compare with.

        Raises:
            Refusal: 503, too many are under way.
        """
        if self._nobodys is None:
            self._nobodys = self.hash(secrets.token_urlsafe())
        self._take_turn()
        try:
            self._hasher.verify(kept or self._nobodys, normalized(password))
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._turns.release()
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than now."""
        return self._hasher.check_needs_rehash(kept)

    def check_new(self, password: str, *, name: str, email: str, former: tuple[str, ...]) -> None:
        """Raise Refusal (422) unless this may be the password of that person from now on."""
        fault = fault_of(password, name=name, email=email)
        if fault is None and any(self.is_right(each, password) for each in former):
            fault = f"this was one of your last {HISTORY} passwords"
        if fault is not None:
            raise Refusal(422, "WEAK_PASSWORD", fault, field="new_password")

    def _take_turn(self) -> None:
        if not self._turns.acquire(timeout=_PATIENCE_SECONDS):
            sentence = "too many passwords are being checked now: try again"
            raise Refusal(503, "TOO_BUSY", sentence)


def one_time_password() -> str:
    """A random password to be told once and changed at the first log-in."""
    return secrets.token_urlsafe(15)
